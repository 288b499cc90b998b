#include "services/coordinator/store/power_vfs.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace closewrite {
namespace {

namespace fs = std::filesystem;

// What a disk writes as a whole.
constexpr int64_t kSectorBytes = 512;

constexpr int kKept = SQLITE_OPEN_MAIN_DB | SQLITE_OPEN_MAIN_JOURNAL | SQLITE_OPEN_WAL;

std::string ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return std::string(std::istreambuf_iterator<char>(file), {});
}

bool Chance(double probability, std::mt19937* random) {
  return std::bernoulli_distribution(probability)(*random);
}

}  // namespace

// SQLite gives the memory, in which the file of the layer below follows.
struct PowerVfs::File {
  sqlite3_file for_sqlite;
  PowerVfs* vfs;
  std::string* name;  // null: nothing is kept of it

  static File* Of(sqlite3_file* file) { return reinterpret_cast<File*>(file); }
  sqlite3_file* below() { return reinterpret_cast<sqlite3_file*>(this + 1); }
};

PowerVfs::PowerVfs() : base_(sqlite3_vfs_find(nullptr)), vfs_(*base_) {
  vfs_.zName = kName;
  vfs_.pNext = nullptr;
  vfs_.pAppData = this;
  vfs_.szOsFile = static_cast<int>(sizeof(File)) + base_->szOsFile;
  vfs_.xOpen = &PowerVfs::Open;
  vfs_.xDelete = &PowerVfs::Delete;
  sqlite3_vfs_register(&vfs_, 0);
}

PowerVfs::~PowerVfs() { sqlite3_vfs_unregister(&vfs_); }

void PowerVfs::CutAfter(int64_t operations) {
  const std::lock_guard<std::mutex> lock(mutex_);
  operations_left_ = operations;
}

bool PowerVfs::cut() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return operations_left_ <= 0;
}

void PowerVfs::IgnoreLogSyncs() {
  const std::lock_guard<std::mutex> lock(mutex_);
  ignore_log_syncs_ = true;
}

void PowerVfs::FillAfter(int64_t bytes) {
  const std::lock_guard<std::mutex> lock(mutex_);
  bytes_left_ = bytes;
}

void PowerVfs::Heal() { FillAfter(INT64_MAX); }

bool PowerVfs::Recorded() {
  if (operations_left_ <= 0) return false;
  --operations_left_;
  return true;
}

void PowerVfs::SyncFolder() {
  for (auto& [path, name] : names_) name.synced = name.now;
}

void PowerVfs::Opened(const std::string& name) {
  Name& entry = names_[name];
  if (entry.now != nullptr) return;
  entry.now = std::make_shared<Content>();
  entry.now->synced = ReadFile(name);
  // A file that was there before this layer saw it counts as synced.
  if (!entry.now->synced.empty() || !absl::StrContains(name, "-")) entry.synced = entry.now;
}

int PowerVfs::Open(sqlite3_vfs* vfs, const char* name, sqlite3_file* file, int flags, int* out) {
  auto* const self = static_cast<PowerVfs*>(vfs->pAppData);
  File* const opened = File::Of(file);
  opened->for_sqlite.pMethods = nullptr;
  opened->vfs = self;
  opened->name = nullptr;
  const int code = self->base_->xOpen(self->base_, name, opened->below(), flags, out);
  if (code != SQLITE_OK) return code;
  opened->for_sqlite.pMethods = Methods();
  if (name == nullptr || (flags & kKept) == 0) return SQLITE_OK;
  opened->name = new std::string(name);
  const std::lock_guard<std::mutex> lock(self->mutex_);
  if (self->operations_left_ > 0) self->Opened(*opened->name);
  return SQLITE_OK;
}

int PowerVfs::Delete(sqlite3_vfs* vfs, const char* name, int sync_folder) {
  auto* const self = static_cast<PowerVfs*>(vfs->pAppData);
  const int code = self->base_->xDelete(self->base_, name, 0);
  const std::lock_guard<std::mutex> lock(self->mutex_);
  const auto found = self->names_.find(name);
  if (found == self->names_.end() || !self->Recorded()) return code;
  found->second.now = nullptr;
  if (sync_folder != 0) self->SyncFolder();
  return code;
}

int PowerVfs::Close(sqlite3_file* file) {
  File* const closed = File::Of(file);
  delete closed->name;
  return closed->below()->pMethods->xClose(closed->below());
}

int PowerVfs::Write(sqlite3_file* file, const void* bytes, int size, sqlite3_int64 offset) {
  File* const to = File::Of(file);
  PowerVfs* const self = to->vfs;
  if (to->name == nullptr) {
    return to->below()->pMethods->xWrite(to->below(), bytes, size, offset);
  }
  const std::lock_guard<std::mutex> lock(self->mutex_);
  if (self->bytes_left_ < size) {
    self->bytes_left_ = 0;
    return SQLITE_FULL;
  }
  if (self->bytes_left_ != INT64_MAX) self->bytes_left_ -= size;
  const int code = to->below()->pMethods->xWrite(to->below(), bytes, size, offset);
  if (code != SQLITE_OK || !self->Recorded()) return code;
  const std::shared_ptr<Content>& content = self->names_[*to->name].now;
  if (content != nullptr) {
    content->changes.push_back(
        {false, offset, std::string(static_cast<const char*>(bytes), static_cast<size_t>(size))});
  }
  return SQLITE_OK;
}

int PowerVfs::Truncate(sqlite3_file* file, sqlite3_int64 size) {
  File* const to = File::Of(file);
  PowerVfs* const self = to->vfs;
  const std::lock_guard<std::mutex> lock(self->mutex_);
  if (to->name != nullptr && self->bytes_left_ == 0) return SQLITE_FULL;
  const int code = to->below()->pMethods->xTruncate(to->below(), size);
  if (code != SQLITE_OK || to->name == nullptr || !self->Recorded()) return code;
  const std::shared_ptr<Content>& content = self->names_[*to->name].now;
  if (content != nullptr) content->changes.push_back({true, size, ""});
  return SQLITE_OK;
}

int PowerVfs::Sync(sqlite3_file* file, int) {
  File* const to = File::Of(file);
  PowerVfs* const self = to->vfs;
  if (to->name == nullptr) return SQLITE_OK;
  const std::lock_guard<std::mutex> lock(self->mutex_);
  if (self->ignore_log_syncs_ && absl::EndsWith(*to->name, "-wal")) return SQLITE_OK;
  if (!self->Recorded()) return SQLITE_OK;
  Name& entry = self->names_[*to->name];
  if (entry.now == nullptr) return SQLITE_OK;
  for (const Change& change : entry.now->changes) Apply(change, &entry.now->synced);
  entry.now->changes.clear();
  // SQLite syncs the folder with the first sync of a new file.
  if (entry.synced != entry.now) self->SyncFolder();
  return SQLITE_OK;
}

void PowerVfs::Apply(const Change& change, std::string* to) {
  const auto offset = static_cast<size_t>(change.offset);
  if (change.truncates) return to->resize(offset);
  to->resize(std::max(to->size(), offset + change.bytes.size()));
  to->replace(offset, change.bytes.size(), change.bytes);
}

// What a disk with a cache may hold: of what was not synced all, nothing, the beginning, or any
// sectors, written in any order.
std::string PowerVfs::Survives(const Content& content, std::mt19937* random) {
  std::vector<Change> sectors;
  for (const Change& change : content.changes) {
    if (change.truncates) {
      sectors.push_back(change);
      continue;
    }
    const auto size = static_cast<int64_t>(change.bytes.size());
    for (int64_t at = 0; at < size;) {
      const int64_t bytes = std::min(size - at, kSectorBytes - (change.offset + at) % kSectorBytes);
      sectors.push_back({false, change.offset + at,
                         change.bytes.substr(static_cast<size_t>(at), static_cast<size_t>(bytes))});
      at += bytes;
    }
  }
  switch (std::uniform_int_distribution<int>(0, 4)(*random)) {
    case 0:
      sectors.clear();
      break;
    case 1:
      break;
    case 2:
      sectors.resize(std::uniform_int_distribution<size_t>(0, sectors.size())(*random));
      break;
    case 3:
      std::shuffle(sectors.begin(), sectors.end(), *random);
      [[fallthrough]];
    default: {
      const double lost = std::uniform_real_distribution<double>(0, 1)(*random);
      std::erase_if(sectors, [&](const Change&) { return Chance(lost, random); });
    }
  }
  std::string survives = content.synced;
  for (const Change& sector : sectors) Apply(sector, &survives);
  return survives;
}

void PowerVfs::LeaveWhatTheDiskHolds(std::mt19937* random) {
  const std::lock_guard<std::mutex> lock(mutex_);
  for (const auto& [path, name] : names_) {
    const std::shared_ptr<Content>& content = Chance(0.5, random) ? name.now : name.synced;
    fs::remove(path);
    if (content == nullptr) continue;
    std::ofstream(path, std::ios::binary) << Survives(*content, random);
    fs::permissions(path, fs::perms::owner_read | fs::perms::owner_write);
  }
  names_.clear();
  operations_left_ = INT64_MAX;
}

const sqlite3_io_methods* PowerVfs::Methods() {
  // Whatever is not told here goes to the layer below. No xFetch: files are not mapped.
  static const sqlite3_io_methods methods = {
      .iVersion = 2,
      .xClose = &PowerVfs::Close,
      .xRead =
          [](sqlite3_file* f, void* to, int size, sqlite3_int64 offset) {
            sqlite3_file* const b = File::Of(f)->below();
            return b->pMethods->xRead(b, to, size, offset);
          },
      .xWrite = &PowerVfs::Write,
      .xTruncate = &PowerVfs::Truncate,
      .xSync = &PowerVfs::Sync,
      .xFileSize =
          [](sqlite3_file* f, sqlite3_int64* size) {
            sqlite3_file* const b = File::Of(f)->below();
            return b->pMethods->xFileSize(b, size);
          },
      .xLock =
          [](sqlite3_file* f, int level) {
            sqlite3_file* const b = File::Of(f)->below();
            return b->pMethods->xLock(b, level);
          },
      .xUnlock =
          [](sqlite3_file* f, int level) {
            sqlite3_file* const b = File::Of(f)->below();
            return b->pMethods->xUnlock(b, level);
          },
      .xCheckReservedLock =
          [](sqlite3_file* f, int* out) {
            sqlite3_file* const b = File::Of(f)->below();
            return b->pMethods->xCheckReservedLock(b, out);
          },
      .xFileControl =
          [](sqlite3_file* f, int what, void* argument) {
            sqlite3_file* const b = File::Of(f)->below();
            return b->pMethods->xFileControl(b, what, argument);
          },
      .xSectorSize =
          [](sqlite3_file* f) {
            sqlite3_file* const b = File::Of(f)->below();
            return b->pMethods->xSectorSize(b);
          },
      .xDeviceCharacteristics =
          [](sqlite3_file* f) {
            sqlite3_file* const b = File::Of(f)->below();
            return b->pMethods->xDeviceCharacteristics(b);
          },
      .xShmMap =
          [](sqlite3_file* f, int page, int size, int extend, void volatile** out) {
            sqlite3_file* const b = File::Of(f)->below();
            return b->pMethods->xShmMap(b, page, size, extend, out);
          },
      .xShmLock =
          [](sqlite3_file* f, int offset, int n, int flags) {
            sqlite3_file* const b = File::Of(f)->below();
            return b->pMethods->xShmLock(b, offset, n, flags);
          },
      .xShmBarrier =
          [](sqlite3_file* f) {
            sqlite3_file* const b = File::Of(f)->below();
            b->pMethods->xShmBarrier(b);
          },
      .xShmUnmap =
          [](sqlite3_file* f, int remove) {
            sqlite3_file* const b = File::Of(f)->below();
            return b->pMethods->xShmUnmap(b, remove);
          },
      .xFetch = nullptr,
      .xUnfetch = nullptr,
  };
  return &methods;
}

}  // namespace closewrite

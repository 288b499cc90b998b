#include "services/executor/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>
#include <system_error>
#include <utility>

#include "services/clock/clock.h"
#include "services/log/log.h"
#include "services/log/str_cat.h"
#include "services/volume/path.h"

namespace closewrite::executor {
namespace {

namespace fs = std::filesystem;

constexpr char kAttempts[] = "attempts";
constexpr char kLogs[] = "logs";
constexpr char kScratch[] = "scratch";
constexpr char kStartSuffix[] = ".start";
constexpr char kResultSuffix[] = ".result";
// The lock of a dying executor is waited for by looking; flock(2) has no time limit.
constexpr int kLockLookMs = 2;

absl::Status WriteWhole(const std::string& file, const std::string& content) {
  const std::string part = file + ".part";
  const Fd fd(open(part.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
  if (!fd.ok()) return ErrnoStatus(errno, "open", part);
  for (size_t done = 0; done < content.size();) {
    const ssize_t count = write(fd.get(), content.data() + done, content.size() - done);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return ErrnoStatus(errno, "write", part);
    done += static_cast<size_t>(count);
  }
  if (rename(part.c_str(), file.c_str()) != 0) return ErrnoStatus(errno, "rename", part);
  return absl::OkStatus();
}

std::string ReadWhole(const std::string& file) {
  std::ifstream stream(file, std::ios::binary);
  return std::string(std::istreambuf_iterator<char>(stream), {});
}

std::vector<fs::path> Entries(const fs::path& folder) {
  std::vector<fs::path> entries;
  std::error_code error;
  for (fs::directory_iterator next(folder, error), end; !error && next != end;
       next.increment(error)) {
    if (entries.size() >= kJournalEntriesMax) break;
    entries.push_back(next->path());
  }
  std::sort(entries.begin(), entries.end());
  return entries;
}

std::string NameOf(const v1::LeaseRef& lease) { return StrCat(lease.job_id(), "-", lease.token()); }

void Remove(const fs::path& path) {
  std::error_code ignored;
  fs::remove_all(path, ignored);
}

}  // namespace

absl::StatusOr<Journal> Journal::Open(std::string directory, absl::Duration lock_within) {
  Journal journal(std::move(directory));
  absl::Status status = journal.MakeFolders();
  if (status.ok()) status = journal.Lock(lock_within);
  if (!status.ok()) return status;
  return journal;
}

absl::Status Journal::MakeFolders() {
  for (const char* folder : {kAttempts, kLogs, kScratch}) {
    std::error_code error;
    fs::create_directories(fs::path(directory_) / folder, error);
    if (error) return ErrnoStatus(error.value(), "make the state directory", directory_);
  }
  for (const auto& [folder, fd] : {std::pair{kAttempts, &attempts_}, {kLogs, &logs_}}) {
    const std::string path = StrCat(directory_, "/", folder);
    *fd = Fd(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    // Commands of other users must not reach the supervisors' sockets, nor read logs.
    if (!fd->ok() || fchmod(fd->get(), 0700) != 0) return ErrnoStatus(errno, "open", path);
  }
  return absl::OkStatus();
}

absl::Status Journal::Lock(absl::Duration within) {
  const std::string file = directory_ + "/lock";
  lock_ = Fd(open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!lock_.ok()) return ErrnoStatus(errno, "open", file);
  const absl::Duration deadline = SinceBoot() + within;
  while (flock(lock_.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK && errno != EINTR) return ErrnoStatus(errno, "lock", file);
    if (SinceBoot() >= deadline) {
      return absl::FailedPreconditionError(StrCat(
          "state: ", Display(directory_),
          " is in use by another executor; give each executor a state directory of its own"));
    }
    poll(nullptr, 0, kLockLookMs);
  }
  return absl::OkStatus();
}

std::string Journal::File(const char* folder, const v1::LeaseRef& lease, const char* suffix) const {
  return StrCat(directory_, "/", folder, "/", NameOf(lease), suffix);
}

SupervisorFiles Journal::FilesOf(const v1::LeaseRef& lease) const {
  return SupervisorFiles(attempts_.get(), NameOf(lease));
}

std::string Journal::LogFolder(const v1::LeaseRef& lease) const { return File(kLogs, lease, ""); }

absl::StatusOr<std::string> Journal::MakeScratch(const v1::LeaseRef& lease) const {
  const std::string path = File(kScratch, lease, "");
  if (mkdir(path.c_str(), 0700) == 0) return path;
  if (errno == EEXIST) {
    Remove(path);
    if (mkdir(path.c_str(), 0700) == 0) return path;
  }
  return ErrnoStatus(errno, "make directory", path);
}

void Journal::RemoveScratch(const v1::LeaseRef& lease) const {
  const std::string path = File(kScratch, lease, "");
  if (rmdir(path.c_str()) != 0 && errno != ENOENT) Remove(path);
}

absl::Status Journal::RecordStart(const v1::Assignment& assignment) const {
  return WriteWhole(File(kAttempts, assignment.lease(), kStartSuffix),
                    assignment.SerializeAsString());
}

absl::Status Journal::RecordResult(const v1::AttemptResult& result) const {
  return WriteWhole(File(kAttempts, result.lease(), kResultSuffix), result.SerializeAsString());
}

void Journal::Forget(const v1::LeaseRef& lease) const {
  // The start goes first, for with it the rest would be an attempt that is to be concluded again.
  unlink(File(kAttempts, lease, kStartSuffix).c_str());
  unlink(File(kAttempts, lease, kResultSuffix).c_str());
  FilesOf(lease).Remove();
}

std::vector<JournalEntry> Journal::Left() const {
  std::vector<JournalEntry> left;
  for (const fs::path& file : Entries(fs::path(directory_) / kAttempts)) {
    if (file.extension() != kStartSuffix) continue;
    JournalEntry entry;
    if (!entry.assignment.ParseFromString(ReadWhole(file)) || !entry.assignment.has_lease()) {
      Remove(file);
      continue;
    }
    const v1::LeaseRef& lease = entry.assignment.lease();
    v1::AttemptResult result;
    if (result.ParseFromString(ReadWhole(File(kAttempts, lease, kResultSuffix))) &&
        result.has_lease()) {
      entry.result = std::move(result);
    }
    entry.state = FilesOf(lease).ReadState();
    left.push_back(std::move(entry));
  }
  return left;
}

std::vector<JournalEntry> Journal::TakeUp() const {
  std::vector<JournalEntry> left = Left();
  RemoveStrays(left);
  return left;
}

void Journal::RemoveStrays(const std::vector<JournalEntry>& left) const {
  std::set<std::string> known;
  std::set<std::string> unfinished;
  for (const JournalEntry& entry : left) {
    known.insert(NameOf(entry.assignment.lease()));
    if (entry.result.has_value() || !entry.state.has_value()) continue;
    unfinished.insert(NameOf(entry.assignment.lease()));
  }
  const fs::path root(directory_);
  for (const fs::path& file : Entries(root / kAttempts)) {
    if (known.count(file.stem().string()) == 0) Remove(file);
  }
  for (const fs::path& log : Entries(root / kLogs)) {
    if (known.count(log.filename().string()) == 0) Remove(log);
  }
  for (const fs::path& scratch : Entries(root / kScratch)) {
    if (unfinished.count(scratch.filename().string()) == 0) Remove(scratch);
  }
}

std::string Journal::Session() const { return ReadWhole(directory_ + "/session"); }

absl::Status Journal::RecordSession(const std::string& session_id) const {
  return WriteWhole(directory_ + "/session", session_id);
}

absl::Status Journal::RecordEnding() const { return WriteWhole(directory_ + "/ending", Session()); }

bool Journal::SessionIsEnding() const {
  const std::string session = Session();
  return !session.empty() && ReadWhole(directory_ + "/ending") == session;
}

}  // namespace closewrite::executor

#include "services/watcher/ledger.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/random.h>
#include <unistd.h>

#include <algorithm>

#include "absl/strings/numbers.h"
#include "absl/time/time.h"
#include "services/clock/clock.h"
#include "services/log/log.h"
#include "services/log/str_cat.h"
#include "services/volume/path.h"

namespace closewrite::watcher {
namespace {

constexpr int64_t kSchemaVersion = 1;
constexpr size_t kIdBytes = 16;

constexpr char kSchema[] = R"sql(
  CREATE TABLE meta (key BLOB PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
  CREATE TABLE volumes (key INTEGER PRIMARY KEY, name BLOB NOT NULL UNIQUE, marker BLOB NOT NULL);
  CREATE TABLE files (
    volume INTEGER NOT NULL, directory BLOB NOT NULL, name BLOB NOT NULL,
    inode INTEGER NOT NULL, size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL,
    kind INTEGER NOT NULL, evidence INTEGER NOT NULL, source INTEGER NOT NULL,
    observed_ns INTEGER NOT NULL, sequence INTEGER NOT NULL,
    PRIMARY KEY (volume, directory, name)) WITHOUT ROWID;
  CREATE UNIQUE INDEX files_by_sequence ON files (sequence);
  CREATE TABLE publishing (job INTEGER, token INTEGER, PRIMARY KEY (job, token)) WITHOUT ROWID;
  PRAGMA user_version = 1;
)sql";

// Columns of a FileRecord, read by ReadRecord.
#define CLOSEWRITE_RECORD_COLUMNS \
  "directory, name, inode, size, mtime_ns, kind, evidence, source, observed_ns, sequence"

FileRecord ReadRecord(const Query& query) {
  FileRecord record;
  record.path = Join(query.Bytes(0), query.Bytes(1));
  record.version = {static_cast<uint64_t>(query.Int(2)), query.Int(3), query.Int(4)};
  record.kind = static_cast<ChangeKind>(query.Int(5));
  record.evidence = static_cast<ChangeEvidence>(query.Int(6));
  record.source = static_cast<ChangeSource>(query.Int(7));
  record.observed_unix_ns = query.Int(8);
  record.sequence = query.Int(9);
  return record;
}

absl::StatusOr<std::string> RandomId() {
  std::string id(kIdBytes, '\0');
  if (getrandom(id.data(), id.size(), 0) != static_cast<ssize_t>(id.size())) {
    return ErrnoStatus(errno, "getrandom", "");
  }
  return id;
}

absl::Status MoveAside(const std::string& file) {
  const std::string suffix = StrCat(".damaged-", absl::ToUnixSeconds(SteadyClock().Now()));
  for (const char* part : {"", "-wal", "-shm"}) {
    const std::string from = StrCat(file, part);
    const std::string to = StrCat(file, suffix, part);
    if (rename(from.c_str(), to.c_str()) != 0 && errno != ENOENT) {
      return ErrnoStatus(errno, "move aside", from);
    }
  }
  LogError("the ledger is damaged; it was moved aside and every file is announced again",
           {{"moved_to", StrCat(file, suffix)}});
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<Ledger>> Ledger::Open(const std::string& directory) {
  const std::string lock_file = StrCat(directory, "/lock");
  Fd lock(open(lock_file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!lock.ok()) return ErrnoStatus(errno, "open", lock_file);
  if (flock(lock.get(), LOCK_EX | LOCK_NB) != 0) {
    return absl::FailedPreconditionError(
        StrCat("state: another watcher uses ", directory,
               "; stop it, or give this one a directory of its own"));
  }
  const std::string file = StrCat(directory, "/ledger.db");
  std::unique_ptr<Ledger> ledger(new Ledger);
  absl::Status loaded = ledger->Load(file);
  if (absl::IsDataLoss(loaded)) {
    ledger.reset(new Ledger);
    if (const absl::Status moved = MoveAside(file); !moved.ok()) return moved;
    loaded = ledger->Load(file);
  }
  if (!loaded.ok()) return loaded;
  ledger->lock_ = std::move(lock);
  return ledger;
}

Ledger::~Ledger() {
  absl::MutexLock lock(&mutex_);
  if (database_ != nullptr && !id_.empty()) SetMeta("clean", 1).IgnoreError();
}

absl::Status Ledger::Load(const std::string& file) {
  absl::MutexLock lock(&mutex_);
  absl::StatusOr<std::unique_ptr<Database>> database = Database::Open(file);
  if (!database.ok()) return database.status();
  database_ = *std::move(database);
  absl::Status status = database_->Execute(
      "PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;"
      "PRAGMA cache_size = -16384; PRAGMA journal_size_limit = 67108864;");
  if (!status.ok()) return status;
  int64_t schema = 0;
  {
    absl::StatusOr<Query> query = database_->Prepare("PRAGMA user_version");
    if (!query.ok()) return query.status();
    const absl::StatusOr<bool> row = query->Step();
    if (!row.ok()) return row.status();
    schema = query->Int(0);
  }
  if (schema == 0) {
    status = CreateTables();
  } else if (schema == kSchemaVersion) {
    status = CheckIntegrity();
  } else {
    return absl::FailedPreconditionError(StrCat("state: ", file,
                                                " was made by a newer version (schema ", schema,
                                                "); run that one, or name another directory"));
  }
  if (!status.ok()) return status;
  absl::StatusOr<std::string> id = Meta("id");
  if (!id.ok()) return id.status();
  if (id->size() != kIdBytes) return absl::DataLossError("ledger: its id is missing");
  const absl::StatusOr<int64_t> acknowledged = MetaNumber("acknowledged");
  if (!acknowledged.ok()) return acknowledged.status();
  const absl::StatusOr<int64_t> floor = MetaNumber("sequence_floor");
  if (!floor.ok()) return floor.status();
  absl::StatusOr<Query> newest = database_->Prepare("SELECT max(sequence) FROM files");
  if (!newest.ok()) return newest.status();
  const absl::StatusOr<bool> row = newest->Step();
  if (!row.ok()) return row.status();
  acknowledged_ = *acknowledged;
  sequence_ = std::max({newest->Int(0), *acknowledged, *floor});
  // A power cut may have taken rows that were sent. Their sequences must not come again for other
  // files: the coordinator would take those for repeats.
  if (schema == kSchemaVersion) sequence_ += kSequencesLostMax;
  // A former process may have sent any of them.
  sent_ = sequence_;
  status = SetMeta("clean", 0);
  if (status.ok()) id_ = *std::move(id);
  return status;
}

absl::Status Ledger::CreateTables() {
  return Transact([this]() -> absl::Status {
    mutex_.AssertHeld();
    if (absl::Status status = database_->Execute(kSchema); !status.ok()) return status;
    const absl::StatusOr<std::string> id = RandomId();
    if (!id.ok()) return id.status();
    return SetMeta("id", *id);
  });
}

absl::Status Ledger::CheckIntegrity() {
  const absl::StatusOr<int64_t> clean = MetaNumber("clean");
  if (!clean.ok()) return clean.status();
  if (*clean == 1) return absl::OkStatus();
  absl::StatusOr<Query> query = database_->Prepare("PRAGMA quick_check(1)");
  if (!query.ok()) return query.status();
  const absl::StatusOr<bool> row = query->Step();
  if (!row.ok()) return row.status();
  const std::string answer = query->Bytes(0);
  if (answer != "ok") return absl::DataLossError(StrCat("ledger: ", answer));
  return absl::OkStatus();
}

absl::StatusOr<std::string> Ledger::Meta(std::string_view key) {
  absl::StatusOr<Query> query = database_->Prepare("SELECT value FROM meta WHERE key = ?");
  if (!query.ok()) return query.status();
  const absl::StatusOr<bool> row = query->Bind(key).Step();
  if (!row.ok()) return row.status();
  return *row ? query->Bytes(0) : std::string();
}

absl::StatusOr<int64_t> Ledger::MetaNumber(std::string_view key) {
  const absl::StatusOr<std::string> text = Meta(key);
  if (!text.ok()) return text.status();
  int64_t number = 0;
  if (!text->empty() && !absl::SimpleAtoi(*text, &number)) {
    return absl::DataLossError(StrCat("ledger: ", key, " is not a number"));
  }
  return number;
}

absl::Status Ledger::SetMeta(std::string_view key, std::string_view value) {
  absl::StatusOr<Query> query =
      database_->Prepare("INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)");
  if (!query.ok()) return query.status();
  return query->Bind(key).Bind(value).Run();
}

absl::Status Ledger::SetMeta(std::string_view key, int64_t value) {
  return SetMeta(key, std::string_view(StrCat(value)));
}

absl::Status Ledger::Transact(const std::function<absl::Status()>& body) {
  if (absl::Status status = database_->Execute("BEGIN IMMEDIATE"); !status.ok()) return status;
  absl::Status status = body();
  if (status.ok()) status = database_->Execute("COMMIT");
  // SQLite has rolled back by itself after some errors; then this one says so and is of no
  // interest.
  if (!status.ok()) database_->Execute("ROLLBACK").IgnoreError();
  return status;
}

absl::StatusOr<LedgerVolume> Ledger::FindVolume(std::string_view name) {
  absl::MutexLock lock(&mutex_);
  {
    absl::StatusOr<Query> insert =
        database_->Prepare("INSERT OR IGNORE INTO volumes (name, marker) VALUES (?, x'')");
    if (!insert.ok()) return insert.status();
    if (absl::Status status = insert->Bind(name).Run(); !status.ok()) return status;
  }
  absl::StatusOr<Query> query =
      database_->Prepare("SELECT key, marker FROM volumes WHERE name = ?");
  if (!query.ok()) return query.status();
  const absl::StatusOr<bool> row = query->Bind(name).Step();
  if (!row.ok()) return row.status();
  return LedgerVolume{query->Int(0), std::string(name), query->Bytes(1)};
}

absl::Status Ledger::SetMarker(int64_t volume, std::string_view marker) {
  absl::MutexLock lock(&mutex_);
  absl::StatusOr<Query> query = database_->Prepare("UPDATE volumes SET marker = ? WHERE key = ?");
  if (!query.ok()) return query.status();
  return query->Bind(marker).Bind(volume).Run();
}

absl::Status Ledger::ForgetPendingExcept(const std::vector<std::string>& volumes) {
  absl::MutexLock lock(&mutex_);
  std::vector<int64_t> forgotten;
  {
    absl::StatusOr<Query> query = database_->Prepare("SELECT key, name FROM volumes");
    if (!query.ok()) return query.status();
    absl::StatusOr<bool> row = query->Step();
    for (; row.ok() && *row; row = query->Step()) {
      if (std::find(volumes.begin(), volumes.end(), query->Bytes(1)) == volumes.end()) {
        forgotten.push_back(query->Int(0));
      }
    }
    if (!row.ok()) return row.status();
  }
  return Transact([&]() -> absl::Status {
    mutex_.AssertHeld();
    for (const int64_t key : forgotten) {
      absl::StatusOr<Query> query =
          database_->Prepare("DELETE FROM files WHERE volume = ? AND sequence > ?");
      if (!query.ok()) return query.status();
      absl::Status status = query->Bind(key).Bind(acknowledged_).Run();
      if (!status.ok()) return status;
    }
    return SetMeta("sequence_floor", sequence_);
  });
}

absl::StatusOr<std::optional<FileRecord>> Ledger::Find(int64_t volume, std::string_view path) {
  absl::MutexLock lock(&mutex_);
  absl::StatusOr<Query> query =
      database_->Prepare("SELECT " CLOSEWRITE_RECORD_COLUMNS
                         " FROM files WHERE volume = ? AND directory = ? AND name = ?");
  if (!query.ok()) return query.status();
  const absl::StatusOr<bool> row =
      query->Bind(volume).Bind(DirName(path)).Bind(BaseName(path)).Step();
  if (!row.ok()) return row.status();
  if (!*row) return std::optional<FileRecord>();
  return std::optional<FileRecord>(ReadRecord(*query));
}

absl::StatusOr<std::vector<FileRecord>> Ledger::List(int64_t volume, std::string_view directory) {
  absl::MutexLock lock(&mutex_);
  absl::StatusOr<Query> query =
      database_->Prepare("SELECT " CLOSEWRITE_RECORD_COLUMNS
                         " FROM files WHERE volume = ? AND directory = ? ORDER BY name");
  if (!query.ok()) return query.status();
  query->Bind(volume).Bind(directory);
  std::vector<FileRecord> records;
  absl::StatusOr<bool> row = query->Step();
  for (; row.ok() && *row; row = query->Step()) records.push_back(ReadRecord(*query));
  if (!row.ok()) return row.status();
  return records;
}

absl::StatusOr<std::optional<std::string>> Ledger::NextDirectory(
    int64_t volume, std::string_view below, const std::optional<std::string>& after) {
  // In byte order `below` comes first, then names such as "below+x" that do not lie below it, then
  // "below/...", which ends before "below0" ('0' follows '/').
  const std::string first_below = below.empty() ? std::string() : StrCat(below, "/");
  const std::string past_below = below.empty() ? std::string() : StrCat(below, "0");
  absl::MutexLock lock(&mutex_);
  if (!after.has_value()) {
    absl::StatusOr<Query> query = database_->Prepare(
        "SELECT directory FROM files WHERE volume = ? AND directory = ? LIMIT 1");
    if (!query.ok()) return query.status();
    const absl::StatusOr<bool> row = query->Bind(volume).Bind(below).Step();
    if (!row.ok()) return row.status();
    if (*row) return std::optional<std::string>(below);
  }
  const std::string from = std::max(first_below, after.value_or(""));
  absl::StatusOr<Query> query = database_->Prepare(
      "SELECT directory FROM files WHERE volume = ? AND directory > ? ORDER BY directory LIMIT 1");
  if (!query.ok()) return query.status();
  const absl::StatusOr<bool> row = query->Bind(volume).Bind(from).Step();
  if (!row.ok()) return row.status();
  if (!*row) return std::optional<std::string>();
  std::string next = query->Bytes(0);
  if (!past_below.empty() && next >= past_below) return std::optional<std::string>();
  return std::optional<std::string>(std::move(next));
}

absl::Status Ledger::Upsert(int64_t volume, const FileRecord& record, int64_t sequence) {
  absl::StatusOr<Query> query =
      database_->Prepare("INSERT OR REPLACE INTO files (volume, " CLOSEWRITE_RECORD_COLUMNS
                         ") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
  if (!query.ok()) return query.status();
  return query->Bind(volume)
      .Bind(DirName(record.path))
      .Bind(BaseName(record.path))
      .Bind(static_cast<int64_t>(record.version.inode))
      .Bind(record.version.size)
      .Bind(record.version.mtime_ns)
      .Bind(static_cast<int64_t>(record.kind))
      .Bind(static_cast<int64_t>(record.evidence))
      .Bind(static_cast<int64_t>(record.source))
      .Bind(record.observed_unix_ns)
      .Bind(sequence)
      .Run();
}

absl::Status Ledger::Record(int64_t volume, absl::Span<const FileRecord> records) {
  if (records.empty()) return absl::OkStatus();
  {
    absl::MutexLock lock(&mutex_);
    int64_t sequence = sequence_;
    const absl::Status status = Transact([&]() -> absl::Status {
      mutex_.AssertHeld();
      for (const FileRecord& record : records) {
        absl::Status upserted = Upsert(volume, record, ++sequence);
        if (!upserted.ok()) return upserted;
      }
      return absl::OkStatus();
    });
    if (!status.ok()) return status;
    sequence_ = sequence;
  }
  if (listener_) listener_();
  return absl::OkStatus();
}

absl::StatusOr<std::vector<PendingChange>> Ledger::Pending(int64_t after, int rows_max) {
  absl::MutexLock lock(&mutex_);
  absl::StatusOr<Query> query =
      database_->Prepare("SELECT " CLOSEWRITE_RECORD_COLUMNS
                         ", (SELECT volumes.name FROM volumes WHERE volumes.key = files.volume)"
                         " FROM files WHERE sequence > ? ORDER BY sequence LIMIT ?");
  if (!query.ok()) return query.status();
  query->Bind(std::max(after, acknowledged_)).Bind(rows_max);
  std::vector<PendingChange> changes;
  absl::StatusOr<bool> row = query->Step();
  for (; row.ok() && *row; row = query->Step()) {
    changes.push_back({query->Bytes(10), ReadRecord(*query)});
  }
  if (!row.ok()) return row.status();
  return changes;
}

absl::Status Ledger::Acknowledge(int64_t sequence) {
  {
    absl::MutexLock lock(&mutex_);
    sequence = std::min(sequence, sequence_);
    if (sequence <= acknowledged_) return absl::OkStatus();
    const absl::Status status = Transact([&]() -> absl::Status {
      mutex_.AssertHeld();
      absl::StatusOr<Query> query = database_->Prepare(
          "DELETE FROM files WHERE sequence > ? AND sequence <= ? AND kind IN (4, 5)");
      if (!query.ok()) return query.status();
      absl::Status dropped = query->Bind(acknowledged_).Bind(sequence).Run();
      if (!dropped.ok()) return dropped;
      return SetMeta("acknowledged", sequence);
    });
    if (!status.ok()) return status;
    acknowledged_ = sequence;
  }
  if (listener_) listener_();
  return absl::OkStatus();
}

void Ledger::NoteSent(int64_t sequence) {
  absl::MutexLock lock(&mutex_);
  sent_ = std::max(sent_, sequence);
}

int64_t Ledger::sequence() const {
  absl::MutexLock lock(&mutex_);
  return sequence_;
}

int64_t Ledger::acknowledged() const {
  absl::MutexLock lock(&mutex_);
  return acknowledged_;
}

bool Ledger::MayBeInFlight(int64_t sequence) const {
  absl::MutexLock lock(&mutex_);
  return sequence > acknowledged_ && sequence <= sent_;
}

absl::StatusOr<bool> Ledger::Settled(int64_t sequence) {
  absl::MutexLock lock(&mutex_);
  absl::StatusOr<Query> query =
      database_->Prepare("SELECT 1 FROM files WHERE sequence > ? AND sequence <= ? LIMIT 1");
  if (!query.ok()) return query.status();
  const absl::StatusOr<bool> row = query->Bind(acknowledged_).Bind(sequence).Step();
  if (!row.ok()) return row.status();
  return !*row;
}

absl::StatusOr<int64_t> Ledger::CountPending(int64_t volume) {
  absl::MutexLock lock(&mutex_);
  absl::StatusOr<Query> query =
      database_->Prepare("SELECT count(*) FROM files WHERE sequence > ? AND volume = ?");
  if (!query.ok()) return query.status();
  const absl::StatusOr<bool> row = query->Bind(acknowledged_).Bind(volume).Step();
  if (!row.ok()) return row.status();
  return query->Int(0);
}

absl::Status Ledger::BeginPublishing(int64_t job, int64_t token) {
  absl::MutexLock lock(&mutex_);
  absl::StatusOr<Query> query =
      database_->Prepare("INSERT OR IGNORE INTO publishing (job, token) VALUES (?, ?)");
  if (!query.ok()) return query.status();
  return query->Bind(job).Bind(token).Run();
}

absl::StatusOr<bool> Ledger::PublishingBegan(int64_t job, int64_t token) {
  absl::MutexLock lock(&mutex_);
  absl::StatusOr<Query> query =
      database_->Prepare("SELECT 1 FROM publishing WHERE job = ? AND token = ?");
  if (!query.ok()) return query.status();
  return query->Bind(job).Bind(token).Step();
}

absl::Status Ledger::ForgetPublishingExcept(const std::set<std::pair<int64_t, int64_t>>& orders) {
  absl::MutexLock lock(&mutex_);
  std::vector<std::pair<int64_t, int64_t>> settled;
  {
    absl::StatusOr<Query> query = database_->Prepare("SELECT job, token FROM publishing");
    if (!query.ok()) return query.status();
    absl::StatusOr<bool> row = query->Step();
    for (; row.ok() && *row; row = query->Step()) {
      const std::pair<int64_t, int64_t> order(query->Int(0), query->Int(1));
      if (!orders.contains(order)) settled.push_back(order);
    }
    if (!row.ok()) return row.status();
  }
  for (const auto& [job, token] : settled) {
    absl::StatusOr<Query> query =
        database_->Prepare("DELETE FROM publishing WHERE job = ? AND token = ?");
    if (!query.ok()) return query.status();
    if (absl::Status status = query->Bind(job).Bind(token).Run(); !status.ok()) return status;
  }
  return absl::OkStatus();
}

#undef CLOSEWRITE_RECORD_COLUMNS

}  // namespace closewrite::watcher

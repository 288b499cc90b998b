#include "services/watcher/ledger.h"

#include <algorithm>

#include "services/volume/path.h"

namespace closewrite::watcher {
namespace {

// Room for the rows of most directories.
constexpr size_t kRowsReserved = 32;

// Columns of a FileRecord, read by ReadRecord.
#define CLOSEWRITE_RECORD_COLUMNS                                                                  \
  "files.name, files.inode, files.size, files.mtime_ns, files.kind, files.evidence, files.source," \
  " files.observed_ns, files.sequence, files.job"

FileRecord ReadRecord(const Query& query, std::string_view directory, int column = 0) {
  FileRecord record;
  const std::string_view name = query.View(column);
  record.path.reserve(directory.size() + 1 + name.size());
  record.path = directory;
  if (!directory.empty()) record.path += '/';
  record.path += name;
  record.version = {static_cast<uint64_t>(query.Int(column + 1)), query.Int(column + 2),
                    query.Int(column + 3)};
  record.kind = static_cast<ChangeKind>(query.Int(column + 4));
  record.evidence = static_cast<ChangeEvidence>(query.Int(column + 5));
  record.source = static_cast<ChangeSource>(query.Int(column + 6));
  record.observed_unix_ns = query.Int(column + 7);
  record.sequence = query.Int(column + 8);
  record.caused_by_job = query.Int(column + 9);
  return record;
}

}  // namespace

absl::Status Ledger::ForgetPendingOf(int64_t volume) {
  std::vector<int64_t> directories;
  {
    absl::StatusOr<Query> query =
        database_->Prepare("SELECT DISTINCT directory FROM pending WHERE volume = ?");
    if (!query.ok()) return query.status();
    absl::StatusOr<bool> row = query->Bind(volume).Step();
    for (; row.ok() && *row; row = query->Step()) directories.push_back(query->Int(0));
    if (!row.ok()) return row.status();
  }
  for (const int64_t directory : directories) {
    absl::StatusOr<Query> query =
        database_->Prepare("DELETE FROM files WHERE directory = ? AND sequence > ?");
    if (!query.ok()) return query.status();
    absl::Status status = query->Bind(directory).Bind(acknowledged_).Run();
    if (status.ok()) status = directories_->DropIfEmpty(directory);
    if (!status.ok()) return status;
  }
  absl::StatusOr<Query> query = database_->Prepare("DELETE FROM pending WHERE volume = ?");
  return query.ok() ? query->Bind(volume).Run() : query.status();
}

absl::Status Ledger::ForgetPendingExcept(const std::vector<std::string>& volumes) {
  absl::MutexLock lock(&mutex_);
  const absl::Status status = Change([&]() -> absl::Status {
    mutex_.AssertHeld();
    for (const auto& [key, volume] : volumes_) {
      if (std::find(volumes.begin(), volumes.end(), volume.name) != volumes.end()) continue;
      if (absl::Status forgotten = ForgetPendingOf(key); !forgotten.ok()) return forgotten;
    }
    return WriteMeta(database_.get(), "sequence_floor", sequence_);
  });
  return status.ok() ? LoadVolumes() : status;
}

absl::StatusOr<std::optional<FileRecord>> Ledger::Find(int64_t volume, std::string_view path) {
  absl::MutexLock lock(&mutex_);
  const absl::StatusOr<std::optional<int64_t>> directory =
      directories_->Find(volume, DirName(path));
  if (!directory.ok()) return directory.status();
  if (!directory->has_value()) return std::optional<FileRecord>();
  absl::StatusOr<Query> query = database_->Prepare("SELECT " CLOSEWRITE_RECORD_COLUMNS
                                                   " FROM files WHERE directory = ? AND name = ?");
  if (!query.ok()) return query.status();
  const absl::StatusOr<bool> row = query->Bind(**directory).Bind(BaseName(path)).Step();
  if (!row.ok()) return row.status();
  if (!*row) return std::optional<FileRecord>();
  return std::optional<FileRecord>(ReadRecord(*query, DirName(path)));
}

absl::StatusOr<std::vector<FileRecord>> Ledger::ReadDirectory(int64_t key,
                                                              std::string_view directory) {
  absl::StatusOr<Query> query = database_->Prepare("SELECT " CLOSEWRITE_RECORD_COLUMNS
                                                   " FROM files WHERE directory = ? ORDER BY name");
  if (!query.ok()) return query.status();
  query->Bind(key);
  std::vector<FileRecord> records;
  records.reserve(kRowsReserved);
  absl::StatusOr<bool> row = query->Step();
  for (; row.ok() && *row; row = query->Step()) records.push_back(ReadRecord(*query, directory));
  if (!row.ok()) return row.status();
  return records;
}

absl::StatusOr<std::vector<FileRecord>> Ledger::List(int64_t volume, std::string_view directory) {
  absl::MutexLock lock(&mutex_);
  const absl::StatusOr<std::optional<int64_t>> key = directories_->Find(volume, directory);
  if (!key.ok()) return key.status();
  if (!key->has_value()) return std::vector<FileRecord>();
  return ReadDirectory(**key, directory);
}

absl::StatusOr<std::vector<std::string>> Ledger::NextDirectories(
    int64_t volume, std::string_view below, const std::optional<std::string>& after,
    int directories_max) {
  absl::MutexLock lock(&mutex_);
  absl::StatusOr<std::vector<LedgerDirectories::Entry>> entries =
      directories_->Next(volume, below, after, directories_max);
  if (!entries.ok()) return entries.status();
  std::vector<std::string> directories;
  directories.reserve(entries->size());
  for (LedgerDirectories::Entry& entry : *entries) directories.push_back(std::move(entry.path));
  return directories;
}

absl::StatusOr<std::vector<DirectoryRows>> Ledger::ListNext(int64_t volume, std::string_view below,
                                                            const std::optional<std::string>& after,
                                                            int directories_max) {
  absl::MutexLock lock(&mutex_);
  absl::StatusOr<std::vector<LedgerDirectories::Entry>> directories =
      directories_->Next(volume, below, after, directories_max);
  if (!directories.ok()) return directories.status();
  std::vector<DirectoryRows> all;
  all.reserve(directories->size());
  for (LedgerDirectories::Entry& directory : *directories) {
    absl::StatusOr<std::vector<FileRecord>> rows = ReadDirectory(directory.key, directory.path);
    if (!rows.ok()) return rows.status();
    all.push_back({std::move(directory.path), *std::move(rows)});
  }
  return all;
}

absl::StatusOr<int64_t> Ledger::CausingJob(int64_t volume, const FileRecord& record) {
  if (record.caused_by_job != 0 || record.gone()) return record.caused_by_job;
  return lineage_->Take(volume, record.path, record.version.inode);
}

absl::StatusOr<int64_t> Ledger::SequenceOf(int64_t directory, std::string_view name) {
  absl::StatusOr<Query> query =
      database_->Prepare("SELECT sequence FROM files WHERE directory = ? AND name = ?");
  if (!query.ok()) return query.status();
  const absl::StatusOr<bool> row = query->Bind(directory).Bind(name).Step();
  if (!row.ok()) return row.status();
  return *row ? query->Int(0) : 0;
}

// `pending` grows by one when no other change of this path was pending.
absl::Status Ledger::RecordOne(int64_t volume, const FileRecord& record, int64_t before,
                               int64_t* pending) {
  const absl::StatusOr<int64_t> directory = directories_->FindOrAdd(volume, DirName(record.path));
  if (!directory.ok()) return directory.status();
  const absl::StatusOr<int64_t> job = CausingJob(volume, record);
  if (!job.ok()) return job.status();
  const std::string_view name = BaseName(record.path);
  if (before == kUnknownSequence) {
    const absl::StatusOr<int64_t> sequence = SequenceOf(*directory, name);
    if (!sequence.ok()) return sequence.status();
    before = *sequence;
  }
  if (before > acknowledged_) {
    absl::StatusOr<Query> query = database_->Prepare("DELETE FROM pending WHERE sequence = ?");
    if (!query.ok()) return query.status();
    if (absl::Status status = query->Bind(before).Run(); !status.ok()) return status;
  } else {
    ++*pending;
  }
  absl::StatusOr<Query> file = database_->Prepare(
      "INSERT OR REPLACE INTO files (directory, name, inode, size, mtime_ns, kind, evidence,"
      " source, observed_ns, sequence, job) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
  if (!file.ok()) return file.status();
  absl::Status status = file->Bind(*directory)
                            .Bind(name)
                            .Bind(static_cast<int64_t>(record.version.inode))
                            .Bind(record.version.size)
                            .Bind(record.version.mtime_ns)
                            .Bind(static_cast<int64_t>(record.kind))
                            .Bind(static_cast<int64_t>(record.evidence))
                            .Bind(static_cast<int64_t>(record.source))
                            .Bind(record.observed_unix_ns)
                            .Bind(sequence_)
                            .Bind(*job)
                            .Run();
  if (!status.ok()) return status;
  absl::StatusOr<Query> entry = database_->Prepare(
      "INSERT INTO pending (sequence, volume, directory, name, gone) VALUES (?, ?, ?, ?, ?)");
  if (!entry.ok()) return entry.status();
  entry->Bind(sequence_).Bind(volume).Bind(*directory).Bind(name).Bind(record.gone() ? 1 : 0);
  return entry->Run();
}

absl::Status Ledger::Record(int64_t volume, absl::Span<const FileRecord> records,
                            absl::Span<const int64_t> before) {
  if (records.empty()) return absl::OkStatus();
  {
    absl::MutexLock lock(&mutex_);
    int64_t pending = 0;
    const absl::Status status = Change([&]() -> absl::Status {
      mutex_.AssertHeld();
      for (size_t i = 0; i < records.size(); ++i) {
        // What was given is never given again, even if the commit fails and yet took place.
        ++sequence_;
        absl::Status recorded = RecordOne(
            volume, records[i], i < before.size() ? before[i] : kUnknownSequence, &pending);
        if (!recorded.ok()) return recorded;
      }
      return absl::OkStatus();
    });
    if (!status.ok()) return status;
    LedgerNumbers::Volume& counted = volumes_[volume].numbers;
    counted.pending += pending;
    for (const FileRecord& record : records) {
      const auto kind = static_cast<size_t>(record.kind);
      if (kind < kChangeKinds) ++counted.recorded[kind];
      counted.found +=
          record.source == ChangeSource::kRescan || record.source == ChangeSource::kAudit;
    }
  }
  if (listener_) listener_();
  return absl::OkStatus();
}

absl::StatusOr<std::vector<PendingChange>> Ledger::Pending(int64_t after, int rows_max) {
  absl::MutexLock lock(&mutex_);
  absl::StatusOr<Query> query = database_->Prepare(
      "SELECT p.volume, p.directory, p.sequence, " CLOSEWRITE_RECORD_COLUMNS
      " FROM pending p CROSS JOIN files ON files.directory = p.directory AND files.name = p.name"
      " WHERE p.sequence > ? ORDER BY p.sequence LIMIT ?");
  if (!query.ok()) return query.status();
  query->Bind(std::max(after, acknowledged_)).Bind(rows_max);
  std::vector<PendingChange> changes;
  absl::StatusOr<bool> row = query->Step();
  for (; row.ok() && *row; row = query->Step()) {
    const absl::StatusOr<std::string> directory = directories_->PathOf(query->Int(1));
    if (!directory.ok()) return directory.status();
    FileRecord record = ReadRecord(*query, *directory, 3);
    // The coordinator is asked to acknowledge the row's, which must not lead back to this change.
    if (record.sequence != query->Int(2)) {
      return database_->Damaged("a pending change does not fit its row");
    }
    changes.push_back({volumes_[query->Int(0)].name, std::move(record)});
  }
  if (!row.ok()) return row.status();
  return changes;
}

// Counts what is acknowledged by volume.
absl::Status Ledger::DropGone(int64_t sequence, std::map<int64_t, int64_t>* acknowledged) {
  std::vector<std::pair<int64_t, std::string>> gone;
  {
    absl::StatusOr<Query> query =
        database_->Prepare("SELECT volume, gone, directory, name FROM pending WHERE sequence <= ?");
    if (!query.ok()) return query.status();
    absl::StatusOr<bool> row = query->Bind(sequence).Step();
    for (; row.ok() && *row; row = query->Step()) {
      ++(*acknowledged)[query->Int(0)];
      if (query->Int(1) != 0) gone.emplace_back(query->Int(2), query->Bytes(3));
    }
    if (!row.ok()) return row.status();
  }
  std::set<int64_t> directories;
  for (const auto& [directory, name] : gone) {
    absl::StatusOr<Query> query =
        database_->Prepare("DELETE FROM files WHERE directory = ? AND name = ?");
    if (!query.ok()) return query.status();
    if (absl::Status status = query->Bind(directory).Bind(name).Run(); !status.ok()) return status;
    directories.insert(directory);
  }
  for (const int64_t directory : directories) {
    if (absl::Status status = directories_->DropIfEmpty(directory); !status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status Ledger::Acknowledge(int64_t sequence) {
  {
    absl::MutexLock lock(&mutex_);
    sequence = std::min(sequence, sequence_);
    if (sequence <= acknowledged_) return absl::OkStatus();
    std::map<int64_t, int64_t> acknowledged;
    const absl::Status status = Change([&]() -> absl::Status {
      mutex_.AssertHeld();
      if (absl::Status dropped = DropGone(sequence, &acknowledged); !dropped.ok()) return dropped;
      absl::StatusOr<Query> query = database_->Prepare("DELETE FROM pending WHERE sequence <= ?");
      if (!query.ok()) return query.status();
      if (absl::Status done = query->Bind(sequence).Run(); !done.ok()) return done;
      return WriteMeta(database_.get(), "acknowledged", sequence);
    });
    if (!status.ok()) return status;
    acknowledged_ = sequence;
    for (const auto& [volume, count] : acknowledged) {
      volumes_[volume].numbers.pending -= count;
      volumes_[volume].numbers.acknowledged += count;
    }
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
      database_->Prepare("SELECT 1 FROM pending WHERE sequence <= ? LIMIT 1");
  if (!query.ok()) return query.status();
  const absl::StatusOr<bool> row = query->Bind(sequence).Step();
  if (!row.ok()) return row.status();
  return !*row;
}

absl::StatusOr<int64_t> Ledger::CountPending(int64_t volume) {
  absl::MutexLock lock(&mutex_);
  if (reload_) {
    if (absl::Status loaded = LoadVolumes(); !loaded.ok()) return loaded;
  }
  const auto entry = volumes_.find(volume);
  return entry == volumes_.end() ? 0 : entry->second.numbers.pending;
}

absl::StatusOr<LedgerNumbers> Ledger::Numbers() {
  absl::MutexLock lock(&mutex_);
  if (reload_) {
    if (absl::Status loaded = LoadVolumes(); !loaded.ok()) return loaded;
  }
  LedgerNumbers numbers;
  for (const auto& [key, volume] : volumes_) {
    numbers.volumes[volume.name] = volume.numbers;
  }
  numbers.sequence = sequence_;
  numbers.acknowledged = acknowledged_;
  numbers.failed_commits = failed_commits_;
  absl::StatusOr<Query> query = database_->Prepare(
      "SELECT f.observed_ns FROM pending p CROSS JOIN files f"
      " ON f.directory = p.directory AND f.name = p.name ORDER BY p.sequence LIMIT 1");
  if (!query.ok()) return query.status();
  const absl::StatusOr<bool> row = query->Step();
  if (!row.ok()) return row.status();
  if (*row) numbers.oldest_pending_unix_ns = query->Int(0);
  return numbers;
}

#undef CLOSEWRITE_RECORD_COLUMNS

}  // namespace closewrite::watcher

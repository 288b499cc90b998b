// How a ledger is opened, and what it does when a change fails.
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <unistd.h>

#include <utility>

#include "absl/time/time.h"
#include "services/log/log.h"
#include "services/log/str_cat.h"
#include "services/watcher/ledger.h"

namespace closewrite::watcher {
namespace {

absl::Status MoveAside(const std::string& file, absl::Time now) {
  const std::string suffix = StrCat(".damaged-", absl::ToUnixSeconds(now));
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

absl::StatusOr<std::unique_ptr<Ledger>> Ledger::Open(const std::string& directory,
                                                     std::string_view boot_id) {
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
  absl::Status loaded = ledger->Load(file, boot_id);
  if (absl::IsDataLoss(loaded)) {
    ledger.reset(new Ledger);
    const absl::Status moved = MoveAside(file, ledger->clock_.Now());
    if (!moved.ok()) return moved;
    loaded = ledger->Load(file, boot_id);
  }
  if (!loaded.ok()) return loaded;
  // SQLite has made it, but syncs its name only with the first checkpoint.
  const std::string log_file = StrCat(file, "-wal");
  ledger->log_ = Fd(open(log_file.c_str(), O_RDONLY | O_CLOEXEC));
  if (!ledger->log_.ok()) return ErrnoStatus(errno, "open", log_file);
  const Fd names(open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!names.ok() || fsync(names.get()) != 0 || fdatasync(ledger->log_.get()) != 0) {
    return ErrnoStatus(errno, "sync", directory);
  }
  ledger->lock_ = std::move(lock);
  return ledger;
}

Ledger::~Ledger() {
  absl::MutexLock lock(&mutex_);
  if (database_ == nullptr || id_.empty()) return;
  NoteDamage();
  if (!suspect_) MarkClosed(database_.get()).IgnoreError();
}

absl::Status Ledger::Load(const std::string& file, std::string_view boot_id) {
  absl::MutexLock lock(&mutex_);
  absl::StatusOr<std::unique_ptr<Database>> database = Database::Open(file);
  if (!database.ok()) return database.status();
  database_ = *std::move(database);
  absl::Status status = database_->Execute(
      "PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;"
      "PRAGMA cache_size = -4096; PRAGMA temp_store = MEMORY;"
      "PRAGMA journal_size_limit = 67108864;");
  if (!status.ok()) return status;
  status = database_->Execute(StrCat("PRAGMA wal_autocheckpoint = ", kCheckpointPages).c_str());
  if (!status.ok()) return status;
  absl::StatusOr<LedgerState> state = PrepareLedger(database_.get(), file, boot_id);
  if (!state.ok()) return state.status();
  directories_.emplace(database_.get());
  lineage_.emplace(database_.get());
  if (status = LoadVolumes(); !status.ok()) return status;
  acknowledged_ = state->acknowledged;
  sequence_ = state->newest;
  // A power cut may have taken rows that were sent. Their sequences must not come again for other
  // files: the coordinator would take those for repeats.
  if (!state->made_new) sequence_ += kSequencesLostMax;
  // That this was done is itself synced by Open before the first one is given.
  status = WriteMeta(database_.get(), "sequence_floor", sequence_);
  if (!status.ok()) return status;
  // A former process may have sent any of them.
  sent_ = sequence_;
  id_ = std::move(state->id);
  return absl::OkStatus();
}

absl::Status Ledger::LoadVolumes() {
  {
    absl::StatusOr<Query> query = database_->Prepare("SELECT key, name FROM volumes");
    if (!query.ok()) return query.status();
    absl::StatusOr<bool> row = query->Step();
    for (; row.ok() && *row; row = query->Step()) {
      Volume& volume = volumes_[query->Int(0)];
      volume.name = query->Bytes(1);
      volume.numbers.pending = 0;
    }
    if (!row.ok()) return row.status();
  }
  absl::StatusOr<Query> query =
      database_->Prepare("SELECT volume, count(*) FROM pending GROUP BY volume");
  if (!query.ok()) return query.status();
  absl::StatusOr<bool> row = query->Step();
  for (; row.ok() && *row; row = query->Step()) {
    volumes_[query->Int(0)].numbers.pending = query->Int(1);
  }
  reload_ = !row.ok();
  return row.status();
}

absl::Status Ledger::Change(const std::function<absl::Status()>& body) {
  if (reload_) {
    if (absl::Status loaded = LoadVolumes(); !loaded.ok()) return loaded;
  }
  absl::Status status = Transact(database_.get(), body);
  if (status.ok()) {
    // A read may have met some since the last change.
    NoteDamage();
    return status;
  }
  ++failed_commits_;
  reload_ = true;
  directories_->ForgetAll();
  lineage_->ForgetAll();
  NoteDamage();
  return status;
}

void Ledger::NoteDamage() {
  if (suspect_ || !database_->damaged()) return;
  suspect_ = true;
  LogError("the ledger is damaged; restart the watcher: it then begins a new one");
  MarkSuspect(database_.get()).IgnoreError();
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
  volumes_[query->Int(0)].name = name;
  return LedgerVolume{query->Int(0), std::string(name), query->Bytes(1)};
}

absl::Status Ledger::SetMarker(int64_t volume, std::string_view marker) {
  absl::MutexLock lock(&mutex_);
  absl::StatusOr<Query> query = database_->Prepare("UPDATE volumes SET marker = ? WHERE key = ?");
  if (!query.ok()) return query.status();
  return query->Bind(marker).Bind(volume).Run();
}

}  // namespace closewrite::watcher

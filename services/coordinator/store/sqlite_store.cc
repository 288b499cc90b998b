#include "services/coordinator/store/sqlite_store.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <utility>

#include "absl/memory/memory.h"
#include "absl/strings/str_cat.h"
#include "services/clock/clock.h"
#include "services/coordinator/store/file_sync.h"
#include "services/coordinator/store/sqlite_backup.h"
#include "services/coordinator/store/sqlite_reader.h"
#include "services/coordinator/store/sqlite_schema.h"

namespace closewrite {
namespace {

// One name for one file, whatever symlinks lead to it, so that its lock has one name too. It is
// absolute, which keeps SQLite from reading a name such as "file:x" as a URI.
absl::StatusOr<std::string> CanonicalPath(const std::string& path) {
  if (path.empty() || path.back() == '/') {
    return absl::InvalidArgumentError(absl::StrCat(
        "\"", path, "\" names no file for the store; write sqlite:/var/lib/closewrite/c.db"));
  }
  char resolved[PATH_MAX];
  if (realpath(path.c_str(), resolved) != nullptr) return std::string(resolved);
  const std::string folder = FolderOf(path);
  if (errno != ENOENT || realpath(folder.c_str(), resolved) == nullptr) {
    return absl::UnavailableError(absl::StrCat("cannot find the store ", path, ": ",
                                               strerror(errno), "; make the folder ", folder,
                                               " and give it to the coordinator's user"));
  }
  return absl::StrCat(resolved, "/", path.substr(path.rfind('/') + 1));
}

absl::Status WithPath(const std::string& path, const absl::Status& status) {
  if (status.ok() || status.message().find(path) != absl::string_view::npos) return status;
  return absl::Status(status.code(), absl::StrCat("store ", path, ": ", status.message()));
}

// What holds for both connections. Debian's SQLite overwrites what is deleted unless told not to,
// which would double what is written.
absl::Status Configure(SqliteConnection* connection, int64_t cache_kib_max) {
  return connection->Execute(absl::StrCat(
      "PRAGMA synchronous = FULL; PRAGMA foreign_keys = OFF; PRAGMA trusted_schema = OFF;",
      "PRAGMA secure_delete = OFF; PRAGMA temp_store = MEMORY; PRAGMA mmap_size = 0;",
      "PRAGMA journal_size_limit = ", SqliteStore::kJournalBytesMax, ";",
      "PRAGMA cache_size = ", -cache_kib_max));
}

absl::Status QuickCheck(SqliteConnection* connection, const std::string& path) {
  const absl::StatusOr<std::vector<std::string>> rows =
      connection->QueryText("PRAGMA quick_check(1)");
  if (!rows.ok()) return rows.status();
  if (!rows->empty() && rows->front() == "ok") return absl::OkStatus();
  return absl::DataLossError(
      absl::StrCat("store ", path, " is damaged: ", rows->empty() ? "no answer" : rows->front(),
                   "; restore it from a backup, or move it and its -wal file away to start empty"));
}

absl::Status UseWriteAheadLog(SqliteConnection* connection) {
  const absl::StatusOr<std::vector<std::string>> mode =
      connection->QueryText("PRAGMA journal_mode = WAL");
  if (!mode.ok()) return mode.status();
  if (!mode->empty() && mode->front() == "wal") return absl::OkStatus();
  return absl::FailedPreconditionError(
      "the file system can't hold a write-ahead log; put the store on a local disk");
}

// What the lock's file says of a check that found nothing wrong: which file, and in which run of
// the kernel. "": there is nothing to be said.
std::string NoteOfCheck(const struct stat& file) {
  const std::string boot = BootId();
  if (boot.empty()) return "";
  return absl::StrCat("checked ", boot, " ", file.st_dev, ":", file.st_ino);
}

// QuickCheck, unless this file is large and was checked since the machine was started.
absl::Status CheckUnlessChecked(SqliteConnection* connection, const std::string& path,
                                FileLock* lock, const SqliteStoreOptions& options) {
  struct stat file;
  const std::string note = stat(path.c_str(), &file) == 0 ? NoteOfCheck(file) : "";
  if (!note.empty() && lock->note() == note && file.st_size > options.checked_always_bytes_max) {
    return absl::OkStatus();
  }
  lock->SetNote("");
  absl::Status status = QuickCheck(connection, path);
  if (status.ok()) lock->SetNote(note);
  return status;
}

absl::StatusOr<std::unique_ptr<SqliteConnection>> OpenWriter(const std::string& path,
                                                             FileLock* lock,
                                                             const SqliteStoreOptions& options) {
  absl::StatusOr<std::unique_ptr<SqliteConnection>> writer =
      SqliteConnection::Open(path, options.vfs);
  if (!writer.ok()) return writer;
  SqliteConnection* const connection = writer->get();
  absl::Status status = Configure(connection, SqliteStore::kWriterCacheKibMax);
  if (status.ok()) status = CheckUnlessChecked(connection, path, lock, options);
  // Before the journal mode, so that a foreign database is left as it is.
  if (status.ok()) status = MigrateSqliteSchema(connection);
  if (status.ok()) status = UseWriteAheadLog(connection);
  if (status.ok() && options.pages_max > 0) {
    status = connection->Execute(absl::StrCat("PRAGMA max_page_count = ", options.pages_max));
  }
  if (!status.ok()) return status;
  return writer;
}

absl::StatusOr<std::unique_ptr<SqliteConnection>> OpenReader(const std::string& path,
                                                             const std::string& vfs) {
  absl::StatusOr<std::unique_ptr<SqliteConnection>> reader = SqliteConnection::Open(path, vfs);
  if (!reader.ok()) return reader;
  absl::Status status = Configure(reader->get(), SqliteStore::kReaderCacheKibMax);
  if (status.ok()) status = (*reader)->Execute("PRAGMA query_only = ON");
  if (!status.ok()) return status;
  return reader;
}

// Makes a new file that only its owner can read: definitions of pipelines may hold secrets. SQLite
// gives the files beside it the same mode. A file that is there keeps its own.
absl::Status CreatePrivate(const std::string& path) {
  const int fd = open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (fd >= 0) close(fd);
  if (fd >= 0 || errno == EEXIST) return absl::OkStatus();
  return absl::UnavailableError(absl::StrCat("cannot create the store ", path, ": ",
                                             strerror(errno),
                                             "; its folder must be writable for the coordinator"));
}

}  // namespace

SqliteStore::SqliteStore(std::unique_ptr<FileLock> lock, std::unique_ptr<SqliteConnection> writer,
                         std::unique_ptr<SqliteConnection> reader)
    : lock_(std::move(lock)), writer_(std::move(writer)), reader_(std::move(reader)) {}

absl::StatusOr<std::unique_ptr<SqliteStore>> SqliteStore::Open(const std::string& path,
                                                               const SqliteStoreOptions& options) {
  absl::StatusOr<std::string> canonical = CanonicalPath(path);
  if (!canonical.ok()) return canonical.status();
  absl::StatusOr<std::unique_ptr<FileLock>> lock =
      FileLock::Acquire(absl::StrCat(*canonical, ".lock"));
  if (!lock.ok()) return lock.status();
  if (absl::Status status = CreatePrivate(*canonical); !status.ok()) return status;
  absl::StatusOr<std::unique_ptr<SqliteConnection>> writer =
      OpenWriter(*canonical, lock->get(), options);
  if (!writer.ok()) return WithPath(*canonical, writer.status());
  absl::StatusOr<std::unique_ptr<SqliteConnection>> reader = OpenReader(*canonical, options.vfs);
  if (!reader.ok()) return WithPath(*canonical, reader.status());
  absl::StatusOr<std::unique_ptr<SqliteConnection>> copier =
      SqliteConnection::Open(*canonical, options.vfs);
  absl::Status configured = copier.ok() ? Configure(copier->get(), 0) : copier.status();
  if (!configured.ok()) return WithPath(*canonical, configured);
  // SQLite syncs the files; a new file's name in its folder needs a sync too.
  if (absl::Status status = SyncFolder(FolderOf(*canonical)); !status.ok()) return status;
  auto store =
      absl::WrapUnique(new SqliteStore(*std::move(lock), *std::move(writer), *std::move(reader)));
  store->CheckpointBy(*std::move(copier), options.checkpoints);
  return store;
}

void SqliteStore::CheckpointBy(std::unique_ptr<SqliteConnection> connection,
                               const SqliteCheckpointer::Limits& limits) {
  checkpointer_ = std::make_unique<SqliteCheckpointer>(std::move(connection), limits,
                                                       [this](const std::function<void()>& fn) {
                                                         absl::MutexLock lock(&write_mutex_);
                                                         fn();
                                                       });
  absl::MutexLock lock(&write_mutex_);
  writer_->OnCommit([this](int64_t pages) { checkpointer_->Committed(pages); });
}

absl::Status SqliteStore::Write(absl::FunctionRef<absl::Status(StoreTransaction&)> fn) {
  checkpointer_->AwaitRoom();
  absl::MutexLock lock(&write_mutex_);
  if (absl::Status status = writer_->Begin(); !status.ok()) return status;
  SqliteTransaction transaction(writer_.get(), &prune_cursors_);
  absl::Status status = fn(transaction);
  // What `fn` says after a failed step may only be its consequence.
  if (!transaction.status().ok()) status = transaction.status();
  if (status.ok()) status = writer_->Commit();
  if (!status.ok()) writer_->Rollback();
  return status;
}

absl::Status SqliteStore::Read(absl::FunctionRef<absl::Status(StoreReader&)> fn) {
  absl::MutexLock lock(&read_mutex_);
  if (absl::Status status = reader_->Begin(); !status.ok()) return status;
  SqliteReader reader(reader_.get());
  absl::Status status = fn(reader);
  if (!reader.status().ok()) status = reader.status();
  // Nothing was written, so there is nothing to lose by it.
  reader_->Rollback();
  return status;
}

std::string SqliteStore::Durability() const { return "sqlite, WAL, synchronous=FULL"; }

std::vector<std::string> SqliteStore::PreparedSql() {
  std::vector<std::string> texts;
  {
    absl::MutexLock lock(&write_mutex_);
    texts = writer_->PreparedSql();
  }
  absl::MutexLock lock(&read_mutex_);
  for (std::string& text : reader_->PreparedSql()) texts.push_back(std::move(text));
  return texts;
}

}  // namespace closewrite

#include "services/coordinator/store/sqlite_connection.h"

#include <errno.h>
#include <string.h>

#include <limits>
#include <utility>

#include "absl/memory/memory.h"
#include "absl/strings/str_cat.h"
#include "services/log/log.h"

namespace closewrite {
namespace {

constexpr int64_t kPastNs = std::numeric_limits<int64_t>::min();
constexpr int64_t kFutureNs = std::numeric_limits<int64_t>::max();

int64_t ToColumn(absl::Time time) {
  if (time == absl::InfinitePast()) return kPastNs;
  if (time == absl::InfiniteFuture()) return kFutureNs;
  return absl::ToUnixNanos(time);
}

absl::Time FromColumn(int64_t ns) {
  if (ns == kPastNs) return absl::InfinitePast();
  if (ns == kFutureNs) return absl::InfiniteFuture();
  return absl::FromUnixNanos(ns);
}

bool IsFull(int code, int system_errno) {
  if ((code & 0xff) == SQLITE_FULL) return true;
  return (code & 0xff) == SQLITE_IOERR &&
         (system_errno == ENOSPC || system_errno == EDQUOT || system_errno == EFBIG);
}

}  // namespace

absl::StatusOr<std::unique_ptr<SqliteConnection>> SqliteConnection::Open(const std::string& path,
                                                                         const std::string& vfs) {
  sqlite3* db = nullptr;
  // NOMUTEX: every connection is guarded by its owner.
  const int code = sqlite3_open_v2(path.c_str(), &db,
                                   SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX,
                                   vfs.empty() ? nullptr : vfs.c_str());
  if (db == nullptr) return absl::UnavailableError("no memory to open the store");
  auto connection = absl::WrapUnique(new SqliteConnection(db, path));
  if (code != SQLITE_OK) return connection->ErrorOf(code);
  sqlite3_extended_result_codes(db, 1);
  sqlite3_busy_timeout(db, static_cast<int>(absl::ToInt64Milliseconds(kBusyMax)));
  return connection;
}

SqliteConnection::~SqliteConnection() {
  Rollback();
  for (auto& [sql, statement] : statements_) sqlite3_finalize(statement->handle);
  if (sqlite3_close(db_) != SQLITE_OK) {
    LogError("the store was not closed cleanly", {{"path", path_}});
  }
}

absl::Status SqliteConnection::ErrorOf(int code) const {
  // What the connection remembers belongs to its last call, which need not be the one that failed.
  const bool remembered = (sqlite3_extended_errcode(db_) & 0xff) == (code & 0xff);
  const bool of_system = (code & 0xff) == SQLITE_IOERR || (code & 0xff) == SQLITE_CANTOPEN;
  const int system_errno = remembered && of_system ? sqlite3_system_errno(db_) : 0;
  const std::string what = absl::StrCat(
      "store ", path_, ": ", remembered ? sqlite3_errmsg(db_) : sqlite3_errstr(code), " (SQLite ",
      code, system_errno != 0 ? absl::StrCat(", ", strerror(system_errno)) : "", ")");
  if (IsFull(code, system_errno)) {
    return absl::ResourceExhaustedError(
        absl::StrCat(what, "; the disk is full: free some space, nothing was lost"));
  }
  switch (code & 0xff) {
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return absl::DataLossError(absl::StrCat(
          what,
          "; the file is damaged or is no database: restore it from a backup, or move it and "
          "its -wal file away to start empty"));
    case SQLITE_CONSTRAINT:
      if (code == SQLITE_CONSTRAINT_UNIQUE || code == SQLITE_CONSTRAINT_PRIMARYKEY) {
        return absl::AlreadyExistsError(what);
      }
      return absl::InternalError(what);
    case SQLITE_TOOBIG:
      return absl::InvalidArgumentError(absl::StrCat(what, "; a value is over 1 GB: split it"));
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return absl::UnavailableError(
          absl::StrCat(what, "; another program holds the file: close it"));
    case SQLITE_CANTOPEN:
    case SQLITE_PERM:
    case SQLITE_READONLY:
    case SQLITE_AUTH:
      return absl::UnavailableError(
          absl::StrCat(what, "; the folder must exist, and it and the file must be writable"));
    case SQLITE_IOERR:
    case SQLITE_NOMEM:
    case SQLITE_NOLFS:
    case SQLITE_PROTOCOL:
      return absl::UnavailableError(absl::StrCat(what, "; check the disk and the kernel's log"));
    default:
      return absl::InternalError(what);
  }
}

absl::Status SqliteConnection::Execute(const std::string& sql) {
  const int code = sqlite3_exec(db_, sql.c_str(), nullptr, nullptr, nullptr);
  return code == SQLITE_OK ? absl::OkStatus() : ErrorOf(code);
}

absl::StatusOr<std::vector<std::string>> SqliteConnection::QueryText(const std::string& sql,
                                                                     int rows_max, int column) {
  sqlite3_stmt* handle = nullptr;
  int code = sqlite3_prepare_v2(db_, sql.c_str(), -1, &handle, nullptr);
  std::vector<std::string> rows;
  while (code == SQLITE_OK || code == SQLITE_ROW) {
    if (static_cast<int>(rows.size()) == rows_max) break;
    code = sqlite3_step(handle);
    if (code != SQLITE_ROW) break;
    const unsigned char* text = sqlite3_column_text(handle, column);
    rows.emplace_back(text == nullptr ? "" : reinterpret_cast<const char*>(text));
  }
  const bool failed = code != SQLITE_OK && code != SQLITE_ROW && code != SQLITE_DONE;
  const absl::Status status = failed ? ErrorOf(code) : absl::OkStatus();
  sqlite3_finalize(handle);
  if (!status.ok()) return status;
  return rows;
}

absl::StatusOr<std::vector<std::string>> SqliteConnection::QueryPlan(const std::string& sql) {
  constexpr int kStepsMax = 100;
  constexpr int kDetailColumn = 3;
  return QueryText(absl::StrCat("EXPLAIN QUERY PLAN ", sql), kStepsMax, kDetailColumn);
}

absl::Status SqliteConnection::Run(std::string_view sql) {
  absl::Status status;
  SqliteQuery(this, sql, &status).Run();
  return status;
}

// Deferred: the write lock is taken by the first write, so a transaction that only reads ends
// without touching the disk.
absl::Status SqliteConnection::Begin() { return Run("BEGIN DEFERRED"); }

absl::Status SqliteConnection::Commit() { return Run("COMMIT"); }

int SqliteConnection::WalHook(void* self, sqlite3*, const char*, int pages) {
  static_cast<SqliteConnection*>(self)->on_commit_(pages);
  return SQLITE_OK;
}

void SqliteConnection::OnCommit(std::function<void(int64_t pages)> fn) {
  on_commit_ = std::move(fn);
  sqlite3_wal_hook(db_, &SqliteConnection::WalHook, this);
}

absl::Status SqliteConnection::Checkpoint(CheckpointMode mode) {
  // Nobody is waited for: it is tried again after a later commit.
  sqlite3_busy_timeout(db_, 0);
  const int code = sqlite3_wal_checkpoint_v2(
      db_, "main",
      mode == CheckpointMode::kPassive ? SQLITE_CHECKPOINT_PASSIVE : SQLITE_CHECKPOINT_RESTART,
      nullptr, nullptr);
  return code == SQLITE_OK || code == SQLITE_BUSY ? absl::OkStatus() : ErrorOf(code);
}

absl::Status SqliteConnection::CopyInto(SqliteConnection* to, absl::FunctionRef<bool()> go_on) {
  // All steps read the state of this transaction, which begins with what it reads first. Without
  // it, each commit of another connection would make the copy begin anew.
  if (absl::Status s = Execute("BEGIN"); !s.ok()) return s;
  absl::Status status = QueryText("SELECT count(*) FROM sqlite_schema").status();
  sqlite3_backup* const copy =
      status.ok() ? sqlite3_backup_init(to->db_, "main", db_, "main") : nullptr;
  if (status.ok() && copy == nullptr) status = to->ErrorOf(sqlite3_extended_errcode(to->db_));
  if (copy != nullptr) {
    int stepped = SQLITE_OK;
    while (stepped == SQLITE_OK && status.ok()) {
      if (go_on()) {
        stepped = sqlite3_backup_step(copy, kCopyPages);
      } else {
        status = absl::CancelledError("the copy was given up before it was complete");
      }
    }
    if (status.ok() && stepped != SQLITE_DONE) status = ErrorOf(stepped);
    const int finished = sqlite3_backup_finish(copy);
    if (status.ok() && finished != SQLITE_OK) status = to->ErrorOf(finished);
  }
  Rollback();
  return status;
}

void SqliteConnection::Rollback() {
  if (sqlite3_get_autocommit(db_) != 0) return;
  const absl::Status status = Run("ROLLBACK");
  if (!status.ok()) LogError("rollback failed", {{"error", status.ToString()}});
}

std::vector<std::string> SqliteConnection::PreparedSql() const {
  std::vector<std::string> texts;
  for (const auto& [sql, statement] : statements_) texts.emplace_back(sql);
  return texts;
}

absl::StatusOr<sqlite3_stmt*> SqliteConnection::Prepare(std::string_view sql) {
  if (const auto found = statements_.find(sql); found != statements_.end()) {
    if (sqlite3_stmt_busy(found->second->handle) != 0) {
      return absl::InternalError(
          absl::StrCat("statement is used twice at once: ", found->second->sql));
    }
    return found->second->handle;
  }
  if (statements_.size() >= kStatementsMax) {
    return absl::InternalError("more different statements than kStatementsMax");
  }
  auto statement = std::make_unique<Statement>();
  statement->sql = std::string(sql);
  const int code =
      sqlite3_prepare_v3(db_, statement->sql.c_str(), static_cast<int>(statement->sql.size() + 1),
                         SQLITE_PREPARE_PERSISTENT, &statement->handle, nullptr);
  if (code != SQLITE_OK) return ErrorOf(code);
  sqlite3_stmt* const handle = statement->handle;
  const std::string_view key = statement->sql;
  statements_.emplace(key, std::move(statement));
  return handle;
}

SqliteQuery::SqliteQuery(SqliteConnection* connection, std::string_view sql, absl::Status* status)
    : connection_(connection), status_(status) {
  if (!status_->ok()) return;
  absl::StatusOr<sqlite3_stmt*> prepared = connection_->Prepare(sql);
  if (prepared.ok()) {
    handle_ = *prepared;
  } else {
    *status_ = prepared.status();
  }
}

SqliteQuery::~SqliteQuery() {
  if (handle_ == nullptr) return;
  // The error of the last step, which reset repeats, has been recorded already.
  sqlite3_reset(handle_);
  sqlite3_clear_bindings(handle_);
}

void SqliteQuery::Check(int code) {
  if (code != SQLITE_OK && status_->ok()) *status_ = connection_->ErrorOf(code);
}

void SqliteQuery::Fail(const absl::Status& status) {
  if (status_->ok()) *status_ = status;
}

SqliteQuery& SqliteQuery::BindInt(int64_t value) {
  if (handle_ != nullptr) Check(sqlite3_bind_int64(handle_, ++parameter_, value));
  return *this;
}

SqliteQuery& SqliteQuery::BindBytes(std::string_view value) {
  if (handle_ == nullptr) return *this;
  // A null pointer would bind NULL, which equals nothing.
  const char* const data = value.empty() ? "" : value.data();
  Check(sqlite3_bind_blob64(handle_, ++parameter_, data, value.size(), SQLITE_STATIC));
  return *this;
}

SqliteQuery& SqliteQuery::BindBytesOrNull(std::string_view value) {
  if (!value.empty()) return BindBytes(value);
  if (handle_ != nullptr) Check(sqlite3_bind_null(handle_, ++parameter_));
  return *this;
}

SqliteQuery& SqliteQuery::BindTime(absl::Time value) { return BindInt(ToColumn(value)); }

bool SqliteQuery::Step() {
  if (handle_ == nullptr || !status_->ok()) return false;
  column_ = 0;
  const int code = sqlite3_step(handle_);
  if (code == SQLITE_ROW) return true;
  if (code != SQLITE_DONE) Check(code);
  return false;
}

bool SqliteQuery::Run() {
  while (Step()) {
  }
  return status_->ok();
}

std::string SqliteQuery::Bytes() {
  // The pointer must be asked for before the length: https://www.sqlite.org/c3ref/column_blob.html
  const void* const data = sqlite3_column_blob(handle_, column_);
  const int size = sqlite3_column_bytes(handle_, column_++);
  if (data == nullptr || size <= 0) return "";
  return std::string(static_cast<const char*>(data), static_cast<size_t>(size));
}

absl::Time SqliteQuery::Time() { return FromColumn(Int()); }

}  // namespace closewrite

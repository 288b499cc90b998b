#include "services/watcher/database.h"

#include <errno.h>
#include <unistd.h>

#include "services/log/str_cat.h"

namespace closewrite::watcher {
namespace {

absl::Status SqliteStatus(int code, sqlite3* database) {
  const std::string message =
      StrCat("ledger: ", database == nullptr ? sqlite3_errstr(code) : sqlite3_errmsg(database));
  // SQLite has a code of its own for ENOSPC alone.
  const bool over_quota =
      (code & 0xff) == SQLITE_IOERR && database != nullptr &&
      (sqlite3_system_errno(database) == EDQUOT || sqlite3_system_errno(database) == ENOSPC);
  if (over_quota || (code & 0xff) == SQLITE_FULL) {
    return absl::ResourceExhaustedError(
        StrCat(message, "; free some space where the state directory lies"));
  }
  switch (code & 0xff) {
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
    // The statements are right for the tables that were made.
    case SQLITE_ERROR:
    case SQLITE_CONSTRAINT:
    case SQLITE_MISMATCH:
    case SQLITE_TOOBIG:
      return absl::DataLossError(message);
    case SQLITE_READONLY:
      // A damaged header can say so of a file that may be written to.
      if (database != nullptr && access(sqlite3_db_filename(database, "main"), W_OK) == 0) {
        return absl::DataLossError(message);
      }
      return absl::PermissionDeniedError(message);
    case SQLITE_PERM:
    case SQLITE_CANTOPEN:
      return absl::PermissionDeniedError(message);
    default:
      return absl::UnavailableError(message);
  }
}

}  // namespace

Query::Query(Database* database, sqlite3_stmt* statement)
    : database_(database), statement_(statement) {}

Query::Query(Query&& other) noexcept
    : database_(other.database_),
      statement_(other.statement_),
      parameter_(other.parameter_),
      error_(other.error_) {
  other.statement_ = nullptr;
}

Query::~Query() {
  if (statement_ == nullptr) return;
  sqlite3_reset(statement_);
  sqlite3_clear_bindings(statement_);
}

Query& Query::Bind(int64_t value) {
  const int code = sqlite3_bind_int64(statement_, ++parameter_, value);
  if (error_ == SQLITE_OK) error_ = code;
  return *this;
}

Query& Query::Bind(std::string_view bytes) {
  // A null pointer would bind NULL instead of zero bytes.
  const char* data = bytes.data() == nullptr ? "" : bytes.data();
  const int code = sqlite3_bind_blob64(statement_, ++parameter_, data, bytes.size(), SQLITE_STATIC);
  if (error_ == SQLITE_OK) error_ = code;
  return *this;
}

absl::StatusOr<bool> Query::Step() {
  if (error_ != SQLITE_OK) return database_->StatusOf(error_);
  const int code = sqlite3_step(statement_);
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) return false;
  return database_->StatusOf(code);
}

absl::Status Query::Run() { return Step().status(); }

std::string_view Query::View(int column) const {
  const void* data = sqlite3_column_blob(statement_, column);
  const int size = sqlite3_column_bytes(statement_, column);
  if (data == nullptr) return std::string_view();
  return {static_cast<const char*>(data), static_cast<size_t>(size)};
}

absl::StatusOr<std::unique_ptr<Database>> Database::Open(const std::string& file) {
  std::unique_ptr<Database> database(new Database);
  const int code =
      sqlite3_open_v2(file.c_str(), &database->database_,
                      SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, nullptr);
  if (code != SQLITE_OK) {
    return absl::Status(SqliteStatus(code, nullptr).code(),
                        StrCat("ledger: cannot open ", file, ": ", sqlite3_errstr(code)));
  }
  return database;
}

Database::~Database() {
  for (const auto& [sql, statement] : statements_) sqlite3_finalize(statement);
  sqlite3_close(database_);
}

absl::Status Database::StatusOf(int code) {
  absl::Status status = SqliteStatus(code, database_);
  if (absl::IsDataLoss(status)) damaged_ = true;
  return status;
}

absl::Status Database::Damaged(std::string_view what) {
  damaged_ = true;
  return absl::DataLossError(StrCat("ledger: ", what));
}

absl::Status Database::Execute(const char* sql) {
  const int code = sqlite3_exec(database_, sql, nullptr, nullptr, nullptr);
  return code == SQLITE_OK ? absl::OkStatus() : StatusOf(code);
}

absl::StatusOr<Query> Database::Prepare(const char* sql) {
  sqlite3_stmt*& statement = statements_[sql];
  if (statement == nullptr) {
    const int code =
        sqlite3_prepare_v3(database_, sql, -1, SQLITE_PREPARE_PERSISTENT, &statement, nullptr);
    if (code != SQLITE_OK) {
      statements_.erase(sql);
      return StatusOf(code);
    }
  }
  return Query(this, statement);
}

}  // namespace closewrite::watcher

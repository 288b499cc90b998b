// A thin, owning layer over SQLite's C interface.
#ifndef SERVICES_WATCHER_DATABASE_H_
#define SERVICES_WATCHER_DATABASE_H_

#include <sqlite3.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace closewrite::watcher {

class Database;

// One run of a prepared statement; resets it when it goes out of scope. The first error is kept and
// comes out of Step, so that binding needs no checks.
class Query {
 public:
  Query(Database* database, sqlite3_stmt* statement);
  Query(Query&& other) noexcept;
  Query(const Query&) = delete;
  Query& operator=(const Query&) = delete;
  ~Query();

  // In the order of the statement's parameters. Text is bound as bytes and must live until Step.
  Query& Bind(int64_t value);
  Query& Bind(std::string_view bytes);

  // True: a row is there. False: done.
  absl::StatusOr<bool> Step();
  // For statements that give no rows.
  absl::Status Run();

  int64_t Int(int column) const { return sqlite3_column_int64(statement_, column); }
  std::string Bytes(int column) const { return std::string(View(column)); }
  // Valid until the next Step.
  std::string_view View(int column) const;
  bool IsNull(int column) const { return sqlite3_column_type(statement_, column) == SQLITE_NULL; }

 private:
  Database* database_;
  sqlite3_stmt* statement_;
  int parameter_ = 0;
  int error_ = SQLITE_OK;
};

// One connection with its prepared statements. Not thread-safe.
//
// Errors: DATA_LOSS when the file is no database or is damaged, also where a statement does not fit
// its tables; RESOURCE_EXHAUSTED when the disk or a quota is full, PERMISSION_DENIED, else
// UNAVAILABLE.
class Database {
 public:
  static absl::StatusOr<std::unique_ptr<Database>> Open(const std::string& file);
  ~Database();

  // Runs SQL without parameters; any number of statements.
  absl::Status Execute(const char* sql);
  // Prepares a statement once. `sql` must be a literal. One Query of a statement at a time.
  absl::StatusOr<Query> Prepare(const char* sql);
  // Rows that the last statement changed.
  int64_t changes() const { return sqlite3_changes64(database_); }
  bool in_transaction() const { return sqlite3_get_autocommit(database_) == 0; }
  // DATA_LOSS, for rows that contradict each other.
  absl::Status Damaged(std::string_view what);
  // Some statement found the file to be damaged, or Damaged was called.
  bool damaged() const { return damaged_; }

 private:
  friend class Query;
  Database() = default;
  absl::Status StatusOf(int code);

  sqlite3* database_ = nullptr;
  bool damaged_ = false;
  absl::flat_hash_map<const char*, sqlite3_stmt*> statements_;
};

}  // namespace closewrite::watcher

#endif  // SERVICES_WATCHER_DATABASE_H_

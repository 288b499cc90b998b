// A thin layer over SQLite's C interface (https://www.sqlite.org/c3ref/intro.html): a connection
// with a cache of prepared statements, and one run of such a statement.
#ifndef SERVICES_COORDINATOR_STORE_SQLITE_CONNECTION_H_
#define SERVICES_COORDINATOR_STORE_SQLITE_CONNECTION_H_

#include <sqlite3.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace closewrite {

// Pages that are copied in one piece.
inline constexpr int kCopyPages = 256;

// One connection to one database file. Not thread-safe: its owner guards it.
//
// Errors: RESOURCE_EXHAUSTED: the disk (or the file's allowed size) is full. ALREADY_EXISTS: a
// unique key is there already. DATA_LOSS: the file is damaged or no database. UNAVAILABLE: other
// I/O errors, or the file is locked. INTERNAL: a defect of ours.
class SqliteConnection {
 public:
  // How many different statements are kept; every text is a constant of this folder, so reaching it
  // is a defect.
  static constexpr size_t kStatementsMax = 256;
  // How long a statement waits for a lock that somebody else holds on the file (a person with the
  // sqlite3 shell; the coordinator itself never waits).
  static constexpr absl::Duration kBusyMax = absl::Seconds(5);

  // Creates the file when it is not there. `vfs` is the name of a registered layer over the file
  // system (https://www.sqlite.org/vfs.html), or "" for the usual one.
  static absl::StatusOr<std::unique_ptr<SqliteConnection>> Open(const std::string& path,
                                                                const std::string& vfs = "");
  ~SqliteConnection();
  SqliteConnection(const SqliteConnection&) = delete;
  SqliteConnection& operator=(const SqliteConnection&) = delete;

  // Runs statements that give no rows (or whose rows don't matter), uncached.
  absl::Status Execute(const std::string& sql);
  // One column of every row as text, at most `rows_max` rows, uncached: for pragmas.
  absl::StatusOr<std::vector<std::string>> QueryText(const std::string& sql, int rows_max = 1,
                                                     int column = 0);
  // The steps of EXPLAIN QUERY PLAN (https://www.sqlite.org/eqp.html).
  absl::StatusOr<std::vector<std::string>> QueryPlan(const std::string& sql);

  absl::Status Begin();
  // Durable when it returns OK; otherwise Rollback() must follow.
  absl::Status Commit();
  // Ends the transaction that is open, if one is: SQLite ends it by itself after some errors.
  void Rollback();

  // From now on `fn` is called with the length of the write-ahead log in pages, after each commit
  // that wrote something, on the thread that commits; and commits copy nothing into the database
  // file any more (https://www.sqlite.org/c3ref/wal_hook.html).
  void OnCommit(std::function<void(int64_t pages)> fn);
  enum class CheckpointMode { kPassive, kRestart };
  // Copies pages from the log into the database file, and syncs it. kPassive: as far as readers and
  // writers let it. kRestart: all, so that the next commit begins the log anew. OK, too, when
  // somebody was in the way. See https://www.sqlite.org/c3ref/wal_checkpoint_v2.html.
  absl::Status Checkpoint(CheckpointMode mode);

  // Copies the database as it was last committed into `to`, beside all that goes on
  // (https://www.sqlite.org/backup.html). `go_on` is asked between pieces of kCopyPages; CANCELLED
  // when it says no.
  absl::Status CopyInto(SqliteConnection* to, absl::FunctionRef<bool()> go_on);

  // Rows that the last INSERT, UPDATE or DELETE touched, and the rowid of the last INSERT.
  int64_t Changes() const { return sqlite3_changes64(db_); }
  int64_t LastInsertId() const { return sqlite3_last_insert_rowid(db_); }

  // The texts of all statements that were prepared so far.
  std::vector<std::string> PreparedSql() const;

 private:
  friend class SqliteQuery;
  struct Statement {
    std::string sql;
    sqlite3_stmt* handle = nullptr;
  };

  SqliteConnection(sqlite3* db, std::string path) : db_(db), path_(std::move(path)) {}
  absl::StatusOr<sqlite3_stmt*> Prepare(std::string_view sql);
  // The status of SQLite's result code, with the file's name and what to do.
  absl::Status ErrorOf(int code) const;
  absl::Status Run(std::string_view sql);
  static int WalHook(void* self, sqlite3* db, const char* name, int pages);

  sqlite3* const db_;
  std::function<void(int64_t)> on_commit_;
  const std::string path_;
  // The keys lie in the values.
  std::unordered_map<std::string_view, std::unique_ptr<Statement>> statements_;
};

// One run of a statement: bind every parameter in order, step, read every column in order. Errors
// go into the sticky `status`; once that is not OK nothing is done any more. Not thread-safe.
class SqliteQuery {
 public:
  // `connection` and `status` must outlive it. The same text must not be run by two queries at the
  // same time.
  SqliteQuery(SqliteConnection* connection, std::string_view sql, absl::Status* status);
  ~SqliteQuery();
  SqliteQuery(const SqliteQuery&) = delete;
  SqliteQuery& operator=(const SqliteQuery&) = delete;

  SqliteQuery& BindInt(int64_t value);
  // Any bytes, as a BLOB. Not copied: they must outlive the query.
  SqliteQuery& BindBytes(std::string_view value);
  // Binds NULL for "".
  SqliteQuery& BindBytesOrNull(std::string_view value);
  // Whole nanoseconds since 1970; times before 1677-09-21 and after 2262-04-11 become infinite.
  SqliteQuery& BindTime(absl::Time value);

  // True: there is a row to read. False: no more rows, or an error.
  bool Step();
  // Steps a statement that gives no rows. True: done.
  bool Run();

  int64_t Int() { return sqlite3_column_int64(handle_, column_++); }
  std::string Bytes();
  absl::Time Time();

  // Records an error about what was read.
  void Fail(const absl::Status& status);

 private:
  void Check(int code);

  SqliteConnection* const connection_;
  absl::Status* const status_;
  sqlite3_stmt* handle_ = nullptr;  // null after a failure to prepare
  int parameter_ = 0;               // the last one bound; they count from 1
  int column_ = 0;                  // the next one to read; they count from 0
};

}  // namespace closewrite

#endif  // SERVICES_COORDINATOR_STORE_SQLITE_CONNECTION_H_

#include "services/watcher/ledger_schema.h"

#include <errno.h>
#include <sys/random.h>

#include <algorithm>

#include "absl/strings/numbers.h"
#include "services/log/log.h"
#include "services/log/str_cat.h"
#include "services/volume/file_system.h"

namespace closewrite::watcher {
namespace {

constexpr size_t kIdBytes = 16;

constexpr char kMeta[] = R"sql(
  CREATE TABLE meta (key BLOB PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
  CREATE TABLE volumes (key INTEGER PRIMARY KEY, name BLOB NOT NULL UNIQUE, marker BLOB NOT NULL);
  CREATE TABLE publishing (job INTEGER, token INTEGER, PRIMARY KEY (job, token)) WITHOUT ROWID;
)sql";

// Directories have NUL instead of '/', see ledger_directories.h. A row of `pending` stands for one
// of `files` whose sequence is not acknowledged, so that acknowledged ones need no index.
constexpr char kFiles[] = R"sql(
  CREATE TABLE directories (
    key INTEGER PRIMARY KEY, volume INTEGER NOT NULL, path BLOB NOT NULL, UNIQUE (volume, path));
  CREATE TABLE files (
    directory INTEGER NOT NULL, name BLOB NOT NULL,
    inode INTEGER NOT NULL, size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL,
    kind INTEGER NOT NULL, evidence INTEGER NOT NULL, source INTEGER NOT NULL,
    observed_ns INTEGER NOT NULL, sequence INTEGER NOT NULL, job INTEGER NOT NULL,
    PRIMARY KEY (directory, name)) WITHOUT ROWID;
  CREATE TABLE pending (
    sequence INTEGER PRIMARY KEY, volume INTEGER NOT NULL, directory INTEGER NOT NULL,
    name BLOB NOT NULL, gone INTEGER NOT NULL);
  CREATE TABLE lineage (
    key INTEGER PRIMARY KEY, volume INTEGER NOT NULL, path BLOB NOT NULL, inode INTEGER NOT NULL,
    job INTEGER NOT NULL, began_s INTEGER NOT NULL, UNIQUE (volume, path, inode));
  PRAGMA user_version = 2;
)sql";

// Version 1 had the directory's path in each row, and an index over all sequences.
constexpr char kFrom1Before[] = R"sql(
  ALTER TABLE files RENAME TO files_1;
  DROP INDEX files_by_sequence;
)sql";
constexpr char kFrom1After[] = R"sql(
  INSERT INTO directories (volume, path)
    SELECT volume, directory FROM (SELECT DISTINCT volume, directory FROM files_1)
    ORDER BY volume, CAST(replace(directory, '/', x'00') AS BLOB);
  INSERT INTO files
    SELECT d.key, f.name, f.inode, f.size, f.mtime_ns, f.kind, f.evidence, f.source,
           f.observed_ns, f.sequence, 0
    FROM files_1 f JOIN directories d ON d.volume = f.volume AND d.path = f.directory
    ORDER BY 1, 2;
  UPDATE directories SET path = CAST(replace(path, '/', x'00') AS BLOB);
)sql";
constexpr char kFrom1End[] = R"sql(
  INSERT INTO pending
    SELECT f.sequence, d.volume, f.directory, f.name, f.kind IN (4, 5)
    FROM files f JOIN directories d ON d.key = f.directory
    WHERE f.sequence > (SELECT CAST(CAST(value AS TEXT) AS INTEGER) FROM meta
                        WHERE key = CAST('acknowledged' AS BLOB)
                        UNION ALL SELECT 0 LIMIT 1)
    ORDER BY 1;
  DROP TABLE files_1;
)sql";

absl::StatusOr<std::string> RandomId() {
  std::string id(kIdBytes, '\0');
  if (getrandom(id.data(), id.size(), 0) != static_cast<ssize_t>(id.size())) {
    return ErrnoStatus(errno, "getrandom", "");
  }
  return id;
}

// The one number that a query gives.
absl::StatusOr<int64_t> ReadNumber(Database* database, const char* sql) {
  absl::StatusOr<Query> query = database->Prepare(sql);
  if (!query.ok()) return query.status();
  const absl::StatusOr<bool> row = query->Step();
  if (!row.ok()) return row.status();
  return query->Int(0);
}

absl::Status CreateTables(Database* database) {
  return Transact(database, [database]() -> absl::Status {
    if (absl::Status status = database->Execute(kMeta); !status.ok()) return status;
    if (absl::Status status = database->Execute(kFiles); !status.ok()) return status;
    const absl::StatusOr<std::string> id = RandomId();
    if (!id.ok()) return id.status();
    return WriteMeta(database, "id", *id);
  });
}

absl::Status MigrateFrom1(Database* database) {
  LogInfo("the ledger's tables are brought to version 2");
  return Transact(database, [database]() -> absl::Status {
    for (const char* step : {kFrom1Before, kFiles, kFrom1After, kFrom1End}) {
      if (absl::Status status = database->Execute(step); !status.ok()) return status;
    }
    return absl::OkStatus();
  });
}

absl::Status CheckIntegrity(Database* database, std::string_view boot_id) {
  const absl::StatusOr<int64_t> suspect = ReadMetaNumber(database, "suspect");
  if (!suspect.ok()) return suspect.status();
  // No check finds all that a statement can stumble upon.
  if (*suspect != 0) return absl::DataLossError("ledger: damage was met in it before");
  const absl::StatusOr<int64_t> clean = ReadMetaNumber(database, "clean");
  if (!clean.ok()) return clean.status();
  const absl::StatusOr<std::string> boot = ReadMeta(database, "boot_id");
  if (!boot.ok()) return boot.status();
  if (*clean == 1 || (!boot->empty() && *boot == boot_id)) return absl::OkStatus();
  LogInfo("the ledger was not closed before the host went down; it is checked");
  absl::StatusOr<Query> query = database->Prepare("PRAGMA quick_check(1)");
  if (!query.ok()) return query.status();
  const absl::StatusOr<bool> row = query->Step();
  if (!row.ok()) return row.status();
  const std::string answer = query->Bytes(0);
  if (answer != "ok") return absl::DataLossError(StrCat("ledger: ", answer));
  return absl::OkStatus();
}

absl::Status BringUpToDate(Database* database, const std::string& file, int64_t version,
                           std::string_view boot_id) {
  if (version == 0) return CreateTables(database);
  if (version < 0 || version > kLedgerSchemaVersion) {
    return absl::FailedPreconditionError(StrCat("state: ", file,
                                                " was made by a newer version (schema ", version,
                                                "); run that one, or name another directory"));
  }
  if (absl::Status whole = CheckIntegrity(database, boot_id); !whole.ok()) return whole;
  return version == 1 ? MigrateFrom1(database) : absl::OkStatus();
}

}  // namespace

absl::Status Transact(Database* database, const std::function<absl::Status()>& body) {
  const auto run = [database](const char* sql) -> absl::Status {
    absl::StatusOr<Query> query = database->Prepare(sql);
    return query.ok() ? query->Run() : query.status();
  };
  if (absl::Status status = run("BEGIN IMMEDIATE"); !status.ok()) return status;
  absl::Status status = body();
  if (status.ok()) status = run("COMMIT");
  // SQLite has rolled back by itself after some errors.
  if (!status.ok() && database->in_transaction()) run("ROLLBACK").IgnoreError();
  return status;
}

absl::StatusOr<std::string> ReadMeta(Database* database, std::string_view key) {
  absl::StatusOr<Query> query = database->Prepare("SELECT value FROM meta WHERE key = ?");
  if (!query.ok()) return query.status();
  const absl::StatusOr<bool> row = query->Bind(key).Step();
  if (!row.ok()) return row.status();
  return *row ? query->Bytes(0) : std::string();
}

absl::StatusOr<int64_t> ReadMetaNumber(Database* database, std::string_view key) {
  const absl::StatusOr<std::string> text = ReadMeta(database, key);
  if (!text.ok()) return text.status();
  int64_t number = 0;
  if (!text->empty() && !absl::SimpleAtoi(*text, &number)) {
    return absl::DataLossError(StrCat("ledger: ", key, " is not a number"));
  }
  return number;
}

absl::Status WriteMeta(Database* database, std::string_view key, std::string_view value) {
  absl::StatusOr<Query> query =
      database->Prepare("INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)");
  if (!query.ok()) return query.status();
  return query->Bind(key).Bind(value).Run();
}

absl::Status WriteMeta(Database* database, std::string_view key, int64_t value) {
  return WriteMeta(database, key, std::string_view(StrCat(value)));
}

absl::StatusOr<LedgerState> PrepareLedger(Database* database, const std::string& file,
                                          std::string_view boot_id) {
  const absl::StatusOr<int64_t> version = ReadNumber(database, "PRAGMA user_version");
  if (!version.ok()) return version.status();
  absl::Status status = BringUpToDate(database, file, *version, boot_id);
  if (!status.ok()) return status;
  LedgerState state;
  state.made_new = *version == 0;
  absl::StatusOr<std::string> id = ReadMeta(database, "id");
  if (!id.ok()) return id.status();
  if (id->size() != kIdBytes) return absl::DataLossError("ledger: its id is missing");
  state.id = *std::move(id);
  const absl::StatusOr<int64_t> acknowledged = ReadMetaNumber(database, "acknowledged");
  if (!acknowledged.ok()) return acknowledged.status();
  state.acknowledged = *acknowledged;
  const absl::StatusOr<int64_t> floor = ReadMetaNumber(database, "sequence_floor");
  if (!floor.ok()) return floor.status();
  const absl::StatusOr<int64_t> newest = ReadNumber(database, "SELECT max(sequence) FROM pending");
  if (!newest.ok()) return newest.status();
  state.newest = std::max({*newest, *acknowledged, *floor});
  if (state.newest > kLedgerSequenceMax || *acknowledged < 0) {
    return absl::DataLossError("ledger: its sequences can't be right");
  }
  status = WriteMeta(database, "clean", 0);
  if (status.ok()) status = WriteMeta(database, "boot_id", boot_id);
  if (!status.ok()) return status;
  return state;
}

absl::Status MarkClosed(Database* database) { return WriteMeta(database, "clean", 1); }

absl::Status MarkSuspect(Database* database) { return WriteMeta(database, "suspect", 1); }

}  // namespace closewrite::watcher

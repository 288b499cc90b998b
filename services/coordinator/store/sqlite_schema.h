// The tables of the SQLite store, and the way from every older version of them to the newest.
#ifndef SERVICES_COORDINATOR_STORE_SQLITE_SCHEMA_H_
#define SERVICES_COORDINATOR_STORE_SQLITE_SCHEMA_H_

#include <string>

#include "absl/status/status.h"
#include "services/coordinator/store/sqlite_connection.h"

namespace closewrite {

// "CWco": tells our database from anybody else's
// (https://www.sqlite.org/pragma.html#pragma_application_id).
inline constexpr int kSqliteApplicationId = 0x4357636f;
// The version that this build reads and writes; kept in user_version.
inline constexpr int kSqliteSchemaVersion = 11;

// Brings the database to kSqliteSchemaVersion, all steps in one transaction. FAILED_PRECONDITION:
// it was written by a newer version, or it is not a coordinator's.
absl::Status MigrateSqliteSchema(SqliteConnection* connection);

// What leads from `version` to the next one: for tests that need a store of an old version.
std::string SqliteSchemaStep(int version);

}  // namespace closewrite

#endif  // SERVICES_COORDINATOR_STORE_SQLITE_SCHEMA_H_

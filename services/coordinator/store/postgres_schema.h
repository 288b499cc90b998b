// The tables of the PostgreSQL store, and the way from every older version of them to the newest.
#ifndef SERVICES_COORDINATOR_STORE_POSTGRES_SCHEMA_H_
#define SERVICES_COORDINATOR_STORE_POSTGRES_SCHEMA_H_

#include <cstdint>

#include "absl/status/status.h"
#include "services/coordinator/store/postgres_connection.h"

namespace closewrite {

// The version that this build reads and writes.
inline constexpr int64_t kPostgresSchemaVersion = 10;
// Coordinators of this version and later can work with what this build makes of the schema: during
// a rolling update both do. To be raised by a step that takes away or changes what they use.
inline constexpr int64_t kPostgresSchemaCompatible = 10;

// Advisory locks (https://www.postgresql.org/docs/15/explicit-locking.html#ADVISORY-LOCKS) of our
// own within the database: "CW", what is locked, and which one.
enum class PostgresLock : int64_t {
  // The schema and the pipelines. Every transaction holds it shared; what changes them, alone.
  kCatalog = 0x4357'0001'0000'0000,
  // Whoever gives locks away.
  kGrants = 0x4357'0002'0000'0000,
  // A duty; its name's hash stands in the low 32 bits.
  kDuty = 0x4357'0003'0000'0000,
};

// Brings the schema `closewrite` to kPostgresSchemaVersion, or checks that it is there. Several may
// do so at once. FAILED_PRECONDITION: a newer coordinator made it, or the role may not make or read
// it; the message says what to do.
absl::Status MigratePostgresSchema(PostgresConnection* connection);

// FAILED_PRECONDITION unless `version` is the one that this build knows, or a newer one that is
// `compatible` with it.
absl::Status CheckPostgresSchemaVersion(int64_t version, int64_t compatible);

}  // namespace closewrite

#endif  // SERVICES_COORDINATOR_STORE_POSTGRES_SCHEMA_H_

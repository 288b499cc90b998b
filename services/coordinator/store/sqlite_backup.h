// Copies of a SQLite store that is in use.
#ifndef SERVICES_COORDINATOR_STORE_SQLITE_BACKUP_H_
#define SERVICES_COORDINATOR_STORE_SQLITE_BACKUP_H_

#include <string>

#include "absl/status/status.h"
#include "services/coordinator/store/sqlite_connection.h"

namespace closewrite {

// Copies what `from` has committed into a new file that only its owner can read, and syncs it. The
// file has its name only when it is whole. ALREADY_EXISTS: there is one of that name.
absl::Status CopySqliteStore(SqliteConnection* from, const std::string& path);

}  // namespace closewrite

#endif  // SERVICES_COORDINATOR_STORE_SQLITE_BACKUP_H_

// Where the PostgreSQL store lies, as the configuration says it.
#ifndef SERVICES_COORDINATOR_STORE_POSTGRES_URL_H_
#define SERVICES_COORDINATOR_STORE_POSTGRES_URL_H_

#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"

namespace closewrite {

struct PostgresUrl {
  // Keywords and values for PQconnectdbParams
  // (https://www.postgresql.org/docs/15/libpq-connect.html#LIBPQ-PARAMKEYWORDS).
  std::vector<std::pair<std::string, std::string>> parameters;
  // Whether LISTEN and NOTIFY are used, and statements and settings are kept on the connection. Off
  // behind a pooler that gives every transaction another connection.
  bool notifications = true;
  // For messages: host, port, database and user, without the password.
  std::string name;
};

// Reads `postgresql://user@host:port/database?key=value`: libpq's own form, but for `notifications`
// (`on` or `off`), which is ours. INVALID_ARGUMENT: it is none; no message holds the password.
absl::StatusOr<PostgresUrl> ParsePostgresUrl(const std::string& url);

}  // namespace closewrite

#endif  // SERVICES_COORDINATOR_STORE_POSTGRES_URL_H_

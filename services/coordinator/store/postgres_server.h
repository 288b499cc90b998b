// A PostgreSQL server for tests.
#ifndef SERVICES_COORDINATOR_STORE_POSTGRES_SERVER_H_
#define SERVICES_COORDINATOR_STORE_POSTGRES_SERVER_H_

#include <sys/types.h>

#include <memory>
#include <string>
#include <string_view>
#include <thread>  // NOLINT: reads the server's log
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "services/coordinator/store/postgres_connection.h"

namespace closewrite {

// Made by initdb in a new folder, with fsync, reached by a Unix socket in that folder alone, and
// gone with everything when the object is, or its process dies. As PostgreSQL refuses to run as
// root, it runs as `nobody` then. Thread-safe but for Start and Kill.
class PostgresServer {
 public:
  // The server of this process, started by the first call; null when that failed.
  static PostgresServer* Get();

  // `settings` are arguments of the server, like "-c" and "fsync=off".
  static absl::StatusOr<std::unique_ptr<PostgresServer>> Create(
      const std::vector<std::string>& settings = {});
  ~PostgresServer();

  // The URL of a database; `role` may be "postgres", who may do everything.
  std::string Url(std::string_view database, std::string_view role = "postgres") const;
  // Makes an empty database and gives its name.
  std::string NewDatabase();
  // Runs SQL as `postgres`.
  absl::StatusOr<PostgresResult> Run(std::string_view database, std::string_view sql);

  // SIGKILL to the server's first process; returns when all of them are gone.
  void Kill();
  // Starts it again, after Kill. Returns when it takes connections.
  absl::Status Start();

 private:
  PostgresServer(std::string folder, std::string programs, std::vector<std::string> settings);
  void ReadLog(int fd);

  const std::string folder_;
  const std::string programs_;
  const std::vector<std::string> settings_;
  pid_t pid_ = 0;  // 0: does not run
  std::thread log_reader_;
  absl::Mutex mutex_;
  bool ready_ = false;
  bool log_ended_ = false;
  std::string log_;
  int databases_ = 0;
};

}  // namespace closewrite

#endif  // SERVICES_COORDINATOR_STORE_POSTGRES_SERVER_H_

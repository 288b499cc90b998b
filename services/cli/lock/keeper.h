// The keeper of `lock run`, as the command line sees it.
#ifndef SERVICES_CLI_LOCK_KEEPER_H_
#define SERVICES_CLI_LOCK_KEEPER_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "services/cli/lock/keeper_protocol.h"
#include "services/cli/lock/lease.h"

namespace closewrite::cli {

// How a command ended. Nothing that it started is left.
struct KeeperEnd {
  enum Cause {
    kByItself,
    kLease,   // the lease ran out
    kTold,    // by End
    kKilled,  // the keeper was
  };
  Cause cause = kByItself;
  bool started = false;
  int error = 0;  // errno: why it could not be started
  int wait_status = 0;
};

// Another process, which is ready to start a command: see keeper_process.cc. All but Renew is for
// one thread.
class Keeper {
 public:
  // Forks it, when this command line looks as if it needed one, else null. To be called before
  // there is any thread. What stands behind the first `--` of `argv` is the command. UNAVAILABLE
  // when the system has no process to give.
  static absl::StatusOr<std::unique_ptr<Keeper>> ForCommandLine(int argc, char** argv);

  Keeper(int socket, std::vector<std::string> command);
  // Kills what is left.
  ~Keeper();
  Keeper(const Keeper&) = delete;
  Keeper& operator=(const Keeper&) = delete;

  const std::vector<std::string>& command() const { return command_; }
  // Can be read when Look has something to say.
  int file() const { return socket_; }

  // The command is to be started, with a name and a token in its environment.
  void Start(const Lease& lease, const std::string& lock, int64_t token);
  // Thread-safe.
  void Renew(const Lease& lease);
  // `signal` has come for this process: the command gets it too, unless it has already.
  void PassOn(int signal);
  // The command gets SIGTERM now, and SIGKILL at `kill_at`, or at the lease's end if that is
  // before.
  void End(absl::Duration kill_at);
  // How it ended; nothing as long as it has not.
  std::optional<KeeperEnd> Look();
  // For a keeper that does not do its work: returns when it and all below it are dead.
  void KillAll();

 private:
  void Send(const KeeperOrder& order);

  const int socket_;
  const std::vector<std::string> command_;
};

}  // namespace closewrite::cli

#endif  // SERVICES_CLI_LOCK_KEEPER_H_

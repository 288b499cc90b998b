// Getting a lock, and giving it back.
#ifndef SERVICES_CLI_LOCK_LOCK_WAIT_H_
#define SERVICES_CLI_LOCK_LOCK_WAIT_H_

#include <functional>
#include <string>

#include "absl/status/statusor.h"
#include "closewrite/v1/lock.pb.h"
#include "services/cli/invocation.h"
#include "services/cli/lock/alarm.h"
#include "services/cli/lock/lock_options.h"
#include "services/cli/lock/lock_session.h"

namespace closewrite::cli {

// Whoever needs a lock.
class LockUser {
 public:
  virtual ~LockUser() = default;
  // What it is, for people.
  virtual std::string program() const = 0;
  // Another thread says so.
  virtual void OnRenewed(const Lease& /*lease*/) {}
  // Does what the lock is for; it is held until this returns, unless `session` says that it was
  // lost. `alarm` rings when that or an interrupt has come. The number is the exit code.
  virtual int Use(LockSession& session, const v1::LockClaim& claim, Alarm& alarm) = 0;
};

// Waits for the lock, has it used, and gives it back. Says on stderr what it waits for. Signals of
// all kinds are interrupts meanwhile. A status is a usage error; other codes than those of `user`:
//   75   it is not free, and nobody wants to wait
//   124  the time for that is over
//   125  the coordinator has refused it, or can't be reached
//   128 + N  interrupted by signal N while it waited
absl::StatusOr<int> WithLock(Invocation& invocation, const LockOptions& options, LockUser* user);

}  // namespace closewrite::cli

#endif  // SERVICES_CLI_LOCK_LOCK_WAIT_H_

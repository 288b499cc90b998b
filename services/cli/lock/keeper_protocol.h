// What the command line and its keeper tell each other, over a socket of the kind SOCK_SEQPACKET.
#ifndef SERVICES_CLI_LOCK_KEEPER_PROTOCOL_H_
#define SERVICES_CLI_LOCK_KEEPER_PROTOCOL_H_

#include <cstdint>

namespace closewrite::cli {

// With a zero at the end; see LockService for how long names are.
inline constexpr int kKeeperLockBytesMax = 64;

// Times are points on CLOCK_BOOTTIME.
struct KeeperOrder {
  enum Kind : int32_t {
    kStart,   // the command
    kRenew,   // the lease is longer
    kPassOn,  // `signal` has come for the command line
    kEnd,     // the lock is lost
  };
  Kind kind = kStart;
  int32_t signal = 0;
  int64_t terminate_ns = 0;  // from then on the command is told to end
  int64_t kill_ns = 0;       // by then everything is dead
  int64_t token = 0;
  char lock[kKeeperLockBytesMax] = {};
};

struct KeeperReport {
  enum Cause : int32_t {
    kByItself,
    kLease,  // it had to be told to end, for the lease ran out
    kTold,   // by kEnd
  };
  int32_t started = 0;
  int32_t error = 0;  // errno: why it could not be started
  int32_t wait_status = 0;
  Cause cause = kByItself;
};

}  // namespace closewrite::cli

#endif  // SERVICES_CLI_LOCK_KEEPER_PROTOCOL_H_

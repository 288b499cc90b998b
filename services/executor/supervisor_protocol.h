// What an executor and the supervisor of one command say to each other.
#ifndef SERVICES_EXECUTOR_SUPERVISOR_PROTOCOL_H_
#define SERVICES_EXECUTOR_SUPERVISOR_PROTOCOL_H_

#include <cstdint>

namespace closewrite::executor {

// The supervisor is started as `closewrite-supervisor LEASE_NS TIMEOUT_NS KILL_AFTER_NS NICE NOFILE
// CREDENTIALS PROGRAM ARGUMENT...`, with the command's environment and working directory. Times are
// nanoseconds; LEASE_NS is a point on CLOCK_BOOTTIME, the others are durations, TIMEOUT_NS 0 means
// never. NICE is added to the niceness, NOFILE is RLIMIT_NOFILE or 0. CREDENTIALS is `-`, or what
// the command becomes: `UID:GID:GROUP,GROUP`, with kSupervisorGroupsMax groups at most.
inline constexpr int kSupervisorNumbers = 5;
inline constexpr int kSupervisorGroupsMax = 1024;

// Open files that it starts with, beside 0 (/dev/null), 1 and 2 (the log).
inline constexpr int kSupervisorControlFd = 3;  // a SOCK_SEQPACKET socket, both ways
// The state directory's lock, held as long as any process of ours may still run.
inline constexpr int kSupervisorLockFd = 4;
// The lifeline to the guardian, a SOCK_SEQPACKET socket; closed where there is no guardian.
inline constexpr int kSupervisorLifelineFd = 5;

// Executor -> supervisor. The end of the socket means: the executor is dead, so must be the
// command.
struct SupervisorOrder {
  enum Kind : uint32_t {
    kRenew = 1,      // the lease is good until `lease_ns`
    kTerminate = 2,  // SIGTERM now, SIGKILL after KILL_AFTER_NS
    kKill = 3,       // SIGKILL now
  };
  Kind kind;
  uint32_t unused = 0;
  int64_t lease_ns = 0;
};

// Supervisor -> executor: one kNotStarted, or one kStarted and then one kEnded.
struct SupervisorReport {
  enum Kind : uint32_t {
    kStarted = 1,     // `pid` runs the program
    kNotStarted = 2,  // errno in `error`
    kEnded = 3,       // it and all that it left behind are dead
  };
  // Why it came to an end.
  enum Cause : uint32_t {
    kByItself = 0,
    kTold = 1,     // by kTerminate or kKill
    kTimeout = 2,  // TIMEOUT_NS were over
    kLease = 3,    // the lease ran out
  };
  Kind kind;
  Cause cause = kByItself;
  int32_t pid = 0;
  int32_t error = 0;
  int32_t wait_status = 0;  // as wait(2) has it
  int32_t unused = 0;
  int64_t cpu_ns = 0;         // user plus system time of all
  int64_t max_rss_bytes = 0;  // of the largest
};

// Executor and supervisors -> guardian. The end of the socket means: the executor and all its
// supervisors are dead. A group that was begun and not ended has lost its supervisor to a SIGKILL.
// What the guardian is too slow to read is not said.
struct LifelineRecord {
  enum Kind : uint32_t {
    kGroupBegun = 1,  // `pid` leads the process group of a command
    kGroupEnded = 2,  // nothing lives of it, nor of what it has started
    kDismissed = 3,   // the executor ends in good order
  };
  Kind kind;
  int32_t pid = 0;
};

}  // namespace closewrite::executor

#endif  // SERVICES_EXECUTOR_SUPERVISOR_PROTOCOL_H_

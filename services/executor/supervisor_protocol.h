// What an executor and the supervisor of one command say to each other.
//
// The two may be of different versions, for a command outlives the executor that started it: what
// stands here keeps its place and its meaning. What is new takes an unused field, or is only said
// to a supervisor whose state has a `version` that knows it.
#ifndef SERVICES_EXECUTOR_SUPERVISOR_PROTOCOL_H_
#define SERVICES_EXECUTOR_SUPERVISOR_PROTOCOL_H_

#include <cstdint>

namespace closewrite::executor {

// The supervisor is started as `closewrite-supervisor LEASE_NS TIMEOUT_NS KILL_AFTER_NS NICE NOFILE
// OUTLIVE UNIFIED GROUPS NO_NEW_PRIVS SANDBOX KEPT LOG CREDENTIALS FILE PATH... PROGRAM
// ARGUMENT...`, with the command's environment and working directory. Times are nanoseconds;
// LEASE_NS is a point on CLOCK_BOOTTIME, the others are durations, TIMEOUT_NS 0 means never. NICE
// is added to the niceness, NOFILE is RLIMIT_NOFILE or 0. OUTLIVE is 1 when the command goes on
// without an executor, or 0. UNIFIED is 1 when the command joins the control group
// kSupervisorUnifiedFd if it can, 2 when it must, 0 when there is none; GROUPS is how many others
// it must join, from kSupervisorGroupsFd. NO_NEW_PRIVS is 1 when the command can't gain rights, or
// 0. SANDBOX is 1 when it is shut in, or 0; KEPT is how many PATHs stay in there, see sandbox.h.
// LOG is the name of the log's folder, see log_segment.h. CREDENTIALS is `-`, or what the command
// becomes: `UID:GID:GROUP,GROUP`, with kSupervisorGroupsMax groups at most. FILE is what is
// executed, or `-` for what PATH in the environment has of PROGRAM.
//
// Started as `closewrite-supervisor try-sandbox PATH...` it only makes a sandbox, and exits with 0;
// or with another code, when it has written what did not work to its stdout.
inline constexpr int kSupervisorNumbers = 11;
inline constexpr char kTrySandbox[] = "try-sandbox";
// Folders that are new and empty there; and how many paths may be kept, those of the attempt too.
inline constexpr const char* kSandboxPrivate[] = {"/tmp", "/var/tmp", "/dev/shm"};
inline constexpr int kSandboxKeptMax = 5000;
inline constexpr int kSupervisorGroupsMax = 1024;
// Error of a command that could not join the control groups it must; no start of a program gives
// it.
inline constexpr int kJoinError = 117;  // EUCLEAN
// Errors above this one are of a command that could not be shut in; less this, they are errno.
inline constexpr int kSandboxErrors = 10'000;

// Open files that it starts with, beside 0, 1 and 2 (/dev/null).
inline constexpr int kSupervisorControlFd = 3;  // a SOCK_SEQPACKET socket, both ways
// A SupervisorState, locked (flock(2)) for as long as the supervisor lives.
inline constexpr int kSupervisorStateFd = 4;
// A socket that listens. Who connects takes the place of the executor before.
inline constexpr int kSupervisorListenFd = 5;
inline constexpr int kSupervisorLogsFd = 6;     // the folder that LOG is made in
inline constexpr int kSupervisorUnifiedFd = 7;  // a folder of cgroup v2, see control_groups.h
inline constexpr int kSupervisorGroupsFd = 8;   // and folders of cgroup v1, two at most
inline constexpr int kSupervisorFdsEnd = 10;

// Executor -> supervisor. The end of the socket means that the executor is dead.
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

// Supervisor -> executor: kNotStarted, or kStarted and then kEnded; and kLog in between. To whom
// connects later kStarted is said again.
struct SupervisorReport {
  enum Kind : uint32_t {
    kStarted = 1,     // `pid` runs the program
    kNotStarted = 2,  // errno in `error`
    kEnded = 3,       // it and all that it left behind are dead
    kLog = 4,         // its log has grown; left out while anything is unread, which says it too
  };
  // Why it came to an end.
  enum Cause : uint32_t {
    kByItself = 0,
    kTold = 1,     // by kTerminate or kKill, or by an executor's death that it is not to outlive
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

inline constexpr uint32_t kSupervisorVersion = 1;

// What outlives a supervisor. It is written in place, by single writes that no signal cuts in two,
// into a file that had its size from the beginning: so a full disk takes no end away.
struct SupervisorState {
  uint32_t version = kSupervisorVersion;
  uint32_t ended = 0;         // 1: `report` is its last word
  int32_t supervisor = 0;     // its pid, which is the session of the command's group, too
  int32_t command = 0;        // pid that leads the group; 0 before there is one
  int64_t command_ticks = 0;  // when that began: starttime of /proc/pid/stat, see proc(5)
  int64_t lease_ns = 0;       // the newest
  int64_t log_bytes = 0;      // that the command has written; final with `ended`
  int64_t ended_us = 0;       // since 1970
  SupervisorReport report = {};
  char boot[40] = {};  // of the kernel that all this is about: its boot_id, see random(4)
};

// Executor -> guardian. The end of the socket means that the executor is dead.
struct LifelineRecord {
  enum Kind : uint32_t {
    kDismissed = 3,  // the executor ends in good order
  };
  Kind kind;
  int32_t unused = 0;
};

}  // namespace closewrite::executor

#endif  // SERVICES_EXECUTOR_SUPERVISOR_PROTOCOL_H_

// The one door through which a job changes: Apply. Pure: no clock, no I/O, no randomness of its
// own.
//
//     SCHEDULED -> AVAILABLE -> RUNNING -> PUBLISHING -> SUCCEEDED
//         |            ^  ^        | |          |
//         |            |  +--------+ |          |       lost or handed back
//         |            |             v          v
//         |            +-------- RETRYING <-----+       failed, attempts left
//         |            |             v          |
//         |            +---------- FAILED <-----+
//         v            |
//     CANCELLED -------+          from SCHEDULED, AVAILABLE and RETRYING at once
//
// A RUNNING job is CANCELLED when its command has ended, however it does. Until then `cancelling`
// is set, and it keeps its lease, its locks and its place in line.
//
// Invariants:
//   1. A state that is final changes only by Retry.
//   2. `token` rises by one with each LeaseTo and never otherwise.
//   3. What carries a token other than the job's newest is refused (ABORTED) and changes nothing.
//   4. `session` is set exactly while RUNNING, `cancelling` only then.
#ifndef SERVICES_COORDINATOR_CORE_JOB_RULES_H_
#define SERVICES_COORDINATOR_CORE_JOB_RULES_H_

#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "services/coordinator/core/job.h"
#include "services/coordinator/core/pipeline.h"

namespace closewrite {

// SCHEDULED or RETRYING and due -> AVAILABLE.
struct Promote {};
// The job that it waited for is finished, and this one is before it in the line now; 0: none.
struct MoveUp {
  JobId after;
};
// AVAILABLE -> RUNNING.
struct LeaseTo {
  SessionId session;
  std::string executor;
  std::string host;
};
// The command runs.
struct Started {
  FencingToken token;
  int pid = 0;
};
// The executor reports an end.
struct Finished {
  FencingToken token;
  Outcome outcome = Outcome::kFailed;
  std::optional<int> exit_code;
  int signal = 0;
  std::string message;
  std::vector<OutputFile> outputs;
  absl::Duration cpu;
  int64_t max_rss_bytes = 0;
};
// The session expired, or its executor says that the processes are dead.
struct Lost {
  FencingToken token;
  Outcome outcome = Outcome::kLost;  // or kKilled
  std::string message;
};
// The watcher has moved the results into place, or says why that can never be.
struct Published {
  FencingToken token;
  std::string error;
};
// By a caller, or because a newer version has come.
struct Cancel {
  std::string reason;
};
// Another attempt now, asked for by hand.
struct Retry {
  bool redrive = false;  // counts start again at zero
};
// The file's times were set after it was announced: the same content under a new mtime.
struct AmendInput {
  FileVersion input;
};

using JobCommand = std::variant<Promote, MoveUp, LeaseTo, Started, Finished, Lost, Published,
                                Cancel, Retry, AmendInput>;

// What a rule needs to know beside the job.
struct RuleContext {
  absl::Time now;
  RetryPolicy retry;
  // In [0, 1): spreads retries of jobs that failed together.
  double jitter = 0;
  // The end of the file's line, which a job that had ended joins when it is retried; 0: none.
  JobId last_in_line;
};

struct JobChange {
  Job job;
  std::optional<Attempt> attempt;  // the newest one, if it has ended, or changed after its end
};

// Applies one command. `attempt` is the job's newest one: LiveAttempt of a RUNNING job, the one
// that was recorded of a PUBLISHING job; others are ignored. FAILED_PRECONDITION: not in this
// state; the message says which. ABORTED: a stale token.
absl::StatusOr<JobChange> Apply(const Job& job, const Attempt& attempt, const JobCommand& command,
                                const RuleContext& context);

// Pause before the next attempt, after `failures` of them (>= 1): backoff doubled each time, at
// most backoff_max, of which a random half is taken away.
absl::Duration BackoffAfter(const RetryPolicy& policy, int failures, double jitter);

const char* StateName(JobState state);  // "RUNNING"

}  // namespace closewrite

#endif  // SERVICES_COORDINATOR_CORE_JOB_RULES_H_

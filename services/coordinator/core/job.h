// Jobs and attempts as plain values.
#ifndef SERVICES_COORDINATOR_CORE_JOB_H_
#define SERVICES_COORDINATOR_CORE_JOB_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/time/time.h"
#include "services/coordinator/core/file_event.h"
#include "services/coordinator/core/ids.h"

namespace closewrite {

// The life cycle is drawn above JobState in proto/closewrite/v1/job.proto; the numbers are the
// same.
enum class JobState {
  kScheduled = 1,
  kAvailable = 2,
  kRunning = 3,
  kPublishing = 4,
  kSucceeded = 5,
  kRetrying = 6,
  kFailed = 7,
  kCancelled = 8,
};

inline bool IsFinal(JobState state) {
  return state == JobState::kSucceeded || state == JobState::kFailed ||
         state == JobState::kCancelled;
}
// Waits, and holds no lease.
inline bool IsWaiting(JobState state) {
  return state == JobState::kScheduled || state == JobState::kAvailable ||
         state == JobState::kRetrying;
}

// The same numbers as AttemptOutcome in job.proto.
enum class Outcome {
  kNone = 0,
  kSucceeded = 1,
  kFailed = 2,
  kTimedOut = 3,
  kInputNotVisible = 4,
  kInputChanged = 5,
  kHandedBack = 6,
  kKilled = 7,
  kLost = 8,
  kPublishFailed = 9,
  kTemporaryFailure = 10,
  kRefused = 11,
};
inline constexpr size_t kOutcomes = 12;

struct OutputFile {
  std::string path;    // bytes, relative
  int64_t size = 0;    // bytes
  std::string sha256;  // 32 bytes
  bool operator==(const OutputFile&) const = default;
};

struct Job {
  JobId id;
  std::string pipeline;
  std::string key;  // unique over all jobs that are kept: see JobKey
  JobState state = JobState::kAvailable;
  int priority = 0;  // larger runs first, within its pipeline
  FileVersion input;
  int64_t event_id = 0;       // the event that made it; 0: made by a caller
  int64_t caused_by_job = 0;  // whose result the input is; 0: of none
  std::string output_volume;  // "" for none
  std::vector<OutputFile> outputs;
  int attempts = 0;       // that count so far
  int attempts_base = 0;  // `attempts` when it was retried by hand last; the limit counts from here
  int crashes = 0;        // attempts that ended in the executor's death
  FencingToken token;     // newest
  SessionId session;      // that holds the lease; "" unless RUNNING
  std::string executor;   // that holds it or held it last
  std::string host;       // of that executor
  int pid = 0;            // of the newest attempt's command; 0: not started
  std::optional<int> exit_code;  // of the newest attempt that has ended, if it has one
  std::string message;           // why it is RETRYING, FAILED or CANCELLED, or is going to be
  bool cancelling = false;       // RUNNING: it will be CANCELLED once its command is dead
  JobId after;                   // the job before it in its file's line; 0: it is the first
  absl::Time created_at = absl::InfinitePast();
  absl::Time due_at = absl::InfinitePast();  // not available before
  absl::Time leased_at = absl::InfinitePast();
  absl::Time started_at = absl::InfinitePast();
  absl::Time finished_at = absl::InfinitePast();
  // By the watcher's clock; of a task's run, when it was due at first.
  absl::Time observed_at = absl::InfinitePast();
  bool operator==(const Job&) const = default;
};

struct Attempt {
  JobId job;
  FencingToken token;
  int number = 0;  // among those that count; 0: did not count
  std::string executor;
  std::string host;
  int pid = 0;  // 0: the command was not started
  Outcome outcome = Outcome::kNone;
  std::optional<int> exit_code;  // nullopt: its command did not exit by itself
  int signal = 0;
  std::string message;
  absl::Time leased_at = absl::InfinitePast();
  absl::Time started_at = absl::InfinitePast();
  absl::Time ended_at = absl::InfinitePast();
  absl::Duration cpu;
  int64_t max_rss_bytes = 0;
  int64_t log_bytes = 0;  // recorded; filled in by the store when it is read
  bool operator==(const Attempt&) const = default;
};

// The attempt of a RUNNING job; it is recorded when it ends.
Attempt LiveAttempt(const Job& job);

// Progress that a command reported about itself; kept in memory only.
struct Progress {
  int64_t done = 0;
  int64_t total = 0;  // 0: unknown
  std::string unit;
  bool operator==(const Progress&) const = default;
};

// The key that makes one job of one file version per pipeline (P3).
std::string JobKey(const std::string& pipeline, const FileVersion& input);
// The same for jobs about a name that came or went: the same version may come and go again.
std::string EventJobKey(const std::string& pipeline, const FileVersion& input, int64_t event_id);
// The key of a job that is made by hand at `now`, though one of the key `first` was made before.
std::string JobKeyAgain(const std::string& first, absl::Time now);
bool IsMadeAgain(const Job& job);
// What the first two are made of; nothing for any other key.
struct JobKeyParts {
  std::string pipeline;
  FileVersion input;
  int64_t event_id = 0;  // 0: a JobKey
};
std::optional<JobKeyParts> ParseJobKey(std::string_view key);

}  // namespace closewrite

#endif  // SERVICES_COORDINATOR_CORE_JOB_H_

// Pipelines as plain values: which events become which job.
#ifndef SERVICES_COORDINATOR_CORE_PIPELINE_H_
#define SERVICES_COORDINATOR_CORE_PIPELINE_H_

#include <map>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "services/coordinator/core/file_event.h"
#include "services/volume/glob.h"

namespace closewrite {

// Completeness contract: when a file counts as finished.
enum class When { kCloseWrite, kRename };

// What happens with a new version of a file whose job is running.
enum class OnNewVersion { kQueue, kSupersede, kIgnore };

// Whether a job whose executor vanished may run again.
enum class OnLost { kRetry, kFail };

struct RetryPolicy {
  int attempts = 5;
  absl::Duration backoff = absl::Seconds(1);
  absl::Duration backoff_max = absl::Minutes(5);
  OnLost on_lost = OnLost::kRetry;
  int crash_attempts = 3;
};

struct Pipeline {
  std::string name;
  int version = 0;
  absl::Time applied_at = absl::InfinitePast();

  std::string volume;
  std::vector<Glob> match;
  std::vector<Glob> ignore;
  When when = When::kCloseWrite;
  absl::Duration settle;
  Evidence evidence = Evidence::kUnchecked;  // the weakest that is accepted
  OnNewVersion on_new_version = OnNewVersion::kQueue;

  std::vector<std::string> command;
  std::vector<std::string> labels;  // sorted, unique
  absl::Duration timeout = absl::InfiniteDuration();
  std::map<std::string, std::string> env;
  absl::Duration visible_within = absl::Seconds(30);
  absl::Duration kill_after = absl::Seconds(5);

  std::string output_volume;  // "" for none
  RetryPolicy retry;
  std::vector<std::string> locks;  // sorted, unique
  int priority = 0;

  std::string definition;  // opaque: what the API was given
};

// Whether a pipeline takes a file, and why or why not in a sentence.
struct Verdict {
  bool matches = false;
  std::string message;
};

// By name alone: volume and globs.
Verdict MatchPath(const Pipeline& pipeline, const std::string& volume, const std::string& path);
// By name and by the completeness contract.
Verdict MatchEvent(const Pipeline& pipeline, const FileEvent& event);

}  // namespace closewrite

#endif  // SERVICES_COORDINATOR_CORE_PIPELINE_H_

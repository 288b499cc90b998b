// Pipelines as plain values: which events become which job.
#ifndef SERVICES_COORDINATOR_CORE_PIPELINE_H_
#define SERVICES_COORDINATOR_CORE_PIPELINE_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "services/coordinator/core/alert_policy.h"
#include "services/coordinator/core/file_event.h"
#include "services/coordinator/core/rate.h"
#include "services/coordinator/core/upload_policy.h"
#include "services/volume/glob.h"

namespace closewrite {

// Completeness contract: when a file counts as finished. The same numbers as When in
// pipeline.proto.
enum class When {
  kCloseWrite = 1,
  kRename = 2,
  kMarker = 3,
  kQuiet = 4,
  kCreate = 5,
  kDelete = 6,
  kNames = 7,
};

// How the marker of a file is named: what stands before and after the file's own name.
struct MarkerName {
  std::string prefix;
  std::string suffix;
};

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
  // The weakest that is accepted. QUIET only where it is asked for: by its name, or by kQuiet.
  Evidence evidence = Evidence::kUnchecked;
  MarkerName marker;       // of kMarker
  absl::Duration quiet;    // a file must not have changed for so long; zero: QUIET is not accepted
  bool on_create = false;  // of kNames
  bool on_delete = false;  // likewise
  OnNewVersion on_new_version = OnNewVersion::kQueue;

  std::vector<std::string> command;
  std::vector<std::string> labels;  // sorted, unique
  absl::Duration timeout = absl::InfiniteDuration();
  std::map<std::string, std::string> env;
  absl::Duration visible_within = absl::Seconds(30);
  absl::Duration kill_after = absl::Seconds(5);
  std::string wd;            // "": one of its own
  std::string run_as;        // "": the executor's user
  std::string secrets_from;  // "": none
  int nice = 0;
  int64_t nofile = 0;        // 0: as the executor has it
  int64_t memory_bytes = 0;  // of all its processes; 0: no limit
  int64_t cpu_millis = 0;    // thousandths of a processor; 0: no limit

  std::string output_volume;  // "" for none
  RetryPolicy retry;
  std::vector<std::string> locks;  // sorted, unique
  std::optional<NamedRate> rate;
  int priority = 0;  // of all pipelines, the largest goes first
  int weight = 1;    // the share of the slots, beside others of the same priority
  AlertPolicy alerts;
  NotifyPolicy notify;
  std::optional<UploadPolicy> uploads;  // people may hand in files

  std::string definition;  // opaque: what the API was given
};

// Whether a pipeline takes a file, and why or why not in a sentence.
struct Verdict {
  bool matches = false;
  std::string message;
};

// What else is known when an event is judged; see HistoryOf.
struct FileHistory {
  std::optional<EventRecord> before;  // the newest event of the path before the one in question
  std::optional<EventRecord> marker;  // of kMarker: the newest event of its marker
  // Of kMarker: the event that made the newest job of an earlier version; 0 when there is none, or
  // it still waits and so gives way. Markers up to this one have had their job.
  int64_t used_event = 0;
};

// By name alone: volume, globs, and that it is no marker itself.
Verdict MatchPath(const Pipeline& pipeline, const std::string& volume, const std::string& path);
// By name and by the completeness contract.
Verdict MatchEvent(const Pipeline& pipeline, const FileEvent& event,
                   const FileHistory& history = {});
// Whether the evidence of a finished event is enough; part of MatchEvent.
Verdict MatchEvidence(const Pipeline& pipeline, const FileEvent& event);

// False for jobs about a name: their file need not be there any more, or not yet.
inline bool ReadsInput(const Pipeline& pipeline) {
  return pipeline.when != When::kCreate && pipeline.when != When::kDelete &&
         pipeline.when != When::kNames;
}
// Whether names that appear make a job, and those that vanish.
inline bool TakesCreate(const Pipeline& pipeline) {
  return pipeline.when == When::kCreate || pipeline.on_create;
}
inline bool TakesDelete(const Pipeline& pipeline) {
  return pipeline.when == When::kDelete || pipeline.on_delete;
}
// The marker of a file, and the file that is marked by `path`, nullopt when it is no marker. Of
// kMarker only.
std::string MarkerOf(const Pipeline& pipeline, const std::string& path);
std::optional<std::string> MarkedBy(const Pipeline& pipeline, const std::string& path);

}  // namespace closewrite

#endif  // SERVICES_COORDINATOR_CORE_PIPELINE_H_

// Alarms: what is wrong, by the rules of pipelines and tasks. Pure: facts go in, troubles come out.
#ifndef SERVICES_COORDINATOR_CORE_ALERT_RULES_H_
#define SERVICES_COORDINATOR_CORE_ALERT_RULES_H_

#include <compare>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "services/coordinator/core/alert_policy.h"
#include "services/coordinator/core/ids.h"

namespace closewrite {

// An executor or a watcher may be away for so long before somebody is told: it is started again in
// the meantime.
inline constexpr absl::Duration kAwayMax = absl::Seconds(15);
// A volume without another overflow for so long is well again.
inline constexpr absl::Duration kOverflowCalm = absl::Minutes(10);

// The same numbers as AlertRule in alert.proto; they are stored.
enum class AlertRule {
  kNoSuccess = 1,
  kFailed = 2,
  kRunning = 3,
  kWaiting = 4,
  kExecutorLost = 5,
  kWatcherLost = 6,
  kOverflow = 7,
};

// What an incident is about; there is one at a time.
struct IncidentKey {
  // What the jobs go by: a pipeline's name, or RunsOf(task).
  std::string owner;
  AlertRule rule = AlertRule::kNoSuccess;
  std::string subject;  // the executor or volume; "" for the other rules
  auto operator<=>(const IncidentKey&) const = default;
};

// Something that is wrong just now.
struct Trouble {
  IncidentKey key;
  std::string message;    // a sentence
  bool in_doubt = false;  // it may be over in a moment: nothing begins or ends by it
};

// A job that runs or waits.
struct JobSince {
  JobId job;
  absl::Time since;
  std::string why;  // of one that waits
};

struct AlertFacts {
  std::string owner;     // see IncidentKey
  bool stopped = false;  // a task that is not started
  // From when on a success is asked for, and the newest one that is known.
  absl::Time registered_at;
  absl::Time succeeded_at = absl::InfinitePast();
  // Newest first; as many as the policy asks for are enough.
  std::vector<std::pair<JobId, absl::Time>> failed;
  std::optional<JobSince> running;  // for the longest time
  std::optional<JobSince> waiting;  // likewise
  struct Away {
    std::string name;
    absl::Time since;
    std::string host;  // "": unknown
  };
  std::vector<Away> executors;  // that could run it
  std::vector<Away> volumes;    // of it, without a watcher; `host` is their home
  struct Overflow {
    std::string volume;
    absl::Time at;
  };
  std::vector<Overflow> overflows;  // the newest of each volume
};

// By key, one trouble each.
std::vector<Trouble> FindTroubles(const AlertPolicy& policy, const AlertFacts& facts,
                                  absl::Time now);

// "pipeline enrich", "task load".
std::string OwnerName(const std::string& owner);
// The same for programs: {"pipeline", "enrich"}, {"task", "load"}.
std::pair<std::string, std::string> OwnerDetail(const std::string& owner);
// In words, for the line that says what kind of trouble it is: "no success".
std::string_view AlertRuleName(AlertRule rule);

}  // namespace closewrite

#endif  // SERVICES_COORDINATOR_CORE_ALERT_RULES_H_

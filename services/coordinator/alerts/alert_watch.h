// Looks every few seconds whether something is wrong, and keeps the incidents.
#ifndef SERVICES_COORDINATOR_ALERTS_ALERT_WATCH_H_
#define SERVICES_COORDINATOR_ALERTS_ALERT_WATCH_H_

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "services/coordinator/alerts/alert_facts.h"
#include "services/coordinator/alerts/alert_options.h"
#include "services/coordinator/core/alert_notes.h"
#include "services/coordinator/core/incident.h"
#include "services/coordinator/fleet_turn.h"
#include "services/coordinator/store_loop.h"

namespace closewrite {

inline constexpr absl::Duration kAlertInterval = absl::Seconds(5);
// How long what is over is kept, and an executor is said to be lost that does not come back.
inline constexpr absl::Duration kPastIncidentsKept = absl::Hours(24 * 90);
inline constexpr absl::Duration kGoneExecutorKept = absl::Hours(24 * 7);

// Reads beside the store loop, and changes through it; of several coordinators one looks at a time.
// What is wrong is worked out anew each time, so nothing is forgotten when a coordinator is killed:
// an incident and the messages that tell of it are one commit. Thread-safe.
class AlertWatch {
 public:
  // `new_id` gives ids that never repeat. `loop` is not owned.
  AlertWatch(AlertOptions options, StoreLoop* loop, std::function<std::string()> new_id);
  ~AlertWatch() { Shutdown(); }

  void Start();
  // May be called any number of times.
  void Shutdown();

  // Looks once; what the thread does.
  absl::Status Look();

 private:
  // What is to be written.
  struct Plan {
    struct Change {
      IncidentChange change;
      std::optional<Incident> before;
      std::string message_id;
    };
    std::vector<Change> changes;
    std::vector<Baseline> baselines;
    std::vector<std::string> old_baselines;  // owners
    std::vector<OverflowMark> overflows;
    std::map<std::string, absl::Time> searched_until;  // see below; once the rest is written

    bool empty() const {
      return changes.empty() && baselines.empty() && old_baselines.empty() && overflows.empty();
    }
  };

  void Run();
  bool Stopping() const;
  // `version` is that of all definitions.
  absl::Status LookAround(int64_t version);
  // Of those that are to succeed within some time: when they last did. Fills in what has changed.
  absl::Status UpdateBaselines(absl::Time now, std::map<std::string, Baseline>* baselines,
                               Plan* plan);
  absl::Status MakePlan(const Fleet& fleet, Plan* plan);
  void FindChanges(const std::map<std::string, Baseline>& baselines, const Surroundings& around,
                   StoreReader& reader, Plan* plan);
  absl::Status Write(const Plan& plan);
  void ForgetOldOnes();

  const AlertOptions options_;
  StoreLoop& loop_;
  const std::function<std::string()> new_id_;
  FleetTurn turn_;
  // Of the thread.
  int64_t definitions_version_ = -1;
  std::vector<Watched> watched_;
  bool any_open_ = true;  // incidents
  // Until when there is no success that is not known yet, by owner.
  std::map<std::string, absl::Time> searched_until_;
  absl::Time forget_at_ = absl::InfinitePast();

  mutable absl::Mutex mutex_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace closewrite

#endif  // SERVICES_COORDINATOR_ALERTS_ALERT_WATCH_H_

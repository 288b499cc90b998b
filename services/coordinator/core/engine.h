// The coordinator's rules over one fleet and one store, put together.
#ifndef SERVICES_COORDINATOR_CORE_ENGINE_H_
#define SERVICES_COORDINATOR_CORE_ENGINE_H_

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "services/coordinator/core/assign.h"
#include "services/coordinator/core/desk.h"
#include "services/coordinator/core/dispatch.h"
#include "services/coordinator/core/execution_points.h"
#include "services/coordinator/core/fleet.h"
#include "services/coordinator/core/intake.h"
#include "services/coordinator/core/job_book.h"
#include "services/coordinator/core/lock_book.h"
#include "services/coordinator/core/log_keeper.h"
#include "services/coordinator/core/monitor_book.h"
#include "services/coordinator/core/news.h"
#include "services/coordinator/core/store.h"
#include "services/coordinator/core/task_book.h"

namespace closewrite {

// Jobs handed to one watcher for publishing at a time.
inline constexpr int64_t kPublishOrdersMax = 1000;
// How often a watcher is asked for a heartbeat, and how long after one it counts as away.
inline constexpr absl::Duration kWatcherHeartbeat = absl::Seconds(3);
inline constexpr absl::Duration kWatcherTtl = absl::Seconds(9);

// Not thread-safe: the store loop calls it, one command after the other, each inside a store
// transaction. When a commit fails, memory may be ahead of the store: call Load again.
// Hosts that watchers have ever come from, as long as they are remembered.
inline constexpr size_t kWatchersMax = 10'000;

class Engine {
 public:
  struct Options {
    CoordinatorId self = "coordinator";  // of a shared store: another one at each start
    bool shared = false;                 // Store::shared()
    absl::Duration session_ttl = absl::Seconds(10);
    // Finished jobs and old events are kept for so long.
    absl::Duration retention = absl::InfiniteDuration();
    // The same of what the audit has.
    absl::Duration audit_retention = absl::InfiniteDuration();
    LogLimits logs;
    // Points of executions, loads and models are made only when it is set.
    std::optional<ExtraTags> points;
    std::function<double()> random;             // in [0, 1)
    std::function<SessionId()> new_session_id;  // never repeats
    // Reads a stored definition back.
    std::function<absl::StatusOr<Pipeline>(std::string_view definition)> decode_pipeline;
    std::function<absl::StatusOr<Task>(std::string_view definition)> decode_task;
  };
  explicit Engine(Options options);

  // Reads everything: pipelines, sessions, watchers, leases, locks. Sessions that attend no other
  // coordinator have a full time to live from `now`, to come back.
  absl::Status Load(StoreReader& reader, absl::Time now);
  // Of a shared store: catches up with what other coordinators have changed. To be called at the
  // beginning of each transaction, with News::Anything() at least once a second.
  absl::Status CatchUp(StoreTransaction& tx, const News& news, absl::Time now);
  // Of a shared store: adds what the engine will read by itself when commands read this.
  void AddWhatIsRead(Expected& expected) const;
  // What others should hear of a commit.
  News NewsOf(const Effects& effects) const;

  // Watchers. Connect returns ALREADY_EXISTS or FAILED_PRECONDITION as ObserveService says. A
  // watcher with the same ledger takes its own place over, from whichever coordinator has it.
  // Returns its new stream.
  absl::StatusOr<WatcherStream> ConnectWatcher(StoreTransaction& tx, const Watcher& watcher,
                                               absl::Time now);
  // ABORTED: the watcher has a newer stream, here or elsewhere, even if that has ended.
  absl::Status UpdateWatcher(StoreTransaction& tx, const WatcherStream& stream,
                             std::vector<VolumeReport> volumes, absl::Time now);
  void DisconnectWatcher(StoreTransaction& tx, const WatcherStream& stream);
  // ABORTED: likewise; nothing was recorded. What a network held back on an older stream may be
  // older than what was recorded meanwhile.
  absl::Status RecordEvents(StoreTransaction& tx, const WatcherStream& stream,
                            const std::vector<FileEvent>& events, absl::Time now);
  void RecordPublished(StoreTransaction& tx, const Lease& lease, const std::string& error,
                       absl::Time now);
  // Whether a watcher of these volumes has a say in what is published under this lease.
  static bool MayPublish(StoreReader& reader, const std::vector<VolumeReport>& volumes,
                         const Lease& lease);
  // PUBLISHING jobs of these volumes, at most kPublishOrdersMax.
  std::vector<Job> PublishOrders(StoreReader& reader, const std::vector<VolumeReport>& volumes);
  // True when no job can need what is staged under this lease any more.
  bool MaySweep(StoreReader& reader, const Lease& lease);

  Dispatch& dispatch() { return dispatch_; }
  Desk& desk() { return desk_; }
  TaskBook& tasks() { return tasks_; }
  MonitorBook& monitor() { return monitor_; }
  LockBook& locks() { return locks_; }
  const Fleet& fleet() const { return fleet_; }

  // Does what is due, then gives free slots to available jobs. To be called at the end of each
  // transaction. Returns when it must be called next, at the latest.
  absl::Time Tick(StoreTransaction& tx, absl::Time now);

  // What is to be told once the transaction is committed.
  Effects TakeEffects() { return book_.TakeEffects(); }

 private:
  absl::Status LoadPipelines(StoreReader& reader);
  void LearnAvailableTasks(StoreReader& reader);
  void LoadLeases(StoreReader& reader, absl::Time now);
  void LoadProgram(SessionRecord record, const std::map<SessionId, SessionRecord>& known,
                   absl::Time now);
  void CatchUpSessions(StoreReader& reader);
  absl::Status CheckHomes(const std::string& host, const std::vector<VolumeReport>& volumes) const;
  absl::Status CheckWatcher(StoreTransaction& tx, const WatcherStream& stream);
  void Forget(StoreTransaction& tx, absl::Time now);

  const Options options_;
  Fleet fleet_;
  JobBook book_;
  Intake intake_;
  LogKeeper logs_;
  LockBook locks_;
  Dispatch dispatch_;
  Assigner assigner_;
  Desk desk_;
  TaskBook tasks_;
  MonitorBook monitor_;
  absl::Time forget_at_ = absl::InfinitePast();
  bool pruning_ = false;
};

}  // namespace closewrite

#endif  // SERVICES_COORDINATOR_CORE_ENGINE_H_

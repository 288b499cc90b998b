// The executor: wires its parts, starts and drains them.
#ifndef SERVICES_EXECUTOR_EXECUTOR_H_
#define SERVICES_EXECUTOR_EXECUTOR_H_

#include <atomic>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "closewrite/v1/config.pb.h"
#include "services/executor/attempt_meters.h"
#include "services/executor/attempt_table.h"
#include "services/executor/bell.h"
#include "services/executor/coordinator_link.h"
#include "services/executor/execute_service.h"
#include "services/executor/guardian_process.h"
#include "services/executor/journal.h"
#include "services/executor/mount_probe.h"
#include "services/metrics/metrics_server.h"
#include "services/transport/channel.h"
#include "services/transport/server.h"
#include "services/transport/tls.h"

namespace closewrite::executor {

inline constexpr int kSlotsMax = 10000;
inline constexpr int kLabelsMax = 64;
inline constexpr int kVolumesMax = 1000;
inline constexpr absl::Duration kDrainTimeoutDefault = absl::Seconds(30);
// How long a stopping executor waits for its last results to be recorded. What is not is reported
// at its next start.
inline constexpr absl::Duration kSettleMax = absl::Seconds(5);
// How long it waits for the coordinator to record that it goes.
inline constexpr absl::Duration kFarewellMax = absl::Seconds(1);
// How long commands may take to die after they were told to, before they are killed.
inline constexpr absl::Duration kTerminateMax = absl::Minutes(1);
// How long a start waits for the commands of a killed predecessor to be dead.
inline constexpr absl::Duration kLockMax = absl::Seconds(5);

// Fills in defaults. INVALID_ARGUMENT, one line for people, for the first value that is wrong.
absl::Status CompleteConfig(v1::ExecutorConfig* config);

// Thread-safe.
class Executor {
 public:
  // Checks everything before it starts anything; a failure is one line for people. `guarded`: this
  // process is closewrite-executor, so it can start a guardian. `on_drain`: somebody has told it to
  // drain, and Drain is to be called; called once, by a thread that must not be blocked.
  static absl::StatusOr<std::unique_ptr<Executor>> Start(v1::ExecutorConfig config,
                                                         bool guarded = false,
                                                         std::function<void()> on_drain = {});
  // Kills what runs.
  ~Executor();

  int port() const { return server_->port(); }
  v1::DescribeExecutorResponse Describe() const;

  // Takes no new leases, hands back what has not started, waits for what runs (at most
  // drain_timeout, then it is told to end), and for its results to be recorded. Then it is shut
  // down. With `on_stop: leave` it waits for commands only when it was called because of
  // `on_drain`. Commands that are left running: false, and now the process is to end without
  // destroying this object, which kills them.
  bool Drain();
  // What a stop signal means while Drain goes on, from another thread: with `on_stop: leave` it
  // waits no longer and leaves what runs; otherwise, and once commands were told to end, what runs
  // is killed.
  void Hurry();

 private:
  // What a drain has come to: it waits for commands, and then leaves them or has told them to end.
  enum class DrainState { kWaiting, kLeaving, kEnding };

  Executor(v1::ExecutorConfig config, std::function<void()> on_drain)
      : config_(std::move(config)), on_drain_(std::move(on_drain)) {}
  absl::Status Open(bool guarded);
  void StartGuardian();
  absl::Status ServeMetrics();
  // False when `within` is over, or it is told to leave them, and attempts still run.
  bool WaitForCommands(absl::Duration within);
  // False when another state has come before.
  bool BecomeDrainState(DrainState state);
  void WaitForResults();
  void KillAll();

  const v1::ExecutorConfig config_;
  const std::function<void()> on_drain_;
  std::atomic<DrainState> drain_{DrainState::kWaiting};
  Fd supervisor_image_;
  std::unique_ptr<GuardianProcess> guardian_;  // may be absent
  Bell link_bell_;
  Bell drain_bell_;
  std::unique_ptr<Journal> journal_;
  std::unique_ptr<MountProbe> probe_;
  AttemptMeters meters_;
  std::unique_ptr<AttemptTable> table_;
  std::unique_ptr<Tls> tls_;  // null: none
  Gate gate_;                 // of the server, with TLS
  std::unique_ptr<CoordinatorChannel> channel_;
  std::unique_ptr<CoordinatorLink> link_;
  std::unique_ptr<ExecuteService> service_;
  std::unique_ptr<Server> server_;
  std::unique_ptr<MetricsServer> metrics_;  // may be absent; goes first
};

}  // namespace closewrite::executor

#endif  // SERVICES_EXECUTOR_EXECUTOR_H_

// closewrite-executor: takes leases, runs commands, stages their results.
#include <signal.h>
#include <unistd.h>

#include <string_view>
#include <thread>

#include "services/config/command_line.h"
#include "services/config/core_dump.h"
#include "services/executor/executor.h"
#include "services/executor/guardian.h"
#include "services/log/log.h"
#include "services/transport/probe_server.h"
#include "services/transport/server.h"

int main(int argc, char** argv) {
  using namespace closewrite;  // NOLINT: a main of one page
  ForbidCoreDumps();
  if (argc == 1 && argv[0] == std::string_view(executor::kGuardianName)) {
    return executor::RunGuardian();
  }
  BlockStopSignals();
  v1::ExecutorConfig config;
  if (std::optional<int> exit_code = ReadCommandLine(argc, argv, "closewrite-executor", &config)) {
    return *exit_code;
  }
  InitLog("executor");
  const std::string probes_at = config.probes();
  auto started = executor::Executor::Start(std::move(config), /*guarded=*/true,
                                           [] { kill(getpid(), SIGTERM); });
  if (!started.ok()) {
    return RefuseConfiguration("closewrite-executor", std::string(started.status().message()));
  }
  // Shared with the thread that waits for a second signal, which may never come.
  const std::shared_ptr<executor::Executor> executor = *std::move(started);
  absl::StatusOr<std::unique_ptr<ProbeServer>> probes = ProbeServer::Start(probes_at);
  if (!probes.ok()) {
    return RefuseConfiguration("closewrite-executor", std::string(probes.status().message()));
  }
  LogInfo("stopping", {{"signal", WaitForStopSignal()}});
  (*probes)->Drain();
  std::thread([executor] {
    for (;;) {
      LogInfo("told to stop again", {{"signal", WaitForStopSignal()}});
      executor->Hurry();
    }
  }).detach();
  const bool all_done = executor->Drain();
  LogInfo("stopped");
  if (!all_done) _exit(kExitOk);
  return kExitOk;
}

// closewrite-coordinator: events -> jobs -> leases -> dispatch.
#include "services/clock/clock.h"
#include "services/config/command_line.h"
#include "services/config/core_dump.h"
#include "services/coordinator/coordinator.h"
#include "services/log/log.h"
#include "services/transport/probe_server.h"
#include "services/transport/server.h"

int main(int argc, char** argv) {
  using namespace closewrite;  // NOLINT: a main of one page
  ForbidCoreDumps();
  BlockStopSignals();
  v1::CoordinatorConfig config;
  std::string copy;
  const std::vector<CommandLineOption> options = {
      {"--backup", "copies the SQLite store, which may be in use, into this new file, and ends",
       &copy}};
  if (std::optional<int> exit_code =
          ReadCommandLine(argc, argv, "closewrite-coordinator", &config, options)) {
    return *exit_code;
  }
  if (!copy.empty()) {
    const absl::Status status = BackUpStore(config, copy, [] { return !StopSignalIsPending(); });
    if (status.ok()) return kExitOk;
    RefuseConfiguration("closewrite-coordinator", std::string(status.message()));
    if (absl::IsCancelled(status)) return kExitInterrupted;
    return absl::IsInvalidArgument(status) ? kExitUsage : kExitOurs;
  }
  InitLog("coordinator");
  SteadyClock clock;
  absl::StatusOr<std::unique_ptr<Coordinator>> coordinator = Coordinator::Start(config, &clock);
  if (!coordinator.ok()) {
    return RefuseConfiguration("closewrite-coordinator",
                               std::string(coordinator.status().message()));
  }
  absl::StatusOr<std::unique_ptr<ProbeServer>> probes = ProbeServer::Start(config.probes());
  if (!probes.ok()) {
    return RefuseConfiguration("closewrite-coordinator", std::string(probes.status().message()));
  }
  const int signal = WaitForStopSignal();
  (*probes)->Drain();
  LogInfo("stopping", {{"signal", signal}});
  (*coordinator)->Shutdown();
  LogInfo("stopped");
  return kExitOk;
}

// closewrite-coordinator: events -> jobs -> leases -> dispatch.
#include "services/clock/clock.h"
#include "services/config/command_line.h"
#include "services/coordinator/coordinator.h"
#include "services/log/log.h"
#include "services/transport/server.h"

int main(int argc, char** argv) {
  using namespace closewrite;  // NOLINT: a main of one page
  BlockStopSignals();
  v1::CoordinatorConfig config;
  if (std::optional<int> exit_code =
          ReadCommandLine(argc, argv, "closewrite-coordinator", &config)) {
    return *exit_code;
  }
  InitLog("coordinator");
  SteadyClock clock;
  absl::StatusOr<std::unique_ptr<Coordinator>> coordinator = Coordinator::Start(config, &clock);
  if (!coordinator.ok()) {
    return RefuseConfiguration("closewrite-coordinator",
                               std::string(coordinator.status().message()));
  }
  const int signal = WaitForStopSignal();
  LogInfo("stopping", {{"signal", signal}});
  (*coordinator)->Shutdown();
  LogInfo("stopped");
  return kExitOk;
}

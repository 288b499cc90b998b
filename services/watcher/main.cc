// closewrite-watcher: finished files -> ledger -> coordinator, and results -> their final names.
#include <sys/resource.h>

#include <optional>
#include <string>

#include "closewrite/v1/config.pb.h"
#include "services/clock/clock.h"
#include "services/config/command_line.h"
#include "services/config/core_dump.h"
#include "services/log/log.h"
#include "services/transport/probe_server.h"
#include "services/transport/server.h"
#include "services/watcher/drain_thread.h"
#include "services/watcher/watcher.h"

namespace {
constexpr int kNice = 5;
}  // namespace

int main(int argc, char** argv) {
  using namespace closewrite;  // NOLINT: a main of one page
  ForbidCoreDumps();
  BlockStopSignals();
  v1::WatcherConfig config;
  if (const std::optional<int> exit_code =
          ReadCommandLine(argc, argv, "closewrite-watcher", &config)) {
    return *exit_code;
  }
  InitLog("watcher");
  // The thread that empties the kernel's queue comes before the writers; all others after them, as
  // what they do can wait. Threads inherit it.
  if (watcher::MayRaisePriority()) setpriority(PRIO_PROCESS, 0, kNice);
  SteadyClock clock;
  watcher::Watcher watcher(&clock);
  if (const absl::Status started = watcher.Start(config); !started.ok()) {
    return RefuseConfiguration("closewrite-watcher", std::string(started.message()));
  }
  absl::StatusOr<std::unique_ptr<ProbeServer>> probes = ProbeServer::Start(config.probes());
  if (!probes.ok()) {
    return RefuseConfiguration("closewrite-watcher", std::string(probes.status().message()));
  }
  const int signal = WaitForStopSignal();
  (*probes)->Drain();
  LogInfo("stopping", {{"signal", signal}});
  watcher.Shutdown();
  LogInfo("stopped");
  return kExitOk;
}

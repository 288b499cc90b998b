// closewrite-portal: pages for people who upload files and for those who run things.
#include <iostream>
#include <string>
#include <string_view>

#include "services/config/command_line.h"
#include "services/config/core_dump.h"
#include "services/log/log.h"
#include "services/portal/portal.h"
#include "services/portal/users.h"
#include "services/transport/probe_server.h"
#include "services/transport/server.h"

namespace {

// Reads it from stdin, so that it is in no list of processes and no history of a shell.
int PrintHash() {
  std::string password;
  std::getline(std::cin, password);
  const absl::StatusOr<std::string> hash = closewrite::portal::HashPassword(password);
  if (!hash.ok()) {
    return closewrite::RefuseConfiguration("closewrite-portal",
                                           std::string(hash.status().message()));
  }
  std::fputs((*hash + "\n").c_str(), stdout);
  return closewrite::kExitOk;
}

}  // namespace

int main(int argc, char** argv) {
  using namespace closewrite;  // NOLINT: a main of one page
  ForbidCoreDumps();
  if (argc == 2 && argv[1] == std::string_view("--hash-password")) return PrintHash();
  BlockStopSignals();
  v1::PortalConfig config;
  if (std::optional<int> exit_code = ReadCommandLine(argc, argv, "closewrite-portal", &config)) {
    return *exit_code;
  }
  InitLog("portal");
  absl::StatusOr<std::unique_ptr<portal::Portal>> started = portal::Portal::Start(config);
  if (!started.ok()) {
    return RefuseConfiguration("closewrite-portal", std::string(started.status().message()));
  }
  absl::StatusOr<std::unique_ptr<ProbeServer>> probes = ProbeServer::Start(config.probes());
  if (!probes.ok()) {
    return RefuseConfiguration("closewrite-portal", std::string(probes.status().message()));
  }
  LogInfo("stopping", {{"signal", WaitForStopSignal()}});
  (*probes)->Drain();
  (*started)->Shutdown();
  LogInfo("stopped");
  return kExitOk;
}

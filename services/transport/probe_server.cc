#include "services/transport/probe_server.h"

#include <utility>

namespace closewrite {

absl::StatusOr<std::unique_ptr<ProbeServer>> ProbeServer::Start(const std::string& listen) {
  auto probes = std::unique_ptr<ProbeServer>(new ProbeServer);
  if (listen.empty()) return probes;
  absl::StatusOr<std::unique_ptr<Server>> server =
      Server::Start({.listen = listen, .key = "probes", .reflection = false});
  if (!server.ok()) return server.status();
  (*server)->SetServing(kAlive, true);
  probes->server_ = *std::move(server);
  return probes;
}

void ProbeServer::Drain() {
  if (server_ != nullptr) server_->SetServing("", false);
}

}  // namespace closewrite

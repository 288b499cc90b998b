#include "services/transport/server.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "absl/base/call_once.h"
#include "absl/cleanup/cleanup.h"
#include "grpc/health/v1/health.pb.h"
#include "grpc/support/time.h"
#include "grpcpp/ext/proto_server_reflection_plugin.h"
#include "grpcpp/health_check_service_interface.h"
#include "grpcpp/impl/server_builder_option.h"
#include "grpcpp/impl/server_builder_plugin.h"
#include "grpcpp/impl/server_initializer.h"
#include "grpcpp/resource_quota.h"
#include "services/log/str_cat.h"
#include "services/transport/address.h"
#include "services/transport/grpc_log.h"

namespace closewrite {
namespace {

// What a server permits is laxer than what our clients do, so that a ping that comes a moment early
// is not taken for abuse (GOAWAY "too_many_pings").
constexpr int kPingIntervalMinMs = kKeepAliveMs / 2;
// Its own pings find clients that are gone; nothing waits for that.
constexpr int kServerKeepAliveMs = 5000;
constexpr int kServerKeepAliveTimeoutMs = 5000;
// Who has connected and does not say what TLS and HTTP/2 begin with is let go.
constexpr int kHandshakeTimeoutMs = 10000;
// And who has no call open is let go, too: clients connect again when they have one.
constexpr int kIdleConnectionMs = 30000;
// A service has two or three streams with each of its peers; an application may wait for this many
// jobs over one connection.
constexpr int kStreamsPerConnectionMax = 1000;
// What gRPC may hold for all its connections, messages that have come in part above all: a peer may
// begin one of kMessageBytesMax on each stream and leave it there. Past that it breaks streams off
// with RESOURCE_EXHAUSTED.
constexpr size_t kBufferedBytesMax = size_t{256} << 20;

void InitGrpcOnce() {
  static absl::once_flag once;
  absl::call_once(once, [] {
    RouteGrpcLog();
    grpc::EnableDefaultHealthCheckService(true);
    grpc::reflection::InitProtoReflectionServerBuilderPlugin();
    // Refers to the descriptor, so that the linker keeps it and reflection can show it.
    grpc::health::v1::HealthCheckRequest::descriptor();
  });
}

// Learns the full names of all services that a server got; they are private to grpc::Service.
class NamesPlugin : public grpc::ServerBuilderPlugin {
 public:
  explicit NamesPlugin(std::vector<std::string>* names) : names_(names) {}
  std::string name() override { return "closewrite_service_names"; }
  void InitServer(grpc::ServerInitializer*) override {}
  void Finish(grpc::ServerInitializer* initializer) override {
    *names_ = *initializer->GetServiceList();
  }
  void ChangeArguments(const std::string&, void*) override {}

 private:
  std::vector<std::string>* const names_;
};

class ServerOption : public grpc::ServerBuilderOption {
 public:
  ServerOption(bool reflection, std::vector<std::string>* names)
      : reflection_(reflection), names_(names) {}
  void UpdateArguments(grpc::ChannelArguments*) override {}
  void UpdatePlugins(std::vector<std::unique_ptr<grpc::ServerBuilderPlugin>>* plugins) override {
    if (!reflection_) {
      // Each builder gets all plug-ins that the process knows, reflection among them.
      plugins->erase(
          std::remove_if(plugins->begin(), plugins->end(),
                         [](const auto& p) { return p->name() == "proto_server_reflection"; }),
          plugins->end());
    }
    plugins->push_back(std::make_unique<NamesPlugin>(names_));
  }

 private:
  const bool reflection_;
  std::vector<std::string>* const names_;
};

std::string ErrnoText(int error) {
  return error == EADDRINUSE ? "address already in use" : strerror(error);
}

// gRPC tells neither whether an address was busy nor why it could not be bound, so this tries it
// the way gRPC does. Empty: it can be bound.
std::string WhyNotBindable(const HostPort& at) {
  std::string error;
  const AddressList addresses = LookUp(at, AI_PASSIVE, &error);
  for (const addrinfo* a = addresses.get(); a != nullptr; a = a->ai_next) {
    const int fd = socket(a->ai_family, a->ai_socktype | SOCK_CLOEXEC, a->ai_protocol);
    if (fd < 0) {
      error = ErrnoText(errno);
      continue;
    }
    const absl::Cleanup close_fd = [fd] { close(fd); };
    const int on = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (bind(fd, a->ai_addr, a->ai_addrlen) == 0 && listen(fd, 1) == 0) return "";
    error = ErrnoText(errno);
  }
  return error;
}

absl::Status CannotServe(const Server::Options& options, std::string_view why) {
  return absl::UnavailableError(
      StrCat(options.key, ": cannot serve on ", options.listen, ": ", why,
             "; stop what uses the address, or set another one (port 0 takes a free port)"));
}

void SetServerArguments(grpc::ServerBuilder* builder) {
  builder->SetResourceQuota(grpc::ResourceQuota("server").Resize(kBufferedBytesMax));
  builder->AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, kStreamsPerConnectionMax);
  builder->AddChannelArgument(GRPC_ARG_MAX_CONNECTION_IDLE_MS, kIdleConnectionMs);
  builder->SetMaxReceiveMessageSize(kMessageBytesMax);
  builder->SetMaxSendMessageSize(kMessageBytesMax);
  // Otherwise two servers could share a port, each with half of the calls.
  builder->AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  builder->AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, kServerKeepAliveMs);
  builder->AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, kServerKeepAliveTimeoutMs);
  builder->AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  builder->AddChannelArgument(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  builder->AddChannelArgument(GRPC_ARG_SERVER_HANDSHAKE_TIMEOUT_MS, kHandshakeTimeoutMs);
  builder->AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS,
                              kPingIntervalMinMs);
}

sigset_t StopSignals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  return signals;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Server>> Server::Start(Options options) {
  InitGrpcOnce();
  const auto address = ParseHostPort(options.key, options.listen);
  if (!address.ok()) return address.status();
  const std::string why_not = WhyNotBindable(*address);
  if (!why_not.empty()) return CannotServe(options, why_not);

  grpc::ServerBuilder builder;
  std::vector<std::string> names;
  int port = 0;
  SetServerArguments(&builder);
  builder.SetOption(std::make_unique<ServerOption>(options.reflection, &names));
  builder.AddListeningPort(
      options.listen,
      options.credentials != nullptr ? options.credentials : grpc::InsecureServerCredentials(),
      &port);
  for (grpc::Service* service : options.services) builder.RegisterService(service);

  auto server = std::unique_ptr<Server>(new Server);
  // gRPC starts no server that has nothing but health.
  if (options.services.empty()) builder.RegisterCallbackGenericService(&server->nothing_);
  server->server_ = builder.BuildAndStart();
  if (server->server_ == nullptr || port == 0) {
    const std::string now_why = WhyNotBindable(*address);
    return CannotServe(options, now_why.empty() ? "gRPC could not bind it" : now_why);
  }
  server->port_ = port;
  for (const std::string& name : names) {
    server->server_->GetHealthCheckService()->SetServingStatus(name, true);
  }
  return server;
}

Server::~Server() { Shutdown(absl::ZeroDuration()); }

void Server::SetServing(const std::string& service, bool serving) {
  server_->GetHealthCheckService()->SetServingStatus(service, serving);
}

void Server::Drain() {
  if (server_ != nullptr) server_->GetHealthCheckService()->SetServingStatus(false);
}

void Server::Shutdown(absl::Duration grace) {
  if (server_ == nullptr) return;
  Drain();
  const int64_t grace_ms = std::max<int64_t>(0, absl::ToInt64Milliseconds(grace));
  server_->Shutdown(
      gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC), gpr_time_from_millis(grace_ms, GPR_TIMESPAN)));
}

void BlockStopSignals() {
  const sigset_t signals = StopSignals();
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
}

bool StopSignalIsPending() {
  sigset_t pending;
  sigemptyset(&pending);
  sigpending(&pending);
  return sigismember(&pending, SIGTERM) == 1 || sigismember(&pending, SIGINT) == 1;
}

int WaitForStopSignal() {
  const sigset_t signals = StopSignals();
  int signal = 0;
  while (sigwait(&signals, &signal) != 0) {
  }
  return signal;
}

}  // namespace closewrite

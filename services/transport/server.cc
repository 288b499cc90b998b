#include "services/transport/server.h"

#include <errno.h>
#include <netdb.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "absl/base/call_once.h"
#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_split.h"
#include "grpc/health/v1/health.pb.h"
#include "grpc/support/log.h"
#include "grpc/support/time.h"
#include "grpcpp/ext/proto_server_reflection_plugin.h"
#include "grpcpp/health_check_service_interface.h"
#include "grpcpp/impl/server_builder_option.h"
#include "grpcpp/impl/server_builder_plugin.h"
#include "grpcpp/impl/server_initializer.h"
#include "services/log/log.h"
#include "services/log/str_cat.h"

namespace closewrite {
namespace {

// A peer that went away without a word (power, cable) is noticed after the sum of these two.
constexpr int kKeepAliveMs = 5000;
constexpr int kKeepAliveTimeoutMs = 5000;
// What a server permits is laxer than what our clients do, so that a ping that comes a moment early
// is not taken for abuse (GOAWAY "too_many_pings").
constexpr int kPingIntervalMinMs = kKeepAliveMs / 2;

constexpr int kReconnectMinMs = 100;
// An executor kills its commands two thirds of a session's time to live after it was last answered,
// so a coordinator that is back must be found well before.
constexpr int kReconnectMaxMs = 1000;
constexpr int kConnectTimeoutMs = 5000;

// More than this in a list of coordinators is a mistake.
constexpr size_t kAddressesMax = 64;

// gRPC's own messages become lines of ours.
void LogFromGrpc(gpr_log_func_args* args) {
  const LogField where = {"grpc", StrCat(args->file, ":", args->line)};
  switch (args->severity) {
    case GPR_LOG_SEVERITY_ERROR:
      return LogWarn(args->message, {where});
    case GPR_LOG_SEVERITY_INFO:
    case GPR_LOG_SEVERITY_DEBUG:
      return LogDebug(args->message, {where});
  }
}

void InitGrpcOnce() {
  static absl::once_flag once;
  absl::call_once(once, [] {
    gpr_set_log_function(LogFromGrpc);
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

struct HostPort {
  std::string host;  // without brackets
  std::string port;
};

absl::StatusOr<HostPort> ParseHostPort(std::string_view what, std::string_view address) {
  const size_t colon = address.rfind(':');
  HostPort parts;
  if (colon != std::string_view::npos) {
    parts.host = address.substr(0, colon);
    parts.port = address.substr(colon + 1);
  }
  const bool bracketed =
      parts.host.size() > 2 && parts.host.front() == '[' && parts.host.back() == ']';
  if (bracketed) parts.host = parts.host.substr(1, parts.host.size() - 2);
  const bool port_ok = !parts.port.empty() && parts.port.size() <= 5 &&
                       parts.port.find_first_not_of("0123456789") == std::string::npos &&
                       std::stoi(parts.port) <= 65535;
  const bool host_ok =
      !parts.host.empty() && (bracketed || parts.host.find(':') == std::string::npos);
  if (port_ok && host_ok) return parts;
  return absl::InvalidArgumentError(StrCat(what, ": \"", address,
                                           "\" is not host:port; write for example ",
                                           "0.0.0.0:7400, vm-a:7400 or [::1]:7400"));
}

using AddressList = std::unique_ptr<addrinfo, decltype(&freeaddrinfo)>;

// On failure the list is null and `error` says why.
AddressList Resolve(const HostPort& at, int flags, std::string* error) {
  addrinfo hints = {};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = flags | AI_NUMERICSERV;
  addrinfo* found = nullptr;
  const int code = getaddrinfo(at.host.c_str(), at.port.c_str(), &hints, &found);
  if (code != 0) {
    *error = code == EAI_SYSTEM ? strerror(errno) : gai_strerror(code);
    found = nullptr;
  }
  return AddressList(found, freeaddrinfo);
}

std::string ErrnoText(int error) {
  return error == EADDRINUSE ? "address already in use" : strerror(error);
}

// gRPC tells neither whether an address was busy nor why it could not be bound, so this tries it
// the way gRPC does. Empty: it can be bound.
std::string WhyNotBindable(const HostPort& at) {
  std::string error;
  const AddressList addresses = Resolve(at, AI_PASSIVE, &error);
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

absl::Status CannotServe(const std::string& listen, std::string_view why) {
  return absl::UnavailableError(
      StrCat("listen: cannot serve on ", listen, ": ", why,
             "; stop what uses the address, or set another one (port 0 takes a free port)"));
}

void SetServerArguments(grpc::ServerBuilder* builder) {
  builder->SetMaxReceiveMessageSize(kMessageBytesMax);
  builder->SetMaxSendMessageSize(kMessageBytesMax);
  // Otherwise two servers could share a port, each with half of the calls.
  builder->AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  builder->AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, kKeepAliveMs);
  builder->AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, kKeepAliveTimeoutMs);
  builder->AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  builder->AddChannelArgument(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  builder->AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS,
                              kPingIntervalMinMs);
}

grpc::ChannelArguments ClientArguments() {
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(kMessageBytesMax);
  arguments.SetMaxSendMessageSize(kMessageBytesMax);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, kKeepAliveMs);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, kKeepAliveTimeoutMs);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  arguments.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, kReconnectMinMs);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, kReconnectMaxMs);
  // In spite of its name: how long one attempt to connect may take.
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, kConnectTimeoutMs);
  // A fleet talks inside its own network; a proxy that is set for downloads is not meant for it.
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  arguments.SetLoadBalancingPolicyName("round_robin");
  return arguments;
}

// `1.2.3.4:7400`, or `[2001:db8::1]:7400` in the form that a URI takes.
std::string NumericAddress(const addrinfo& address, bool as_ipv6) {
  char host[NI_MAXHOST];
  char port[NI_MAXSERV];
  if (getnameinfo(address.ai_addr, address.ai_addrlen, host, sizeof(host), port, sizeof(port),
                  NI_NUMERICHOST | NI_NUMERICSERV) != 0) {
    return "";
  }
  if (!as_ipv6) return StrCat(host, ":", port);
  return StrCat("%5B", address.ai_family == AF_INET ? "::ffff:" : "", host, "%5D:", port);
}

// gRPC 1.51 has no public resolver for a list of names, so they are looked up here, once; numeric
// addresses in a list are the better choice where addresses change.
std::string TargetOfList(const std::vector<std::string>& addresses) {
  std::vector<AddressList> lists;
  bool as_ipv6 = false;
  for (const std::string& address : addresses) {
    const auto parts = ParseHostPort("coordinator", address);
    std::string error = parts.ok() ? "" : std::string(parts.status().message());
    AddressList list = parts.ok() ? Resolve(*parts, 0, &error) : AddressList(nullptr, freeaddrinfo);
    if (list == nullptr) {
      LogWarn("address left out", {{"address", address}, {"error", error}});
      continue;
    }
    as_ipv6 = as_ipv6 || list->ai_family != AF_INET;
    lists.push_back(std::move(list));
  }
  // gRPC's resolver goes on asking for the first name; a process restart looks up the others.
  if (lists.empty()) return StrCat("dns:///", addresses.front());
  std::string target = as_ipv6 ? "ipv6:" : "ipv4:";
  for (size_t i = 0; i < lists.size(); ++i) {
    // The first address of each: the others are mostly the same host by another way.
    StrAppend(&target, i == 0 ? "" : ",", NumericAddress(*lists[i], as_ipv6));
  }
  return target;
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
  const auto address = ParseHostPort("listen", options.listen);
  if (!address.ok()) return address.status();
  const std::string why_not = WhyNotBindable(*address);
  if (!why_not.empty()) return CannotServe(options.listen, why_not);

  grpc::ServerBuilder builder;
  std::vector<std::string> names;
  int port = 0;
  SetServerArguments(&builder);
  builder.SetOption(std::make_unique<ServerOption>(options.reflection, &names));
  builder.AddListeningPort(options.listen, grpc::InsecureServerCredentials(), &port);
  for (grpc::Service* service : options.services) builder.RegisterService(service);

  auto server = std::unique_ptr<Server>(new Server);
  server->server_ = builder.BuildAndStart();
  if (server->server_ == nullptr || port == 0) {
    const std::string now_why = WhyNotBindable(*address);
    return CannotServe(options.listen, now_why.empty() ? "gRPC could not bind it" : now_why);
  }
  server->port_ = port;
  for (const std::string& name : names) {
    server->server_->GetHealthCheckService()->SetServingStatus(name, true);
  }
  return server;
}

Server::~Server() { Shutdown(absl::ZeroDuration()); }

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

int WaitForStopSignal() {
  const sigset_t signals = StopSignals();
  int signal = 0;
  while (sigwait(&signals, &signal) != 0) {
  }
  return signal;
}

std::shared_ptr<grpc::Channel> Connect(const std::string& addresses) {
  InitGrpcOnce();
  std::vector<std::string> list;
  for (absl::string_view part : absl::StrSplit(addresses, ',', absl::SkipWhitespace())) {
    part = absl::StripAsciiWhitespace(part);
    if (list.size() < kAddressesMax) list.emplace_back(part);
  }
  const std::string target =
      list.size() > 1 ? TargetOfList(list) : StrCat("dns:///", list.empty() ? "" : list.front());
  return grpc::CreateCustomChannel(target, grpc::InsecureChannelCredentials(), ClientArguments());
}

}  // namespace closewrite

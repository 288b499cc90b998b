#include "services/transport/channel.h"

#include <algorithm>
#include <limits>
#include <optional>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "absl/base/call_once.h"
#include "absl/base/thread_annotations.h"
#include "absl/random/random.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "grpcpp/generic/generic_stub.h"
#include "services/clock/clock.h"
#include "services/log/log.h"
#include "services/log/str_cat.h"
#include "services/transport/address.h"
#include "services/transport/grpc_log.h"

namespace closewrite {
namespace {

constexpr int kReconnectMinMs = 100;
// An executor kills its commands two thirds of a session's time to live after it was last answered,
// so a coordinator that is back must be found well before.
constexpr int kReconnectMaxMs = 1000;
constexpr int kConnectTimeoutMs = 5000;
// Names are not looked up more often, neither by gRPC nor by us.
constexpr int kLookUpPauseMs = 1000;
// How long gRPC waits for a server of names, 2 min by default.
constexpr int kLookUpTimeoutMs = 5000;

// More than this in a list of coordinators, or behind its names, is a mistake.
constexpr size_t kAddressesMax = 64;

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
  arguments.SetInt(GRPC_ARG_DNS_MIN_TIME_BETWEEN_RESOLUTIONS_MS, kLookUpPauseMs);
  arguments.SetInt(GRPC_ARG_DNS_ARES_QUERY_TIMEOUT_MS, kLookUpTimeoutMs);
  // Connections are kept for the day when they are needed.
  arguments.SetInt(GRPC_ARG_CLIENT_IDLE_TIMEOUT_MS, std::numeric_limits<int>::max());
  // A fleet talks inside its own network; a proxy that is set for downloads is not meant for it.
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  arguments.SetLoadBalancingPolicyName("round_robin");
  return arguments;
}

// The threads that call back are shared by all channels and servers of a process, and end with the
// last of them. A stream's context holds on to its channel and goes in a callback: if that channel
// is the last, gRPC 1.51 has a thread wait for itself to end and go on with a queue that is gone
// (`Unref` in its completion_queue_cc.cc). So one channel, which leads nowhere, is never dropped.
void KeepCallbackThreads() {
  static absl::once_flag once;
  absl::call_once(once, [] {
    static const auto* const channel = new std::shared_ptr<grpc::Channel>(
        grpc::CreateCustomChannel("", /*creds=*/nullptr, grpc::ChannelArguments()));
    grpc::GenericStub stub(*channel);
    grpc::ClientContext context;
    const grpc::Slice nothing;
    const grpc::ByteBuffer request(&nothing, 1);
    grpc::ByteBuffer response;
    absl::Notification failed;
    // The first call of a channel is what makes it take part in the threads.
    stub.UnaryCall(&context, "/", grpc::StubOptions(), &request, &response,
                   [&failed](const grpc::Status&) { failed.Notify(); });
    failed.WaitForNotification();
  });
}

// What a list stands for at the moment.
struct Found {
  bool as_ipv6 = false;
  std::vector<std::string> addresses;  // all of each, in a form that gRPC takes, sorted
  std::vector<std::string> left_out;   // why
  bool operator==(const Found&) const = default;
};

void LogLeftOut(const Found& found) {
  for (const std::string& why : found.left_out) LogWarn("address left out", {{"error", why}});
}

Found LookUpAll(const std::vector<std::string>& names) {
  std::vector<AddressList> lists;
  Found found;
  for (const std::string& name : names) {
    const auto parts = ParseHostPort("coordinator", name);
    std::string error = parts.ok() ? "" : std::string(parts.status().message());
    AddressList list = parts.ok() ? LookUp(*parts, 0, &error) : AddressList(nullptr, freeaddrinfo);
    if (list == nullptr) found.left_out.push_back(StrCat(name, ": ", error));
    for (const addrinfo* next = list.get(); next != nullptr; next = next->ai_next) {
      found.as_ipv6 = found.as_ipv6 || next->ai_family != AF_INET;
    }
    lists.push_back(std::move(list));
  }
  for (const AddressList& list : lists) {
    for (const addrinfo* next = list.get(); next != nullptr; next = next->ai_next) {
      const std::string address = NumericAddress(*next, found.as_ipv6);
      if (!address.empty()) found.addresses.push_back(address);
    }
  }
  std::sort(found.addresses.begin(), found.addresses.end());
  const auto last = std::unique(found.addresses.begin(), found.addresses.end());
  found.addresses.erase(last, found.addresses.end());
  if (found.addresses.size() > kAddressesMax) found.addresses.resize(kAddressesMax);
  return found;
}

std::string TargetOf(Found found, const std::vector<std::string>& names) {
  // gRPC's own resolver goes on asking for this one.
  if (found.addresses.empty() || names.size() == 1) {
    return StrCat("dns:///", names.empty() ? "" : names.front());
  }
  absl::BitGen random;
  // The first one to be connected has the first stream.
  std::shuffle(found.addresses.begin(), found.addresses.end(), random);
  return StrCat(found.as_ipv6 ? "ipv6:" : "ipv4:", absl::StrJoin(found.addresses, ","));
}

}  // namespace

// Shared with the thread that looks up, which nobody waits for: a resolver takes its time.
struct CoordinatorChannel::State {
  std::shared_ptr<grpc::Channel> Make(const std::string& target) const {
    return grpc::CreateCustomChannel(target, credentials, ClientArguments());
  }

  std::vector<std::string> names;  // one: gRPC looks it up, too
  std::shared_ptr<grpc::ChannelCredentials> credentials;
  absl::Mutex mutex;
  // As of the last look-up; of one name alone, where that stood for nothing, without addresses.
  std::optional<Found> found ABSL_GUARDED_BY(mutex);
  std::shared_ptr<grpc::Channel> channel ABSL_GUARDED_BY(mutex);
  bool closed ABSL_GUARDED_BY(mutex) = false;
  bool looking ABSL_GUARDED_BY(mutex) = false;
  absl::Duration looked_at ABSL_GUARDED_BY(mutex);
};

CoordinatorChannel::CoordinatorChannel(const std::string& addresses,
                                       std::shared_ptr<grpc::ChannelCredentials> credentials)
    : state_(std::make_shared<State>()) {
  RouteGrpcLog();
  state_->credentials =
      credentials != nullptr ? std::move(credentials) : grpc::InsecureChannelCredentials();
  KeepCallbackThreads();
  for (absl::string_view part : absl::StrSplit(addresses, ',', absl::SkipWhitespace())) {
    part = absl::StripAsciiWhitespace(part);
    if (state_->names.size() < kAddressesMax) state_->names.emplace_back(part);
  }
  absl::MutexLock lock(&state_->mutex);
  if (several()) {
    state_->found = LookUpAll(state_->names);
    LogLeftOut(*state_->found);
  }
  state_->looked_at = SinceBoot();
  state_->channel = state_->Make(TargetOf(state_->found.value_or(Found()), state_->names));
}

CoordinatorChannel::~CoordinatorChannel() {
  absl::MutexLock lock(&state_->mutex);
  state_->closed = true;
}

bool CoordinatorChannel::several() const { return state_->names.size() > 1; }

std::shared_ptr<grpc::Channel> CoordinatorChannel::Get() {
  absl::MutexLock lock(&state_->mutex);
  const bool connected = state_->channel->GetState(/*try_to_connect=*/true) == GRPC_CHANNEL_READY;
  if (!connected && !state_->looking &&
      SinceBoot() - state_->looked_at >= absl::Milliseconds(kLookUpPauseMs)) {
    state_->looking = true;
    std::thread(LookUpAgain, state_).detach();
  }
  return state_->channel;
}

void CoordinatorChannel::LookUpAgain(std::shared_ptr<State> state) {
  Found found = LookUpAll(state->names);
  absl::MutexLock lock(&state->mutex);
  state->looking = false;
  state->looked_at = SinceBoot();
  if (state->closed || found == state->found) return;
  if (state->channel->GetState(/*try_to_connect=*/false) == GRPC_CHANNEL_READY) return;
  const bool several = state->names.size() > 1;
  if (several && found.addresses.empty()) return;
  if (several) {
    LogLeftOut(found);
    LogInfo("the coordinators' names stand for other addresses now",
            {{"addresses", absl::StrJoin(found.addresses, ",")}});
  }
  // One name that stands for nothing, or is looked up for the first time: its channel is no worse
  // than another.
  const bool is_news = state->found.has_value() && !found.addresses.empty();
  state->found = std::move(found);
  if (is_news) state->channel = state->Make(TargetOf(*state->found, state->names));
}

std::shared_ptr<grpc::Channel> Connect(const std::string& addresses) {
  return CoordinatorChannel(addresses).Get();
}

}  // namespace closewrite

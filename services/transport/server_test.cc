#include "services/transport/server.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <set>
#include <string>
#include <thread>

#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "closewrite/v1/event.grpc.pb.h"
#include "closewrite/v1/watch.grpc.pb.h"
#include "grpc/health/v1/health.pb.h"
#include "grpcpp/generic/generic_stub.h"
#include "gtest/gtest.h"
#include "services/log/str_cat.h"
#include "services/transport/stream.h"

namespace closewrite {
namespace {

using grpc::health::v1::HealthCheckRequest;
using grpc::health::v1::HealthCheckResponse;

constexpr char kWatchService[] = "closewrite.v1.WatchService";
// Only ever waited for when a test fails.
constexpr absl::Duration kTimeout = absl::Seconds(30);

// Says which of the servers it is; waits for `gate` first, if there is one.
class Watch : public v1::WatchService::CallbackService {
 public:
  explicit Watch(std::string host = "x") : host_(std::move(host)) {}
  grpc::ServerUnaryReactor* DescribeVolumes(grpc::CallbackServerContext* context,
                                            const v1::DescribeVolumesRequest*,
                                            v1::DescribeVolumesResponse* response) override {
    response->set_host(host_);
    auto* reactor = context->DefaultReactor();
    if (!hold) {
      reactor->Finish(grpc::Status::OK);
      return reactor;
    }
    held = reactor;
    entered.Notify();
    return reactor;
  }

  bool hold = false;
  absl::Notification entered;
  grpc::ServerUnaryReactor* held = nullptr;

 private:
  const std::string host_;
};

std::unique_ptr<Server> MustStart(std::vector<grpc::Service*> services, bool reflection = true,
                                  const std::string& listen = "127.0.0.1:0") {
  auto server =
      Server::Start({.listen = listen, .reflection = reflection, .services = std::move(services)});
  EXPECT_TRUE(server.ok()) << server.status();
  return *std::move(server);
}

std::string AddressOf(const Server& server) { return StrCat("127.0.0.1:", server.port()); }

void SetDeadline(grpc::ClientContext* context) {
  context->set_deadline(absl::ToChronoTime(absl::Now() + kTimeout));
}

// "SERVING", "NOT_SERVING", or the error's code.
std::string Health(const std::shared_ptr<grpc::Channel>& channel, const std::string& service) {
  grpc::TemplatedGenericStub<HealthCheckRequest, HealthCheckResponse> stub(channel);
  grpc::ClientContext context;
  SetDeadline(&context);
  HealthCheckRequest request;
  request.set_service(service);
  HealthCheckResponse response;
  grpc::Status status;
  absl::Notification done;
  stub.UnaryCall(&context, "/grpc.health.v1.Health/Check", {}, &request, &response,
                 [&](grpc::Status s) {
                   status = s;
                   done.Notify();
                 });
  done.WaitForNotification();
  if (!status.ok()) return absl::StatusCodeToString(FromGrpc(status).code());
  return HealthCheckResponse::ServingStatus_Name(response.status());
}

absl::StatusOr<std::string> HostOf(const std::shared_ptr<grpc::Channel>& channel) {
  grpc::ClientContext context;
  SetDeadline(&context);
  context.set_wait_for_ready(true);
  v1::DescribeVolumesResponse response;
  const grpc::Status status =
      v1::WatchService::NewStub(channel)->DescribeVolumes(&context, {}, &response);
  if (!status.ok()) return FromGrpc(status);
  return response.host();
}

// The raw answer to one reflection request (grpc/reflection/v1alpha/reflection.proto).
std::string Reflect(const std::shared_ptr<grpc::Channel>& channel, const std::string& request) {
  using Stream = ClientStream<grpc::ByteBuffer, grpc::ByteBuffer>;
  grpc::GenericStub stub(channel);
  std::string answer;
  absl::Notification done;
  std::shared_ptr<Stream> stream;
  absl::Notification started;
  stream = Stream::Start(
      [&](grpc::ClientContext* context, auto* reactor) {
        SetDeadline(context);
        stub.PrepareBidiStreamingCall(
            context, "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", {}, reactor);
      },
      {.on_message =
           [&](grpc::ByteBuffer buffer) {
             grpc::Slice slice;
             EXPECT_TRUE(buffer.DumpToSingleSlice(&slice).ok());
             answer.assign(reinterpret_cast<const char*>(slice.begin()), slice.size());
             started.WaitForNotification();
             stream->Cancel();
           },
       .on_end = [&](const absl::Status&) { done.Notify(); }});
  started.Notify();
  const grpc::Slice slice(request);
  stream->Send(grpc::ByteBuffer(&slice, 1));
  done.WaitForNotification();
  return answer;
}

// Field 7, `list_services`, with empty text.
const char kListServices[] = "\x3a\x00";
std::string FileContaining(const std::string& symbol) {
  return StrCat("\x22", std::string(1, static_cast<char>(symbol.size())), symbol);
}

TEST(ServerTest, HealthKnowsEachServiceByName) {
  Watch watch;
  v1::EventService::Service events;
  const auto server = MustStart({&watch, &events});
  const auto channel = Connect(AddressOf(*server));
  EXPECT_EQ(Health(channel, ""), "SERVING");
  EXPECT_EQ(Health(channel, kWatchService), "SERVING");
  EXPECT_EQ(Health(channel, "closewrite.v1.EventService"), "SERVING");
  EXPECT_EQ(Health(channel, "closewrite.v1.JobService"), "NOT_FOUND");
}

TEST(ServerTest, DrainIsSeenWhileCallsGoOn) {
  Watch watch;
  const auto server = MustStart({&watch});
  const auto channel = Connect(AddressOf(*server));
  server->Drain();
  server->Drain();
  EXPECT_EQ(Health(channel, ""), "NOT_SERVING");
  EXPECT_EQ(Health(channel, kWatchService), "NOT_SERVING");
  EXPECT_EQ(HostOf(channel).value(), "x");
}

TEST(ServerTest, ReflectionShowsAllServicesHealthIncluded) {
  Watch watch;
  const auto server = MustStart({&watch});
  const auto channel = Connect(AddressOf(*server));
  const std::string services = Reflect(channel, std::string(kListServices, 2));
  EXPECT_NE(services.find(kWatchService), std::string::npos);
  EXPECT_NE(services.find("grpc.health.v1.Health"), std::string::npos);
  EXPECT_NE(Reflect(channel, FileContaining(kWatchService)).find("DescribeVolumes"),
            std::string::npos);
  EXPECT_NE(Reflect(channel, FileContaining("grpc.health.v1.Health")).find("HealthCheckRequest"),
            std::string::npos);
}

TEST(ServerTest, ReflectionCanBeSwitchedOff) {
  Watch watch;
  const auto server = MustStart({&watch}, /*reflection=*/false);
  EXPECT_EQ(Reflect(Connect(AddressOf(*server)), std::string(kListServices, 2)), "");
  EXPECT_EQ(HostOf(Connect(AddressOf(*server))).value(), "x");
}

TEST(ServerTest, ABusyPortIsAnErrorThatSaysSo) {
  Watch watch, other;
  const auto server = MustStart({&watch});
  for (const char* host : {"127.0.0.1", "0.0.0.0"}) {
    const std::string listen = StrCat(host, ":", server->port());
    const auto second = Server::Start({.listen = listen, .services = {&other}});
    ASSERT_FALSE(second.ok()) << listen;
    EXPECT_EQ(second.status().code(), absl::StatusCode::kUnavailable);
    EXPECT_EQ(
        std::string(second.status().message())
            .rfind(StrCat("listen: cannot serve on ", listen, ": address already in use; "), 0),
        0u)
        << second.status();
  }
  const auto any = MustStart({&other}, true, "0.0.0.0:0");
  const auto third = Server::Start({.listen = StrCat("0.0.0.0:", any->port())});
  EXPECT_EQ(third.status().code(), absl::StatusCode::kUnavailable);
}

TEST(ServerTest, AddressesThatCannotBe) {
  for (const char* listen :
       {"", "7400", "host", ":7400", "a:b", "a:70000", "a:", "::1:7400", "[::1]"}) {
    const auto server = Server::Start({.listen = listen});
    EXPECT_EQ(server.status().code(), absl::StatusCode::kInvalidArgument) << listen;
    EXPECT_NE(std::string(server.status().message()).find("is not host:port; write for example"),
              std::string::npos);
  }
  for (const char* listen : {"no-such-host.invalid:0", "192.0.2.1:0"}) {
    const auto server = Server::Start({.listen = listen});
    EXPECT_EQ(server.status().code(), absl::StatusCode::kUnavailable) << listen;
  }
}

TEST(ServerTest, APortIsFreeAgainAfterShutdown) {
  Watch watch;
  auto server = MustStart({&watch});
  const int port = server->port();
  EXPECT_TRUE(HostOf(Connect(AddressOf(*server))).ok());
  server->Shutdown(absl::ZeroDuration());
  server->Shutdown(absl::Seconds(1));
  server->Drain();
  server.reset();
  Watch again;
  const auto second = MustStart({&again}, true, StrCat("127.0.0.1:", port));
  EXPECT_EQ(second->port(), port);
}

TEST(ServerTest, ShutdownLetsCallsEndWithinItsGrace) {
  Watch watch;
  watch.hold = true;
  const auto server = MustStart({&watch});
  absl::StatusOr<std::string> host;
  std::thread call([&] { host = HostOf(Connect(AddressOf(*server))); });
  watch.entered.WaitForNotification();
  std::thread shutdown([&] { server->Shutdown(kTimeout); });
  watch.held->Finish(grpc::Status::OK);
  shutdown.join();
  call.join();
  EXPECT_TRUE(host.ok()) << host.status();
}

// A name where there is one: a minimal root has no /etc/hosts.
std::string NameOfThisHost() {
  addrinfo* found = nullptr;
  if (getaddrinfo("localhost", nullptr, nullptr, &found) != 0) return "127.0.0.1";
  freeaddrinfo(found);
  return "localhost";
}

TEST(ServerTest, ConnectSpreadsOverSeveralAddresses) {
  Watch a("a"), b("b");
  const auto server_a = MustStart({&a});
  const auto server_b = MustStart({&b});
  for (const std::string& list :
       {StrCat("127.0.0.1:", server_a->port(), ", 127.0.0.1:", server_b->port()),
        StrCat(NameOfThisHost(), ":", server_a->port(), ",127.0.0.1:", server_b->port()),
        StrCat("no-such-host.invalid:1,127.0.0.1:", server_a->port(),
               ",127.0.0.1:", server_b->port())}) {
    const auto channel = Connect(list);
    std::set<std::string> hosts;
    // Until both connections stand, calls go to the first one that does.
    const absl::Time deadline = absl::Now() + kTimeout;
    while (hosts.size() < 2 && absl::Now() < deadline) hosts.insert(HostOf(channel).value());
    EXPECT_EQ(hosts.size(), 2u) << list;
  }
}

TEST(ServerTest, ConnectMixesIpv6AndIpv4) {
  Watch a("a"), b("b");
  auto six = Server::Start({.listen = "[::1]:0", .services = {&a}});
  if (!six.ok()) GTEST_SKIP() << "no IPv6 here";
  const auto four = MustStart({&b});
  const auto channel = Connect(StrCat("[::1]:", (*six)->port(), ",127.0.0.1:", four->port()));
  std::set<std::string> hosts;
  const absl::Time deadline = absl::Now() + kTimeout;
  while (hosts.size() < 2 && absl::Now() < deadline) hosts.insert(HostOf(channel).value());
  EXPECT_EQ(hosts.size(), 2u);
  EXPECT_EQ(HostOf(Connect(StrCat("[::1]:", (*six)->port()))).value(), "a");
}

TEST(ServerTest, ConnectComesBackToARestartedServer) {
  Watch first("first"), second("second");
  auto server = MustStart({&first});
  const int port = server->port();
  const auto channel = Connect(AddressOf(*server));
  EXPECT_EQ(HostOf(channel).value(), "first");
  server.reset();
  server = MustStart({&second}, true, StrCat("127.0.0.1:", port));
  EXPECT_EQ(HostOf(channel).value(), "second");
}

TEST(ServerTest, ConnectToNonsenseFailsItsCalls) {
  for (const char* address : {"", ",", "x", "no-such-host.invalid:1", "a:b,c:d"}) {
    grpc::ClientContext context;
    SetDeadline(&context);
    v1::DescribeVolumesResponse response;
    EXPECT_FALSE(
        v1::WatchService::NewStub(Connect(address))->DescribeVolumes(&context, {}, &response).ok())
        << address;
  }
}

// As a program does it, before there are other threads: those of gRPC stay, and one that was made
// earlier would take the signals.
const bool kBlocked = [] {
  BlockStopSignals();
  return true;
}();

TEST(StopSignalTest, WaitsForEitherSignal) {
  ASSERT_TRUE(kBlocked);
  for (const int signal : {SIGTERM, SIGINT}) {
    ASSERT_EQ(kill(getpid(), signal), 0);
    EXPECT_EQ(WaitForStopSignal(), signal);
  }
}

}  // namespace
}  // namespace closewrite

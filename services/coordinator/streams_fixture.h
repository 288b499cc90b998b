// Both streams over a real server, for tests of what watchers and executors say and hear.
#ifndef SERVICES_COORDINATOR_STREAMS_FIXTURE_H_
#define SERVICES_COORDINATOR_STREAMS_FIXTURE_H_

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/synchronization/mutex.h"
#include "grpcpp/grpcpp.h"
#include "gtest/gtest.h"
#include "services/coordinator/attend_service.h"
#include "services/coordinator/observe_service.h"
#include "services/coordinator/store/fake_store.h"
#include "services/coordinator/store_loop.h"
#include "services/transport/errors.h"
#include "services/transport/server.h"
#include "services/transport/stream.h"
#include "services/volume/path.h"

namespace closewrite {

inline constexpr absl::Duration kPatience = absl::Seconds(30);

// The client's end of a stream; keeps what it heard.
template <class Request, class Response>
class Peer {
 public:
  using Stream = ClientStream<Request, Response>;
  explicit Peer(const typename Stream::Starter& starter) {
    stream_ = Stream::Start(starter, {.on_message =
                                          [this](Response response) {
                                            absl::MutexLock lock(&mutex_);
                                            heard_.push_back(std::move(response));
                                          },
                                      .on_end =
                                          [this](const absl::Status& status) {
                                            absl::MutexLock lock(&mutex_);
                                            end_ = status;
                                            ended_ = true;
                                          }});
  }
  ~Peer() {
    stream_->Cancel();
    (void)WaitForEnd();
  }

  void Say(const Request& request) { stream_->Send(request); }

  // Waits until something was heard that `wanted` accepts, and returns it.
  Response Hear(const std::function<bool(const Response&)>& wanted) {
    absl::MutexLock lock(&mutex_);
    Response found;
    const auto arrived = [&] {
      mutex_.AssertHeld();
      for (const Response& response : heard_) {
        if (!wanted(response)) continue;
        found = response;
        return true;
      }
      return ended_;
    };
    EXPECT_TRUE(mutex_.AwaitWithTimeout(absl::Condition(&arrived), kPatience));
    EXPECT_FALSE(ended_) << end_;
    return found;
  }

  absl::Status WaitForEnd() {
    absl::MutexLock lock(&mutex_);
    EXPECT_TRUE(mutex_.AwaitWithTimeout(absl::Condition(&ended_), kPatience));
    return end_;
  }

 private:
  absl::Mutex mutex_;
  std::vector<Response> heard_ ABSL_GUARDED_BY(mutex_);
  bool ended_ ABSL_GUARDED_BY(mutex_) = false;
  absl::Status end_ ABSL_GUARDED_BY(mutex_);
  std::shared_ptr<Stream> stream_;
};

using WatcherPeer = Peer<v1::ObserveRequest, v1::ObserveResponse>;
using ExecutorPeer = Peer<v1::AttendRequest, v1::AttendResponse>;

class StreamsTest : public ::testing::Test {
 protected:
  StreamsTest()
      : engine_({.random = [] { return 0.0; },
                 .new_session_id = [this] { return "session" + std::to_string(++sessions_); },
                 .decode_pipeline = [](std::string_view) -> absl::StatusOr<Pipeline> {
                   return absl::InternalError("none");
                 }}),
        clock_(absl::FromUnixSeconds(1'800'000'000)),
        loop_(&store_, &engine_, &feed_, &clock_),
        attend_(&loop_, &feed_, &session_health_),
        observe_(&loop_, &feed_, &board_, &host_health_) {}

  void SetUp() override {
    ASSERT_TRUE(loop_.Start().ok());
    auto server = Server::Start({.listen = "127.0.0.1:0", .services = {&attend_, &observe_}});
    ASSERT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
    channel_ = Connect("127.0.0.1:" + std::to_string(server_->port()));
    loop_.Submit(
        [](Engine& engine, StoreTransaction& tx, absl::Time now) {
          Pipeline pipeline;
          pipeline.name = pipeline.definition = "enrich";
          pipeline.volume = "in";
          pipeline.output_volume = "out";
          pipeline.match = {*Glob::Parse("**")};
          pipeline.command = {"true"};
          return engine.desk().ApplyPipelines(tx, {pipeline}, false, now).status();
        },
        [](const absl::Status&) {});
  }

  void TearDown() override {
    attend_.Shutdown();
    observe_.Shutdown();
    server_->Shutdown(absl::Seconds(5));
    loop_.Shutdown();
  }

  std::unique_ptr<WatcherPeer> Watch() {
    return std::make_unique<WatcherPeer>([this](grpc::ClientContext* context, auto* reactor) {
      watchers_ = v1::ObserveService::NewStub(channel_);
      watchers_->async()->Observe(context, reactor);
    });
  }
  std::unique_ptr<ExecutorPeer> Execute() {
    return std::make_unique<ExecutorPeer>([this](grpc::ClientContext* context, auto* reactor) {
      executors_ = v1::AttendService::NewStub(channel_);
      executors_->async()->Attend(context, reactor);
    });
  }

  absl::Status EndSession(const v1::EndSessionRequest& request) {
    v1::EndSessionResponse response;
    grpc::ClientContext context;
    const auto stub = v1::AttendService::NewStub(channel_);
    return FromGrpc(stub->EndSession(&context, request, &response));
  }

  static v1::ObserveRequest WatcherHello() {
    v1::ObserveRequest hello;
    hello.set_host("vm-b");
    hello.set_ledger_id(std::string(16, 'l'));
    hello.set_heartbeat(true);
    hello.add_volumes()->set_volume("in");
    hello.add_volumes()->set_volume("out");
    return hello;
  }
  static v1::ObserveRequest Closed(int64_t sequence, std::string path) {
    v1::ObserveRequest request;
    v1::FileEvent* event = request.add_events();
    event->set_sequence(sequence);
    event->set_kind(v1::EVENT_KIND_CLOSE_WRITE);
    event->set_evidence(v1::EVIDENCE_CLOSED);
    event->set_source(v1::EVENT_SOURCE_INOTIFY);
    event->mutable_file()->set_volume("in");
    event->mutable_file()->set_path(path);
    event->mutable_file()->set_size(1);
    return request;
  }
  static v1::AttendRequest ExecutorHello(std::string session = "") {
    v1::AttendRequest hello;
    hello.set_sequence(1);
    hello.set_heartbeat(true);
    hello.mutable_executor()->set_name("e1");
    hello.mutable_executor()->set_host("vm-c");
    hello.mutable_executor()->set_slots(2);
    hello.mutable_executor()->set_session_id(session);
    (*hello.mutable_executor()->mutable_volume_roots())["in"] = "/in";
    (*hello.mutable_executor()->mutable_volume_roots())["out"] = "/out";
    return hello;
  }

  FakeStore store_;
  Engine engine_;
  ChangeFeed feed_;
  ManualClock clock_;
  StoreLoop loop_;
  WatcherBoard board_;
  HealthBoard session_health_;
  HealthBoard host_health_;
  AttendService attend_;
  ObserveService observe_;
  std::unique_ptr<Server> server_;
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<v1::ObserveService::Stub> watchers_;
  std::unique_ptr<v1::AttendService::Stub> executors_;
  int sessions_ = 0;
};

}  // namespace closewrite

#endif  // SERVICES_COORDINATOR_STREAMS_FIXTURE_H_

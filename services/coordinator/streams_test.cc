// Both streams over a real server: what watchers and executors say and hear.
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

namespace closewrite {
namespace {

constexpr absl::Duration kPatience = absl::Seconds(30);

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

TEST_F(StreamsTest, FromAFinishedFileToItsPublishedResult) {
  auto watcher = Watch();
  watcher->Say(WatcherHello());
  auto executor = Execute();
  executor->Say(ExecutorHello());
  executor->Hear([](const auto& response) { return !response.session_id().empty(); });

  watcher->Say(Closed(41, std::string("a\xff\n.csv")));
  watcher->Hear([](const auto& response) { return response.acked_sequence() == 41; });
  const v1::Assignment assignment =
      executor->Hear([](const auto& r) { return r.assignments_size() == 1; }).assignments(0);
  EXPECT_EQ(assignment.input().path(), "a\xff\n.csv");
  EXPECT_EQ(assignment.lease().token(), 1);
  EXPECT_EQ(assignment.attempt(), 1);

  v1::AttendRequest end;
  end.set_sequence(2);
  v1::LogChunk* log = end.add_logs();
  *log->mutable_lease() = assignment.lease();
  log->set_data("hello\n");
  v1::AttemptResult* result = end.add_results();
  *result->mutable_lease() = assignment.lease();
  result->set_outcome(v1::ATTEMPT_OUTCOME_SUCCEEDED);
  result->add_files()->set_path("a.csv");
  executor->Say(end);
  const v1::AttendResponse settled =
      executor->Hear([](const auto& response) { return response.answered_sequence() == 2; });
  ASSERT_EQ(settled.settled_size(), 1);
  ASSERT_EQ(settled.log_acks_size(), 1);
  EXPECT_EQ(settled.log_acks(0).length(), 6);

  const v1::PublishOrder order =
      watcher->Hear([](const auto& response) { return response.orders_size() == 1; }).orders(0);
  EXPECT_EQ(order.volume(), "out");
  v1::ObserveRequest published;
  *published.add_published()->mutable_lease() = order.lease();
  watcher->Say(published);
  watcher->Hear([](const auto& r) {
    return r.complete() && r.orders_size() == 0 && !r.has_heartbeat_interval();
  });
}

TEST_F(StreamsTest, HowAHostDoesIsKnownWhileItsStreamIsThere) {
  auto executor = Execute();
  v1::AttendRequest hello = ExecutorHello();
  hello.mutable_health()->add_volumes()->set_problem("Read-only file system");
  executor->Say(hello);
  const std::string session =
      executor->Hear([](const auto& r) { return !r.session_id().empty(); }).session_id();
  executor->Hear([](const auto& response) { return response.answered_sequence() == 1; });
  // What says nothing about it changes nothing.
  v1::AttendRequest output;
  output.set_sequence(2);
  executor->Say(output);
  executor->Hear([](const auto& response) { return response.answered_sequence() == 2; });
  const auto known = session_health_.Find(session);
  ASSERT_TRUE(known.has_value());
  ASSERT_EQ(known->health.volumes_size(), 1);
  EXPECT_EQ(known->health.volumes(0).problem(), "Read-only file system");
  executor.reset();
  const absl::Time end = absl::Now() + kPatience;
  while (session_health_.Find(session).has_value() && absl::Now() < end) std::this_thread::yield();
  EXPECT_FALSE(session_health_.Find(session).has_value());
}

TEST_F(StreamsTest, ABrokenStreamKeepsItsSessionAndItsLeases) {
  auto watcher = Watch();
  watcher->Say(WatcherHello());
  auto executor = Execute();
  executor->Say(ExecutorHello());
  const std::string session =
      executor->Hear([](const auto& r) { return !r.session_id().empty(); }).session_id();
  watcher->Say(Closed(1, "a.csv"));
  executor->Hear([](const auto& r) { return r.assignments_size() == 1; });
  executor.reset();

  auto back = Execute();
  v1::AttendRequest hello = ExecutorHello(session);
  back->Say(hello);
  // It says that it runs nothing: the lease was lost on the way, and is sent again.
  const v1::AttendResponse answer =
      back->Hear([](const auto& response) { return response.complete(); });
  EXPECT_EQ(answer.held_size(), 1);
  EXPECT_EQ(answer.assignments_size(), 1);
}

// Whoever could guess a job and its token, which are small numbers, ended it and wrote its log.
TEST_F(StreamsTest, NobodySpeaksForAnothersLease) {
  auto watcher = Watch();
  watcher->Say(WatcherHello());
  auto executor = Execute();
  executor->Say(ExecutorHello());
  executor->Hear([](const auto& r) { return !r.session_id().empty(); });
  watcher->Say(Closed(1, "a.csv"));
  const v1::LeaseRef lease = executor->Hear([](const auto& r) { return r.assignments_size() == 1; })
                                 .assignments(0)
                                 .lease();
  auto liar = Execute();
  v1::AttendRequest hello = ExecutorHello();
  hello.mutable_executor()->set_name("liar");
  liar->Say(hello);
  v1::AttendRequest lie;
  lie.set_sequence(2);
  *lie.add_results()->mutable_lease() = lease;
  lie.mutable_results(0)->set_outcome(v1::ATTEMPT_OUTCOME_FAILED);
  *lie.add_logs()->mutable_lease() = lease;
  lie.mutable_logs(0)->set_data("a lie\n");
  liar->Say(lie);
  liar->Hear([](const auto& response) { return response.answered_sequence() == 2; });

  v1::AttendRequest end;
  end.set_sequence(2);
  *end.add_logs()->mutable_lease() = lease;
  end.mutable_logs(0)->set_data("true\n");
  *end.add_results()->mutable_lease() = lease;
  end.mutable_results(0)->set_outcome(v1::ATTEMPT_OUTCOME_SUCCEEDED);
  end.mutable_results(0)->add_files()->set_path("a.csv");
  executor->Say(end);
  const v1::AttendResponse settled =
      executor->Hear([](const auto& response) { return response.answered_sequence() == 2; });
  ASSERT_EQ(settled.log_acks_size(), 1);
  EXPECT_EQ(settled.log_acks(0).length(), 5);
  watcher->Hear([](const auto& response) { return response.orders_size() == 1; });
}

// A session's id was enough to take its leases over, or to end it.
TEST_F(StreamsTest, ASessionIsItsExecutorsAlone) {
  auto executor = Execute();
  executor->Say(ExecutorHello());
  const std::string session =
      executor->Hear([](const auto& r) { return !r.session_id().empty(); }).session_id();
  auto liar = Execute();
  v1::AttendRequest hello = ExecutorHello(session);
  hello.mutable_executor()->set_name("liar");
  liar->Say(hello);
  EXPECT_EQ(liar->WaitForEnd().code(), absl::StatusCode::kNotFound);
  v1::EndSessionRequest request;
  request.set_session_id(session);
  request.set_executor("liar");
  EXPECT_EQ(EndSession(request).code(), absl::StatusCode::kPermissionDenied);
  v1::AttendRequest more;
  more.set_sequence(2);
  executor->Say(more);
  executor->Hear([](const auto& response) { return response.answered_sequence() == 2; });
}

// Any watcher could tell of files, and of published results, in volumes of others.
TEST_F(StreamsTest, AWatcherSpeaksForItsOwnVolumes) {
  auto watcher = Watch();
  watcher->Say(WatcherHello());
  watcher->Hear([](const auto& response) { return response.complete(); });
  v1::ObserveRequest hello = WatcherHello();
  hello.set_host("vm-x");
  hello.set_ledger_id(std::string(16, 'x'));
  hello.clear_volumes();
  hello.add_volumes()->set_volume("theirs");
  auto liar = Watch();
  liar->Say(hello);
  liar->Hear([](const auto& response) { return response.complete(); });
  liar->Say(Closed(1, "a.csv"));
  EXPECT_EQ(liar->WaitForEnd().code(), absl::StatusCode::kPermissionDenied);
  auto again = Watch();
  again->Say(hello);
  again->Hear([](const auto& response) { return response.complete(); });
  hello.add_volumes()->set_volume("in");
  again->Say(hello);
  EXPECT_EQ(again->WaitForEnd().code(), absl::StatusCode::kFailedPrecondition);
}

TEST_F(StreamsTest, AnExpiredSessionIsTurnedAway) {
  auto executor = Execute();
  executor->Say(ExecutorHello());
  executor->Hear([](const auto& response) { return response.answered_sequence() == 1; });
  clock_.Advance(absl::Seconds(11));
  loop_.Submit([](Engine&, StoreTransaction&, absl::Time) { return absl::OkStatus(); },
               [](const absl::Status&) {});
  EXPECT_EQ(executor->WaitForEnd().code(), absl::StatusCode::kNotFound);
}

TEST_F(StreamsTest, WhatAnEndedSessionHeldIsElsewhereAtOnce) {
  auto watcher = Watch();
  watcher->Say(WatcherHello());
  auto executor = Execute();
  executor->Say(ExecutorHello());
  v1::EndSessionRequest request;
  request.set_session_id(
      executor->Hear([](const auto& r) { return !r.session_id().empty(); }).session_id());
  request.set_executor("e1");
  watcher->Say(Closed(1, "a.csv"));
  executor->Hear([](const auto& r) { return r.assignments_size() == 1; });
  auto other = Execute();
  v1::AttendRequest hello = ExecutorHello();
  hello.mutable_executor()->set_name("e2");
  other->Say(hello);
  other->Hear([](const auto& r) { return !r.session_id().empty(); });
  EXPECT_TRUE(EndSession(request).ok());
  const v1::Assignment assignment =
      other->Hear([](const auto& r) { return r.assignments_size() == 1; }).assignments(0);
  EXPECT_EQ(assignment.lease().token(), 2);
  EXPECT_EQ(executor->WaitForEnd().code(), absl::StatusCode::kNotFound);
  // Asked for twice, or of a session that nobody knows: nothing is left to be done.
  EXPECT_TRUE(EndSession(request).ok());
}

TEST_F(StreamsTest, WrongEndsOfSessionsAreRefused) {
  v1::EndSessionRequest good;
  good.set_session_id("s");
  good.set_executor("e1");
  EXPECT_TRUE(EndSession(good).ok());
  v1::EndSessionRequest request = good;
  request.clear_session_id();
  EXPECT_EQ(EndSession(request).code(), absl::StatusCode::kInvalidArgument);
  request.set_session_id(std::string(kSessionIdBytesMax + 1, 's'));
  EXPECT_EQ(EndSession(request).code(), absl::StatusCode::kInvalidArgument);
  request = good;
  request.clear_executor();
  EXPECT_EQ(EndSession(request).code(), absl::StatusCode::kInvalidArgument);
  request = good;
  request.set_reason(std::string(kEndReasonBytesMax + 1, 'r'));
  EXPECT_EQ(EndSession(request).code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(StreamsTest, WrongHellosAreRefused) {
  auto nameless = Watch();
  nameless->Say(v1::ObserveRequest());
  EXPECT_EQ(nameless->WaitForEnd().code(), absl::StatusCode::kInvalidArgument);

  auto silent = Execute();
  silent->Say(v1::AttendRequest());
  EXPECT_EQ(silent->WaitForEnd().code(), absl::StatusCode::kInvalidArgument);

  auto outside = Watch();
  outside->Say(WatcherHello());
  outside->Say(Closed(1, "../../etc/passwd"));
  EXPECT_EQ(outside->WaitForEnd().code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(StreamsTest, TwoOfTheSameNameAreRefused) {
  auto first = Watch();
  first->Say(WatcherHello());
  first->Hear([](const auto& response) { return response.has_heartbeat_interval(); });
  v1::ObserveRequest other = WatcherHello();
  other.set_ledger_id(std::string(16, 'o'));
  auto second = Watch();
  second->Say(other);
  EXPECT_EQ(second->WaitForEnd().code(), absl::StatusCode::kAlreadyExists);

  auto executor = Execute();
  executor->Say(ExecutorHello());
  executor->Hear([](const auto& response) { return !response.session_id().empty(); });
  auto twin = Execute();
  twin->Say(ExecutorHello());
  EXPECT_EQ(twin->WaitForEnd().code(), absl::StatusCode::kAlreadyExists);
}

// A watcher comes again before anybody has seen that its old stream is broken.
TEST_F(StreamsTest, AWatcherTakesItsOwnPlaceOver) {
  auto first = Watch();
  first->Say(WatcherHello());
  first->Hear([](const auto& response) { return response.has_heartbeat_interval(); });
  auto second = Watch();
  second->Say(WatcherHello());
  EXPECT_EQ(first->WaitForEnd().code(), absl::StatusCode::kAborted);
  second->Say(Closed(1, "a.csv"));
  second->Hear([](const auto& response) { return response.acked_sequence() == 1; });
}

TEST_F(StreamsTest, WatchersHearWhatPipelinesWantWheneverThatChanges) {
  auto watcher = Watch();
  watcher->Say(WatcherHello());
  const v1::ObserveResponse first = watcher->Hear([](const auto& r) { return r.complete(); });
  EXPECT_EQ(first.interests_size(), 0);
  loop_.Submit(
      [](Engine& engine, StoreTransaction& tx, absl::Time now) {
        Pipeline pipeline;
        pipeline.name = pipeline.definition = "names";
        pipeline.volume = "out";
        pipeline.when = When::kCreate;
        return engine.desk().ApplyPipelines(tx, {pipeline}, false, now).status();
      },
      [](const absl::Status&) {});
  const v1::ObserveResponse wanted =
      watcher->Hear([](const auto& r) { return r.interests_size() > 0; });
  EXPECT_TRUE(wanted.complete());
  ASSERT_EQ(wanted.interests_size(), 1);
  EXPECT_EQ(wanted.interests(0).volume(), "out");
  EXPECT_TRUE(wanted.interests(0).create());
  EXPECT_FALSE(wanted.interests(0).has_quiet());
}

TEST_F(StreamsTest, AFlushGoesToTheWatcherAndItsAnswerComesBack) {
  auto watcher = Watch();
  watcher->Say(WatcherHello());
  watcher->Hear([](const auto& response) { return response.complete(); });
  absl::Mutex mutex;
  std::vector<absl::Status> ends;
  const auto ask = [&] {
    return board_.Ask({.volume = "in"}, [&](const WatcherBoard::Answered& status) {
      absl::MutexLock lock(&mutex);
      ends.push_back(status.status());
    });
  };
  const auto ended = [&](size_t count) {
    absl::MutexLock lock(&mutex);
    const auto arrived = [&] { return ends.size() == count; };
    return mutex.AwaitWithTimeout(absl::Condition(&arrived), kPatience);
  };
  // The answer to the hello is sent before the stream can be asked.
  absl::StatusOr<int64_t> id = ask();
  for (const absl::Time end = absl::Now() + kPatience; !id.ok() && absl::Now() < end;) id = ask();
  ASSERT_TRUE(id.ok()) << id.status();
  const v1::FlushRequest request =
      watcher->Hear([](const auto& r) { return r.flushes_size() > 0; }).flushes(0);
  EXPECT_EQ(request.id(), *id);
  EXPECT_EQ(request.volume(), "in");
  v1::ObserveRequest flushed = Closed(1, "a.csv");
  flushed.add_flushed()->set_id(*id);
  watcher->Say(flushed);
  ASSERT_TRUE(ended(1));
  EXPECT_TRUE(ends[0].ok());
  (void)store_.Read([](StoreReader& reader) {
    EXPECT_EQ(reader.CountUnfinished("enrich"), 1);  // the job is made by then
    return absl::OkStatus();
  });
  ASSERT_TRUE(ask().ok());
  watcher.reset();
  ASSERT_TRUE(ended(2));
  EXPECT_EQ(ends[1].code(), absl::StatusCode::kUnavailable);
}

TEST_F(StreamsTest, ShutdownEndsStreamsWithUnavailable) {
  auto watcher = Watch();
  watcher->Say(WatcherHello());
  watcher->Hear([](const auto& response) { return response.has_heartbeat_interval(); });
  auto executor = Execute();
  executor->Say(ExecutorHello());
  executor->Hear([](const auto& response) { return !response.session_id().empty(); });
  attend_.Shutdown();
  observe_.Shutdown();
  EXPECT_EQ(watcher->WaitForEnd().code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(executor->WaitForEnd().code(), absl::StatusCode::kUnavailable);
}

}  // namespace
}  // namespace closewrite

// Both streams over a real server: what watchers and executors say and hear.
#include "services/coordinator/streams_fixture.h"

namespace closewrite {
namespace {

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

// What is not taken from watchers and executors.
#include "services/coordinator/streams_fixture.h"

namespace closewrite {
namespace {

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
  request.set_executor(std::string(kNameBytesMax + 1, 'e'));
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

}  // namespace
}  // namespace closewrite

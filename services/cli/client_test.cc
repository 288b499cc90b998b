#include "services/cli/client.h"

#include <atomic>
#include <set>
#include <thread>

#include "absl/strings/match.h"
#include "gtest/gtest.h"
#include "services/cli/fake_coordinator.h"

namespace closewrite::cli {
namespace {

class ClientTest : public testing::Test {
 protected:
  Client MakeClient(absl::Duration connect_timeout = absl::Seconds(30)) {
    return MakeClient(coordinator_.address(), connect_timeout);
  }
  Client MakeClient(const std::string& coordinators, absl::Duration connect_timeout) {
    Client::Options options;
    options.coordinator = coordinators;
    options.connect_timeout = connect_timeout;
    options.clock = &clock_;
    options.interrupts = &interrupts_;
    options.on_notice = [this](const std::string& text) { notices_.push_back(text); };
    return Client(options);
  }

  static absl::Status Retry(Client& client, v1::RetryJobsRequest& request) {
    v1::RetryJobsResponse response;
    return client.Call([&](grpc::ClientContext* context) {
      return client.jobs().RetryJobs(context, request, &response);
    });
  }

  const SteadyClock clock_;
  Interrupts interrupts_;
  std::vector<std::string> notices_;
  FakeCoordinator coordinator_;
};

TEST(NewRequestId, IsAFreshUuid) {
  std::set<std::string> ids;
  for (int i = 0; i < 100; ++i) ids.insert(NewRequestId());
  EXPECT_EQ(ids.size(), 100u);
  for (const std::string& id : ids) {
    ASSERT_EQ(id.size(), 36u);
    EXPECT_EQ(id[14], '4');
    EXPECT_NE(std::string("89ab").find(id[19]), std::string::npos) << id;
    EXPECT_EQ(id[8], '-');
    EXPECT_EQ(id[23], '-');
  }
}

TEST(ConnectionProblem, IsTheLastPart) {
  EXPECT_EQ(ConnectionProblem("failed to connect to all addresses; last error: UNKNOWN: "
                              "ipv4:127.0.0.1:7400: Failed to connect to remote host: "
                              "Connection refused"),
            "connection refused");
  EXPECT_EQ(ConnectionProblem("Socket closed"), "socket closed");
  EXPECT_EQ(ConnectionProblem("GOAWAY received"), "GOAWAY received");
  EXPECT_EQ(ConnectionProblem(""), "no answer");
}

TEST_F(ClientTest, RepeatsTheSameRequestWhileUnavailable) {
  coordinator_.Start();
  coordinator_.FailCalls(2, absl::UnavailableError("restarting"));
  Client client = MakeClient();
  v1::RetryJobsRequest request;
  request.set_request_id("one");
  EXPECT_TRUE(Retry(client, request).ok());
  EXPECT_EQ(coordinator_.request_ids(), (std::vector<std::string>{"one", "one", "one"}));
}

TEST_F(ClientTest, DoesNotRepeatWhatWasRefused) {
  coordinator_.Start();
  coordinator_.FailCalls(1, absl::FailedPreconditionError("no"));
  Client client = MakeClient();
  v1::RetryJobsRequest request;
  EXPECT_EQ(Retry(client, request).code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(coordinator_.request_ids().size(), 1u);
}

TEST_F(ClientTest, SaysSinceWhenAndWhyItIsUnreachable) {
  coordinator_.Start();
  coordinator_.Stop();
  Client client = MakeClient(absl::Milliseconds(300));
  v1::RetryJobsRequest request;
  const absl::Status status = Retry(client, request);
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  const std::string message(status.message());
  EXPECT_TRUE(absl::StrContains(
      message, "coordinator " + coordinator_.address() + " can't be reached since "))
      << message;
  EXPECT_TRUE(
      absl::StrContains(message,
                        "(connection refused): is closewrite-coordinator running there? Set "
                        "--coordinator or CLOSEWRITE_COORDINATOR."))
      << message;
}

TEST_F(ClientTest, SaysWhoNamedTheAddress) {
  Client::Options options;
  options.coordinator = "127.0.0.1:1";
  options.coordinator_from = "context prod of contexts.yaml";
  options.connect_timeout = absl::Milliseconds(100);
  options.clock = &clock_;
  options.interrupts = &interrupts_;
  Client client(options);
  v1::RetryJobsRequest request;
  EXPECT_TRUE(absl::StrContains(Retry(client, request).message(),
                                "The address comes from context prod of contexts.yaml; set "));
}

TEST_F(ClientTest, AnotherServiceIsNoCoordinator) {
  grpc::ServerBuilder builder;
  int port = 0;
  builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
  v1::EventService::Service another;
  builder.RegisterService(&another);
  const std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  const std::string address = absl::StrCat("127.0.0.1:", port);
  Client client = MakeClient(address, absl::Seconds(30));
  v1::RetryJobsRequest request;
  const absl::Status status = Retry(client, request);
  EXPECT_TRUE(absl::IsUnimplemented(status)) << status;
  EXPECT_TRUE(absl::StrContains(status.message(), absl::StrCat("what serves at ", address)))
      << status;
}

TEST_F(ClientTest, GivesUpAtOnceWhenInterrupted) {
  coordinator_.Start();
  coordinator_.Stop();
  Client client = MakeClient();
  interrupts_.Notify();
  v1::RetryJobsRequest request;
  EXPECT_EQ(Retry(client, request).code(), absl::StatusCode::kCancelled);
  EXPECT_TRUE(interrupts_.Pending());
}

TEST_F(ClientTest, FollowEndsAtItsDeadline) {
  coordinator_.Start();
  Client client = MakeClient();
  const absl::Status status = client.Follow<v1::WatchJobsResponse>(
      clock_.Now() + absl::Milliseconds(200),
      [&](grpc::ClientContext* context) { return client.jobs().WatchJobs(context, {}); },
      [](const v1::WatchJobsResponse&) { return true; });
  EXPECT_EQ(status.code(), absl::StatusCode::kDeadlineExceeded);
}

TEST_F(ClientTest, FollowEndsAtItsDeadlineWithoutACoordinator) {
  coordinator_.Start();
  coordinator_.Stop();
  Client client = MakeClient();
  const absl::Status status = client.Follow<v1::WatchJobsResponse>(
      clock_.Now() + absl::Milliseconds(200),
      [&](grpc::ClientContext* context) { return client.jobs().WatchJobs(context, {}); },
      [](const v1::WatchJobsResponse&) { return true; });
  EXPECT_EQ(status.code(), absl::StatusCode::kDeadlineExceeded);
}

TEST_F(ClientTest, FollowIsBrokenOffByAnInterrupt) {
  coordinator_.Start();
  Client client = MakeClient();
  std::thread user([&] {
    coordinator_.AwaitStreams(1);
    interrupts_.Notify();
  });
  const absl::Status status = client.Follow<v1::WatchJobsResponse>(
      absl::InfiniteFuture(),
      [&](grpc::ClientContext* context) { return client.jobs().WatchJobs(context, {}); },
      [](const v1::WatchJobsResponse&) { return true; });
  user.join();
  EXPECT_EQ(status.code(), absl::StatusCode::kCancelled);
}

TEST_F(ClientTest, FollowOpensABrokenStreamAgain) {
  coordinator_.Start();
  Client client = MakeClient();
  std::thread restart([&] {
    coordinator_.AwaitStreams(1);
    coordinator_.Stop();
    coordinator_.Start();
  });
  int snapshots = 0;
  const absl::Status status = client.Follow<v1::WatchJobsResponse>(
      absl::InfiniteFuture(),
      [&](grpc::ClientContext* context) { return client.jobs().WatchJobs(context, {}); },
      [&](const v1::WatchJobsResponse& response) {
        snapshots += response.snapshot_complete() ? 1 : 0;
        return snapshots < 2;
      });
  restart.join();
  EXPECT_TRUE(status.ok()) << status;
  EXPECT_TRUE(notices_.empty());
}

TEST_F(ClientTest, FollowGoesOnAtAnotherCoordinator) {
  FakeCoordinator other;
  coordinator_.Start();
  other.Start();
  Client client = MakeClient(coordinator_.address() + "," + other.address(), absl::Seconds(30));
  std::atomic<int> snapshots = 0;
  std::thread death([&] {
    while (snapshots == 0) std::this_thread::yield();
    (coordinator_.streams() > 0 ? coordinator_ : other).Stop();
  });
  const absl::Status status = client.Follow<v1::WatchJobsResponse>(
      absl::InfiniteFuture(),
      [&](grpc::ClientContext* context) { return client.jobs().WatchJobs(context, {}); },
      [&](const v1::WatchJobsResponse& response) {
        snapshots += response.snapshot_complete() ? 1 : 0;
        return snapshots < 2;
      });
  death.join();
  EXPECT_TRUE(status.ok()) << status;
  EXPECT_EQ(coordinator_.streams(), 1);
  EXPECT_EQ(other.streams(), 1);
  // Calls, too, are made to whoever is there.
  v1::RetryJobsRequest request;
  EXPECT_TRUE(Retry(client, request).ok());
}

}  // namespace
}  // namespace closewrite::cli

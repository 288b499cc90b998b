#include "services/coordinator/api/fleet_service.h"

#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "services/coordinator/api/api_fixture.h"
#include "services/version/version.h"

namespace closewrite {
namespace {

using FleetServiceTest = ApiFixture;

TEST_F(FleetServiceTest, ListsExecutorsByName) {
  Apply(TestPipeline("enrich"));
  ConnectWatcher();
  OpenSession("vm-c-2", 2);
  OpenSession("vm-c-1", 4);
  OpenSession("vm-c-3", 1);
  Announce("a.csv");  // goes to the one with most free slots
  v1::ListExecutorsRequest request;
  request.set_page_size(2);
  std::vector<std::string> names;
  std::vector<int> leases;
  for (bool more = true; more;) {
    grpc::ClientContext context;
    v1::ListExecutorsResponse response;
    ASSERT_TRUE(fleet_->ListExecutors(&context, request, &response).ok());
    for (const v1::ExecutorStatus& executor : response.executors()) {
      names.push_back(executor.name());
      leases.push_back(executor.leases());
      EXPECT_TRUE(executor.connected());
      EXPECT_EQ(executor.host(), "vm-c");
      EXPECT_EQ(executor.labels(0), "internet");
      EXPECT_EQ(executor.volume_roots().at("enriched"), "/mnt/e");
      EXPECT_EQ(executor.heartbeat_at().seconds(), kTestStartSeconds);
      EXPECT_EQ(executor.expires_at().seconds(), kTestStartSeconds + 10);
    }
    request.set_page_token(response.next_page_token());
    more = !response.next_page_token().empty();
  }
  EXPECT_EQ(names, (std::vector<std::string>{"vm-c-1", "vm-c-2", "vm-c-3"}));
  EXPECT_EQ(leases, (std::vector<int>{1, 0, 0}));
}

TEST_F(FleetServiceTest, ListsWatchersWithTheirVolumes) {
  ConnectWatcher();
  grpc::ClientContext context;
  v1::ListWatchersResponse response;
  ASSERT_TRUE(fleet_->ListWatchers(&context, {}, &response).ok());
  ASSERT_EQ(response.watchers_size(), 1);
  EXPECT_EQ(response.watchers(0).host(), "vm-b");
  EXPECT_TRUE(response.watchers(0).connected());
  ASSERT_EQ(response.watchers(0).volumes_size(), 2);
  EXPECT_EQ(response.watchers(0).volumes(1).volume(), "unenriched");
  EXPECT_EQ(response.watchers(0).volumes(1).state(), v1::VOLUME_STATE_LIVE);
}

TEST_F(FleetServiceTest, ShowsHowHostsDo) {
  ConnectWatcher();
  const SessionId session = OpenSession("vm-c-1", 4);
  const int stream = 0;
  const int newer = 0;
  v1::HostHealth health;
  health.mutable_sent_at()->set_seconds(kTestStartSeconds + 3);
  health.add_volumes()->set_problem("Read-only file system");
  executor_health_.Set(session, &stream, health, absl::FromUnixSeconds(kTestStartSeconds));
  health.mutable_volumes(0)->set_problem("");
  watcher_health_.Set("vm-b", &stream, health, absl::FromUnixSeconds(kTestStartSeconds + 4));
  const auto executor = [&] {
    grpc::ClientContext context;
    v1::ListExecutorsResponse response;
    EXPECT_TRUE(fleet_->ListExecutors(&context, {}, &response).ok());
    return response.executors(0);
  };
  const auto watcher = [&] {
    grpc::ClientContext context;
    v1::ListWatchersResponse response;
    EXPECT_TRUE(fleet_->ListWatchers(&context, {}, &response).ok());
    return response.watchers(0);
  };
  EXPECT_EQ(executor().health().volumes(0).problem(), "Read-only file system");
  EXPECT_EQ(executor().clock_ahead().seconds(), 3);
  EXPECT_EQ(watcher().clock_ahead().seconds(), -1);
  // A newer stream has said something, so the end of the older one takes nothing away.
  executor_health_.Set(session, &newer, health, absl::FromUnixSeconds(kTestStartSeconds));
  executor_health_.Remove(session, &stream);
  EXPECT_TRUE(executor().has_health());
  executor_health_.Remove(session, &newer);
  EXPECT_FALSE(executor().has_health());
  EXPECT_FALSE(executor().has_clock_ahead());
}

TEST_F(FleetServiceTest, CountsJobsAndTellsWhoHoldsLocks) {
  ConnectWatcher();
  v1::Pipeline locked = TestPipeline("enrich");
  locked.add_locks("picky-api");
  Apply(locked);
  const SessionId session = OpenSession("vm-c-1", 4);
  Announce("a.csv");
  Announce("b.csv");
  const auto overview = [&] {
    grpc::ClientContext context;
    v1::GetOverviewResponse response;
    EXPECT_TRUE(fleet_->GetOverview(&context, {}, &response).ok());
    return response;
  };
  const v1::GetOverviewResponse shown = overview();
  ASSERT_EQ(shown.counts_size(), 2);
  EXPECT_EQ(shown.counts(0).pipeline(), "enrich");
  EXPECT_EQ(shown.counts(0).state(), v1::JOB_STATE_AVAILABLE);
  EXPECT_EQ(shown.counts(0).count(), 1);
  EXPECT_EQ(shown.counts(1).state(), v1::JOB_STATE_RUNNING);
  EXPECT_EQ(shown.totals().made(), 2);
  EXPECT_EQ(shown.totals().leased(), 1);
  ASSERT_EQ(shown.locks_size(), 1);
  EXPECT_EQ(shown.locks(0).name(), "picky-api");
  EXPECT_EQ(shown.locks(0).job_id(), 1);
  EXPECT_EQ(shown.locks(0).host(), "vm-c");
  const Lease lease{JobId{1}, FencingToken{1}};
  ReportEnd(session, lease, Outcome::kSucceeded, 0);
  EXPECT_EQ(overview().totals().succeeded(), 1);
}

TEST_F(FleetServiceTest, RefusesTokensOfOtherCalls) {
  grpc::ClientContext context;
  v1::ListExecutorsRequest executors;
  executors.set_page_token("nonsense");
  v1::ListExecutorsResponse response;
  EXPECT_EQ(fleet_->ListExecutors(&context, executors, &response).error_code(),
            grpc::StatusCode::INVALID_ARGUMENT);
  grpc::ClientContext context2;
  v1::ListWatchersRequest watchers;
  watchers.set_page_size(-1);
  v1::ListWatchersResponse response2;
  EXPECT_EQ(fleet_->ListWatchers(&context2, watchers, &response2).error_code(),
            grpc::StatusCode::INVALID_ARGUMENT);
}

TEST_F(FleetServiceTest, SaysItsVersion) {
  grpc::ClientContext context;
  v1::GetVersionResponse response;
  ASSERT_TRUE(fleet_->GetVersion(&context, {}, &response).ok());
  EXPECT_EQ(response.version(), kVersion);
  EXPECT_EQ(response.started_at().seconds(), kTestStartSeconds);
  EXPECT_EQ(response.durability(), store_.Durability());
}

}  // namespace
}  // namespace closewrite

#include "services/coordinator/api/audit_service.h"

#include <optional>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "services/coordinator/api/api_fixture.h"
#include "services/coordinator/api/audit_entry.h"
#include "services/log/str_cat.h"

namespace closewrite {
namespace {

class AuditServiceTest : public ApiFixture {
 protected:
  grpc::Status Cancel(const std::string& request_id, int64_t job_id) {
    grpc::ClientContext context;
    auto request = WithId<v1::CancelJobsRequest>(request_id);
    request.add_job_ids(job_id);
    request.set_reason("a wrong file");
    v1::CancelJobsResponse response;
    return jobs_->CancelJobs(&context, request, &response);
  }
  grpc::Status SetLock(const std::string& request_id, const std::string& lock) {
    grpc::ClientContext context;
    auto request = WithId<v1::SetLockRequest>(request_id);
    request.set_lock(lock);
    request.set_capacity(2);
    v1::SetLockResponse response;
    return locks_->SetLock(&context, request, &response);
  }
  grpc::Status Ask(const v1::ListAuditEntriesRequest& request,
                   v1::ListAuditEntriesResponse* response) {
    grpc::ClientContext context;
    return audit_->ListAuditEntries(&context, request, response);
  }
  std::vector<v1::AuditEntry> List(const v1::ListAuditEntriesRequest& request = {}) {
    v1::ListAuditEntriesResponse response;
    const grpc::Status status = Ask(request, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return {response.entries().begin(), response.entries().end()};
  }
  // By their request ids.
  std::vector<std::string> Ids(const v1::ListAuditEntriesRequest& request = {}) {
    std::vector<std::string> ids;
    for (const v1::AuditEntry& entry : List(request)) ids.push_back(entry.request_id());
    return ids;
  }
};

TEST_F(AuditServiceTest, AChangeIsRecordedWithItsCaller) {
  callers_.Set({.role = Role::kPortal, .name = "vm-a", .user = "bob", .peer = "ipv4:10.0.0.3:55"});
  Apply(TestPipeline("enrich"));
  const std::vector<v1::AuditEntry> entries = List();
  ASSERT_EQ(entries.size(), 1u);
  const v1::AuditEntry& entry = entries[0];
  EXPECT_EQ(entry.role(), "portal");
  EXPECT_EQ(entry.name(), "vm-a");
  EXPECT_EQ(entry.user(), "bob");
  EXPECT_EQ(entry.peer(), "10.0.0.3:55");
  EXPECT_EQ(entry.method(), "PipelineService.ApplyPipelines");
  EXPECT_EQ(entry.request_id(), "apply-enrich");
  EXPECT_EQ(entry.subject(), "pipelines enrich");
  EXPECT_EQ(entry.at().seconds(), kTestStartSeconds);
  EXPECT_GT(entry.id(), 0);
}

TEST_F(AuditServiceTest, ARepeatIsNoSecondChange) {
  EXPECT_TRUE(SetLock("one", "picky-api").ok());
  EXPECT_TRUE(SetLock("one", "picky-api").ok());
  EXPECT_TRUE(SetLock("two", "picky-api").ok());
  EXPECT_EQ(Ids(), (std::vector<std::string>{"two", "one"}));
}

TEST_F(AuditServiceTest, WhatWasRefusedIsNoChange) {
  EXPECT_FALSE(Cancel("one", 41).ok());
  EXPECT_TRUE(Ids().empty());
  ConnectWatcher();
  Apply(TestPipeline("enrich"));
  Announce("a.csv");
  EXPECT_TRUE(Cancel("one", 1).ok());
  const std::vector<v1::AuditEntry> entries = List();
  ASSERT_EQ(entries.size(), 2u);
  EXPECT_EQ(entries[0].method(), "JobService.CancelJobs");
  EXPECT_EQ(entries[0].subject(), "job_ids 1; reason a wrong file");
}

TEST_F(AuditServiceTest, WhatOnlyTriesIsNoChange) {
  grpc::ClientContext context;
  auto request = WithId<v1::ApplyPipelinesRequest>("try");
  *request.add_pipelines() = TestPipeline("enrich");
  request.set_dry_run(true);
  v1::ApplyPipelinesResponse response;
  EXPECT_TRUE(pipelines_->ApplyPipelines(&context, request, &response).ok());
  EXPECT_TRUE(Ids().empty());
}

TEST_F(AuditServiceTest, WhatProgramsDoManyTimesASecondIsLeftOut) {
  grpc::ClientContext context;
  auto request = WithId<v1::TakeRateRequest>("take");
  request.set_rate("tokens");
  request.set_limit(5);
  request.mutable_per()->set_seconds(1);
  v1::TakeRateResponse response;
  const grpc::Status status = locks_->TakeRate(&context, request, &response);
  EXPECT_TRUE(status.ok()) << status.error_message();
  EXPECT_TRUE(Ids().empty());
}

TEST_F(AuditServiceTest, IsFilteredByWhoAndByCall) {
  callers_.Set({.role = Role::kOperator, .name = "alice"});
  EXPECT_TRUE(SetLock("1", "a").ok());
  Apply(TestPipeline("enrich"));
  callers_.Set({.role = Role::kPortal, .name = "vm-a", .user = "bob"});
  EXPECT_TRUE(SetLock("2", "a").ok());
  const auto by = [&](const std::string& name, const std::string& method) {
    v1::ListAuditEntriesRequest request;
    request.set_name(name);
    request.set_method(method);
    return Ids(request);
  };
  using Names = std::vector<std::string>;
  EXPECT_EQ(by("alice", ""), (Names{"apply-enrich", "1"}));
  EXPECT_EQ(by("bob", ""), Names{"2"});
  EXPECT_EQ(by("vm-a", ""), Names{"2"});
  EXPECT_EQ(by("carol", ""), Names{});
  EXPECT_EQ(by("", "SetLock"), (Names{"2", "1"}));
  EXPECT_EQ(by("", "LockService.SetLock"), (Names{"2", "1"}));
  EXPECT_EQ(by("alice", "SetLock"), Names{"1"});
}

TEST_F(AuditServiceTest, IsFilteredByTime) {
  for (const char* id : {"1", "2", "3"}) {
    EXPECT_TRUE(SetLock(id, "a").ok());
    clock_.Advance(absl::Seconds(10));
  }
  v1::ListAuditEntriesRequest request;
  request.mutable_since()->set_seconds(kTestStartSeconds + 10);
  EXPECT_EQ(Ids(request), (std::vector<std::string>{"3", "2"}));
  request.mutable_until()->set_seconds(kTestStartSeconds + 20);
  EXPECT_EQ(Ids(request), std::vector<std::string>{"2"});
}

TEST_F(AuditServiceTest, IsListedInPages) {
  std::vector<std::string> all;
  for (int i = 0; i < 7; ++i) {
    all.insert(all.begin(), StrCat(i));
    EXPECT_TRUE(SetLock(StrCat(i), "a").ok());
    if (i % 3 == 0) clock_.Advance(absl::Seconds(1));
  }
  v1::ListAuditEntriesRequest request;
  request.set_page_size(2);
  request.mutable_until()->set_seconds(kTestStartSeconds + 1000);
  std::vector<std::string> listed;
  do {
    v1::ListAuditEntriesResponse response;
    ASSERT_TRUE(Ask(request, &response).ok());
    EXPECT_LE(response.entries_size(), 2);
    for (const v1::AuditEntry& entry : response.entries()) listed.push_back(entry.request_id());
    request.set_page_token(response.next_page_token());
  } while (!request.page_token().empty() && listed.size() < 100);
  EXPECT_EQ(listed, all);
}

TEST_F(AuditServiceTest, WrongQuestionsAreRefused) {
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(SetLock(StrCat(i), "a").ok());
  v1::ListAuditEntriesRequest request;
  request.set_page_size(1);
  v1::ListAuditEntriesResponse response;
  ASSERT_TRUE(Ask(request, &response).ok());
  const auto expect_refused = [&](const v1::ListAuditEntriesRequest& wrong,
                                  const std::string& words) {
    const grpc::Status status = Ask(wrong, &response);
    EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
    EXPECT_TRUE(absl::StrContains(status.error_message(), words)) << status.error_message();
  };
  v1::ListAuditEntriesRequest other_list = request;
  other_list.set_page_token(response.next_page_token());
  other_list.set_name("alice");
  expect_refused(other_list, "page_token");
  v1::ListAuditEntriesRequest method;
  method.set_method("CancelJob");
  expect_refused(method, "did you mean \"CancelJobs\"?");
  v1::ListAuditEntriesRequest times;
  times.mutable_since()->set_seconds(2);
  times.mutable_until()->set_seconds(1);
  expect_refused(times, "is after `until`");
}

TEST(AuditEntryTest, WithoutCallersItIsAnybody) {
  const grpc::CallbackServerContext context;
  v1::CancelJobsRequest request;
  request.set_request_id("r");
  const std::optional<AuditEntry> entry = AuditEntryOf(nullptr, context, "CancelJobs", request);
  ASSERT_TRUE(entry.has_value());
  EXPECT_EQ(entry->role, "anybody");
  EXPECT_EQ(entry->name, "");
  EXPECT_EQ(entry->request_id, "r");
  EXPECT_EQ(AuditEntryOf(nullptr, context, "TakeRate", request), std::nullopt);
}

TEST(AuditEntryTest, PeersAreShownAsAddresses) {
  EXPECT_EQ(ShownPeer("ipv4:10.0.0.3:5555"), "10.0.0.3:5555");
  EXPECT_EQ(ShownPeer("ipv6:%5Bfe80::1%25eth0%5D:5555"), "[fe80::1%25eth0]:5555");
  EXPECT_EQ(ShownPeer("unix:/run/x"), "unix:/run/x");
  EXPECT_EQ(ShownPeer(""), "");
}

}  // namespace
}  // namespace closewrite

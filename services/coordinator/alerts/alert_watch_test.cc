#include "services/coordinator/alerts/alert_watch.h"

#include <memory>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "services/config/config.h"
#include "services/coordinator/api/api_fixture.h"
#include "services/coordinator/core/alert_notes.h"
#include "services/coordinator/core/outbox.h"
#include "services/log/str_cat.h"

namespace closewrite {
namespace {

class AlertWatchTest : public ApiFixture {
 protected:
  AlertWatchTest() { Restart(); }

  // The watch of another coordinator, or of this one after its end.
  void Restart() {
    AlertOptions options;
    options.to = {.emails = {"ops@example.org"}, .webhook = ""};
    options.remind_every = absl::Hours(1);
    options.retention = absl::Hours(10);
    watch_ = std::make_unique<AlertWatch>(options, &loop_, [this] { return StrCat(++ids_); });
  }

  void ApplyWith(const std::string& alerts) {
    v1::Pipeline pipeline = TestPipeline("p");
    ASSERT_TRUE(ParseYaml("test.yaml", alerts, pipeline.mutable_alerts()).ok()) << alerts;
    ApplyAgain(pipeline);
  }

  // Whatever was applied before.
  void ApplyAgain(const v1::Pipeline& pipeline) {
    auto request = WithId<v1::ApplyPipelinesRequest>(StrCat("apply-", ++requests_));
    *request.add_pipelines() = pipeline;
    grpc::ClientContext context;
    v1::ApplyPipelinesResponse response;
    const grpc::Status status = pipelines_->ApplyPipelines(&context, request, &response);
    ASSERT_TRUE(status.ok()) << status.error_message();
  }

  void Delete() {
    auto request = WithId<v1::DeletePipelineRequest>(StrCat("delete-", ++requests_));
    request.set_name("p");
    grpc::ClientContext context;
    v1::DeletePipelineResponse response;
    ASSERT_TRUE(pipelines_->DeletePipeline(&context, request, &response).ok());
  }

  void ApplyTask(const std::string& task) {
    auto request = WithId<v1::ApplyTasksRequest>("task");
    v1::TaskFile file;
    ASSERT_TRUE(ParseYaml("test.yaml", StrCat("tasks: [", task, "]"), &file).ok());
    *request.mutable_tasks() = file.tasks();
    grpc::ClientContext context;
    v1::ApplyTasksResponse response;
    const grpc::Status status = tasks_->ApplyTasks(&context, request, &response);
    ASSERT_TRUE(status.ok()) << status.error_message();
  }

  // Subjects of the messages that looking makes now.
  std::vector<std::string> Look() {
    EXPECT_TRUE(watch_->Look().ok());
    std::vector<std::string> subjects;
    EXPECT_TRUE(Run([&](Engine&, StoreTransaction& tx, absl::Time) {
                  for (const OutboxMessage& message : WaitingMessages(tx, 100)) {
                    subjects.push_back(message.subject);
                    texts_.push_back(message.text);
                    EndMessage(tx, message, message);
                  }
                }).ok());
    return subjects;
  }

  // A job that takes `lasts`, of a new file.
  void RunJob(Outcome outcome, absl::Duration lasts = absl::ZeroDuration()) {
    const int64_t id = ++jobs_made_;
    clock_.Advance(absl::Seconds(11));  // sessions of before are over
    Tick();
    session_ = OpenSession(StrCat("vm-c-", id), 4);
    Announce(StrCat(id, ".csv"));
    const Lease lease{JobId{id}, FencingToken{1}};
    ReportRunning(session_, lease, 99);
    clock_.Advance(lasts);
    ReportEnd(session_, lease, outcome, outcome == Outcome::kSucceeded ? 0 : 1);
    if (outcome == Outcome::kSucceeded) Publish(lease);
  }

  void Begin() {
    ConnectWatcher();
    session_ = OpenSession("vm-c-1", 4);
  }

  using Subjects = std::vector<std::string>;
  std::unique_ptr<AlertWatch> watch_;
  int ids_ = 0;
  int64_t jobs_made_ = 0;
  int requests_ = 0;
  SessionId session_;
  std::vector<std::string> texts_;
};

TEST_F(AlertWatchTest, NothingIsWatched) {
  Apply(TestPipeline("p"));
  clock_.Advance(absl::Hours(1000));
  EXPECT_EQ(Look(), Subjects());
}

TEST_F(AlertWatchTest, NoSuccessThoughNoEventEverCame) {
  ApplyTask("{name: load, period: day, run: {command: [x]}, alerts: {no_success_within: 24h}}");
  EXPECT_EQ(Look(), Subjects());
  clock_.Advance(absl::Hours(24) + absl::Seconds(1));
  EXPECT_EQ(Look(), Subjects{"[closewrite] task load: no success"});
  EXPECT_NE(texts_.back().find("none since it was registered"), std::string::npos);
  EXPECT_NE(texts_.back().find("the task is stopped"), std::string::npos);
  // Once, whoever looks, until the reminder.
  clock_.Advance(absl::Minutes(59));
  Restart();
  EXPECT_EQ(Look(), Subjects());
  clock_.Advance(absl::Minutes(2));
  EXPECT_EQ(Look(), Subjects{"[closewrite] still: task load: no success"});
}

TEST_F(AlertWatchTest, NoSuccessEndsWithOne) {
  Begin();
  ApplyWith("{no_success_within: 1h}");
  clock_.Advance(absl::Minutes(59));
  RunJob(Outcome::kSucceeded);
  clock_.Advance(absl::Minutes(59));
  EXPECT_EQ(Look(), Subjects());
  clock_.Advance(absl::Minutes(2));
  EXPECT_EQ(Look(), Subjects{"[closewrite] pipeline p: no success"});
  RunJob(Outcome::kFailed);
  EXPECT_EQ(Look(), Subjects());
  RunJob(Outcome::kSucceeded);
  EXPECT_EQ(Look(), Subjects{"[closewrite] all clear: pipeline p: no success"});
  EXPECT_EQ(Look(), Subjects());
}

// A success was looked for only when it was overdue, and its job may be forgotten by then.
TEST_F(AlertWatchTest, ASuccessIsKnownLongerThanItsJob) {
  Begin();
  ApplyWith("{no_success_within: 20h}");
  EXPECT_EQ(Look(), Subjects());
  RunJob(Outcome::kSucceeded);
  Remove("1.csv");  // or else its job is kept
  clock_.Advance(absl::Hours(6));
  EXPECT_EQ(Look(), Subjects());
  ASSERT_TRUE(Run([](Engine&, StoreTransaction& tx, absl::Time now) {
                EXPECT_GT(tx.Prune(now - absl::Hours(1), 100), 0);
              }).ok());
  clock_.Advance(absl::Hours(13));
  EXPECT_EQ(Look(), Subjects());
  clock_.Advance(absl::Hours(2));
  EXPECT_EQ(Look(), Subjects{"[closewrite] pipeline p: no success"});
  EXPECT_NE(texts_.back().find("the last was at"), std::string::npos) << texts_.back();
}

TEST_F(AlertWatchTest, ARegistrationIsRememberedThoughTheDefinitionChanges) {
  ApplyWith("{no_success_within: 1h}");
  EXPECT_EQ(Look(), Subjects());
  clock_.Advance(absl::Minutes(40));
  v1::Pipeline changed = TestPipeline("p");
  changed.set_priority(7);
  changed.mutable_alerts()->mutable_no_success_within()->set_seconds(3600);
  ApplyAgain(changed);
  EXPECT_EQ(Look(), Subjects());
  clock_.Advance(absl::Minutes(21));
  EXPECT_EQ(Look(), Subjects{"[closewrite] pipeline p: no success"});
}

TEST_F(AlertWatchTest, Failures) {
  Begin();
  v1::Pipeline pipeline = TestPipeline("p");
  pipeline.mutable_retry()->set_attempts(1);
  pipeline.mutable_alerts()->set_failed("2 in 1h");
  Apply(pipeline);
  RunJob(Outcome::kFailed);
  clock_.Advance(absl::Minutes(61));
  RunJob(Outcome::kFailed);
  EXPECT_EQ(Look(), Subjects());
  RunJob(Outcome::kFailed);
  EXPECT_EQ(Look(), Subjects{"[closewrite] pipeline p: failed jobs"});
  EXPECT_NE(texts_.back().find("failed within 1h: 3, 2"), std::string::npos) << texts_.back();
  clock_.Advance(absl::Minutes(61));
  EXPECT_EQ(Look(), (Subjects{"[closewrite] all clear: pipeline p: failed jobs"}));
}

TEST_F(AlertWatchTest, WaitingSaysWhy) {
  ConnectWatcher();
  ApplyWith("{waiting_longer_than: 10m}");
  Announce("a.csv");
  clock_.Advance(absl::Minutes(10));
  EXPECT_EQ(Look(), Subjects());
  clock_.Advance(absl::Minutes(1));
  EXPECT_EQ(Look(), Subjects{"[closewrite] pipeline p: waiting too long"});
  EXPECT_NE(texts_.back().find("no executor is connected"), std::string::npos) << texts_.back();
}

TEST_F(AlertWatchTest, RunningTooLong) {
  Begin();
  ApplyWith("{running_longer_than: 5s}");
  Announce("a.csv");
  ReportRunning(session_, Lease{JobId{1}, FencingToken{1}}, 99);
  clock_.Advance(absl::Seconds(6));
  EXPECT_EQ(Look(), Subjects{"[closewrite] pipeline p: running too long"});
  ReportEnd(session_, Lease{JobId{1}, FencingToken{1}}, Outcome::kFailed, 1);
  EXPECT_EQ(Look(), Subjects{"[closewrite] all clear: pipeline p: running too long"});
}

TEST_F(AlertWatchTest, AnExecutorVanishes) {
  Begin();
  ApplyWith("{executor_lost: true}");
  EXPECT_EQ(Look(), Subjects());
  clock_.Advance(absl::Seconds(11));  // its session is over
  Tick();
  EXPECT_EQ(Look(), Subjects());
  clock_.Advance(kAwayMax);
  EXPECT_EQ(Look(), Subjects{"[closewrite] pipeline p: executor lost vm-c-1"});
  OpenSession("vm-c-1", 1);
  EXPECT_EQ(Look(), Subjects{"[closewrite] all clear: pipeline p: executor lost vm-c-1"});
}

TEST_F(AlertWatchTest, AnExecutorThatSaysGoodbyeIsNotLost) {
  Begin();
  ApplyWith("{executor_lost: true}");
  ASSERT_TRUE(Run([](Engine& engine, StoreTransaction& tx, absl::Time) {
                EXPECT_TRUE(engine.dispatch().Drain(tx, {"vm-c-1"}).ok());
              }).ok());
  clock_.Advance(absl::Seconds(11));
  Tick();
  clock_.Advance(kAwayMax);
  EXPECT_EQ(Look(), Subjects());
}

TEST_F(AlertWatchTest, AnExecutorThatCouldNotRunItDoesNotMatter) {
  Begin();
  v1::Pipeline pipeline = TestPipeline("p");
  pipeline.mutable_run()->add_labels("gpu");
  pipeline.mutable_alerts()->set_executor_lost(true);
  Apply(pipeline);
  clock_.Advance(absl::Seconds(11));
  Tick();
  clock_.Advance(kAwayMax);
  EXPECT_EQ(Look(), Subjects());
}

TEST_F(AlertWatchTest, AWatcherVanishes) {
  Begin();
  ApplyWith("{watcher_lost: true}");
  EXPECT_EQ(Look(), Subjects());
  clock_.Advance(kWatcherTtl + kAwayMax);
  const Subjects both = {"[closewrite] pipeline p: watcher lost enriched",
                         "[closewrite] pipeline p: watcher lost unenriched"};
  EXPECT_EQ(Look(), both);
  ConnectWatcher();
  EXPECT_EQ(Look().size(), 2u);
}

TEST_F(AlertWatchTest, AnOverflow) {
  Begin();
  ApplyWith("{overflow: true}");
  const auto overflows = [this](int64_t count) {
    ASSERT_TRUE(Run([&](Engine& engine, StoreTransaction& tx, absl::Time now) {
                  (void)engine.UpdateWatcher(tx, {"vm-b", "ledger", 1},
                                             {{.volume = "unenriched", .overflows = count}}, now);
                }).ok());
  };
  EXPECT_EQ(Look(), Subjects());
  overflows(1);
  EXPECT_EQ(Look(), Subjects{"[closewrite] pipeline p: overflow unenriched"});
  clock_.Advance(kOverflowCalm);
  EXPECT_EQ(Look(), Subjects{"[closewrite] all clear: pipeline p: overflow unenriched"});
  Restart();
  EXPECT_EQ(Look(), Subjects());
  overflows(2);
  EXPECT_EQ(Look(), Subjects{"[closewrite] pipeline p: overflow unenriched"});
}

TEST_F(AlertWatchTest, APipelineThatIsDeletedIsWellAgain) {
  ApplyWith("{no_success_within: 1h}");
  clock_.Advance(absl::Hours(2));
  EXPECT_EQ(Look().size(), 1u);
  Delete();
  EXPECT_EQ(Look(), Subjects{"[closewrite] all clear: pipeline p: no success"});
  // What is registered anew has its time anew.
  ApplyWith("{no_success_within: 1h, remind_every: 2h}");
  EXPECT_EQ(Look(), Subjects());
}

TEST_F(AlertWatchTest, WhoIsTold) {
  ApplyWith("{no_success_within: 1s, email: [a@b.org], webhook: 'http://h/x'}");
  clock_.Advance(absl::Hours(2));
  ASSERT_TRUE(watch_->Look().ok());
  ASSERT_TRUE(store_
                  .Read([](StoreReader& reader) {
                    const auto messages = WaitingMessages(reader, 10);
                    EXPECT_EQ(messages.size(), 2u);
                    if (messages.size() != 2) return absl::OkStatus();
                    EXPECT_EQ(messages[0].to.emails, std::vector<std::string>{"a@b.org"});
                    EXPECT_EQ(messages[1].to.webhook, "http://h/x");
                    EXPECT_EQ(messages[0].kind, kAlarmMessage);
                    return absl::OkStatus();
                  })
                  .ok());
}

TEST_F(AlertWatchTest, OldIncidentsAreForgotten) {
  ApplyWith("{no_success_within: 1h}");
  clock_.Advance(absl::Hours(2));
  Look();
  const auto past = [this] {
    size_t count = 0;
    EXPECT_TRUE(store_
                    .Read([&](StoreReader& reader) {
                      count = PastIncidents(reader, "", 10).size();
                      return absl::OkStatus();
                    })
                    .ok());
    return count;
  };
  Delete();
  Look();
  EXPECT_EQ(past(), 1u);
  clock_.Advance(kPastIncidentsKept);
  Look();
  EXPECT_EQ(past(), 0u);
}

}  // namespace
}  // namespace closewrite

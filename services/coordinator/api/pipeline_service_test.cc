#include "services/coordinator/api/pipeline_service.h"

#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "services/coordinator/api/api_fixture.h"
#include "services/log/str_cat.h"
#include "services/transport/errors.h"

namespace closewrite {
namespace {

using Code = grpc::StatusCode;

class PipelineServiceTest : public ApiFixture {
 protected:
  grpc::Status Apply(const std::string& id, const std::vector<v1::Pipeline>& pipelines,
                     bool dry_run) {
    auto request = WithId<v1::ApplyPipelinesRequest>(id);
    for (const v1::Pipeline& pipeline : pipelines) *request.add_pipelines() = pipeline;
    request.set_dry_run(dry_run);
    grpc::ClientContext context;
    applied_.Clear();
    return pipelines_->ApplyPipelines(&context, request, &applied_);
  }
  grpc::Status Delete(const std::string& id, const std::string& name, bool cancel_jobs) {
    auto request = WithId<v1::DeletePipelineRequest>(id);
    request.set_name(name);
    request.set_cancel_jobs(cancel_jobs);
    grpc::ClientContext context;
    deleted_.Clear();
    return pipelines_->DeletePipeline(&context, request, &deleted_);
  }
  grpc::Status List(const v1::ListPipelinesRequest& request) {
    grpc::ClientContext context;
    listed_.Clear();
    return pipelines_->ListPipelines(&context, request, &listed_);
  }
  grpc::Status Test(const v1::TestPipelinesRequest& request) {
    grpc::ClientContext context;
    tested_.Clear();
    return pipelines_->TestPipelines(&context, request, &tested_);
  }
  static v1::TestPipelinesRequest TestOf(const std::string& volume, const std::string& path) {
    v1::TestPipelinesRequest request;
    request.add_files()->set_volume(volume);
    request.mutable_files(0)->set_path(path);
    return request;
  }

  v1::ApplyPipelinesResponse applied_;
  v1::DeletePipelineResponse deleted_;
  v1::ListPipelinesResponse listed_;
  v1::TestPipelinesResponse tested_;
};

// A pipeline of a volume that was misspelt waited for ever, and nobody said why.
TEST_F(PipelineServiceTest, ApplyWarnsOfVolumesThatNobodyHasToldOf) {
  v1::Pipeline pipeline = TestPipeline("a");
  ASSERT_TRUE(Apply("1", {pipeline}, true).ok());
  ASSERT_EQ(applied_.warnings_size(), 2);
  EXPECT_EQ(applied_.warnings(0),
            "pipeline a: no watcher or executor has told of a volume unenriched: none is known");
  ConnectWatcher();
  ASSERT_TRUE(Apply("2", {pipeline}, false).ok());
  EXPECT_EQ(applied_.warnings_size(), 0);
  pipeline.mutable_publish()->set_volume("enrichd");
  (*pipeline.mutable_run()->mutable_env())["TO"] = "{output}";
  ASSERT_TRUE(Apply("3", {pipeline, TestPipeline("b")}, false).ok());
  ASSERT_EQ(applied_.warnings_size(), 2);
  EXPECT_EQ(applied_.warnings(0),
            "pipeline a: no watcher or executor has told of a volume enrichd: did you mean "
            "\"enriched\"?");
  EXPECT_EQ(applied_.warnings(1).substr(0, 43), "pipeline a: run.env[TO] holds {output}, and");
}

TEST_F(PipelineServiceTest, ApplyRefusesWhatNobodyFillsIn) {
  v1::Pipeline pipeline = TestPipeline("a");
  pipeline.mutable_run()->add_command("{inptu}");
  EXPECT_EQ(Apply("1", {pipeline}, true).error_code(), Code::INVALID_ARGUMENT);
}

TEST_F(PipelineServiceTest, TestKnowsWhatTheVolumeIgnores) {
  ApiFixture::Apply(TestPipeline("csv"));
  ConnectWatcher();
  ASSERT_TRUE(Test(TestOf("unenriched", "old/x.csv")).ok());
  EXPECT_TRUE(tested_.verdicts(0).matches());
  ASSERT_EQ(tested_.warnings_size(), 1);  // of a watcher that is elsewhere
  EXPECT_NE(tested_.warnings(0).find("volume unenriched ignores a name is not known here"),
            std::string::npos);
  v1::HostHealth health;
  health.add_volumes()->set_volume("unenriched");
  health.mutable_volumes(0)->add_ignore("old/");
  watcher_health_.Set("vm-b", this, health, clock_.Now());
  ASSERT_TRUE(Test(TestOf("unenriched", "old/x.csv")).ok());
  EXPECT_FALSE(tested_.verdicts(0).matches());
  EXPECT_EQ(tested_.verdicts(0).message(), "it lies below old, which its volume ignores");
  EXPECT_EQ(tested_.warnings_size(), 0);
  ASSERT_TRUE(Test(TestOf("unenriched", "in/x.csv")).ok());
  EXPECT_TRUE(tested_.verdicts(0).matches());

  ASSERT_TRUE(Test(TestOf("unenrched", "x.csv")).ok());
  ASSERT_EQ(tested_.warnings_size(), 1);
  EXPECT_EQ(tested_.warnings(0),
            "no watcher or executor has told of a volume unenrched: did you mean \"unenriched\"?");
}

TEST_F(PipelineServiceTest, ApplySaysWhatItDid) {
  const v1::Pipeline a = TestPipeline("a");
  ASSERT_TRUE(Apply("1", {a}, true).ok());
  EXPECT_EQ(applied_.effects(0), v1::APPLY_EFFECT_CREATED);
  EXPECT_EQ(applied_.pipelines(0).version(), 0);
  ASSERT_TRUE(List({}).ok());
  EXPECT_EQ(listed_.pipelines_size(), 0);

  ASSERT_TRUE(Apply("1", {a}, false).ok());  // trying has not used the id up
  EXPECT_EQ(applied_.effects(0), v1::APPLY_EFFECT_CREATED);
  EXPECT_EQ(applied_.pipelines(0).version(), 1);
  EXPECT_EQ(applied_.pipelines(0).applied_at().seconds(), kTestStartSeconds);
  EXPECT_EQ(applied_.pipelines(0).pipeline().retry().attempts(), 5);

  v1::Pipeline changed = a;
  changed.set_priority(3);
  clock_.Advance(absl::Seconds(1));
  ASSERT_TRUE(Apply("2", {TestPipeline("b"), changed, a}, false).error_code() ==
              Code::INVALID_ARGUMENT);  // `a` twice
  ASSERT_TRUE(Apply("2", {TestPipeline("b"), changed}, false).ok());
  EXPECT_EQ(applied_.effects(0), v1::APPLY_EFFECT_CREATED);
  EXPECT_EQ(applied_.effects(1), v1::APPLY_EFFECT_CHANGED);
  EXPECT_EQ(applied_.pipelines(1).version(), 2);
  ASSERT_TRUE(Apply("3", {changed}, false).ok());
  EXPECT_EQ(applied_.effects(0), v1::APPLY_EFFECT_UNCHANGED);
  EXPECT_EQ(applied_.pipelines(0).version(), 2);

  ASSERT_TRUE(Apply("2", {a}, false).ok());  // an id that was used: its answer, and no change
  EXPECT_EQ(applied_.effects_size(), 2);
  ASSERT_TRUE(List({}).ok());
  EXPECT_EQ(listed_.pipelines(0).pipeline().priority(), 3);
}

TEST_F(PipelineServiceTest, ApplyRefusesAllWhenOneIsWrong) {
  v1::Pipeline wrong = TestPipeline("wrong");
  wrong.mutable_run()->clear_command();
  const grpc::Status status = Apply("1", {TestPipeline("a"), wrong}, false);
  EXPECT_EQ(status.error_code(), Code::INVALID_ARGUMENT);
  EXPECT_EQ(status.error_message(),
            "pipelines[1].run.command: is empty; give the program and its arguments as a list");
  EXPECT_FALSE(status.error_details().empty());
  EXPECT_EQ(Apply("1", {}, false).error_code(), Code::INVALID_ARGUMENT);
  EXPECT_EQ(Apply("", {TestPipeline("a")}, false).error_code(), Code::INVALID_ARGUMENT);
  ASSERT_TRUE(List({}).ok());
  EXPECT_EQ(listed_.pipelines_size(), 0);
}

TEST_F(PipelineServiceTest, ListsInPagesWithUnfinishedJobs) {
  ConnectWatcher();
  ASSERT_TRUE(Apply("1", {TestPipeline("c"), TestPipeline("a"), TestPipeline("b")}, false).ok());
  Announce("x.csv");
  v1::ListPipelinesRequest request;
  request.set_page_size(2);
  ASSERT_TRUE(List(request).ok());
  ASSERT_EQ(listed_.pipelines_size(), 2);
  EXPECT_EQ(listed_.pipelines(0).pipeline().name(), "a");
  EXPECT_EQ(listed_.pipelines(1).unfinished_jobs(), 1);
  request.set_page_token(listed_.next_page_token());
  ASSERT_TRUE(List(request).ok());
  ASSERT_EQ(listed_.pipelines_size(), 1);
  EXPECT_EQ(listed_.pipelines(0).pipeline().name(), "c");
  EXPECT_EQ(listed_.next_page_token(), "");
  request.set_page_token("nonsense");
  EXPECT_EQ(List(request).error_code(), Code::INVALID_ARGUMENT);
}

TEST_F(PipelineServiceTest, DeleteMindsUnfinishedJobs) {
  ConnectWatcher();
  ASSERT_TRUE(Apply("1", {TestPipeline("enrich")}, false).ok());
  Announce("x.csv");
  const grpc::Status missing = Delete("d0", "enrihc", false);
  EXPECT_EQ(missing.error_code(), Code::NOT_FOUND);
  EXPECT_EQ(missing.error_message(), "there is no pipeline \"enrihc\": did you mean \"enrich\"?");
  EXPECT_EQ(Reason(FromGrpc(missing)), "PIPELINE_NOT_FOUND");
  EXPECT_EQ(Delete("d0", "enrich", false).error_code(), Code::FAILED_PRECONDITION);
  EXPECT_EQ(Delete("", "enrich", true).error_code(), Code::INVALID_ARGUMENT);
  ASSERT_TRUE(Delete("d1", "enrich", true).ok());
  EXPECT_EQ(deleted_.cancelled_jobs(), 1);
  ASSERT_TRUE(Delete("d1", "enrich", true).ok());  // a repetition
  EXPECT_EQ(deleted_.cancelled_jobs(), 1);
  EXPECT_EQ(Delete("d2", "enrich", true).error_code(), Code::NOT_FOUND);
  EXPECT_EQ(Get(1).state(), v1::JOB_STATE_CANCELLED);
}

TEST_F(PipelineServiceTest, TestTriesFilesThatNeedNotExist) {
  v1::Pipeline renamed = TestPipeline("renamed");
  renamed.mutable_on()->set_when(v1::WHEN_RENAME);
  ASSERT_TRUE(Apply("1", {TestPipeline("a"), renamed}, false).ok());
  ASSERT_TRUE(Test(TestOf("unenriched", "in/x.csv")).ok());
  ASSERT_EQ(tested_.verdicts_size(), 2);
  EXPECT_TRUE(tested_.verdicts(0).matches());
  EXPECT_EQ(tested_.verdicts(0).message(), "**/*.csv matches");
  EXPECT_EQ(tested_.verdicts(1).message(), "**/*.csv matches; only if it is renamed into place");

  v1::TestPipelinesRequest request = TestOf("unenriched", "x.txt");
  *request.add_pipelines() = TestPipeline("given");
  ASSERT_TRUE(Test(request).ok());
  ASSERT_EQ(tested_.verdicts_size(), 1);
  EXPECT_EQ(tested_.verdicts(0).pipeline(), "given");
  EXPECT_FALSE(tested_.verdicts(0).matches());
  EXPECT_EQ(tested_.verdicts(0).message(), "the name matches none of: **/*.csv");

  request.mutable_files(0)->set_path("x.csv");
  v1::Trigger& on = *request.mutable_pipelines(0)->mutable_on();
  on.set_marker("{name}.done");
  ASSERT_TRUE(Test(request).ok());
  EXPECT_EQ(tested_.verdicts(0).message(), "**/*.csv matches; marker x.csv.done is missing");
  on.clear_marker();
  on.mutable_quiet()->set_seconds(3);
  ASSERT_TRUE(Test(request).ok());
  EXPECT_EQ(tested_.verdicts(0).message(),
            "**/*.csv matches; also without a close, once it has not changed for 3s");

  ASSERT_TRUE(Run([](Engine& engine, StoreTransaction& tx, absl::Time now) {
                const VolumeReport polled{.volume = "unenriched",
                                          .backend = v1::WATCH_BACKEND_POLL};
                const Watcher again{.host = "vm-b", .ledger_id = "ledger", .volumes = {polled}};
                EXPECT_TRUE(engine.ConnectWatcher(tx, again, now).ok());
              }).ok());
  ASSERT_TRUE(Test(request).ok());
  EXPECT_EQ(tested_.verdicts(0).message(),
            "**/*.csv matches; also without a close, once it has not changed for 3s");
  on.clear_quiet();
  ASSERT_TRUE(Test(request).ok());
  EXPECT_EQ(
      tested_.verdicts(0).message(),
      "**/*.csv matches; but volume unenriched is polled on vm-b, which tells of no close: say "
      "`when: quiet`, or `evidence: quiet`");

  request.mutable_pipelines(0)->clear_name();
  EXPECT_EQ(Test(request).error_code(), Code::INVALID_ARGUMENT);
  EXPECT_EQ(Test(TestOf("unenriched", "/x")).error_code(), Code::INVALID_ARGUMENT);
  EXPECT_EQ(Test(TestOf("", "x")).error_code(), Code::INVALID_ARGUMENT);
  v1::TestPipelinesRequest many = TestOf("unenriched", std::string(250, 'x'));
  for (int i = 0; i < 999; ++i) *many.add_files() = many.files(0);
  EXPECT_TRUE(Test(many).ok());
  *many.add_files() = many.files(0);
  EXPECT_EQ(Test(many).error_code(), Code::INVALID_ARGUMENT);
}

}  // namespace
}  // namespace closewrite

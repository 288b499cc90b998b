#include "services/coordinator/metrics/coordinator_metrics.h"

#include <atomic>
#include <future>
#include <memory>
#include <string>
#include <utility>

#include "gtest/gtest.h"
#include "services/coordinator/core/engine.h"
#include "services/coordinator/metrics/metric_values.h"
#include "services/coordinator/store/fake_store.h"

namespace closewrite {
namespace {

// Reads fail when they are told to.
class UnreadableStore : public Store {
 public:
  absl::Status Write(absl::FunctionRef<absl::Status(StoreTransaction&)> fn) override {
    return store.Write(fn);
  }
  absl::Status Read(absl::FunctionRef<absl::Status(StoreReader&)> fn) override {
    return readable ? store.Read(fn) : absl::UnavailableError("no connection");
  }
  std::string Durability() const override { return store.Durability(); }

  FakeStore store;
  std::atomic<bool> readable = true;
};

Pipeline Enrich() {
  Pipeline pipeline;
  pipeline.name = pipeline.definition = "enrich";
  pipeline.volume = "in";
  pipeline.output_volume = "out";
  pipeline.match = {*Glob::Parse("*")};
  pipeline.command = {"true"};
  pipeline.locks = {"api"};
  pipeline.alerts.no_success_within = absl::Hours(24);
  pipeline.alerts.waiting_longer_than = absl::Minutes(30);
  return pipeline;
}

// A coordinator without its streams.
class CoordinatorMetricsTest : public ::testing::Test {
 protected:
  CoordinatorMetricsTest()
      : engine_({.self = "me",
                 .random = [] { return 0.0; },
                 .new_session_id = [] { return "s"; },
                 .decode_pipeline = [](std::string_view) -> absl::StatusOr<Pipeline> {
                   return Enrich();
                 }}),
        clock_(absl::FromUnixSeconds(1'800'000'000)),
        loop_(&store_, &engine_, &feed_, &clock_),
        metrics_(&loop_, &feed_, &commits_) {
    loop_.SetOnCommit([this](const StoreLoop::CommitReport& report) { commits_.Take(report); });
    EXPECT_TRUE(loop_.Start().ok());
  }
  ~CoordinatorMetricsTest() override { loop_.Shutdown(); }

  void Do(StoreLoop::Step step) {
    std::promise<absl::Status> answer;
    loop_.Submit(std::move(step), [&](const absl::Status& status) { answer.set_value(status); });
    EXPECT_TRUE(answer.get_future().get().ok());
    // What a commit has changed is told after its answer: it was by the time that the next one is.
    std::promise<void> told;
    loop_.Submit([](Engine&, StoreTransaction&, absl::Time) { return absl::OkStatus(); },
                 [&](const absl::Status&) { told.set_value(); });
    told.get_future().get();
  }
  void ApplyPipeline() {
    Do([](Engine& engine, StoreTransaction& tx, absl::Time now) {
      return engine.desk().ApplyPipelines(tx, {Enrich()}, false, now).status();
    });
  }
  void Observe(const std::string& path) {
    Do([this, path](Engine& engine, StoreTransaction& tx, absl::Time now) {
      return engine.RecordEvents(tx, {"vm-b", "ledger", 1},
                                 {{.sequence = ++sequence_,
                                   .evidence = Evidence::kClosed,
                                   .file = {"in", path},
                                   .observed_at = now}},
                                 now);
    });
  }
  void Attend() {
    Do([](Engine& engine, StoreTransaction& tx, absl::Time now) {
      return engine.dispatch()
          .Open(tx, {.name = "e", .host = "vm-c", .volume_roots = {{"in", "/in"}, {"out", "/out"}}},
                now)
          .status();
    });
  }
  void Finish(int64_t job, int64_t token) {
    Do([job, token](Engine& engine, StoreTransaction& tx, absl::Time now) {
      const Finished end{
          .token = FencingToken{token}, .outcome = Outcome::kSucceeded, .exit_code = 0};
      return engine.dispatch()
          .Report(tx, {.session = "s", .results = {{JobId{job}, end}}}, now)
          .status();
    });
  }
  std::map<std::string, double> Values() { return ValuesOf(metrics_.Collect().metrics); }
  // As a new coordinator would read it: this one's figures are kept for a while.
  std::map<std::string, double> Fresh() {
    CoordinatorMetrics metrics(&loop_, &feed_, &commits_);
    return ValuesOf(metrics.Collect().metrics);
  }

  UnreadableStore store_;
  Engine engine_;
  ChangeFeed feed_;
  ManualClock clock_;
  CommitMeters commits_;
  StoreLoop loop_;
  CoordinatorMetrics metrics_;
  int64_t sequence_ = 0;
};

TEST_F(CoordinatorMetricsTest, AJobOnItsWay) {
  ApplyPipeline();
  Observe("a");
  Observe("b");
  clock_.Advance(absl::Seconds(30));
  std::map<std::string, double> values = Fresh();
  EXPECT_EQ(values.at("jobs pipeline=enrich state=AVAILABLE"), 2);
  EXPECT_EQ(values.at("jobs pipeline=enrich state=FAILED"), 0);
  EXPECT_EQ(values.at("oldest_waiting_seconds reason=NO_EXECUTOR"), 30);
  EXPECT_EQ(values.at("oldest_waiting_seconds reason=LOCK"), 0);
  EXPECT_EQ(values.at("pipeline_oldest_waiting_seconds pipeline=enrich"), 30);
  EXPECT_EQ(values.at("pipeline_oldest_running_seconds pipeline=enrich"), 0);
  EXPECT_EQ(values.at("lock_held lock=api"), 0);
  EXPECT_EQ(values.at("lock_waiters lock=api"), 2);
  EXPECT_EQ(values.at("alert_threshold_seconds pipeline=enrich rule=NO_SUCCESS_WITHIN"), 86400);
  EXPECT_EQ(values.at("alert_threshold_seconds pipeline=enrich rule=WAITING_LONGER_THAN"), 1800);
  EXPECT_FALSE(values.contains("alert_threshold_seconds pipeline=enrich rule=RUNNING_LONGER_THAN"));
  EXPECT_EQ(values.at("pipeline_applied_timestamp_seconds pipeline=enrich"), 1'800'000'000);
  EXPECT_EQ(values.at("jobs_made_total pipeline=enrich"), 0) << "of these meters";
  EXPECT_EQ(Values().at("jobs_made_total pipeline=enrich"), 2);

  Attend();
  clock_.Advance(absl::Seconds(3));
  values = Fresh();
  EXPECT_EQ(values.at("jobs pipeline=enrich state=RUNNING"), 1);
  EXPECT_EQ(values.at("oldest_waiting_seconds reason=LOCK"), 33);
  EXPECT_EQ(values.at("oldest_waiting_seconds reason=NO_EXECUTOR"), 0);
  EXPECT_EQ(values.at("pipeline_oldest_running_seconds pipeline=enrich"), 3);
  EXPECT_EQ(values.at("lock_held lock=api"), 1);
  EXPECT_EQ(values.at("lock_waiters lock=api"), 1);
  EXPECT_EQ(values.at("executor_slots_busy executor=e"), 1);
  EXPECT_FALSE(values.contains("pipeline_last_success_timestamp_seconds pipeline=enrich"));

  Finish(1, 1);
  values = Fresh();
  EXPECT_EQ(values.at("pipeline_last_success_timestamp_seconds pipeline=enrich"), 1'800'000'033);
  values = Values();
  EXPECT_EQ(values.at("jobs_finished_total pipeline=enrich outcome=SUCCEEDED"), 1);
  EXPECT_EQ(values.at("close_to_result_seconds pipeline=enrich"), 1);
  EXPECT_EQ(values.at("close_to_start_seconds pipeline=enrich"), 1);
  EXPECT_EQ(values.at("attempt_duration_seconds pipeline=enrich"), 1);
  EXPECT_GT(values.at("commit_duration_seconds"), 5);
}

TEST_F(CoordinatorMetricsTest, AStaleResultIsFencedOff) {
  ApplyPipeline();
  Observe("a");
  Attend();
  Finish(1, 99);
  EXPECT_EQ(Values().at("fenced_off_reports_total"), 1);
  Finish(1, 1);
  Finish(1, 1);
  EXPECT_EQ(Values().at("fenced_off_reports_total"), 1) << "one that comes twice is no such thing";
}

TEST_F(CoordinatorMetricsTest, AnExecutorThatFallsSilentIsLost) {
  ApplyPipeline();
  Observe("a");
  Attend();
  clock_.Advance(absl::Seconds(10));
  Do([](Engine&, StoreTransaction&, absl::Time) { return absl::OkStatus(); });
  std::map<std::string, double> values = Values();
  EXPECT_EQ(values.at("executors state=lost"), 1);
  EXPECT_EQ(values.at("executor_connected executor=e"), 0);
  EXPECT_EQ(values.at("executors_lost_total cause=EXPIRED"), 1);
  EXPECT_EQ(values.at("lease_expiries_total"), 1);
  EXPECT_EQ(values.at("attempts_total pipeline=enrich outcome=LOST"), 1);
  Attend();
  EXPECT_EQ(Values().at("executors state=lost"), 0);
}

TEST_F(CoordinatorMetricsTest, AStoreThatCannotBeReadHidesOnlyWhatItWouldSay) {
  ApplyPipeline();
  store_.readable = false;
  const CoordinatorMetrics::Collected collected = metrics_.Collect();
  EXPECT_FALSE(collected.points.has_value());
  std::map<std::string, double> values = ValuesOf(collected.metrics);
  EXPECT_TRUE(values.contains("executors state=connected"));
  EXPECT_TRUE(values.contains("commit_failures_total"));
  EXPECT_FALSE(values.contains("jobs pipeline=enrich state=AVAILABLE"));
}

}  // namespace
}  // namespace closewrite

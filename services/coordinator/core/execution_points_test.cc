#include "services/coordinator/core/execution_points.h"

#include <set>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "services/coordinator/core/job_rules.h"
#include "services/coordinator/core/task.h"

namespace closewrite {
namespace {

constexpr char kId[] = "id";

absl::Time At(int seconds) { return absl::FromUnixSeconds(1'795'345'200 + seconds); }

// Takes a job through commands by the real rules, and keeps `STATE@SECONDS` of each point.
class ExecutionPointsTest : public testing::Test {
 protected:
  ExecutionPointsTest() {
    job_.id = {7};
    job_.pipeline = "enrich";
    job_.output_volume = "enriched";
  }

  void Do(const JobCommand& command, int seconds) {
    RuleContext context{.now = At(seconds)};
    const absl::StatusOr<JobChange> change = Apply(job_, attempt_, command, context);
    ASSERT_TRUE(change.ok()) << change.status();
    for (const Point& point :
         ExecutionPointsOf(job_, change->job, change->attempt, tags_, At(seconds))) {
      std::string text;
      for (const auto& [key, value] : point.tags) {
        if (key == kId) {
          ids_.insert(value);
        } else if (key == "state") {
          absl::StrAppend(&text, text.empty() ? "" : " ", value);
        } else {
          EXPECT_TRUE(key != "job" || value == "enrich");
          if (key != "job") absl::StrAppend(&text, " ", key, "=", value);
        }
      }
      EXPECT_EQ(point.measurement, "execution");
      EXPECT_EQ(std::get<double>(point.fields.at(0).second), 1.0);
      absl::StrAppend(&text, "@", absl::ToInt64Seconds(point.time - At(0)));
      points_.push_back(text);
    }
    job_ = change->job;
    attempt_ =
        change->attempt.value_or(job_.state == JobState::kRunning ? LiveAttempt(job_) : Attempt());
  }

  void Begin(int seconds) {
    Do(LeaseTo{"s", "vm-c-1", "vm-c"}, seconds);
    Do(Started{job_.token, 99}, seconds + 1);
  }

  using Texts = std::vector<std::string>;

  Job job_;
  Attempt attempt_;
  ExtraTags tags_;
  Texts points_;
  std::set<std::string> ids_;
};

TEST_F(ExecutionPointsTest, AJobThatPublishesEndsWhenItsResultsAreThere) {
  Begin(1);
  Do(Finished{.token = job_.token, .outcome = Outcome::kSucceeded, .outputs = {{"a", 1, ""}}}, 5);
  EXPECT_EQ(points_, Texts({"start@2"}));
  Do(Published{job_.token, ""}, 6);
  EXPECT_EQ(points_, Texts({"start@2", "end@6"}));
  EXPECT_EQ(ids_.size(), 1u);
}

TEST_F(ExecutionPointsTest, ResultsThatCannotBePublishedAreAnError) {
  Begin(1);
  Do(Finished{.token = job_.token, .outcome = Outcome::kSucceeded, .outputs = {{"a", 1, ""}}}, 5);
  Do(Published{job_.token, "no room"}, 6);
  EXPECT_EQ(points_, Texts({"start@2", "error@6"}));
}

TEST_F(ExecutionPointsTest, EachAttemptIsAnExecution) {
  Begin(1);
  Do(Finished{.token = job_.token, .outcome = Outcome::kFailed, .exit_code = 3}, 5);
  Do(Promote{}, 1000);
  Begin(1001);
  Do(Finished{.token = job_.token, .outcome = Outcome::kSucceeded}, 1005);
  EXPECT_EQ(points_, Texts({"start@2", "error@5", "start@1002", "end@1005"}));
  EXPECT_EQ(ids_.size(), 2u);
}

TEST_F(ExecutionPointsTest, ACommandThatCannotBeStartedIsAnErrorToo) {
  Do(LeaseTo{"s", "vm-c-1", "vm-c"}, 1);
  Do(Finished{.token = job_.token, .outcome = Outcome::kFailed, .message = "no such program"}, 3);
  EXPECT_EQ(points_, Texts({"start@1", "error@3"}));
  EXPECT_EQ(ids_.size(), 1u);
}

TEST_F(ExecutionPointsTest, WhatNeverBeganIsNone) {
  Do(LeaseTo{"s", "vm-c-1", "vm-c"}, 1);
  Do(Finished{.token = job_.token, .outcome = Outcome::kHandedBack}, 2);
  Do(LeaseTo{"s", "vm-c-1", "vm-c"}, 3);
  Do(Lost{job_.token}, 9);
  EXPECT_EQ(points_, Texts());
}

TEST_F(ExecutionPointsTest, LostKilledAndCancelledAreErrors) {
  Begin(1);
  Do(Lost{job_.token}, 9);
  Begin(10);
  Do(Lost{job_.token, Outcome::kKilled, "drained"}, 12);
  Begin(13);
  Do(Cancel{"by hand"}, 14);
  Do(Finished{.token = job_.token, .outcome = Outcome::kSucceeded}, 15);
  EXPECT_EQ(points_, Texts({"start@2", "error@9", "start@11", "error@12", "start@14", "error@15"}));
}

TEST_F(ExecutionPointsTest, MoreTagsForThoseWhoAskForThem) {
  tags_ = {.host = true, .attempt = true, .pipeline = true};
  Begin(1);
  EXPECT_EQ(points_, Texts({"start host=vm-c attempt=1 pipeline=enrich@2"}));
}

TEST(ExecutionIdTest, IsAUuidOfItsOwnForEachAttempt) {
  std::set<std::string> ids;
  for (int64_t job = 1; job <= 50; ++job) {
    for (int64_t token = 1; token <= 20; ++token) ids.insert(ExecutionId({{job}, {token}}, At(0)));
  }
  for (int i = 1; i <= 100; ++i) {
    ids.insert(ExecutionId({{1}, {1}}, At(0) + absl::Nanoseconds(i)));
  }
  EXPECT_EQ(ids.size(), 1100u);
  for (const std::string& id : ids) {
    ASSERT_EQ(id.size(), 36u);
    EXPECT_EQ(id[14], '8');
    EXPECT_NE(std::string("89ab").find(id[19]), std::string::npos) << id;
  }
  EXPECT_EQ(ExecutionId({{1}, {1}}, At(0)), ExecutionId({{1}, {1}}, At(0)));
}

TEST(ExecutionJobNameTest, IsThatOfTheTask) {
  Job run;
  run.pipeline = RunsOf("daily-load");
  EXPECT_EQ(ExecutionJobName(run), "daily-load");
}

}  // namespace
}  // namespace closewrite

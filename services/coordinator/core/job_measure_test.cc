#include "services/coordinator/core/job_measure.h"

#include "gtest/gtest.h"
#include "services/coordinator/core/job_rules.h"

namespace closewrite {
namespace {

// A job on its way by the rules; its event was an hour ago, and each step takes as long as it says.
class JobMeasureTest : public ::testing::Test {
 protected:
  std::optional<JobMeasure> Do(const JobCommand& command, absl::Duration after) {
    now_ += after;
    const absl::StatusOr<JobChange> change =
        Apply(job_, newest_, command, {.now = now_, .retry = {.attempts = 2}});
    if (!change.ok()) {
      ADD_FAILURE() << change.status();
      return std::nullopt;
    }
    const Job before = std::exchange(job_, change->job);
    newest_ = change->attempt.value_or(LiveAttempt(job_));
    return MeasureOf(before, job_, change->attempt, now_);
  }
  JobMeasure Measured(const JobCommand& command, absl::Duration after) {
    return Do(command, after).value_or(JobMeasure{.pipeline = "none"});
  }
  Finished End(Outcome outcome) const {
    return {.token = job_.token, .outcome = outcome, .exit_code = 0, .cpu = absl::Seconds(2)};
  }

  absl::Time now_ = absl::FromUnixSeconds(1'800'000'000);
  Attempt newest_;
  Job job_{.id = JobId{7},
           .pipeline = "p",
           .key = JobKey("p", {"v", "a"}),
           .output_volume = "w",
           .created_at = now_,
           .observed_at = now_ - absl::Hours(1)};
};

TEST_F(JobMeasureTest, ASuccessEndsWithItsResultInPlace) {
  const JobMeasure leased = Measured(LeaseTo{"s", "e", "h"}, absl::Seconds(1));
  EXPECT_EQ(leased.pipeline, "p");
  EXPECT_TRUE(leased.leased);
  EXPECT_FALSE(leased.outcome.has_value());
  const JobMeasure started = Measured(Started{job_.token, 11}, absl::Seconds(1));
  EXPECT_EQ(started.to_start, absl::Hours(1) + absl::Seconds(2));
  EXPECT_FALSE(started.leased);
  Finished success = End(Outcome::kSucceeded);
  success.outputs = {{"a", 1, ""}};
  const JobMeasure ran = Measured(success, absl::Seconds(1));
  EXPECT_FALSE(ran.outcome.has_value());
  EXPECT_EQ(ran.cpu, absl::Seconds(2));
  EXPECT_FALSE(ran.to_start.has_value());
  const JobMeasure published = Measured(Published{job_.token, ""}, absl::Seconds(1));
  EXPECT_EQ(published.outcome, Outcome::kSucceeded);
  EXPECT_EQ(published.attempt, absl::Seconds(3));
  EXPECT_EQ(published.cpu, absl::ZeroDuration());
  EXPECT_EQ(published.end, JobState::kSucceeded);
  EXPECT_EQ(published.to_result, absl::Hours(1) + absl::Seconds(4));
}

TEST_F(JobMeasureTest, AResultThatCannotBePublishedIsThatAttemptsEnd) {
  Do(LeaseTo{"s", "e", "h"}, absl::Seconds(1));
  Finished success = End(Outcome::kSucceeded);
  success.outputs = {{"a", 1, ""}};
  EXPECT_TRUE(Measured(success, absl::Seconds(1)).to_start.has_value()) << "it was not told apart";
  const JobMeasure refused = Measured(Published{job_.token, "no"}, absl::Seconds(1));
  EXPECT_EQ(refused.outcome, Outcome::kPublishFailed);
  EXPECT_FALSE(refused.end.has_value());
  EXPECT_FALSE(refused.to_result.has_value());
}

TEST_F(JobMeasureTest, OnlyTheFirstAttemptTellsHowLongAFileWaited) {
  Do(LeaseTo{"s", "e", "h"}, absl::Seconds(1));
  const JobMeasure failed = Measured(End(Outcome::kFailed), absl::Seconds(1));
  EXPECT_EQ(failed.outcome, Outcome::kFailed);
  EXPECT_FALSE(failed.end.has_value());
  EXPECT_FALSE(Do(Promote{}, absl::Hours(1)).has_value());
  Do(LeaseTo{"s", "e", "h"}, absl::Seconds(1));
  EXPECT_FALSE(Do(Started{job_.token, 11}, absl::Seconds(1))->to_start.has_value());
  const JobMeasure last = Measured(End(Outcome::kTimedOut), absl::Seconds(1));
  EXPECT_EQ(last.outcome, Outcome::kTimedOut);
  EXPECT_EQ(last.attempt, absl::Seconds(2));
  EXPECT_EQ(last.end, JobState::kFailed);
}

TEST_F(JobMeasureTest, WhatNeverRanHasNoStart) {
  Do(LeaseTo{"s", "e", "h"}, absl::Seconds(1));
  const JobMeasure lost = Measured(Lost{job_.token, Outcome::kLost, "gone"}, absl::Seconds(1));
  EXPECT_EQ(lost.outcome, Outcome::kLost);
  EXPECT_FALSE(lost.to_start.has_value());
}

TEST_F(JobMeasureTest, AJobThatIsMadeAgainCountsFromThere) {
  job_.key = JobKeyAgain(job_.key, now_);
  Do(LeaseTo{"s", "e", "h"}, absl::Seconds(1));
  EXPECT_EQ(Measured(Started{job_.token, 11}, absl::Seconds(1)).to_start, absl::Seconds(2));
}

TEST_F(JobMeasureTest, AClockAheadMakesNoNegativeTimes) {
  job_.observed_at = now_ + absl::Hours(1);
  Do(LeaseTo{"s", "e", "h"}, absl::Seconds(1));
  EXPECT_EQ(Measured(Started{job_.token, 11}, absl::Seconds(1)).to_start, absl::ZeroDuration());
}

TEST_F(JobMeasureTest, ACancelledJobHasEnded) {
  const JobMeasure cancelled = Measured(Cancel{"so"}, absl::Seconds(1));
  EXPECT_EQ(cancelled.end, JobState::kCancelled);
  EXPECT_FALSE(cancelled.outcome.has_value());
}

}  // namespace
}  // namespace closewrite

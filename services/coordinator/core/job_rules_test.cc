#include "services/coordinator/core/job_rules.h"

#include <map>
#include <optional>
#include <random>
#include <string>

#include "gtest/gtest.h"

namespace closewrite {
namespace {

const absl::Time kNow = absl::FromUnixSeconds(1'800'000'000);

Job JobIn(JobState state) {
  Job job{.id = JobId{7}, .pipeline = "enrich", .state = state, .output_volume = "enriched"};
  job.token = FencingToken{3};
  job.attempts = 2;
  job.due_at = kNow;
  if (state == JobState::kRunning) job.session = "s";
  return job;
}

Attempt NewestAttempt() { return Attempt{.job = JobId{7}, .token = FencingToken{3}, .number = 2}; }

RuleContext Context() { return RuleContext{.now = kNow}; }

Finished End(Outcome outcome) {
  return Finished{.token = FencingToken{3},
                  .outcome = outcome,
                  .message = "m",
                  .outputs = {OutputFile{"a", 1, std::string(32, 'x')}}};
}

constexpr JobState kStates[] = {JobState::kScheduled,  JobState::kAvailable, JobState::kRunning,
                                JobState::kPublishing, JobState::kSucceeded, JobState::kRetrying,
                                JobState::kFailed,     JobState::kCancelled};

struct Row {
  std::string name;
  JobCommand command;
  // Where the command leads from each state; states that are missing refuse it.
  std::map<JobState, JobState> leads_to;
};

std::vector<Row> Table() {
  using enum JobState;
  return {
      {"promote", Promote{}, {{kScheduled, kAvailable}, {kRetrying, kAvailable}}},
      {"move up", MoveUp{}, {}},  // no job of JobIn waits for another
      {"lease", LeaseTo{"s2", "e", "h"}, {{kAvailable, kRunning}}},
      {"started", Started{FencingToken{3}, 99}, {{kRunning, kRunning}}},
      {"succeeded", End(Outcome::kSucceeded), {{kRunning, kPublishing}}},
      {"failed", End(Outcome::kFailed), {{kRunning, kRetrying}}},
      {"timed out", End(Outcome::kTimedOut), {{kRunning, kRetrying}}},
      {"not visible", End(Outcome::kInputNotVisible), {{kRunning, kRetrying}}},
      {"input changed", End(Outcome::kInputChanged), {{kRunning, kRetrying}}},
      {"temporary", End(Outcome::kTemporaryFailure), {{kRunning, kRetrying}}},
      {"refused", End(Outcome::kRefused), {{kRunning, kFailed}}},
      {"handed back", End(Outcome::kHandedBack), {{kRunning, kAvailable}}},
      {"killed", End(Outcome::kKilled), {{kRunning, kAvailable}}},
      {"lost", Lost{FencingToken{3}, Outcome::kLost, "gone"}, {{kRunning, kAvailable}}},
      {"published", Published{FencingToken{3}, ""}, {{kPublishing, kSucceeded}}},
      {"unpublishable", Published{FencingToken{3}, "hash"}, {{kPublishing, kRetrying}}},
      {"cancel",
       Cancel{"c"},
       {{kScheduled, kCancelled},
        {kAvailable, kCancelled},
        {kRunning, kRunning},
        {kRetrying, kCancelled}}},
      {"retry",
       Retry{},
       {{kFailed, kAvailable}, {kCancelled, kAvailable}, {kRetrying, kAvailable}}},
      {"redrive",
       Retry{true},
       {{kFailed, kAvailable}, {kCancelled, kAvailable}, {kRetrying, kAvailable}}},
  };
}

TEST(JobRulesTest, EveryCommandInEveryState) {
  for (const Row& row : Table()) {
    for (JobState state : kStates) {
      SCOPED_TRACE(row.name + " in " + StateName(state));
      const absl::StatusOr<JobChange> change =
          Apply(JobIn(state), NewestAttempt(), row.command, Context());
      auto expected = row.leads_to.find(state);
      if (expected == row.leads_to.end()) {
        EXPECT_EQ(change.status().code(), absl::StatusCode::kFailedPrecondition);
        continue;
      }
      ASSERT_TRUE(change.ok()) << change.status();
      EXPECT_STREQ(StateName(change->job.state), StateName(expected->second));
      EXPECT_EQ(change->job.session.empty(), change->job.state != JobState::kRunning);
      EXPECT_EQ(IsFinal(change->job.state), change->job.finished_at == kNow);
    }
  }
}

TEST(JobRulesTest, AStaleTokenIsRefusedInEveryState) {
  const JobCommand stale[] = {Started{FencingToken{2}, 1}, Finished{.token = FencingToken{2}},
                              Lost{FencingToken{2}, Outcome::kLost, ""},
                              Published{FencingToken{2}, ""}};
  for (const JobCommand& command : stale) {
    for (JobState state : kStates) {
      EXPECT_EQ(Apply(JobIn(state), NewestAttempt(), command, Context()).status().code(),
                absl::StatusCode::kAborted);
    }
  }
}

TEST(JobRulesTest, ALeaseRaisesTokenAndCountsAnAttempt) {
  const JobChange change =
      *Apply(JobIn(JobState::kAvailable), NewestAttempt(), LeaseTo{"s2", "e", "h"}, Context());
  EXPECT_EQ(change.job.token, FencingToken{4});
  EXPECT_EQ(change.job.attempts, 3);
  EXPECT_FALSE(change.attempt.has_value());  // it is recorded when it ends
  const Attempt live = LiveAttempt(change.job);
  EXPECT_EQ(live.token, FencingToken{4});
  EXPECT_EQ(live.number, 3);
  EXPECT_EQ(live.executor, "e");
}

TEST(JobRulesTest, WithoutOutputsThereIsNothingToPublish) {
  Finished end = End(Outcome::kSucceeded);
  end.outputs.clear();
  EXPECT_EQ(Apply(JobIn(JobState::kRunning), NewestAttempt(), end, Context())->job.state,
            JobState::kSucceeded);
  Job without_volume = JobIn(JobState::kRunning);
  without_volume.output_volume.clear();
  EXPECT_EQ(Apply(without_volume, NewestAttempt(), End(Outcome::kSucceeded), Context())->job.state,
            JobState::kSucceeded);
}

TEST(JobRulesTest, TheLastAttemptFails) {
  Job job = JobIn(JobState::kRunning);
  job.attempts = 5;
  const JobChange change = *Apply(job, NewestAttempt(), End(Outcome::kFailed), Context());
  EXPECT_EQ(change.job.state, JobState::kFailed);
  EXPECT_EQ(change.job.message, "m");
}

TEST(JobRulesTest, ATemporaryFailureIsRetriedEvenOnTheLastAttempt) {
  Job job = JobIn(JobState::kRunning);
  job.attempts = 500;
  EXPECT_EQ(Apply(job, NewestAttempt(), End(Outcome::kTemporaryFailure), Context())->job.state,
            JobState::kRetrying);
}

TEST(JobRulesTest, RetryGrantsOneMoreAttemptAndRedriveAllOfThem) {
  Job failed = JobIn(JobState::kFailed);
  failed.attempts = 5;
  Job retried = Apply(failed, NewestAttempt(), Retry{}, Context())->job;
  retried = Apply(retried, NewestAttempt(), LeaseTo{"s", "e", "h"}, Context())->job;
  Finished end = End(Outcome::kFailed);
  end.token = retried.token;
  EXPECT_EQ(Apply(retried, NewestAttempt(), end, Context())->job.state, JobState::kFailed);

  Job redriven = Apply(failed, NewestAttempt(), Retry{true}, Context())->job;
  redriven = Apply(redriven, NewestAttempt(), LeaseTo{"s", "e", "h"}, Context())->job;
  end.token = redriven.token;
  EXPECT_EQ(Apply(redriven, NewestAttempt(), end, Context())->job.state, JobState::kRetrying);
}

TEST(JobRulesTest, HandedBackCostsNoAttempt) {
  const JobChange change =
      *Apply(JobIn(JobState::kRunning), NewestAttempt(), End(Outcome::kHandedBack), Context());
  EXPECT_EQ(change.job.attempts, 1);
  EXPECT_EQ(change.job.crashes, 0);
  EXPECT_EQ(change.attempt->number, 0);
}

TEST(JobRulesTest, DeathsOfExecutorsAreCountedApartAndPoisonIsDeadLettered) {
  Job job = JobIn(JobState::kRunning);
  job.pid = 12;
  job.exit_code = 7;  // of an attempt before
  const Lost lost{FencingToken{3}, Outcome::kLost, "gone"};
  JobChange change = *Apply(job, LiveAttempt(job), lost, Context());
  EXPECT_EQ(change.job.exit_code, std::nullopt);
  EXPECT_EQ(change.job.state, JobState::kAvailable);
  EXPECT_EQ(change.job.attempts, 1);
  EXPECT_EQ(change.job.crashes, 1);

  // Killed by an executor that lives on.
  EXPECT_EQ(Apply(job, LiveAttempt(job), End(Outcome::kKilled), Context())->job.crashes, 0);

  // Not started: it can't have been the job's fault.
  job.pid = 0;
  EXPECT_EQ(Apply(job, LiveAttempt(job), lost, Context())->job.crashes, 0);

  job.pid = 12;
  job.crashes = 2;
  EXPECT_EQ(Apply(job, LiveAttempt(job), lost, Context())->job.state, JobState::kFailed);
}

TEST(JobRulesTest, OnLostFailForbidsAnotherAttempt) {
  RuleContext context = Context();
  context.retry.on_lost = OnLost::kFail;
  const Lost lost{FencingToken{3}, Outcome::kLost, "gone"};
  EXPECT_EQ(Apply(JobIn(JobState::kRunning), NewestAttempt(), lost, context)->job.state,
            JobState::kFailed);
}

TEST(JobRulesTest, PromotionWaitsForTheDueTimeAndForItsPlaceInLine) {
  Job early = JobIn(JobState::kScheduled);
  early.due_at = kNow + absl::Nanoseconds(1);
  EXPECT_FALSE(Apply(early, NewestAttempt(), Promote{}, Context()).ok());

  Job blocked = JobIn(JobState::kScheduled);
  blocked.after = JobId{6};
  EXPECT_FALSE(Apply(blocked, NewestAttempt(), Promote{}, Context()).ok());
  const Job second = Apply(blocked, NewestAttempt(), MoveUp{JobId{4}}, Context())->job;
  EXPECT_EQ(second.after, JobId{4});
  EXPECT_FALSE(Apply(second, NewestAttempt(), Promote{}, Context()).ok());
  const Job first = Apply(second, NewestAttempt(), MoveUp{}, Context())->job;
  EXPECT_TRUE(Apply(first, NewestAttempt(), Promote{}, Context()).ok());
}

TEST(JobRulesTest, WhoEndsLeavesTheLineAndWhoIsRetriedJoinsItAgain) {
  Job waiting = JobIn(JobState::kScheduled);
  waiting.after = JobId{6};
  const Job cancelled = Apply(waiting, NewestAttempt(), Cancel{"c"}, Context())->job;
  EXPECT_EQ(cancelled.after, JobId{});
  RuleContext context = Context();
  context.last_in_line = JobId{8};
  const Job retried = Apply(cancelled, NewestAttempt(), Retry{}, context)->job;
  EXPECT_EQ(retried.state, JobState::kScheduled);
  EXPECT_EQ(retried.after, JobId{8});
  // One that waits for its next attempt has never left it.
  const Job next = Apply(JobIn(JobState::kRetrying), NewestAttempt(), Retry{}, context)->job;
  EXPECT_EQ(next.state, JobState::kAvailable);
}

TEST(JobRulesTest, ACancelledJobIsCancelledWhenItsCommandHasEndedHoweverItDoes) {
  const Job cancelling =
      Apply(JobIn(JobState::kRunning), NewestAttempt(), Cancel{"by hand"}, Context())->job;
  EXPECT_TRUE(cancelling.cancelling);
  EXPECT_EQ(cancelling.message, "by hand");
  for (const Row& row : Table()) {
    SCOPED_TRACE(row.name);
    const absl::StatusOr<JobChange> change =
        Apply(cancelling, NewestAttempt(), row.command, Context());
    const bool end =
        std::holds_alternative<Finished>(row.command) || std::holds_alternative<Lost>(row.command);
    if (!end) {
      EXPECT_TRUE(!change.ok() || change->job.cancelling);
      continue;
    }
    ASSERT_TRUE(change.ok()) << change.status();
    EXPECT_EQ(change->job.state, JobState::kCancelled);
    EXPECT_EQ(change->job.message, "by hand");
    EXPECT_FALSE(change->job.cancelling);
    EXPECT_TRUE(change->job.outputs.empty());
    EXPECT_TRUE(change->attempt.has_value());
  }
}

TEST(JobRulesTest, AmendingChangesTheKey) {
  const FileVersion touched{.volume = "v", .path = "p", .inode = 1, .size = 2, .mtime_ns = 3};
  const JobChange change =
      *Apply(JobIn(JobState::kRunning), NewestAttempt(), AmendInput{touched}, Context());
  EXPECT_EQ(change.job.input, touched);
  EXPECT_EQ(change.job.key, JobKey("enrich", touched));
}

TEST(BackoffTest, DoublesUpToItsLimitAndJitterTakesAtMostHalf) {
  const RetryPolicy policy{.backoff = absl::Seconds(1), .backoff_max = absl::Seconds(10)};
  const absl::Duration expected[] = {absl::Seconds(1), absl::Seconds(2),  absl::Seconds(4),
                                     absl::Seconds(8), absl::Seconds(10), absl::Seconds(10)};
  for (int failures = 1; failures <= 6; ++failures) {
    EXPECT_EQ(BackoffAfter(policy, failures, 0), expected[failures - 1]);
    EXPECT_GE(BackoffAfter(policy, failures, 0.999), expected[failures - 1] / 2);
  }
  EXPECT_EQ(BackoffAfter(policy, 1'000'000, 0), absl::Seconds(10));
}

// Whatever comes in whatever order: tokens only grow, and a final state is left by Retry alone.
TEST(JobRulesTest, InvariantsHoldOverRandomCommands) {
  std::mt19937 random(20261122);
  for (int run = 0; run < 200; ++run) {
    Job job = JobIn(JobState::kAvailable);
    Attempt attempt = NewestAttempt();
    for (int step = 0; step < 100; ++step) {
      const std::vector<Row> table = Table();
      JobCommand command = table[random() % table.size()].command;
      // Half of the time with the right token, half with the one of the table.
      if (random() % 2 == 0) {
        if (auto* end = std::get_if<Finished>(&command)) end->token = job.token;
        if (auto* published = std::get_if<Published>(&command)) published->token = job.token;
      }
      if (job.state == JobState::kRunning) attempt = LiveAttempt(job);
      absl::StatusOr<JobChange> change = Apply(job, attempt, command, Context());
      if (!change.ok()) continue;
      const bool leased = std::holds_alternative<LeaseTo>(command);
      EXPECT_EQ(change->job.token.value, job.token.value + (leased ? 1 : 0));
      if (IsFinal(job.state)) {
        EXPECT_TRUE(std::holds_alternative<Retry>(command));
      }
      EXPECT_GE(change->job.attempts, 0);
      EXPECT_EQ(change->job.session.empty(), change->job.state != JobState::kRunning);
      EXPECT_TRUE(!change->job.cancelling || change->job.state == JobState::kRunning);
      if (job.state == JobState::kRunning && change->job.state != JobState::kRunning) {
        ASSERT_TRUE(change->attempt.has_value());
        EXPECT_EQ(change->attempt->token, job.token);
        EXPECT_EQ(change->attempt->ended_at, kNow);
      }
      job = change->job;
      if (change->attempt.has_value()) attempt = *change->attempt;
    }
  }
}

}  // namespace
}  // namespace closewrite

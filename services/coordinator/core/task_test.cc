#include "services/coordinator/core/task.h"

#include <vector>

#include "gtest/gtest.h"

namespace closewrite {
namespace {

const absl::Time kNow = absl::FromUnixSeconds(1'800'000'000);  // 2027-01-15 08:00:00 UTC

Task Every(const char* period) {
  Task task{.name = "t"};
  task.schedule = Schedule{ParsePeriod(period).value(), absl::UTCTimeZone(),
                           absl::CivilSecond(2027, 1, 15, 8, 0, 0)};
  return task;
}
Task Forever(Restart restart = Restart::kAlways) {
  Task task{.name = "t"};
  task.forever = true;
  task.restart = restart;
  task.run.retry = {.backoff = absl::Seconds(1), .backoff_max = absl::Seconds(10)};
  return task;
}
Job RunIn(JobState state, absl::Time started_at = kNow) {
  return {.id = JobId{7}, .state = state, .started_at = started_at};
}

TEST(TaskTest, ItsRunsHaveANameThatNoPipelineCanHave) {
  EXPECT_EQ(RunsOf("daily"), "task/daily");
  EXPECT_EQ(TaskOfRuns("task/daily"), "daily");
  EXPECT_EQ(TaskOfRuns("daily"), std::nullopt);
}

TEST(TaskTest, IsNotDueBeforeItIsStartedNorAfterItIsStopped) {
  const Task task = Every("2 min");
  TaskState state;
  EXPECT_TRUE(FireTask(task, state, kNow + absl::Hours(9), false).due.empty());
  state = StartTask(task, state, kNow + absl::Seconds(1));
  EXPECT_EQ(state.due_at, kNow + absl::Minutes(2));
  state = StopTask(state);
  EXPECT_EQ(state.due_at, absl::InfiniteFuture());
  EXPECT_TRUE(FireTask(task, state, kNow + absl::Hours(9), false).due.empty());
}

TEST(TaskTest, EachDueTimeIsFiredOnce) {
  const Task task = Every("2 min");
  TaskState state = StartTask(task, {}, kNow);
  std::vector<absl::Time> fired;
  for (absl::Time now = kNow; now < kNow + absl::Minutes(9); now += absl::Seconds(7)) {
    const Firing firing = FireTask(task, state, now, false);
    fired.insert(fired.end(), firing.due.begin(), firing.due.end());
    state = firing.state;
    EXPECT_GT(state.due_at, now);
  }
  EXPECT_EQ(fired, (std::vector{kNow + absl::Minutes(2), kNow + absl::Minutes(4),
                                kNow + absl::Minutes(6), kNow + absl::Minutes(8)}));
}

// What was run for was run for again when the coordinator that started the task had stood still
// between the begin of its transaction and its work.
TEST(TaskTest, AStartWhoseTimeIsBeforeTheLastRunForgetsNothing) {
  const Task task = Every("2 min");
  TaskState state = StartTask(task, {}, kNow);
  state = FireTask(task, state, kNow + absl::Minutes(2), false).state;
  state = StartTask(task, StopTask(state), kNow + absl::Minutes(1));
  EXPECT_EQ(state.due_at, kNow + absl::Minutes(4));
  EXPECT_TRUE(FireTask(task, state, kNow + absl::Minutes(3), false).due.empty());
}

TEST(TaskTest, WhatWasMissedIsCaughtUpAsToldAndNeverTwice) {
  const absl::Time back = kNow + absl::Minutes(21);  // the last due time was a minute ago
  for (const auto& [catch_up, runs] :
       {std::pair{CatchUp::kNone, 1}, {CatchUp::kLatest, 1}, {CatchUp::kAll, 4}}) {
    Task task = Every("2 min");
    task.catch_up = catch_up;
    task.catch_up_max = 4;
    const Firing firing = FireTask(task, StartTask(task, {}, kNow), back, false);
    EXPECT_EQ(static_cast<int>(firing.due.size()), runs);
    EXPECT_EQ(firing.due.back(), kNow + absl::Minutes(20));
    EXPECT_EQ(firing.state.due_at, kNow + absl::Minutes(22));
    EXPECT_TRUE(FireTask(task, firing.state, back, false).due.empty());
  }
}

TEST(TaskTest, JitterMovesAllRunsOfATaskAlike) {
  Task task = Every("2 min");
  task.jitter = absl::Minutes(1);
  const absl::Duration jitter = Jitter(task.name, task.jitter);
  ASSERT_GT(jitter, absl::Seconds(1));
  TaskState state = StartTask(task, {}, kNow);
  EXPECT_EQ(state.due_at, kNow + absl::Minutes(2) + jitter);
  EXPECT_EQ(NextTimes(task, state, kNow, 2),
            (std::vector{kNow + absl::Minutes(2) + jitter, kNow + absl::Minutes(4) + jitter}));
  EXPECT_TRUE(FireTask(task, state, kNow + absl::Minutes(2), false).due.empty());
  const Firing firing = FireTask(task, state, state.due_at, false);
  EXPECT_EQ(firing.due, std::vector{kNow + absl::Minutes(2)});
  EXPECT_EQ(firing.state.due_at, kNow + absl::Minutes(4) + jitter);
}

TEST(TaskTest, AForeverTaskRunsAtOnceAndNeverBesideItself) {
  const Task task = Forever();
  const TaskState state = StartTask(task, {}, kNow);
  EXPECT_EQ(FireTask(task, state, kNow, false).due.size(), 1u);
  EXPECT_TRUE(FireTask(task, state, kNow, true).due.empty());
  EXPECT_EQ(FireTask(task, state, kNow, false).state.due_at, absl::InfiniteFuture());
}

TEST(TaskTest, AForeverTaskComesBackMoreAndMoreSlowlyWhileItFails) {
  const Task task = Forever();
  TaskState state = StartTask(task, {}, kNow);
  for (const int pause : {1, 2, 4, 8, 10, 10}) {
    EXPECT_FALSE(CrashesInALoop(task, state) && state.failures < kCrashLoopAfter);
    state = EndRun(task, state, RunIn(JobState::kFailed), kNow, 0);
    EXPECT_EQ(state.due_at, kNow + absl::Seconds(pause));
  }
  EXPECT_TRUE(CrashesInALoop(task, state));
  // One that ran well for a while is new to failure.
  state = EndRun(task, state, RunIn(JobState::kFailed, kNow - kRanWell), kNow, 0);
  EXPECT_EQ(state.failures, 1);
  EXPECT_EQ(state.due_at, kNow + absl::Seconds(1));
  state = EndRun(task, state, RunIn(JobState::kSucceeded), kNow, 0);
  EXPECT_EQ(state.failures, 0);
  EXPECT_EQ(state.due_at, kNow + absl::Seconds(1));
}

TEST(TaskTest, RestartSaysWhichEndIsTheEnd) {
  struct Row {
    Restart restart;
    JobState ended;
    bool restarts;
  };
  for (const Row& row : {Row{Restart::kAlways, JobState::kSucceeded, true},
                         {Restart::kAlways, JobState::kFailed, true},
                         {Restart::kAlways, JobState::kCancelled, true},
                         {Restart::kOnFailure, JobState::kSucceeded, false},
                         {Restart::kOnFailure, JobState::kFailed, true},
                         {Restart::kOnFailure, JobState::kCancelled, true},
                         {Restart::kNever, JobState::kSucceeded, false},
                         {Restart::kNever, JobState::kFailed, false},
                         {Restart::kNever, JobState::kCancelled, false}}) {
    const Task task = Forever(row.restart);
    const TaskState state = EndRun(task, StartTask(task, {}, kNow), RunIn(row.ended), kNow, 0);
    EXPECT_EQ(state.started, row.restarts);
    EXPECT_EQ(state.due_at < absl::InfiniteFuture(), row.restarts);
  }
}

TEST(TaskTest, TheEndOfARunLeavesAScheduleAlone) {
  const Task task = Every("day");
  const TaskState state = StartTask(task, {}, kNow);
  TaskState after = EndRun(task, state, RunIn(JobState::kFailed), kNow, 0.5);
  EXPECT_EQ(after.failures, 1);
  after.failures = 0;
  EXPECT_EQ(after, state);
}

TEST(TaskTest, OneThatRunsByHandIsNeverDue) {
  const Task task{.name = "t"};
  const TaskState state = StartTask(task, {}, kNow);
  EXPECT_EQ(state.due_at, absl::InfiniteFuture());
  EXPECT_TRUE(NextTimes(task, state, kNow, 5).empty());
}

}  // namespace
}  // namespace closewrite

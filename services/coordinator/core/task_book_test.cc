// Tasks over a whole engine and a store.
#include "services/coordinator/core/task_book.h"

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "services/coordinator/core/engine.h"
#include "services/coordinator/store/fake_store.h"

namespace closewrite {
namespace {

class TaskBookTest : public ::testing::Test {
 protected:
  TaskBookTest() : engine_(Options("a")), other_(Options("b")) {}

  Engine::Options Options(const std::string& self) {
    return {.self = self,
            .shared = true,
            .session_ttl = absl::Hours(1000),
            .random = [] { return 0.0; },
            .new_session_id = [this] { return absl::StrCat("s", ++sessions_); },
            .decode_pipeline = [](std::string_view) -> absl::StatusOr<Pipeline> {
              return absl::InternalError("none");
            },
            .decode_task = [this](std::string_view name) -> absl::StatusOr<Task> {
              return definitions_.at(std::string(name));
            }};
  }

  // One commit of a store loop, that of the other coordinator if `engine` says so.
  Effects Do(
      absl::FunctionRef<void(StoreTransaction&)> step = [](auto&) {}, Engine* engine = nullptr) {
    Engine& by = engine == nullptr ? engine_ : *engine;
    EXPECT_TRUE(store_
                    .Write([&](StoreTransaction& tx) {
                      EXPECT_TRUE(by.CatchUp(tx, News::Anything(), now_).ok());
                      step(tx);
                      next_ = by.Tick(tx, now_);
                      return absl::OkStatus();
                    })
                    .ok());
    Effects effects = by.TakeEffects();
    for (Grant& grant : effects.grants) running_.push_back({grant.session, grant.job});
    return effects;
  }
  // Each version of a definition is kept by a name of its own.
  absl::StatusOr<std::vector<ApplyEffect>> Apply(Task task, bool must_be_new = false) {
    task.run.name = RunsOf(task.name);
    task.run.command = {"true"};
    task.run.definition = absl::StrCat(task.name, " ", definitions_.size());
    return Register(task, must_be_new);
  }
  absl::StatusOr<std::vector<ApplyEffect>> Register(const Task& task, bool must_be_new) {
    definitions_[task.run.definition] = task;
    absl::StatusOr<std::vector<ApplyEffect>> effects;
    Do([&](StoreTransaction& tx) {
      effects = engine_.tasks().Apply(tx, {task}, must_be_new, false, now_);
    });
    return effects;
  }
  absl::Status Start(const std::string& name) {
    absl::Status status;
    Do([&](StoreTransaction& tx) { status = engine_.tasks().Start(tx, {name}, now_); });
    return status;
  }
  absl::Status Stop(const std::string& name) {
    absl::Status status;
    Do([&](StoreTransaction& tx) { status = engine_.tasks().Stop(tx, {name}, now_); });
    return status;
  }
  absl::Status Run(const std::string& name) {
    absl::Status status;
    Do([&](StoreTransaction& tx) { status = engine_.tasks().Run(tx, name, now_).status(); });
    return status;
  }
  SessionId Attend(int slots, Engine* engine = nullptr) {
    SessionId id;
    Do(
        [&](StoreTransaction& tx) {
          Engine& by = engine == nullptr ? engine_ : *engine;
          id = *by.dispatch().Open(
              tx, {.name = absl::StrCat("e", sessions_ + 1), .host = "h", .slots = slots}, now_);
        },
        engine);
    return id;
  }
  // The command that was started first ends.
  void End(Outcome outcome = Outcome::kSucceeded, Engine* engine = nullptr) {
    ASSERT_FALSE(running_.empty());
    const std::pair<SessionId, Job> ends = running_.front();
    running_.erase(running_.begin());
    Do(
        [&](StoreTransaction& tx) {
          Engine& by = engine == nullptr ? engine_ : *engine;
          const Job& job = ends.second;
          AttendReport report{.session = ends.first};
          report.results.push_back({job.id, {.token = job.token, .outcome = outcome}});
          ASSERT_TRUE(by.dispatch().Report(tx, report, now_).ok());
        },
        engine);
  }
  std::vector<Job> Runs(const std::string& name) {
    std::vector<Job> runs;
    EXPECT_TRUE(store_
                    .Read([&](StoreReader& reader) {
                      runs = reader.ListJobs({.pipeline = RunsOf(name)}, JobId{}, 1000);
                      return absl::OkStatus();
                    })
                    .ok());
    return runs;
  }
  StoredTask Get(const std::string& name) {
    std::optional<StoredTask> task;
    EXPECT_TRUE(store_
                    .Read([&](StoreReader& reader) {
                      task = reader.GetTask(name);
                      return absl::OkStatus();
                    })
                    .ok());
    return task.value_or(StoredTask{});
  }
  static Task Forever(const std::string& name) {
    Task task{.name = name, .forever = true};
    task.run.retry = {.attempts = 1, .backoff = absl::Seconds(2)};
    return task;
  }
  Task Every(const char* period, const std::string& name) {
    Task task{.name = name};
    task.schedule = Schedule{ParsePeriod(period).value(), absl::UTCTimeZone(),
                             absl::ToCivilSecond(now_, absl::UTCTimeZone())};
    return task;
  }

  FakeStore store_;
  std::map<std::string, Task> definitions_;
  int sessions_ = 0;
  Engine engine_;
  Engine other_;
  absl::Time now_ = absl::FromUnixSeconds(1'800'000'000);
  absl::Time next_;
  std::vector<std::pair<SessionId, Job>> running_;
};

TEST_F(TaskBookTest, AForeverTaskRunsUntilItIsStoppedAndNeverTwiceAtOnce) {
  ASSERT_TRUE(Apply(Forever("t")).ok());
  Attend(4);
  EXPECT_TRUE(running_.empty());
  ASSERT_TRUE(Start("t").ok());
  ASSERT_TRUE(Start("t").ok());
  EXPECT_EQ(running_.size(), 1u);
  EXPECT_EQ(running_[0].second.pipeline, "task/t");
  End();
  EXPECT_TRUE(running_.empty());
  EXPECT_EQ(next_, now_ + absl::Seconds(2));
  now_ = next_;
  Do();
  EXPECT_EQ(running_.size(), 1u);
  ASSERT_TRUE(Stop("t").ok());
  now_ += absl::Hours(1);
  Do();
  EXPECT_TRUE(Runs("t").front().cancelling);
  ASSERT_TRUE(Start("t").ok());
  EXPECT_EQ(Runs("t").size(), 3u);  // the one that is being killed stands before the next
  End(Outcome::kKilled);
  now_ += absl::Hours(1);
  Do();
  EXPECT_EQ(Runs("t").size(), 3u);
  EXPECT_EQ(running_.size(), 1u);
}

TEST_F(TaskBookTest, AForeverTaskThatIsStartedWhileItsRunsAreStillEndingGoesOn) {
  Attend(2);
  EXPECT_TRUE(Apply(Forever("t")).ok());
  EXPECT_TRUE(Start("t").ok());
  ASSERT_EQ(running_.size(), 1u);
  EXPECT_TRUE(Stop("t").ok());
  EXPECT_TRUE(Run("t").ok());   // waits until the command of the first is dead
  EXPECT_TRUE(Stop("t").ok());  // which makes the second end before the first
  EXPECT_TRUE(Start("t").ok());
  EXPECT_EQ(Runs("t").size(), 3u);
  End(Outcome::kKilled);
  now_ += absl::Seconds(2);
  Do();
  EXPECT_EQ(Runs("t").size(), 3u);
  EXPECT_EQ(running_.size(), 1u);
}

TEST_F(TaskBookTest, ALostRunGoesOnElsewhereAsTheSameRun) {
  ASSERT_TRUE(Apply(Forever("t")).ok());
  ASSERT_TRUE(Start("t").ok());
  const SessionId first = Attend(1);
  ASSERT_EQ(running_.size(), 1u);
  Attend(1, &other_);
  Do([&](StoreTransaction& tx) { engine_.dispatch().Bury(tx, first, now_); });
  Do([](auto&) {}, &other_);
  ASSERT_EQ(running_.size(), 2u);
  EXPECT_EQ(running_[1].second.id, running_[0].second.id);
  EXPECT_GT(running_[1].second.token, running_[0].second.token);
  running_.erase(running_.begin());
  End(Outcome::kFailed, &other_);
  EXPECT_EQ(Get("t").state.failures, 1);
}

TEST_F(TaskBookTest, ATaskThatIsDueIsRunOnceInTheWholeFleet) {
  ASSERT_TRUE(Apply(Every("1 min", "t")).ok());
  ASSERT_TRUE(Start("t").ok());
  EXPECT_LE(next_, now_ + absl::Minutes(1));
  now_ += absl::Minutes(1);
  Do([](auto&) {}, &other_);
  Do();
  EXPECT_EQ(Runs("t").size(), 1u);
  EXPECT_EQ(Runs("t")[0].due_at, now_);
  EXPECT_EQ(Runs("t")[0].observed_at, now_);
  EXPECT_LE(next_, now_ + absl::Minutes(1));
}

TEST_F(TaskBookTest, WhileARunIsThereTheNextIsSkippedQueuedOrReplacesIt) {
  const auto runs_after_two_times = [&](Overlap overlap, const std::string& name) {
    Task task = Every("1 min", name);
    task.overlap = overlap;
    EXPECT_TRUE(Apply(task).ok());
    EXPECT_TRUE(Start(name).ok());
    for (int i = 0; i < 2; ++i) {
      now_ += absl::Minutes(1);
      Do();
    }
    return Runs(name);
  };
  Attend(10);
  EXPECT_EQ(runs_after_two_times(Overlap::kSkip, "skips").size(), 1u);
  const std::vector<Job> queued = runs_after_two_times(Overlap::kQueue, "queues");
  ASSERT_EQ(queued.size(), 2u);
  EXPECT_EQ(queued[0].after, queued[1].id);
  const std::vector<Job> replaced = runs_after_two_times(Overlap::kReplace, "replaces");
  ASSERT_EQ(replaced.size(), 2u);
  EXPECT_TRUE(replaced[1].cancelling);
  EXPECT_EQ(replaced[0].state, JobState::kScheduled);  // until the other's command is dead
}

TEST_F(TaskBookTest, AQueueOfRunsIsBounded) {
  Task task = Every("1 min", "t");
  task.overlap = Overlap::kQueue;
  ASSERT_TRUE(Apply(task).ok());
  ASSERT_TRUE(Start("t").ok());
  for (int64_t i = 0; i < kUnfinishedRunsMax + 3; ++i) {
    now_ += absl::Minutes(1);
    Do();
  }
  EXPECT_EQ(Runs("t").size(), static_cast<size_t>(kUnfinishedRunsMax));
  ASSERT_TRUE(Stop("t").ok());
  for (const Job& run : Runs("t")) EXPECT_EQ(run.state, JobState::kCancelled);
}

TEST_F(TaskBookTest, ATaskWithoutAScheduleRunsWhenItIsTold) {
  ASSERT_TRUE(Apply({.name = "t"}).ok());
  Attend(1);
  ASSERT_TRUE(Start("t").ok());
  EXPECT_EQ(running_.size(), 1u);
  const absl::Status again = Run("t");
  EXPECT_EQ(again.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_NE(again.message().find(absl::StrCat("job ", running_[0].second.id.value)),
            std::string::npos);
  End();
  now_ += absl::Hours(1);
  Do();
  EXPECT_EQ(Runs("t").size(), 1u);
  EXPECT_TRUE(Run("t").ok());
}

TEST_F(TaskBookTest, NamesAreUniqueAndKnown) {
  Task task{.name = "t"};
  EXPECT_EQ(Apply(task, true)->at(0), ApplyEffect::kCreated);
  EXPECT_EQ(Apply(task, true).status().code(), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(Apply(task)->at(0), ApplyEffect::kChanged);
  task.run.definition = Get("t").definition;
  EXPECT_EQ(Register(task, false)->at(0), ApplyEffect::kUnchanged);
  EXPECT_EQ(Get("t").version, 2);
  EXPECT_EQ(Start("u").code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(Stop("u").code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(Run("u").code(), absl::StatusCode::kNotFound);
}

TEST_F(TaskBookTest, WhatAnotherCoordinatorChangedIsRunAsItIsNow) {
  Task task{.name = "t"};
  ASSERT_TRUE(Apply(task).ok());
  ASSERT_TRUE(Run("t").ok());
  Attend(1, &other_);
  ASSERT_EQ(running_.size(), 1u);
  End(Outcome::kSucceeded, &other_);
  task.run.wd = "/elsewhere";
  ASSERT_TRUE(Apply(task).ok());
  ASSERT_TRUE(Run("t").ok());
  const Effects effects = Do([](auto&) {}, &other_);
  ASSERT_EQ(effects.grants.size(), 1u);
  EXPECT_EQ(effects.grants[0].pipeline->wd, "/elsewhere");
  EXPECT_EQ(effects.grants[0].pipeline->version, 2);
}

TEST_F(TaskBookTest, ARemovedTaskMayComeAgain) {
  ASSERT_TRUE(Apply({.name = "t"}).ok());
  ASSERT_TRUE(Run("t").ok());
  Do([&](StoreTransaction& tx) { EXPECT_TRUE(engine_.tasks().Remove(tx, "t", now_).ok()); });
  EXPECT_EQ(Runs("t")[0].state, JobState::kCancelled);
  EXPECT_EQ(Run("t").code(), absl::StatusCode::kNotFound);
  now_ += absl::Seconds(1);
  ASSERT_TRUE(Apply({.name = "t"}).ok());
  EXPECT_TRUE(Run("t").ok());
  EXPECT_EQ(Runs("t").size(), 2u);
}

// A for-ever task stood still for good when its restart came due while an older run, which somebody
// had retried, was there.
TEST_F(TaskBookTest, AForeverTaskGoesOnAfterAnOlderRunThatWasRetried) {
  Attend(1);
  ASSERT_TRUE(Apply(Forever("t")).ok());
  ASSERT_TRUE(Start("t").ok());
  End(Outcome::kFailed);
  now_ = next_;
  Do();
  End(Outcome::kFailed);
  const JobId older = Runs("t").back().id;
  Do([&](StoreTransaction& tx) {
    ASSERT_TRUE(engine_.desk().RetryJobs(tx, {older}, false, now_).ok());
  });
  now_ += absl::Minutes(1);
  Do();
  ASSERT_EQ(running_.size(), 1u);
  EXPECT_EQ(running_[0].second.id, older);
  End();
  now_ += absl::Minutes(1);
  Do();
  EXPECT_EQ(Runs("t").size(), 3u);
  EXPECT_EQ(running_.size(), 1u);
}

// Likewise, when the task was removed and came again while its last run was being killed.
TEST_F(TaskBookTest, AForeverTaskThatCameAgainGoesOnOnceTheOldRunIsDead) {
  Attend(1);
  ASSERT_TRUE(Apply(Forever("t")).ok());
  ASSERT_TRUE(Start("t").ok());
  Do([&](StoreTransaction& tx) { EXPECT_TRUE(engine_.tasks().Remove(tx, "t", now_).ok()); });
  now_ += absl::Seconds(1);
  ASSERT_TRUE(Apply(Forever("t")).ok());
  ASSERT_TRUE(Start("t").ok());
  End(Outcome::kKilled);
  now_ += absl::Minutes(1);
  Do();
  EXPECT_EQ(Runs("t").size(), 2u);
  EXPECT_EQ(running_.size(), 1u);
}

// A start was undone by the end of a run that had been cancelled before it.
TEST_F(TaskBookTest, AStartWhileTheStoppedRunIsKilledRunsOnceMoreWhateverRestartSays) {
  for (const Restart restart : {Restart::kAlways, Restart::kOnFailure, Restart::kNever}) {
    const std::string name = absl::StrCat("t", static_cast<int>(restart));
    Task task = Forever(name);
    task.restart = restart;
    ASSERT_TRUE(Apply(task).ok());
    Attend(1);
    ASSERT_TRUE(Start(name).ok());
    ASSERT_TRUE(Stop(name).ok());
    ASSERT_TRUE(Start(name).ok());
    End(Outcome::kKilled);
    EXPECT_TRUE(Get(name).state.started);
    ASSERT_EQ(running_.size(), 1u);
    EXPECT_EQ(running_[0].second.id, Runs(name).front().id);
    running_.clear();
  }
}

// A start was undone by a run that had ended before it, in the same commit.
TEST_F(TaskBookTest, AStartInTheCommitInWhichARunEndsComesAfterIt) {
  Attend(1);
  Task task = Forever("t");
  task.restart = Restart::kNever;
  ASSERT_TRUE(Apply(task).ok());
  ASSERT_TRUE(Run("t").ok());
  ASSERT_EQ(running_.size(), 1u);
  const auto [session, job] = running_.front();
  running_.clear();
  Do([&, &session = session, &job = job](StoreTransaction& tx) {
    AttendReport report{.session = session};
    report.results.push_back({job.id, {.token = job.token, .outcome = Outcome::kSucceeded}});
    ASSERT_TRUE(engine_.dispatch().Report(tx, report, now_).ok());
    ASSERT_TRUE(engine_.tasks().Start(tx, {"t"}, now_).ok());
  });
  EXPECT_TRUE(Get("t").state.started);
  EXPECT_EQ(running_.size(), 1u);
}

TEST_F(TaskBookTest, ARunOfBeforeThatEndsInTheCommitOfTheStartDoesNotStopIt) {
  Attend(1);
  Task task = Forever("t");
  task.restart = Restart::kNever;
  ASSERT_TRUE(Apply(task).ok());
  ASSERT_TRUE(Start("t").ok());
  ASSERT_TRUE(Stop("t").ok());
  ASSERT_EQ(running_.size(), 1u);
  const std::pair<SessionId, Job> ends = running_.front();
  running_.clear();
  Do([&](StoreTransaction& tx) {
    ASSERT_TRUE(engine_.tasks().Start(tx, {"t"}, now_).ok());
    AttendReport report{.session = ends.first};
    report.results.push_back(
        {ends.second.id, {.token = ends.second.token, .outcome = Outcome::kKilled}});
    ASSERT_TRUE(engine_.dispatch().Report(tx, report, now_).ok());
  });
  EXPECT_TRUE(Get("t").state.started);
  ASSERT_EQ(running_.size(), 1u);
  EXPECT_NE(running_[0].second.id, ends.second.id);
}

// A task whose run was lost with its session stood still for good when nothing was committed after
// that: the end of the run was looked at in the next commit only, by a coordinator that lived on.
TEST_F(TaskBookTest, ARunThatIsLostWithItsSessionIsSeenToEndInTheSameCommit) {
  Attend(1);
  Task task = Forever("t");
  task.run.retry.on_lost = OnLost::kFail;
  ASSERT_TRUE(Apply(task).ok());
  ASSERT_TRUE(Start("t").ok());
  ASSERT_EQ(running_.size(), 1u);
  now_ += absl::Hours(2000);
  Do();
  ASSERT_EQ(Runs("t")[0].state, JobState::kFailed);
  EXPECT_EQ(Get("t").state.due_at, now_ + absl::Seconds(2));
}

TEST_F(TaskBookTest, ManyThatAreDueAtOnceAreAllRunInBatches) {
  constexpr int kTasks = 1200;
  Do([&](StoreTransaction& tx) {
    for (int i = 0; i < kTasks; ++i) {
      Task task = Every("1 min", absl::StrCat("t", i));
      task.run.name = RunsOf(task.name);
      task.run.definition = task.name;
      definitions_[task.name] = task;
      ASSERT_TRUE(engine_.tasks().Apply(tx, {task}, true, false, now_).ok());
      ASSERT_TRUE(engine_.tasks().Start(tx, {task.name}, now_).ok());
    }
  });
  now_ += absl::Minutes(1);
  int commits = 0;
  do {
    Do();
    ++commits;
  } while (next_ <= now_);
  EXPECT_EQ(commits, 3);
  for (int i = 0; i < kTasks; ++i) EXPECT_EQ(Runs(absl::StrCat("t", i)).size(), 1u);
}

}  // namespace
}  // namespace closewrite

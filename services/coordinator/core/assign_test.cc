// Fair shares and locks, through the engine over the fake store.
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "services/coordinator/core/engine.h"
#include "services/coordinator/store/fake_store.h"

namespace closewrite {
namespace {

class AssignTest : public ::testing::Test {
 protected:
  AssignTest()
      : engine_({.self = "c",
                 .random = [] { return 0.0; },
                 .new_session_id = [this] { return absl::StrCat("s", ++sessions_); },
                 .decode_pipeline = [](std::string_view) -> absl::StatusOr<Pipeline> {
                   return absl::InternalError("none");
                 },
                 .decode_task = [](std::string_view name) -> absl::StatusOr<Task> {
                   return QueueOf(std::string(name));
                 }}) {}

  // A task whose runs wait for each other.
  static Task QueueOf(const std::string& name) {
    Task task{.name = name, .overlap = Overlap::kQueue};
    task.run.name = RunsOf(name);
    task.run.definition = name;
    return task;
  }
  void Runs(const std::string& task, int count) {
    Write([&](StoreTransaction& tx) {
      ASSERT_TRUE(engine_.tasks().Apply(tx, {QueueOf(task)}, false, false, now_).ok());
      for (int i = 0; i < count; ++i) ASSERT_TRUE(engine_.tasks().Run(tx, task, now_).ok());
    });
  }

  void Write(absl::FunctionRef<void(StoreTransaction&)> fn) {
    ASSERT_TRUE(store_
                    .Write([&](StoreTransaction& tx) {
                      fn(tx);
                      return absl::OkStatus();
                    })
                    .ok());
  }
  void Apply(const std::string& name, int weight = 1, std::vector<std::string> locks = {},
             std::vector<std::string> labels = {}) {
    Pipeline pipeline;
    pipeline.name = pipeline.definition = name;
    pipeline.volume = name;
    pipeline.match = {*Glob::Parse("**")};
    pipeline.command = {"true"};
    pipeline.weight = weight;
    pipeline.locks = std::move(locks);
    pipeline.labels = std::move(labels);
    Write([&](StoreTransaction& tx) {
      ASSERT_TRUE(engine_.desk().ApplyPipelines(tx, {pipeline}, false, now_).ok());
    });
    volumes_[name] = "/" + name;
  }
  // Files of the pipeline's volume.
  void Files(const std::string& pipeline, int count) {
    Write([&](StoreTransaction& tx) {
      for (int i = 0; i < count; ++i) {
        ++sequence_;
        const FileEvent event{.sequence = sequence_,
                              .evidence = Evidence::kClosed,
                              .file = {pipeline, absl::StrCat("f", sequence_), 1, 1, sequence_}};
        ASSERT_TRUE(engine_.RecordEvents(tx, {"h", "ledger", 1}, {event}, now_).ok());
      }
    });
  }
  SessionId Attend(int slots, std::vector<std::string> labels = {}) {
    SessionId id;
    Write([&](StoreTransaction& tx) {
      id = *engine_.dispatch().Open(tx,
                                    {.name = absl::StrCat("e", sessions_ + 1),
                                     .host = "h",
                                     .labels = std::move(labels),
                                     .slots = slots,
                                     .volume_roots = volumes_},
                                    now_);
    });
    return id;
  }
  std::vector<Job> Tick() {
    std::vector<Job> granted;
    Write([&](StoreTransaction& tx) { engine_.Tick(tx, now_); });
    for (Grant& grant : engine_.TakeEffects().grants) {
      granted.push_back(grant.job);
      held_.push_back({grant.session, grant.job});
    }
    return granted;
  }
  AttendReply Report(const AttendReport& report) {
    absl::StatusOr<AttendReply> reply;
    Write([&](StoreTransaction& tx) { reply = engine_.dispatch().Report(tx, report, now_); });
    EXPECT_TRUE(reply.ok());
    return *std::move(reply);
  }
  void Cancel(JobId id) {
    Write([&](StoreTransaction& tx) {
      ASSERT_TRUE(engine_.desk().CancelJobs(tx, {id}, "", now_).ok());
    });
  }
  // All that runs ends well.
  void FinishAll() {
    for (const auto& [session, job] : held_) {
      Report({.session = session,
              .results = {{job.id, {.token = job.token, .outcome = Outcome::kSucceeded}}}});
    }
    held_.clear();
  }
  static std::map<std::string, int> Count(const std::vector<Job>& jobs) {
    std::map<std::string, int> counts;
    for (const Job& job : jobs) ++counts[job.pipeline];
    return counts;
  }

  // Of so many ticks, before each of which all that ran has ended.
  std::map<std::string, int> CountOfTicks(int ticks) {
    std::vector<Job> jobs;
    for (int i = 0; i < ticks; ++i) {
      for (Job& job : Tick()) jobs.push_back(std::move(job));
      FinishAll();
    }
    return Count(jobs);
  }

  FakeStore store_;
  int sessions_ = 0;
  Engine engine_;
  absl::Time now_ = absl::FromUnixSeconds(1'800'000'000);
  int64_t sequence_ = 0;
  std::map<std::string, std::string> volumes_;
  std::vector<std::pair<SessionId, Job>> held_;
};

using Counts = std::map<std::string, int>;

TEST_F(AssignTest, PipelinesTakeTurnsAtTheOneSlotThatBothNeed) {
  Apply("a", 1, {}, {"internet"});
  Apply("b", 1, {}, {"internet"});
  Attend(1, {"internet"});
  Attend(8);
  Files("a", 20);
  Files("b", 20);
  EXPECT_EQ(CountOfTicks(10), (Counts{{"a", 5}, {"b", 5}}));
}

TEST_F(AssignTest, PipelinesWithLocksTakeTurnsWithTheOthersAtTheLastSlot) {
  Apply("locked", 1, {"lock"});
  Apply("open");
  Attend(1);
  Files("locked", 20);
  Files("open", 20);
  EXPECT_EQ(CountOfTicks(10), (Counts{{"locked", 5}, {"open", 5}}));
}

// Free slots elsewhere must not count: those with locks had that one each time.
TEST_F(AssignTest, PipelinesWithLocksTakeTurnsWithTheOthersAlsoWhereOtherSlotsAreFree) {
  Apply("locked", 1, {"l"}, {"x"});
  Apply("open", 1, {}, {"x"});
  Files("locked", 40);
  Files("open", 40);
  Attend(8);
  Attend(1, {"x"});
  EXPECT_EQ(CountOfTicks(40), (std::map<std::string, int>{{"locked", 20}, {"open", 20}}));
}

TEST_F(AssignTest, ATurnThatIsNotTakenIsTheNextOnes) {
  Apply("locked", 1, {"lock"});
  Apply("open");
  Attend(1);
  Files("locked", 3);
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(Count(Tick()), (Counts{{"locked", 1}})) << i;
    FinishAll();
    // One that is only looked at has its turn, and nothing to do.
    Write([&](StoreTransaction& tx) {
      Pipeline open = *engine_.fleet().FindPipeline("open");
      open.definition = absl::StrCat("open ", i);
      ASSERT_TRUE(engine_.desk().ApplyPipelines(tx, {open}, false, now_).ok());
    });
  }
}

TEST_F(AssignTest, AJobWhoseSlotAnotherPipelineTookIsNextWhenItIsFree) {
  Apply("a", 1, {}, {"internet"});
  Apply("b", 1, {}, {"internet"});
  Attend(2, {"internet"});
  Attend(2);
  Files("a", 2);
  Files("b", 1);
  EXPECT_EQ(Count(Tick()), (Counts{{"a", 2}}));
  FinishAll();
  EXPECT_EQ(Count(Tick()), (Counts{{"b", 1}}));
}

TEST_F(AssignTest, ASingleJobIsNextBesideManyOfAnotherPipeline) {
  Apply("many");
  Apply("single");
  Files("many", 1000);
  Attend(1);
  for (int i = 0; i < 10; ++i) {
    EXPECT_EQ(Count(Tick()), (Counts{{"many", 1}}));
    FinishAll();
  }
  Files("single", 1);
  EXPECT_EQ(Count(Tick()), (Counts{{"single", 1}}));
}

// Where there were more tasks than pipelines, the first task had all slots for as long as its runs
// came one after the other.
TEST_F(AssignTest, TasksAndPipelinesTakeTurns) {
  Apply("files");
  Files("files", 20);
  for (const char* task : {"a", "b", "c"}) Runs(task, 20);
  Attend(1);
  EXPECT_EQ(CountOfTicks(40),
            (Counts{{"files", 10}, {"task/a", 10}, {"task/b", 10}, {"task/c", 10}}));
}

TEST_F(AssignTest, SlotsAreSharedByWeight) {
  Apply("heavy", 3);
  Apply("light", 1);
  Files("heavy", 1000);
  Files("light", 1000);
  Attend(8);
  EXPECT_EQ(Count(Tick()), (Counts{{"heavy", 6}, {"light", 2}}));
  FinishAll();
  std::vector<Job> all;
  Attend(1);
  for (int i = 0; i < 40; ++i) {
    for (Job& job : Tick()) all.push_back(std::move(job));
    FinishAll();
  }
  EXPECT_EQ(Count(all), (Counts{{"heavy", 270}, {"light", 90}}));
}

TEST_F(AssignTest, NobodySavesUpWhileThereIsNothingToDo) {
  Apply("busy");
  Apply("idle");
  Files("busy", 1000);
  Attend(1);
  for (int i = 0; i < 100; ++i) {
    Tick();
    FinishAll();
  }
  Files("idle", 100);
  std::vector<Job> all;
  for (int i = 0; i < 20; ++i) {
    for (Job& job : Tick()) all.push_back(std::move(job));
    FinishAll();
  }
  EXPECT_EQ(Count(all), (Counts{{"busy", 10}, {"idle", 10}}));
}

TEST_F(AssignTest, WhatOnePipelineLeavesTheOthersGet) {
  Apply("few");
  Apply("many");
  Files("few", 2);
  Files("many", 100);
  Attend(10);
  EXPECT_EQ(Count(Tick()), (Counts{{"few", 2}, {"many", 8}}));
}

TEST_F(AssignTest, LabelsDecideWhoseSlotsAreShared) {
  Apply("anywhere");
  Apply("special", 1, {}, {"gpu"});
  Files("anywhere", 100);
  Files("special", 100);
  Attend(4);
  const SessionId special = Attend(4, {"gpu"});
  const std::vector<Job> granted = Tick();
  EXPECT_EQ(granted.size(), 8u);
  for (const auto& [session, job] : held_) {
    if (job.pipeline == "special") EXPECT_EQ(session, special);
  }
  EXPECT_EQ(Count(granted)["special"], 4);
}

TEST_F(AssignTest, LocksGoInTheOrderOfIdOverAllPipelines) {
  Apply("a", 1, {"lock"});
  Apply("b", 1, {"lock"});
  Files("b", 1);
  Files("a", 1);
  Files("b", 1);
  Attend(5);
  std::vector<std::string> order;
  for (int i = 0; i < 3; ++i) {
    for (const Job& job : Tick()) order.push_back(job.pipeline);
    FinishAll();
  }
  EXPECT_EQ(order, (std::vector<std::string>{"b", "a", "b"}));
}

TEST_F(AssignTest, AJobThatNeedsTwoLocksIsNotOvertaken) {
  Apply("both", 1, {"x", "y"});
  Apply("x-only", 1, {"x"});
  Apply("y-only", 1, {"y"});
  Files("x-only", 1);
  Attend(5);
  EXPECT_EQ(Count(Tick()), (Counts{{"x-only", 1}}));
  Files("both", 1);
  Files("y-only", 5);
  Files("x-only", 5);
  // `y` is free, but `both` was there first.
  EXPECT_EQ(Tick().size(), 0u);
  FinishAll();
  EXPECT_EQ(Count(Tick()), (Counts{{"both", 1}}));
  EXPECT_EQ(Tick().size(), 0u);
  FinishAll();
  EXPECT_EQ(Count(Tick()), (Counts{{"x-only", 1}, {"y-only", 1}}));
}

TEST_F(AssignTest, AJobWithoutASlotHoldsNoLockBack) {
  Apply("nowhere", 1, {"lock"}, {"gpu"});
  Apply("here", 1, {"lock"});
  Files("nowhere", 1);
  Files("here", 1);
  Attend(1);
  EXPECT_EQ(Count(Tick()), (Counts{{"here", 1}}));
}

TEST_F(AssignTest, ACancelledJobHasItsSlotAndItsLocksUntilItsCommandIsDead) {
  Apply("p", 1, {"lock"});
  Files("p", 2);
  const SessionId session = Attend(1);
  const Job job = Tick().at(0);
  const Lease lease{job.id, job.token};
  Cancel(job.id);
  EXPECT_EQ(Tick().size(), 0u);
  Report({.session = session, .heartbeat = true, .running = {{.lease = lease, .pid = 7}}});
  EXPECT_EQ(Tick().size(), 0u);
  Report({.session = session,
          .results = {{job.id, {.token = job.token, .outcome = Outcome::kKilled}}}});
  EXPECT_EQ(Tick().size(), 1u);
}

TEST_F(AssignTest, AnExecutorIsToldNotToStartWhatWasCancelledOnItsWay) {
  Apply("p");
  Files("p", 2);
  const SessionId session = Attend(1);
  const Job job = Tick().at(0);
  Cancel(job.id);
  const AttendReply reply = Report({.session = session, .heartbeat = true});
  ASSERT_EQ(reply.resend.size(), 1u);
  EXPECT_TRUE(reply.resend[0].job.cancelling);
  EXPECT_EQ(Tick().size(), 0u);
  Report({.session = session,
          .results = {{job.id, {.token = job.token, .outcome = Outcome::kHandedBack}}}});
  EXPECT_EQ(Tick().size(), 1u);
}

// What was given to an executor whose mount was gone failed there, attempt for attempt.
TEST_F(AssignTest, AnExecutorWhoseVolumeCantBeUsedIsGivenNothingThatNeedsIt) {
  Apply("p");
  Apply("q");
  Files("p", 1);
  Files("q", 1);
  const SessionId session = Attend(4);
  const AttendReport::Health gone = {.unusable_volumes = {{"p", "is it still mounted?"}}};
  Report({.session = session, .heartbeat = true, .health = gone});
  const std::vector<Job> given = Tick();
  EXPECT_EQ(Count(given), (Counts{{"q", 1}}));
  // What was on its way comes back, with the reason: it is not given again.
  Files("q", 1);
  const Job job = Tick().at(0);
  Report({.session = session,
          .health = AttendReport::Health{.unusable_volumes = {{"q", "gone"}}},
          .results = {{job.id, {.token = job.token, .outcome = Outcome::kHandedBack}}}});
  EXPECT_EQ(Count(Tick()), (Counts{{"p", 1}}));
  // An executor that says nothing of its health has none to speak of.
  Report({.session = session, .heartbeat = true});
  EXPECT_TRUE(Tick().empty());
  Report({.session = session, .heartbeat = true, .health = AttendReport::Health{}});
  const std::vector<Job> again = Tick();
  ASSERT_EQ(again.size(), 1u);
  EXPECT_EQ(again[0].id, job.id);
  EXPECT_EQ(again[0].attempts, 1);
}

TEST_F(AssignTest, MoreSlotsThanOneStepGives) {
  Apply("p");
  Files("p", 1200);
  Attend(1100);
  EXPECT_EQ(Tick().size(), 1100u);
}

}  // namespace
}  // namespace closewrite

// The part of the contract about tasks.
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "services/coordinator/store/store_contract.h"

namespace closewrite {
namespace {

using Names = std::vector<std::string>;

Names NamesOf(const std::vector<StoredTask>& tasks) {
  Names names;
  for (const StoredTask& task : tasks) names.push_back(task.name);
  return names;
}

StoredTask DueAt(const std::string& name, absl::Time due_at) {
  return {.name = name, .version = 1, .state = {.due_at = due_at}};
}

TEST_P(StoreContract, TaskKeepsEveryField) {
  const StoredTask full{.name = AllBytes(),
                        .version = 2147483647,
                        .applied_at = absl::FromUnixNanos(1700000000123456789),
                        .definition = AllBytes(),
                        .state = {.started = true,
                                  .seen = absl::FromUnixNanos(-1),
                                  .due_at = absl::FromUnixNanos(1234567890123456789),
                                  .runs = int64_t{1} << 60,
                                  .failures = 2147483647,
                                  .last = JobId{int64_t{1} << 61}}};
  Write([&](StoreTransaction& t) {
    t.PutTask(full);
    t.PutTask({.name = "plain"});
    EXPECT_EQ(t.GetTask(full.name), full);
    EXPECT_EQ(t.GetTask("plain"), StoredTask{.name = "plain"});
    EXPECT_EQ(t.GetTask("Plain"), std::nullopt);
    EXPECT_EQ(t.CountTasks(), 2);
  });
  Read([&](StoreReader& r) {
    EXPECT_EQ(r.GetTask(full.name), full);
    EXPECT_EQ(r.ListTasks("", 10), (std::vector<StoredTask>{full, {.name = "plain"}}));
    EXPECT_EQ(r.CountTasks(), 2);
  });
}

TEST_P(StoreContract, TasksAreListedInPages) {
  Write([&](StoreTransaction& t) {
    for (const char* name : {"c", "a", "b"}) t.PutTask({.name = name});
    EXPECT_EQ(NamesOf(t.ListTasks("", 2)), (Names{"a", "b"}));
  });
  Read([&](StoreReader& r) {
    EXPECT_EQ(NamesOf(r.ListTasks("b", 2)), Names{"c"});
    EXPECT_TRUE(r.ListTasks("c", 2).empty());
    EXPECT_TRUE(r.ListTasks("", 0).empty());
  });
}

TEST_P(StoreContract, TaskIsReplacedAndDeleted) {
  int64_t version = 0;
  Write([&](StoreTransaction& t) {
    t.PutTask({.name = "x", .version = 1, .definition = "d"});
    t.PutTask({.name = "y"});
  });
  Read([&](StoreReader& r) { version = r.PipelinesVersion(); });
  Write([&](StoreTransaction& t) {
    StoredTask task = *t.GetTask("x");
    task.state.runs = 7;
    t.PutTask(task);
    EXPECT_EQ(t.GetTask("x"), task);
  });
  // What happens to a task does not make others read definitions again; what it is does.
  Read([&](StoreReader& r) { EXPECT_EQ(r.PipelinesVersion(), version); });
  Write([&](StoreTransaction& t) {
    t.PutTask({.name = "x", .version = 2, .definition = "e"});
    EXPECT_GT(t.PipelinesVersion(), version);
  });
  Read([&](StoreReader& r) { version = r.PipelinesVersion(); });
  Write([&](StoreTransaction& t) {
    t.DeleteTask("x");
    t.DeleteTask("not there");
    EXPECT_EQ(t.GetTask("x"), std::nullopt);
  });
  Read([&](StoreReader& r) {
    EXPECT_EQ(NamesOf(r.ListTasks("", 10)), Names{"y"});
    EXPECT_GT(r.PipelinesVersion(), version);
  });
}

TEST_P(StoreContract, DueTasksAreThoseWhoseTimeHasCome) {
  Write([&](StoreTransaction& t) {
    EXPECT_EQ(t.EarliestTaskDue(), absl::InfiniteFuture());
    t.PutTask(DueAt("late", Second(20)));
    t.PutTask(DueAt("never", absl::InfiniteFuture()));
    t.PutTask(DueAt("early", Second(10)));
    EXPECT_EQ(t.EarliestTaskDue(), Second(10));
  });
  Write([&](StoreTransaction& t) {
    EXPECT_EQ(t.EarliestTaskDue(), Second(10));
    EXPECT_TRUE(t.DueTasks(Second(10) - absl::Nanoseconds(1), 10).empty());
    EXPECT_EQ(NamesOf(t.DueTasks(Second(10), 10)), Names{"early"});
    EXPECT_EQ(NamesOf(t.DueTasks(Second(20), 10)), (Names{"early", "late"}));
    EXPECT_EQ(NamesOf(t.DueTasks(Second(20), 1)), Names{"early"});
    EXPECT_TRUE(t.DueTasks(Second(20), 0).empty());
    t.PutTask(DueAt("early", Second(30)));
    EXPECT_EQ(NamesOf(t.DueTasks(Second(20), 10)), Names{"late"});
    EXPECT_EQ(t.EarliestTaskDue(), Second(20));
    t.DeleteTask("late");
    EXPECT_EQ(t.EarliestTaskDue(), Second(30));
  });
}

TEST_P(StoreContract, AvailablePipelinesAreThoseOfAPrefixThatHaveAnAvailableJob) {
  const auto insert = [](StoreTransaction& t, const std::string& pipeline, JobState state, int n) {
    Job job = SmallJob(absl::StrCat(pipeline, n), state);
    job.pipeline = pipeline;
    t.InsertJob(job);
  };
  const Names expected = {"task/a", absl::StrCat("task/b", std::string(1, '\xff'))};
  Write([&](StoreTransaction& t) {
    for (int i = 0; i < 3; ++i) {
      insert(t, expected[0], JobState::kAvailable, i);
      insert(t, expected[1], JobState::kAvailable, i);
      insert(t, "task/scheduled", JobState::kScheduled, i);
      insert(t, "tas", JobState::kAvailable, i);
      insert(t, "task0", JobState::kAvailable, i);
    }
    EXPECT_EQ(t.AvailablePipelines("task/", 10), expected);
  });
  Read([&](StoreReader& r) {
    EXPECT_EQ(r.AvailablePipelines("task/", 10), expected);
    EXPECT_EQ(r.AvailablePipelines("task/", 1), Names{"task/a"});
    EXPECT_TRUE(r.AvailablePipelines("task/", 0).empty());
    EXPECT_TRUE(r.AvailablePipelines("tasks", 10).empty());
    EXPECT_EQ(r.AvailablePipelines("", 10).size(), 4u);
  });
}

// Which are found by their input, without a look at other jobs.
TEST_P(StoreContract, RunsOfATaskAreListedLikeAnyJobs) {
  std::vector<Job> runs;
  for (const JobState state : {JobState::kFailed, JobState::kRunning, JobState::kSucceeded}) {
    Job run = SmallJob(absl::StrCat("run ", runs.size()), state);
    run.pipeline = "task/t";
    run.input = {.path = "t"};
    run.id = Insert(run);
    runs.insert(runs.begin(), run);
    Insert(SmallJob(absl::StrCat("other ", runs.size()), state));
    run.key += " of another";
    run.pipeline = "task/u";
    run.input.path = "u";
    Insert(run);
  }
  Read([&](StoreReader& r) {
    EXPECT_EQ(r.ListJobs({.pipeline = "task/t"}, JobId{}, 10), runs);
    EXPECT_EQ(r.ListJobs({.pipeline = "task/t"}, runs[0].id, 1), std::vector<Job>{runs[1]});
    EXPECT_EQ(r.ListJobs({.states = {JobState::kRunning}, .pipeline = "task/t"}, JobId{}, 10),
              std::vector<Job>{runs[1]});
    EXPECT_TRUE(r.ListJobs({.pipeline = "task/none"}, JobId{}, 10).empty());
    EXPECT_TRUE(r.ListJobs({.pipeline = "task/t", .input_volume = "in"}, JobId{}, 10).empty());
  });
}

}  // namespace
}  // namespace closewrite

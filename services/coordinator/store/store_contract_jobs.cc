// The part of the contract about jobs.
#include <algorithm>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "services/coordinator/store/store_contract.h"

namespace closewrite {
namespace {

std::vector<std::string> KeysOf(const std::vector<Job>& jobs) {
  std::vector<std::string> keys;
  for (const Job& job : jobs) keys.push_back(job.key);
  return keys;
}

using Keys = std::vector<std::string>;

TEST_P(StoreContract, JobKeepsEveryField) {
  Job job = FullJob("full");
  job.id = Insert(job);
  EXPECT_EQ(Get(job.id), job);
  Job plain;
  plain.key = "plain";
  plain.id = Insert(plain);
  EXPECT_EQ(Get(plain.id), plain);
  EXPECT_GT(plain.id, job.id);
}

TEST_P(StoreContract, UpdateReplacesEveryField) {
  Job job;
  job.key = "before";
  const JobId id = Insert(job);
  const JobId beside = Insert(SmallJob("beside"));
  job = FullJob("after");
  job.id = id;
  Write([&](StoreTransaction& t) {
    t.UpdateJob(job);
    EXPECT_EQ(t.GetJob(id), job);
  });
  EXPECT_EQ(Get(id), job);
  EXPECT_EQ(Get(beside)->key, "beside");
  Write([&](StoreTransaction& t) {
    EXPECT_EQ(t.FindJobByKey("before"), std::nullopt);
    EXPECT_EQ(t.FindJobByKey("after"), job);
    EXPECT_EQ(t.JobsOfEvent(job.event_id), std::vector<JobId>{id});
    EXPECT_EQ(t.LastInLine(job.pipeline, job.input.volume, job.input.path), job);
  });
  Job back;
  back.key = "before";
  back.id = id;
  Write([&](StoreTransaction& t) { t.UpdateJob(back); });
  EXPECT_EQ(Get(id), back);
}

TEST_P(StoreContract, JobsAreCountedByPipelineAndState) {
  Read([&](StoreReader& r) { EXPECT_TRUE(r.CountJobs(10).empty()); });
  int number = 0;
  const auto add = [&](const std::string& pipeline, JobState state) {
    Job job = SmallJob(absl::StrCat("job", ++number), state);
    job.pipeline = pipeline;
    Insert(job);
  };
  for (const JobState state :
       {JobState::kScheduled, JobState::kAvailable, JobState::kRunning, JobState::kPublishing,
        JobState::kSucceeded, JobState::kRetrying, JobState::kFailed, JobState::kCancelled}) {
    add("q", state);
  }
  for (int i = 0; i < 3; ++i) add("p", JobState::kAvailable);
  const std::vector<JobCount> counts = {
      {"p", JobState::kAvailable, 3},  {"q", JobState::kScheduled, 1},
      {"q", JobState::kAvailable, 1},  {"q", JobState::kRunning, 1},
      {"q", JobState::kPublishing, 1}, {"q", JobState::kRetrying, 1},
      {"q", JobState::kFailed, 1}};
  Read([&](StoreReader& r) { EXPECT_EQ(r.CountJobs(10), counts); });
  Write([&](StoreTransaction& t) { EXPECT_EQ(t.CountJobs(10), counts); });
}

TEST_P(StoreContract, TimesKeepTheirNanoseconds) {
  for (const absl::Time time :
       {absl::InfinitePast(), absl::InfiniteFuture(), absl::UnixEpoch(), absl::FromUnixNanos(-1),
        absl::FromUnixNanos(1), absl::FromUnixNanos(1700000000999999999),
        absl::FromUnixNanos(std::numeric_limits<int64_t>::max() - 1),
        absl::FromUnixNanos(std::numeric_limits<int64_t>::min() + 1)}) {
    Job job = SmallJob(absl::FormatTime(time), JobState::kRetrying);
    job.due_at = time;
    job.finished_at = time;
    job.id = Insert(job);
    EXPECT_EQ(Get(job.id), job);
    Write([&](StoreTransaction& t) {
      EXPECT_EQ(t.EarliestDue(), time);
      job.state = JobState::kCancelled;
      t.UpdateJob(job);
    });
  }
}

TEST_P(StoreContract, UpdatingAJobThatIsNotThereFails) {
  Job job = SmallJob("x");
  job.id = JobId{17};
  EXPECT_EQ(FailWrite([&](StoreTransaction& t) { t.UpdateJob(job); }).code(),
            absl::StatusCode::kNotFound);
}

TEST_P(StoreContract, KeysAreUnique) {
  Insert(SmallJob("x"));
  Job other = SmallJob("y");
  other.id = Insert(other);
  EXPECT_EQ(FailWrite([&](StoreTransaction& t) { t.InsertJob(SmallJob("x")); }).code(),
            absl::StatusCode::kAlreadyExists);
  other.key = "x";
  EXPECT_EQ(FailWrite([&](StoreTransaction& t) { t.UpdateJob(other); }).code(),
            absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(Get(other.id)->key, "y");
  // Keys are bytes: a NUL ends nothing, and case counts.
  Insert(SmallJob(std::string("x\0a", 3)));
  Insert(SmallJob(std::string("x\0b", 3)));
  Insert(SmallJob("X"));
  Write([&](StoreTransaction& t) {
    EXPECT_EQ(t.FindJobByKey(std::string("x\0b", 3))->key, std::string("x\0b", 3));
    EXPECT_EQ(t.FindJobByKey("x")->key, "x");
    EXPECT_EQ(t.FindJobByKey("x "), std::nullopt);
  });
}

// A list of one state looks into one table alone, which once made a query that was none.
TEST_P(StoreContract, JobsOfOneStateAreListed) {
  Job running = SmallJob("running", JobState::kRunning);
  running.session = "s";
  running.id = Insert(running);
  Insert(SmallJob("available", JobState::kAvailable));
  Job failed = SmallJob("failed", JobState::kFailed);
  failed.id = Insert(failed);
  for (const Job& job : {running, failed}) {
    Read([&](StoreReader& r) {
      EXPECT_EQ(r.ListJobs({.states = {job.state}}, JobId{}, 10), std::vector<Job>{job});
    });
  }
}

TEST_P(StoreContract, NamesOfBytesAreFound) {
  Job job = FullJob("full");
  job.state = JobState::kAvailable;
  job.id = Insert(job);
  const std::string& volume = job.input.volume;
  Write([&](StoreTransaction& t) {
    EXPECT_EQ(t.LastInLine(job.pipeline, volume, job.input.path), job);
    EXPECT_EQ(t.Claim({{job.pipeline, 1}}), std::vector<Job>{job});
    EXPECT_EQ(t.CountUnfinished(job.pipeline), 1);
    JobFilter filter;
    filter.pipeline = job.pipeline;
    filter.input_volume = volume;
    filter.input_path = job.input.path;
    filter.output_volume = job.output_volume;
    EXPECT_EQ(t.ListJobs(filter, JobId{}, 10), std::vector<Job>{job});
  });
}

TEST_P(StoreContract, ThousandsOfJobsInOneTransaction) {
  constexpr int kJobs = 5000;
  std::vector<JobId> ids;
  Job last = SmallJob("last");
  Write([&](StoreTransaction& t) {
    for (int i = 1; i < kJobs; ++i) ids.push_back(t.InsertJob(SmallJob(absl::StrCat(i))));
    last.id = t.InsertJob(last);
    ids.push_back(last.id);
    EXPECT_EQ(t.CountUnfinished("p"), kJobs);
  });
  EXPECT_TRUE(std::is_sorted(ids.begin(), ids.end()));
  EXPECT_EQ(std::adjacent_find(ids.begin(), ids.end()), ids.end());
  Read([&](StoreReader& r) {
    EXPECT_EQ(r.CountAvailableBefore(last, 2 * kJobs), kJobs - 1);
    EXPECT_EQ(r.CountAvailableBefore(last, 100), 100);
    EXPECT_EQ(r.ListJobs({}, JobId{}, 2 * kJobs).size(), static_cast<size_t>(kJobs));
  });
}

TEST_P(StoreContract, LargeFieldsAreKept) {
  Job job = SmallJob("large");
  job.message = std::string(3 << 20, 'm');
  for (int i = 0; i < 10000; ++i) {
    job.outputs.push_back({absl::StrCat("out/", i), i, std::string(32, 'h')});
  }
  job.id = Insert(job);
  EXPECT_EQ(Get(job.id), job);
}

TEST_P(StoreContract, ListsJobsNewestFirstInPages) {
  for (const char* key : {"1", "2", "3", "4", "5"}) Insert(SmallJob(key));
  Read([&](StoreReader& r) {
    const std::vector<Job> first = r.ListJobs({}, JobId{}, 2);
    EXPECT_EQ(KeysOf(first), (Keys{"5", "4"}));
    const std::vector<Job> second = r.ListJobs({}, first.back().id, 2);
    EXPECT_EQ(KeysOf(second), (Keys{"3", "2"}));
    const std::vector<Job> third = r.ListJobs({}, second.back().id, 2);
    EXPECT_EQ(KeysOf(third), (Keys{"1"}));
    EXPECT_TRUE(r.ListJobs({}, third.back().id, 2).empty());
    EXPECT_TRUE(r.ListJobs({}, JobId{}, 0).empty());
    EXPECT_TRUE(r.ListJobs({}, JobId{}, -1).empty());
  });
}

// Every combination of the filter's fields, against the plain meaning of them.
TEST_P(StoreContract, ListsJobsThroughEveryFilter) {
  std::vector<Job> all;
  for (int i = 0; i < 64; ++i) {
    Job job = SmallJob(absl::StrCat("key", i), static_cast<JobState>(1 + i % 8));
    job.pipeline = i % 3 == 0 ? "p" : "q";
    job.input.volume = i % 2 == 0 ? "in" : "other";
    job.input.path = absl::StrCat("f", i % 5);
    job.output_volume = i % 7 < 3 ? "out" : "";
    job.id = Insert(job);
    all.push_back(job);
  }
  const std::vector<JobId> some = {all[3].id,    all[60].id, all[18].id, all[3].id,
                                   JobId{99999}, all[42].id, all[0].id};
  const JobId middle = all[45].id;
  for (int bits = 0; bits < 128; ++bits) {
    JobFilter filter;
    if (bits & 1) filter.ids = some;
    if (bits & 2)
      filter.states = {JobState::kFailed, JobState::kAvailable, JobState::kFailed,
                       JobState::kRunning, JobState::kScheduled};
    if (bits & 4) filter.pipeline = "p";
    if (bits & 8) filter.input_volume = "in";
    if (bits & 16) filter.input_path = "f3";
    if (bits & 32) filter.output_volume = "out";
    const JobId before = bits & 64 ? middle : JobId{};
    std::vector<Job> expected;
    for (auto job = all.rbegin(); job != all.rend(); ++job) {
      if (!(bits & 64 && job->id >= middle) &&
          !(bits & 1 && std::find(some.begin(), some.end(), job->id) == some.end()) &&
          !(bits & 2 && std::find(filter.states.begin(), filter.states.end(), job->state) ==
                            filter.states.end()) &&
          !(bits & 4 && job->pipeline != "p") && !(bits & 8 && job->input.volume != "in") &&
          !((bits & 24) == 24 && job->input.path != "f3") &&
          !(bits & 32 && job->output_volume != "out")) {
        expected.push_back(*job);
      }
    }
    Read([&](StoreReader& r) {
      EXPECT_EQ(KeysOf(r.ListJobs(filter, before, 100)), KeysOf(expected)) << "bits " << bits;
      if (expected.size() > 3) expected.resize(3);
      EXPECT_EQ(r.ListJobs(filter, before, 3), expected) << "bits " << bits;
    });
  }
}

TEST_P(StoreContract, CountsAndQueuesFollowTheState) {
  Job job = SmallJob("x");
  job.id = Insert(job);
  for (int number = 1; number <= 8; ++number) {
    job.state = static_cast<JobState>(number);
    job.due_at = Second(100 + number);
    const bool available = job.state == JobState::kAvailable;
    const bool due = job.state == JobState::kScheduled || job.state == JobState::kRetrying;
    Write([&](StoreTransaction& t) {
      t.UpdateJob(job);
      EXPECT_EQ(t.CountUnfinished("p"), IsFinal(job.state) ? 0 : 1) << number;
      EXPECT_EQ(t.CountUnfinished("q"), 0);
      EXPECT_EQ(t.LastInLine("p", "in", "x").has_value(), !IsFinal(job.state)) << number;
      EXPECT_EQ(t.Claim({{"p", 5}}).size(), available ? 1u : 0u) << number;
      Job after = job;
      ++after.id.value;
      EXPECT_EQ(t.CountAvailableBefore(after, 5), available ? 1 : 0);
      EXPECT_EQ(t.CountAvailableBefore(job, 5), 0);
      EXPECT_EQ(t.NextDue(job.due_at, 5).size(), due ? 1u : 0u) << number;
      EXPECT_EQ(t.EarliestDue(), due ? job.due_at : absl::InfiniteFuture()) << number;
    });
  }
}

Job OfPriority(const std::string& key, int priority) {
  Job job = SmallJob(key);
  job.priority = priority;
  return job;
}

TEST_P(StoreContract, ClaimGivesByPriorityThenById) {
  for (const auto& [key, priority] : std::vector<std::pair<std::string, int>>{
           {"1", 0}, {"2", 5}, {"3", -5}, {"4", 5}, {"5", 0}, {"6", 2000000000}, {"7", -5}}) {
    Insert(OfPriority(key, priority));
  }
  Insert(SmallJob("running", JobState::kRunning));
  Write([&](StoreTransaction& t) {
    EXPECT_EQ(KeysOf(t.Claim({{"p", 10}})), (Keys{"6", "2", "4", "1", "5", "3", "7"}));
    EXPECT_EQ(KeysOf(t.Claim({{"p", 3}})), (Keys{"6", "2", "4"}));
    EXPECT_TRUE(t.Claim({{"p", 0}}).empty());
    EXPECT_TRUE(t.Claim({{"p", -1}}).empty());
    EXPECT_TRUE(t.Claim({}).empty());
    Job second = *t.FindJobByKey("2");
    second.state = JobState::kRunning;
    t.UpdateJob(second);
    Job last = *t.FindJobByKey("7");
    last.priority = 6;
    t.UpdateJob(last);
    EXPECT_EQ(KeysOf(t.Claim({{"p", 4}})), (Keys{"6", "7", "4", "1"}));
  });
  Write([&](StoreTransaction& t) {
    EXPECT_EQ(KeysOf(t.Claim({{"p", 10}})), (Keys{"6", "7", "4", "1", "5", "3"}));
  });
}

TEST_P(StoreContract, ClaimGivesOfEachPipelineWhatIsWished) {
  for (const char* name : {"p", "q", "r"}) {
    for (const char* number : {"1", "2", "3"}) {
      Job job = SmallJob(absl::StrCat(name, number));
      job.pipeline = name;
      Insert(job);
    }
  }
  Write([&](StoreTransaction& t) {
    EXPECT_EQ(KeysOf(t.Claim({{"r", 2}, {"none", 5}, {"p", 1}, {"q", 0}})),
              (Keys{"r1", "r2", "p1"}));
    EXPECT_EQ(KeysOf(t.Claim({{"q", 100}})), (Keys{"q1", "q2", "q3"}));
  });
}

TEST_P(StoreContract, PlaceInLineIsTheOrderOfClaim) {
  for (int i = 0; i < 20; ++i) Insert(OfPriority(absl::StrCat(i), i * 7 % 4 - 2));
  Job other = SmallJob("other");
  other.pipeline = "q";
  Insert(other);
  Write([&](StoreTransaction& t) {
    int64_t place = 0;
    for (const Job& job : t.Claim({{"p", 100}})) {
      EXPECT_EQ(t.CountAvailableBefore(job, 100), place) << job.key;
      EXPECT_EQ(t.CountAvailableBefore(job, 3), std::min<int64_t>(place, 3)) << job.key;
      EXPECT_EQ(t.CountAvailableBefore(job, 0), 0);
      ++place;
    }
    EXPECT_EQ(place, 20);
    // Of a job that does not wait for a slot yet: where it would stand.
    Job scheduled = OfPriority("scheduled", 100);
    scheduled.state = JobState::kScheduled;
    scheduled.id = t.InsertJob(scheduled);
    EXPECT_EQ(t.CountAvailableBefore(scheduled, 100), 0);
    scheduled.priority = -100;
    EXPECT_EQ(t.CountAvailableBefore(scheduled, 100), 20);
  });
}

TEST_P(StoreContract, LeasesOfASessionAreItsRunningJobs) {
  const auto insert = [&](const std::string& key, JobState state, const SessionId& session) {
    Job job = SmallJob(key, state);
    job.session = session;
    Insert(job);
  };
  const SessionId mine = "0123456789abcdef0123456789abcdef";
  insert("1", JobState::kRunning, mine);
  insert("2", JobState::kRunning, "0123456789abcdef0123456789abcdee");
  insert("3", JobState::kPublishing, mine);
  insert("4", JobState::kRunning, mine);
  insert("5", JobState::kAvailable, "");
  insert("6", JobState::kSucceeded, mine);
  Read([&](StoreReader& r) {
    EXPECT_EQ(KeysOf(r.LeasesOf(mine)), (Keys{"1", "4"}));
    EXPECT_TRUE(r.LeasesOf("nobody").empty());
    EXPECT_EQ(r.LeasesOf(mine).front(), *r.GetJob(r.LeasesOf(mine).front().id));
  });
  Write([&](StoreTransaction& t) {
    Job first = *t.FindJobByKey("1");
    first.state = JobState::kAvailable;
    first.session = "";
    t.UpdateJob(first);
    Job second = *t.FindJobByKey("2");
    second.session = mine;
    t.UpdateJob(second);
    EXPECT_EQ(KeysOf(t.LeasesOf(mine)), (Keys{"2", "4"}));
  });
}

TEST_P(StoreContract, NextDueIsEarliestFirst) {
  const auto insert = [&](const std::string& key, JobState state, absl::Time due, JobId after) {
    Job job = SmallJob(key, state);
    job.due_at = due;
    job.after = after;
    Insert(job);
  };
  insert("late", JobState::kRetrying, Second(30), JobId{});
  insert("first of two", JobState::kScheduled, Second(20), JobId{});
  insert("second of two", JobState::kRetrying, Second(20), JobId{});
  insert("waits for another", JobState::kScheduled, Second(5), JobId{1});
  insert("available", JobState::kAvailable, Second(5), JobId{});
  insert("never", JobState::kScheduled, absl::InfiniteFuture(), JobId{});
  insert("always", JobState::kScheduled, absl::InfinitePast(), JobId{});
  Write([&](StoreTransaction& t) {
    EXPECT_EQ(t.EarliestDue(), absl::InfinitePast());
    Job always = *t.FindJobByKey("always");
    always.state = JobState::kAvailable;
    t.UpdateJob(always);
    EXPECT_EQ(t.EarliestDue(), Second(20));
    EXPECT_TRUE(t.NextDue(Second(20) - absl::Nanoseconds(1), 10).empty());
    EXPECT_EQ(KeysOf(t.NextDue(Second(20), 10)), (Keys{"first of two", "second of two"}));
    EXPECT_EQ(KeysOf(t.NextDue(Second(99), 10)), (Keys{"first of two", "second of two", "late"}));
    EXPECT_EQ(KeysOf(t.NextDue(Second(99), 1)), (Keys{"first of two"}));
    EXPECT_TRUE(t.NextDue(Second(99), 0).empty());
    EXPECT_EQ(KeysOf(t.NextDue(absl::InfiniteFuture(), 10)),
              (Keys{"first of two", "second of two", "late", "never"}));
  });
}

TEST_P(StoreContract, FollowersAreTheJobsThatWaitForOne) {
  const JobId first = Insert(SmallJob("first"));
  Job follower = SmallJob("follower", JobState::kScheduled);
  follower.after = first;
  follower.id = Insert(follower);
  Job second = SmallJob("second follower", JobState::kRetrying);
  second.after = first;
  Insert(second);
  Write([&](StoreTransaction& t) {
    EXPECT_EQ(KeysOf(t.Followers(first)), (Keys{"follower", "second follower"}));
    EXPECT_TRUE(t.Followers(follower.id).empty());
    EXPECT_TRUE(t.Followers(JobId{}).empty());
    EXPECT_TRUE(t.NextDue(absl::InfiniteFuture(), 10).empty());
    follower.after = JobId{};
    t.UpdateJob(follower);
    EXPECT_EQ(KeysOf(t.Followers(first)), (Keys{"second follower"}));
    EXPECT_EQ(KeysOf(t.NextDue(absl::InfiniteFuture(), 10)), (Keys{"follower"}));
  });
}

TEST_P(StoreContract, LastInLineIsTheNewestOfThatPathThatNoOtherWaitsFor) {
  const auto insert = [&](const std::string& key, const std::string& pipeline,
                          const std::string& volume, const std::string& path, JobState state) {
    Job job = SmallJob(key, state);
    job.pipeline = pipeline;
    job.input.volume = volume;
    job.input.path = path;
    Insert(job);
  };
  insert("old", "p", "v", "f", JobState::kRunning);
  insert("new", "p", "v", "f", JobState::kScheduled);
  insert("newest but done", "p", "v", "f", JobState::kSucceeded);
  insert("other path", "p", "v", "f/g", JobState::kAvailable);
  insert("other volume", "p", "w", "f", JobState::kAvailable);
  insert("other pipeline", "q", "v", "f", JobState::kAvailable);
  Write([&](StoreTransaction& t) {
    EXPECT_EQ(t.LastInLine("p", "v", "f")->key, "new");
    EXPECT_EQ(t.LastInLine("q", "v", "f")->key, "other pipeline");
    EXPECT_EQ(t.LastInLine("q", "w", "f"), std::nullopt);
    EXPECT_EQ(t.LastInLine("p", "v", "F"), std::nullopt);
    Job job = *t.FindJobByKey("new");
    job.state = JobState::kFailed;
    t.UpdateJob(job);
    EXPECT_EQ(t.LastInLine("p", "v", "f")->key, "old");
    // Retried, it joined the line behind a newer one.
    job.state = JobState::kRunning;
    t.UpdateJob(job);
    Job old = *t.FindJobByKey("old");
    old.state = JobState::kScheduled;
    old.after = job.id;
    t.UpdateJob(old);
    EXPECT_EQ(t.LastInLine("p", "v", "f")->key, "old");
    old.state = JobState::kCancelled;
    t.UpdateJob(old);
    EXPECT_EQ(t.LastInLine("p", "v", "f")->key, "new");
    old.state = JobState::kScheduled;
    t.UpdateJob(old);
  });
  Write([&](StoreTransaction& t) { EXPECT_EQ(t.LastInLine("p", "v", "f")->key, "old"); });
}

TEST_P(StoreContract, JobsOfEventAreThoseThatItMade) {
  Job job = SmallJob("x");
  job.event_id = 5;
  const JobId x = Insert(job);
  job.key = "y";
  const JobId y = Insert(job);
  Insert(SmallJob("by a caller"));
  Read([&](StoreReader& r) {
    EXPECT_EQ(r.JobsOfEvent(5), (std::vector<JobId>{x, y}));
    EXPECT_TRUE(r.JobsOfEvent(6).empty());
    EXPECT_TRUE(r.JobsOfEvent(0).empty());
  });
}

}  // namespace
}  // namespace closewrite

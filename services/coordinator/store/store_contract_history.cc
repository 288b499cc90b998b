// The part of the contract about finished jobs, and what is forgotten in the end.
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "services/coordinator/store/store_contract.h"

namespace closewrite {
namespace {

constexpr int kPrunesMax = 1000;
constexpr int64_t kMany = 100;

// Forgets all that may be forgotten, in steps of `limit` rows. Returns how many rows went.
int64_t PruneAll(Store* store, absl::Time before, int64_t limit = kMany) {
  int64_t pruned = 0;
  for (int i = 0; i < kPrunesMax; ++i) {
    int64_t step = 0;
    const absl::Status status = store->Write([&](StoreTransaction& t) {
      step = t.Prune(before, limit);
      return absl::OkStatus();
    });
    EXPECT_TRUE(status.ok()) << status;
    if (step == 0) return pruned;
    pruned += step;
  }
  ADD_FAILURE() << "it never ends";
  return pruned;
}

EventRecord Event(int64_t sequence, const std::string& path, EventKind kind, absl::Time received) {
  EventRecord record = EventOfPath(sequence, "in", path);
  record.event.kind = kind;
  record.event.file.size = sequence;
  record.event.evidence = Evidence::kClosed;
  record.received_at = received;
  return record;
}

// A job of `record`, in `state`; finished then, if it is.
Job JobOf(const EventRecord& record, JobState state, absl::Time finished = absl::InfinitePast()) {
  Job job;
  job.pipeline = "p";
  job.key = JobKey("p", record.event.file);
  job.state = state;
  job.input = record.event.file;
  job.event_id = record.id;
  job.finished_at = finished;
  return job;
}

EventRecord InsertEvent(Store* store, EventRecord record) {
  const absl::Status status = store->Write([&](StoreTransaction& t) {
    record.id = t.InsertEvent(record);
    return absl::OkStatus();
  });
  EXPECT_TRUE(status.ok()) << status;
  EXPECT_NE(record.id, 0);
  return record;
}

bool HasEvent(Store* store, const EventRecord& record) {
  bool found = false;
  const absl::Status status = store->Read([&](StoreReader& r) {
    const FileVersion& file = record.event.file;
    for (const EventRecord& other : r.ListEvents(file.volume, file.path, 0, kMany)) {
      found = found || other.id == record.id;
    }
    return absl::OkStatus();
  });
  EXPECT_TRUE(status.ok()) << status;
  return found;
}

TEST_P(StoreContract, FinishedJobIsFoundLikeAnyOther) {
  Job job = FullJob("full");
  job.state = JobState::kRunning;
  job.id = Insert(job);
  const JobId newer = Insert(SmallJob("newer"));
  for (const JobState state : {JobState::kSucceeded, JobState::kFailed, JobState::kCancelled}) {
    job.state = state;
    job.message = absl::StrCat("state ", static_cast<int>(state));
    Write([&](StoreTransaction& t) {
      t.UpdateJob(job);
      EXPECT_EQ(t.GetJob(job.id), job);
      EXPECT_EQ(t.FindJobByKey("full"), job);
    });
    EXPECT_EQ(Get(job.id), job);
    Write([&](StoreTransaction& t) {
      EXPECT_EQ(t.LastInLine(job.pipeline, job.input.volume, job.input.path), std::nullopt);
      EXPECT_EQ(t.CountUnfinished(job.pipeline), 0);
      EXPECT_TRUE(t.LeasesOf(job.session).empty());
      EXPECT_EQ(t.JobsOfEvent(job.event_id), std::vector<JobId>{job.id});
      ASSERT_EQ(t.ListJobs({}, JobId{}, 10).size(), 2u);
      EXPECT_EQ(t.ListJobs({}, JobId{}, 10).front().id, newer);
      EXPECT_EQ(t.ListJobs({}, newer, 10), std::vector<Job>{job});
      const JobFilter filter{.states = {state},
                             .input_volume = job.input.volume,
                             .input_path = job.input.path,
                             .output_volume = job.output_volume};
      EXPECT_EQ(t.ListJobs(filter, JobId{}, 10), std::vector<Job>{job});
      EXPECT_EQ(t.ListJobs({.ids = {job.id}}, JobId{}, 10), std::vector<Job>{job});
    });
  }
}

TEST_P(StoreContract, FinishedJobMayRunAgain) {
  Job job = FullJob("full");
  job.state = JobState::kFailed;
  job.id = Insert(job);
  const Job other = SmallJob("other");
  Insert(other);
  for (const JobState state : {JobState::kAvailable, JobState::kRetrying, JobState::kRunning}) {
    job.state = state;
    job.after = JobId{};
    Write([&](StoreTransaction& t) {
      t.UpdateJob(job);
      EXPECT_EQ(t.GetJob(job.id), job);
      EXPECT_EQ(t.FindJobByKey("full"), job);
      EXPECT_EQ(t.LastInLine(job.pipeline, job.input.volume, job.input.path), job);
      EXPECT_EQ(t.CountUnfinished(job.pipeline), 1);
    });
    EXPECT_EQ(Get(job.id), job);
    Job done = job;
    done.state = JobState::kSucceeded;
    Write([&](StoreTransaction& t) { t.UpdateJob(done); });
    EXPECT_EQ(Get(job.id), done);
  }
}

TEST_P(StoreContract, KeyOfAFinishedJobIsTaken) {
  Job done = SmallJob("done", JobState::kSucceeded);
  done.id = Insert(done);
  Job other = SmallJob("other");
  other.id = Insert(other);
  EXPECT_EQ(FailWrite([&](StoreTransaction& t) { t.InsertJob(SmallJob("done")); }).code(),
            absl::StatusCode::kAlreadyExists);
  Job renamed = other;
  renamed.key = "done";
  EXPECT_EQ(FailWrite([&](StoreTransaction& t) { t.UpdateJob(renamed); }).code(),
            absl::StatusCode::kAlreadyExists);
  renamed.state = JobState::kFailed;
  EXPECT_EQ(FailWrite([&](StoreTransaction& t) { t.UpdateJob(renamed); }).code(),
            absl::StatusCode::kAlreadyExists);
  renamed = done;
  renamed.key = "other";
  EXPECT_EQ(FailWrite([&](StoreTransaction& t) { t.UpdateJob(renamed); }).code(),
            absl::StatusCode::kAlreadyExists);
  renamed.key = "new";
  Write([&](StoreTransaction& t) {
    t.UpdateJob(renamed);
    EXPECT_EQ(t.FindJobByKey("new"), renamed);
    EXPECT_EQ(t.FindJobByKey("done"), std::nullopt);
    EXPECT_NE(t.InsertJob(SmallJob("done")), JobId{});
  });
  EXPECT_EQ(Get(other.id), other);
}

// The keys that the coordinator makes, whose parts a store may keep apart.
TEST_P(StoreContract, KeysOfFileVersionsAreFound) {
  Job job = FullJob("");
  std::vector<Job> jobs;
  for (const JobState state : {JobState::kAvailable, JobState::kSucceeded}) {
    job.state = state;
    job.input.size = static_cast<int64_t>(state);
    job.key = JobKey(job.pipeline, job.input);
    job.id = Insert(job);
    jobs.push_back(job);
    job.key = EventJobKey(job.pipeline, job.input, job.event_id);
    job.id = Insert(job);
    jobs.push_back(job);
    // Of other files and events than its own.
    FileVersion other = job.input;
    other.path += "x";
    job.key = JobKey(job.pipeline, other);
    job.id = Insert(job);
    jobs.push_back(job);
    job.key = EventJobKey(job.pipeline, job.input, job.event_id + 1);
    job.id = Insert(job);
    jobs.push_back(job);
  }
  Write([&](StoreTransaction& t) {
    for (const Job& expected : jobs) {
      EXPECT_EQ(t.FindJobByKey(expected.key), expected);
      EXPECT_EQ(t.GetJob(expected.id), expected);
    }
    EXPECT_EQ(t.FindJobByKey(jobs[0].key + "1"), std::nullopt);
    EXPECT_EQ(t.FindJobByKey(jobs[0].key.substr(0, jobs[0].key.size() - 1)), std::nullopt);
  });
  EXPECT_EQ(FailWrite([&](StoreTransaction& t) { t.InsertJob(jobs[4]); }).code(),
            absl::StatusCode::kAlreadyExists);
}

// As when the times of a file are set after it was announced.
TEST_P(StoreContract, InputAndKeyOfAWaitingJobMayChange) {
  EventRecord record = Event(1, "f", EventKind::kCloseWrite, Second(1));
  record.id = 77;
  Job job = JobOf(record, JobState::kAvailable);
  job.id = Insert(job);
  const std::string old_key = job.key;
  job.input.mtime_ns = 99;
  job.key = JobKey("p", job.input);
  Write([&](StoreTransaction& t) { t.UpdateJob(job); });
  Write([&](StoreTransaction& t) {
    EXPECT_EQ(t.FindJobByKey(job.key), job);
    EXPECT_EQ(t.FindJobByKey(old_key), std::nullopt);
    EXPECT_EQ(t.LastInLine("p", "in", "f"), job);
    EXPECT_EQ(t.Claim({{"p", 5}}), std::vector<Job>{job});
  });
}

TEST_P(StoreContract, PruneForgetsFinishedJobsWithTheirLogs) {
  Job old = SmallJob("old", JobState::kSucceeded);
  old.finished_at = Second(10);
  old.id = Insert(old);
  Job young = SmallJob("young", JobState::kFailed);
  young.finished_at = Second(20);
  young.id = Insert(young);
  const JobId waiting = Insert(SmallJob("waiting"));
  Write([&](StoreTransaction& t) {
    for (const JobId id : {old.id, young.id, waiting}) {
      for (const int64_t token : {1, 2}) {
        t.PutAttempt(FullAttempt(id, token));
        t.AppendLog(Lease{id, FencingToken{token}}, 0, "log");
      }
    }
  });
  EXPECT_EQ(PruneAll(store(), Second(10)), 0);
  EXPECT_GT(PruneAll(store(), Second(20)), 0);
  Write([&](StoreTransaction& t) {
    EXPECT_EQ(t.GetJob(old.id), std::nullopt);
    EXPECT_EQ(t.FindJobByKey("old"), std::nullopt);
    EXPECT_TRUE(t.ListAttempts(old.id).empty());
    EXPECT_EQ(t.LogLength(Lease{old.id, FencingToken{2}}), 0);
    EXPECT_EQ(LogText(t, Lease{old.id, FencingToken{1}}), "");
    for (const JobId id : {young.id, waiting}) {
      EXPECT_TRUE(t.GetJob(id).has_value());
      EXPECT_EQ(t.ListAttempts(id).size(), 2u);
      EXPECT_EQ(LogText(t, Lease{id, FencingToken{2}}), "log");
    }
    EXPECT_EQ(t.ListJobs({}, JobId{}, 10).size(), 2u);
    // Its key is free, and its id is not.
    EXPECT_GT(t.InsertJob(SmallJob("old")), waiting);
  });
  EXPECT_GT(PruneAll(store(), absl::InfiniteFuture()), 0);
  EXPECT_FALSE(Get(young.id).has_value());
  EXPECT_TRUE(Get(waiting).has_value());
}

TEST_P(StoreContract, PruneGoesInSteps) {
  constexpr int kJobs = 25;
  for (int i = 0; i < kJobs; ++i) {
    Job job = SmallJob(absl::StrCat(i), JobState::kSucceeded);
    job.finished_at = Second(i);
    Insert(job);
  }
  int64_t left = kJobs;
  Write([&](StoreTransaction& t) {
    EXPECT_EQ(t.Prune(absl::InfiniteFuture(), 0), 0);
    EXPECT_GT(t.Prune(absl::InfiniteFuture(), 10), 0);
    left = static_cast<int64_t>(t.ListJobs({}, JobId{}, kMany).size());
  });
  EXPECT_LT(left, kJobs);
  EXPECT_GE(left, kJobs - 10);
  PruneAll(store(), absl::InfiniteFuture(), 3);
  Read([&](StoreReader& r) { EXPECT_TRUE(r.ListJobs({}, JobId{}, kMany).empty()); });
}

TEST_P(StoreContract, NewestEventOfAFileThatIsThereStays) {
  const EventRecord older = InsertEvent(store(), Event(1, "f", EventKind::kCloseWrite, Second(1)));
  const EventRecord newest = InsertEvent(store(), Event(2, "f", EventKind::kMovedTo, Second(2)));
  const EventRecord attrib = InsertEvent(store(), Event(3, "g", EventKind::kAttrib, Second(3)));
  const EventRecord young = InsertEvent(store(), Event(4, "h", EventKind::kDelete, Second(50)));
  EXPECT_EQ(PruneAll(store(), Second(50)), 1);
  EXPECT_FALSE(HasEvent(store(), older));
  EXPECT_TRUE(HasEvent(store(), newest));
  EXPECT_TRUE(HasEvent(store(), attrib));
  EXPECT_TRUE(HasEvent(store(), young));
  // It goes when it is the newest no more, though it was kept before.
  const EventRecord after = InsertEvent(store(), Event(5, "f", EventKind::kCloseWrite, Second(60)));
  EXPECT_EQ(PruneAll(store(), Second(50)), 1);
  EXPECT_FALSE(HasEvent(store(), newest));
  EXPECT_TRUE(HasEvent(store(), after));
  // What was forgotten may come again, and then it is new.
  Write([&](StoreTransaction& t) {
    EXPECT_EQ(t.InsertEvent(after), 0);
    EXPECT_GT(t.InsertEvent(older), after.id);
  });
}

TEST_P(StoreContract, FileThatIsGoneIsForgotten) {
  InsertEvent(store(), Event(1, "f", EventKind::kCloseWrite, Second(1)));
  const EventRecord gone = InsertEvent(store(), Event(2, "f", EventKind::kDelete, Second(20)));
  InsertEvent(store(), Event(3, "g", EventKind::kCloseWrite, Second(1)));
  InsertEvent(store(), Event(4, "g", EventKind::kMovedFrom, Second(2)));
  // A name whose content was never there.
  EventRecord name = Event(5, "h", EventKind::kCreate, Second(3));
  name.event.evidence = Evidence::kNone;
  InsertEvent(store(), name);
  EXPECT_EQ(PruneAll(store(), Second(20)), 4);
  EXPECT_TRUE(HasEvent(store(), gone));
  EXPECT_EQ(PruneAll(store(), Second(21)), 1);
  Read([&](StoreReader& r) { EXPECT_TRUE(r.ListEvents("", "", 0, kMany).empty()); });
}

// The clock may have been set back between two events: a file that is gone must not come back.
TEST_P(StoreContract, EventThatSaysGoneOutlivesThoseBeforeIt) {
  const EventRecord there =
      InsertEvent(store(), Event(1, "f", EventKind::kCloseWrite, Second(100)));
  const EventRecord gone = InsertEvent(store(), Event(2, "f", EventKind::kDelete, Second(1)));
  EXPECT_EQ(PruneAll(store(), Second(50)), 0);
  EXPECT_TRUE(HasEvent(store(), gone));
  EXPECT_EQ(PruneAll(store(), Second(101), 1), 2);
  EXPECT_FALSE(HasEvent(store(), there));
  EXPECT_FALSE(HasEvent(store(), gone));
}

TEST_P(StoreContract, JobOfAFileThatIsThereStays) {
  const EventRecord first = InsertEvent(store(), Event(1, "f", EventKind::kCloseWrite, Second(1)));
  const JobId of_first = Insert(JobOf(first, JobState::kSucceeded, Second(2)));
  const EventRecord second = InsertEvent(store(), Event(2, "f", EventKind::kCloseWrite, Second(3)));
  const JobId of_second = Insert(JobOf(second, JobState::kFailed, Second(4)));
  PruneAll(store(), Second(50));
  EXPECT_FALSE(Get(of_first).has_value());
  EXPECT_TRUE(Get(of_second).has_value());
  InsertEvent(store(), Event(3, "f", EventKind::kDelete, Second(60)));
  PruneAll(store(), Second(50));
  EXPECT_FALSE(Get(of_second).has_value());
  EXPECT_FALSE(HasEvent(store(), second));
}

// A watcher that lost its ledger announces the same version again: the job was made by an older
// event, and would be made again if it were forgotten.
TEST_P(StoreContract, JobOfTheVersionThatIsThereStays) {
  const EventRecord first = InsertEvent(store(), Event(1, "f", EventKind::kCloseWrite, Second(1)));
  const JobId by_event = Insert(JobOf(first, JobState::kSucceeded, Second(2)));
  EventRecord again = first;
  again.ledger_id = "new ledger";
  again = InsertEvent(store(), again);
  Job by_hand = JobOf(first, JobState::kSucceeded, Second(2));
  by_hand.pipeline = "q";
  by_hand.key = JobKey("q", by_hand.input);
  by_hand.event_id = 0;
  by_hand.id = Insert(by_hand);
  PruneAll(store(), Second(50));
  EXPECT_FALSE(HasEvent(store(), first));
  EXPECT_TRUE(Get(by_event).has_value());
  EXPECT_TRUE(Get(by_hand.id).has_value());
  const EventRecord other = InsertEvent(store(), Event(2, "f", EventKind::kCloseWrite, Second(60)));
  PruneAll(store(), Second(50));
  EXPECT_FALSE(Get(by_event).has_value());
  EXPECT_FALSE(Get(by_hand.id).has_value());
  EXPECT_TRUE(HasEvent(store(), other));
}

// The event that made a job may be of another file than its input: a marker.
TEST_P(StoreContract, JobOfAMarkerThatIsThereStays) {
  const EventRecord marker =
      InsertEvent(store(), Event(1, "f.done", EventKind::kCloseWrite, Second(1)));
  const EventRecord data = Event(2, "f", EventKind::kCloseWrite, Second(1));
  Job job = JobOf(data, JobState::kSucceeded, Second(2));
  job.event_id = marker.id;
  job.id = Insert(job);
  PruneAll(store(), Second(50));
  EXPECT_TRUE(Get(job.id).has_value());
  InsertEvent(store(), Event(3, "f.done", EventKind::kDelete, Second(60)));
  PruneAll(store(), Second(50));
  EXPECT_FALSE(Get(job.id).has_value());
}

TEST_P(StoreContract, WhatAnUnfinishedJobNamesStays) {
  Job cause = SmallJob("cause", JobState::kSucceeded);
  cause.finished_at = Second(1);
  cause.id = Insert(cause);
  Job before = SmallJob("before", JobState::kCancelled);
  before.finished_at = Second(1);
  before.id = Insert(before);
  const EventRecord event = InsertEvent(store(), Event(1, "f", EventKind::kDelete, Second(1)));
  const EventRecord newer = InsertEvent(store(), Event(2, "f", EventKind::kDelete, Second(1)));
  Job job = JobOf(event, JobState::kScheduled);
  job.caused_by_job = cause.id.value;
  job.after = before.id;
  job.id = Insert(job);
  EXPECT_EQ(PruneAll(store(), Second(50)), 0);
  EXPECT_TRUE(Get(cause.id).has_value());
  EXPECT_TRUE(Get(before.id).has_value());
  EXPECT_TRUE(HasEvent(store(), event));
  EXPECT_TRUE(HasEvent(store(), newer));
  job.after = JobId{};
  job.state = JobState::kRunning;
  Write([&](StoreTransaction& t) { t.UpdateJob(job); });
  EXPECT_EQ(PruneAll(store(), Second(50)), 1);
  EXPECT_FALSE(Get(before.id).has_value());
  EXPECT_TRUE(Get(cause.id).has_value());
  job.state = JobState::kSucceeded;
  job.finished_at = Second(60);
  Write([&](StoreTransaction& t) { t.UpdateJob(job); });
  EXPECT_EQ(PruneAll(store(), Second(50)), 3);
  EXPECT_FALSE(Get(cause.id).has_value());
  EXPECT_FALSE(HasEvent(store(), event));
  EXPECT_TRUE(Get(job.id).has_value());
  EXPECT_EQ(PruneAll(store(), Second(61)), 1);
  EXPECT_FALSE(Get(job.id).has_value());
}

}  // namespace
}  // namespace closewrite

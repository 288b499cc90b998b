// Completeness contracts over a store: which events make which jobs, in which order they may come.
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "services/coordinator/core/engine.h"
#include "services/coordinator/core/interest.h"
#include "services/coordinator/store/fake_store.h"

namespace closewrite {
namespace {

class ContractsTest : public ::testing::Test {
 protected:
  ContractsTest()
      : engine_({.session_ttl = absl::Seconds(10),
                 .random = [] { return 0.0; },
                 .new_session_id = [] { return "session"; },
                 .decode_pipeline = nullptr}) {
    EXPECT_TRUE(store_.Read([&](StoreReader& reader) { return engine_.Load(reader, now_); }).ok());
  }

  Effects Do(absl::FunctionRef<void(StoreTransaction&)> step) {
    EXPECT_TRUE(store_
                    .Write([&](StoreTransaction& tx) {
                      step(tx);
                      engine_.Tick(tx, now_);
                      return absl::OkStatus();
                    })
                    .ok());
    return engine_.TakeEffects();
  }

  static Pipeline Make(When when, std::string name = "p") {
    Pipeline pipeline;
    pipeline.name = pipeline.definition = std::move(name);
    pipeline.volume = "in";
    pipeline.match = {*Glob::Parse("*.csv")};
    pipeline.command = {"true"};
    pipeline.when = when;
    if (when == When::kMarker) pipeline.marker = {"", ".done"};
    if (when == When::kQuiet) pipeline.quiet = absl::Seconds(2);
    return pipeline;
  }
  Effects ApplyPipeline(const Pipeline& pipeline) {
    return Do([&](StoreTransaction& tx) {
      EXPECT_TRUE(engine_.desk().ApplyPipelines(tx, {pipeline}, false, now_).ok());
    });
  }

  // An event of a version that is told apart by its mtime.
  FileEvent Event(EventKind kind, std::string path, int64_t mtime_ns) {
    const bool silent = IsGone({.kind = kind}) || kind == EventKind::kCreate;
    return FileEvent{.sequence = ++sequence_,
                     .kind = kind,
                     .evidence = silent ? Evidence::kNone : Evidence::kClosed,
                     .file = {.volume = "in",
                              .path = std::move(path),
                              .inode = 5,
                              .size = 10,
                              .mtime_ns = mtime_ns},
                     .observed_at = now_};
  }
  FileEvent Close(std::string path, int64_t mtime_ns) {
    return Event(EventKind::kCloseWrite, std::move(path), mtime_ns);
  }
  FileEvent Gone(std::string path, int64_t mtime_ns) {
    return Event(EventKind::kDelete, std::move(path), mtime_ns);
  }
  FileEvent Made(std::string path) { return Event(EventKind::kCreate, std::move(path), 0); }

  // Ids of the jobs that the events made or changed.
  std::vector<int64_t> Observe(const std::vector<FileEvent>& events) {
    const Effects effects = Do([&](StoreTransaction& tx) {
      EXPECT_TRUE(engine_.RecordEvents(tx, {"b", "ledger", 1}, events, now_).ok());
    });
    std::vector<int64_t> ids;
    for (const auto& [id, job] : effects.jobs) ids.push_back(id.value);
    return ids;
  }
  Job Get(int64_t id) {
    std::optional<Job> job;
    (void)store_.Read([&](StoreReader& reader) {
      job = reader.GetJob(JobId{id});
      return absl::OkStatus();
    });
    return job.value_or(Job{});
  }
  absl::StatusCode Submit(const std::string& path) {
    absl::Status status;
    Do([&](StoreTransaction& tx) {
      status = engine_.desk().Submit(tx, "", {{"in", path}}, {}, now_).status();
    });
    return status.code();
  }
  SessionId Attend() {
    SessionId id;
    Do([&](StoreTransaction& tx) {
      id = *engine_.dispatch().Open(
          tx, {.name = "e", .host = "c", .slots = 9, .volume_roots = {{"in", "/in"}}}, now_);
    });
    return id;
  }
  void Finish(const SessionId& session, int64_t id, Outcome outcome) {
    Do([&](StoreTransaction& tx) {
      const AttendReport report = {
          .session = session,
          .results = {{JobId{id}, Finished{.token = Get(id).token, .outcome = outcome}}}};
      EXPECT_TRUE(engine_.dispatch().Report(tx, report, now_).ok());
    });
  }

  using Ids = std::vector<int64_t>;
  FakeStore store_;
  absl::Time now_ = absl::FromUnixSeconds(1'800'000'000);
  Engine engine_;
  int64_t sequence_ = 0;
};

TEST_F(ContractsTest, CreateMakesOneJobAName) {
  ApplyPipeline(Make(When::kCreate));
  EXPECT_EQ(Observe({Made("a.csv")}), Ids{1});
  EXPECT_EQ(Observe({Close("a.csv", 1)}), Ids{});
  EXPECT_EQ(Observe({Close("a.csv", 2)}), Ids{});
  EXPECT_EQ(Get(1).state, JobState::kAvailable);
  EXPECT_EQ(Observe({Gone("a.csv", 2)}), Ids{});    // the job stands: a name did appear
  EXPECT_EQ(Observe({Close("a.csv", 2)}), Ids{2});  // the same version moved away and back
  EXPECT_EQ(Get(2).after, JobId{1});
  EXPECT_EQ(Observe({Close("b.csv", 1)}), Ids{3});  // its CREATE had given way in the ledger
}

TEST_F(ContractsTest, DeleteMakesOneJobADeletion) {
  ApplyPipeline(Make(When::kDelete));
  EXPECT_EQ(Observe({Close("a.csv", 1)}), Ids{});
  EXPECT_EQ(Observe({Gone("a.csv", 1)}), Ids{1});
  EXPECT_EQ(Get(1).input.path, "a.csv");
  EXPECT_EQ(Observe({Gone("a.csv", 1)}), Ids{});   // said again
  EXPECT_EQ(Observe({Close("a.csv", 1)}), Ids{});  // made again: that it was gone stays true
  EXPECT_EQ(Get(1).state, JobState::kAvailable);
  EXPECT_EQ(Observe({Event(EventKind::kMovedFrom, "a.csv", 1)}), Ids{2});
  EXPECT_EQ(Get(2).after, JobId{1});
}

TEST_F(ContractsTest, NamesThatComeAndGoAreHandledInOrderOrAsToldToBe) {
  Pipeline pipeline = Make(When::kDelete);
  pipeline.on_new_version = OnNewVersion::kSupersede;
  ApplyPipeline(pipeline);
  Observe({Close("a.csv", 1), Gone("a.csv", 1), Close("a.csv", 2), Gone("a.csv", 2)});
  EXPECT_EQ(Get(1).state, JobState::kCancelled);
  EXPECT_EQ(Get(2).state, JobState::kAvailable);
  pipeline.on_new_version = OnNewVersion::kIgnore;
  pipeline.definition = "p 2";
  ApplyPipeline(pipeline);
  EXPECT_EQ(Observe({Close("a.csv", 3), Gone("a.csv", 3)}), Ids{});
}

TEST_F(ContractsTest, SubmitMakesJobsOfWhatIsThereOrGone) {
  ApplyPipeline(Make(When::kDelete));
  Observe({Close("a.csv", 1), Made("new.csv")});
  EXPECT_EQ(Submit("a.csv"), absl::StatusCode::kFailedPrecondition);
  Observe({Gone("a.csv", 1)});
  EXPECT_EQ(Submit("a.csv"), absl::StatusCode::kOk);
  ApplyPipeline(Make(When::kCloseWrite, "q"));
  EXPECT_EQ(Submit("new.csv"), absl::StatusCode::kNotFound);  // it is still being written
}

TEST_F(ContractsTest, MarkerAfterTheFile) {
  ApplyPipeline(Make(When::kMarker));
  EXPECT_EQ(Observe({Close("a.csv", 1)}), Ids{});
  EXPECT_EQ(Observe({Close("a.csv.done", 2)}), Ids{1});
  EXPECT_EQ(Get(1).input.path, "a.csv");
  EXPECT_EQ(Observe({Close("a.csv.done", 3)}), Ids{});  // for the same version
  EXPECT_EQ(Observe({Close("a.csv", 4)}), Ids{});       // its marker is stale
  EXPECT_EQ(Get(1).state, JobState::kAvailable);
  EXPECT_EQ(Observe({Close("a.csv.done", 5)}), (Ids{1, 2}));
  EXPECT_EQ(Get(1).state, JobState::kCancelled);
  EXPECT_EQ(Get(2).input.mtime_ns, 4);
}

TEST_F(ContractsTest, MarkerIsFoundBeforeTheFile) {
  ApplyPipeline(Make(When::kMarker));
  EXPECT_EQ(Observe({Close("a.csv.done", 2), Made("a.csv")}), Ids{});
  EXPECT_EQ(Observe({Close("a.csv", 1)}), Ids{1});
  EXPECT_EQ(Observe({Close("a.csv", 9)}), Ids{});  // used up
}

TEST_F(ContractsTest, MarkerIsRemovedAndMadeAgain) {
  ApplyPipeline(Make(When::kMarker));
  EXPECT_EQ(Observe({Close("a.csv", 1), Close("a.csv.done", 2)}), Ids{1});
  Attend();
  Do([](StoreTransaction&) {});  // job 1 runs
  EXPECT_EQ(Observe({Gone("a.csv.done", 2), Close("a.csv", 3)}), Ids{});
  EXPECT_EQ(Observe({Close("a.csv.done", 4)}), Ids{2});
  EXPECT_EQ(Get(2).after, JobId{1});
}

TEST_F(ContractsTest, FileIsRemovedButItsMarkerStays) {
  ApplyPipeline(Make(When::kMarker));
  Observe({Close("a.csv", 1), Close("a.csv.done", 2), Gone("a.csv", 1)});
  EXPECT_EQ(Get(1).state, JobState::kCancelled);
  EXPECT_EQ(Observe({Close("a.csv", 3)}), Ids{});
  EXPECT_EQ(Observe({Close("a.csv.done", 4)}), Ids{2});
}

// A scan that finds a rewritten file and its rewritten marker tells them in any order.
TEST_F(ContractsTest, RewrittenMarkerIsFoundBeforeTheRewrittenFile) {
  ApplyPipeline(Make(When::kMarker));
  Attend();
  EXPECT_EQ(Observe({Close("a.csv", 1), Close("a.csv.done", 2)}), Ids{1});
  EXPECT_EQ(Observe({Close("a.csv.done", 12)}), Ids{});
  EXPECT_EQ(Observe({Close("a.csv", 11)}), Ids{2});
  EXPECT_EQ(Get(2).input.mtime_ns, 11);
}

TEST_F(ContractsTest, MarkerOfAVersionThatNeverHadOneIsForTheNewerVersion) {
  ApplyPipeline(Make(When::kMarker));
  EXPECT_EQ(Observe({Close("a.csv", 1)}), Ids{});
  EXPECT_EQ(Observe({Close("a.csv.done", 12), Close("a.csv", 11)}), (Ids{1, 2}));
  EXPECT_EQ(Get(1).state, JobState::kCancelled);
  EXPECT_EQ(Get(2).input.mtime_ns, 11);
}

// The same when the older version's job runs already: it finds the newer version and takes it.
TEST_F(ContractsTest, RunningJobTakesTheVersionThatItsMarkerWasFor) {
  ApplyPipeline(Make(When::kMarker));
  const SessionId session = Attend();
  Observe({Close("a.csv", 1)});
  EXPECT_EQ(Observe({Close("a.csv.done", 12)}), Ids{1});
  EXPECT_EQ(Get(1).state, JobState::kRunning);
  EXPECT_EQ(Observe({Close("a.csv", 11)}), Ids{});
  Finish(session, 1, Outcome::kInputChanged);
  EXPECT_EQ(Get(1).state, JobState::kRetrying);
  EXPECT_EQ(Get(1).input.mtime_ns, 11);
  // A version that came without its marker is not taken.
  now_ += absl::Seconds(1);
  Do([](StoreTransaction&) {});
  EXPECT_EQ(Get(1).state, JobState::kRunning);
  Observe({Close("a.csv", 21)});
  Finish(session, 1, Outcome::kInputChanged);
  EXPECT_EQ(Get(1).input.mtime_ns, 11);
}

// The watcher was away when the times were set, and the job has failed meanwhile: nobody else would
// make anything of the file.
TEST_F(ContractsTest, JobThatFailedForOtherTimesIsRevivedWhenTheyAreTold) {
  Pipeline pipeline = Make(When::kCloseWrite);
  pipeline.retry.attempts = 1;
  ApplyPipeline(pipeline);
  const SessionId session = Attend();
  for (const Outcome outcome :
       {Outcome::kInputChanged, Outcome::kInputNotVisible, Outcome::kFailed}) {
    const std::string path = std::to_string(static_cast<int>(outcome)) + ".csv";
    const int64_t id = Observe({Close(path, 1)}).at(0);
    Finish(session, id, outcome);
    ASSERT_EQ(Get(id).state, JobState::kFailed);
    EXPECT_EQ(Observe({Event(EventKind::kAttrib, path, 9)}), Ids{id});
    EXPECT_EQ(Get(id).input.mtime_ns, 9);
    const bool revived = outcome != Outcome::kFailed;
    EXPECT_EQ(Get(id).state, revived ? JobState::kRunning : JobState::kFailed);
  }
}

// An old date on the new version must not make the used marker look younger.
TEST_F(ContractsTest, UsedMarkerStartsNoVersionOfAnOlderDate) {
  ApplyPipeline(Make(When::kMarker));
  Attend();
  EXPECT_EQ(Observe({Close("a.csv", 100), Close("a.csv.done", 200)}), Ids{1});
  EXPECT_EQ(Observe({Close("a.csv", 50)}), Ids{});
}

TEST_F(ContractsTest, TimesThatAreSetAfterTheMarkerChangeNothing) {
  ApplyPipeline(Make(When::kMarker));
  EXPECT_EQ(Observe({Close("a.csv", 1), Event(EventKind::kAttrib, "a.csv", 7)}), Ids{});
  EXPECT_EQ(Observe({Close("a.csv.done", 8)}), Ids{1});
  EXPECT_EQ(Get(1).input.mtime_ns, 7);
}

TEST_F(ContractsTest, QuietWaitsForTheRestOfItsOwnTime) {
  Pipeline patient = Make(When::kQuiet, "patient");
  patient.quiet = absl::Seconds(10);
  EXPECT_TRUE(ApplyPipeline(patient).pipelines);
  ApplyPipeline(Make(When::kQuiet, "quick"));
  ApplyPipeline(Make(When::kCreate, "names"));
  ApplyPipeline(Make(When::kCloseWrite, "closed"));
  EXPECT_EQ(InterestIn(engine_.fleet(), "in"),
            (Interest{.create = true, .quiet = absl::Seconds(2)}));
  EXPECT_TRUE(InterestIn(engine_.fleet(), "out").empty());
  FileEvent quiet = Close("a.csv", 1);
  quiet.evidence = Evidence::kQuiet;
  EXPECT_EQ(Observe({Made("a.csv")}).size(), 1u);
  EXPECT_EQ(Observe({quiet}).size(), 2u);
  EXPECT_EQ(Get(2).pipeline, "patient");
  EXPECT_EQ(Get(2).due_at, now_ + absl::Seconds(8));
  EXPECT_EQ(Get(3).pipeline, "quick");
  EXPECT_EQ(Get(3).state, JobState::kAvailable);
}

TEST_F(ContractsTest, JobKnowsWhoseResultItsInputIs) {
  ApplyPipeline(Make(When::kCloseWrite));
  FileEvent published = Event(EventKind::kMovedTo, "a.csv", 1);
  published.caused_by_job = 12;
  Observe({published});
  EXPECT_EQ(Get(1).caused_by_job, 12);
}

}  // namespace
}  // namespace closewrite

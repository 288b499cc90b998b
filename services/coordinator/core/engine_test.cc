#include "services/coordinator/core/engine.h"

#include <memory>
#include <optional>
#include <string>

#include "gtest/gtest.h"
#include "services/coordinator/core/waiting.h"
#include "services/coordinator/store/fake_store.h"

namespace closewrite {
namespace {

// One engine over a fake store, driven by hand as the store loop would drive it.
class EngineTest : public ::testing::Test {
 protected:
  EngineTest() { Restart(); }

  void Restart() {
    engine_ = std::make_unique<Engine>(Engine::Options{
        .session_ttl = absl::Seconds(10),
        .random = [] { return 0.0; },
        .new_session_id = [this] { return "session" + std::to_string(++sessions_); },
        .decode_pipeline = [this](std::string_view name) -> absl::StatusOr<Pipeline> {
          return definitions_.at(std::string(name));
        },
    });
    absl::Status loaded;
    ASSERT_TRUE(store_
                    .Read([&](StoreReader& reader) {
                      loaded = engine_->Load(reader, now_);
                      return absl::OkStatus();
                    })
                    .ok());
    ASSERT_TRUE(loaded.ok()) << loaded;
  }

  // One commit of the store loop.
  Effects Do(absl::FunctionRef<void(StoreTransaction&)> step) {
    EXPECT_TRUE(store_
                    .Write([&](StoreTransaction& tx) {
                      step(tx);
                      wake_at_ = engine_->Tick(tx, now_);
                      return absl::OkStatus();
                    })
                    .ok());
    return engine_->TakeEffects();
  }
  Effects Tick() {
    return Do([](StoreTransaction&) {});
  }

  Pipeline Enrich() {
    Pipeline pipeline;
    pipeline.name = pipeline.definition = "enrich";
    pipeline.volume = "in";
    pipeline.output_volume = "out";
    pipeline.match = {*Glob::Parse("**/*.csv")};
    pipeline.command = {"true"};
    return pipeline;
  }
  void ApplyPipeline(Pipeline pipeline) {
    definitions_[pipeline.definition] = pipeline;
    Do([&](StoreTransaction& tx) {
      EXPECT_TRUE(engine_->desk().ApplyPipelines(tx, {pipeline}, false, now_).ok());
    });
  }

  SessionId Attend(std::string name, int slots, std::vector<std::string> labels = {}) {
    absl::StatusOr<SessionId> id = Open({.name = name,
                                         .host = "vm-c",
                                         .labels = labels,
                                         .slots = slots,
                                         .volume_roots = {{"in", "/in"}, {"out", "/out"}}});
    EXPECT_TRUE(id.ok()) << id.status();
    return id.value_or("");
  }
  absl::StatusOr<SessionId> Open(const ExecutorHello& hello) {
    absl::StatusOr<SessionId> id;
    Write([&](StoreTransaction& tx) { id = engine_->dispatch().Open(tx, hello, now_); });
    return id;
  }
  void Disconnect(const SessionId& session) {
    Write([&](StoreTransaction& tx) { engine_->dispatch().Disconnect(tx, session); });
  }
  absl::Status Connect(const Watcher& watcher) {
    absl::StatusOr<WatcherStream> stream;
    Write([&](StoreTransaction& tx) { stream = engine_->ConnectWatcher(tx, watcher, now_); });
    if (stream.ok()) stream_ = *stream;
    return stream.status();
  }
  // A commit that gives nothing away.
  void Write(absl::FunctionRef<void(StoreTransaction&)> step) {
    EXPECT_TRUE(store_
                    .Write([&](StoreTransaction& tx) {
                      step(tx);
                      return absl::OkStatus();
                    })
                    .ok());
  }

  FileEvent Close(std::string path, int64_t mtime_ns = 1) {
    return FileEvent{
        .sequence = ++sequence_,
        .kind = EventKind::kCloseWrite,
        .evidence = Evidence::kClosed,
        .file = {.volume = "in", .path = path, .inode = 5, .size = 10, .mtime_ns = mtime_ns},
        .observed_at = now_};
  }
  Effects Observe(std::vector<FileEvent> events) {
    return Do([&](StoreTransaction& tx) {
      EXPECT_TRUE(engine_->RecordEvents(tx, stream_, events, now_).ok());
    });
  }

  Effects Report(AttendReport report) {
    return Do(
        [&](StoreTransaction& tx) { last_reply_ = engine_->dispatch().Report(tx, report, now_); });
  }
  Effects Finish(const SessionId& session, const Job& job, Outcome outcome) {
    return Report(
        {.session = session,
         .results = {{job.id, Finished{.token = job.token,
                                       .outcome = outcome,
                                       .message = "m",
                                       .outputs = {{"r.csv", 3, std::string(32, 'h')}}}}}});
  }

  void Publish(const Job& job) {
    Do([&](StoreTransaction& tx) {
      engine_->RecordPublished(tx, Lease{job.id, job.token}, "", now_);
    });
  }
  Effects Cancel(JobId id) {
    return Do([&](StoreTransaction& tx) {
      EXPECT_TRUE(engine_->desk().CancelJobs(tx, {id}, "", now_).ok());
    });
  }
  void Retry(JobId id) {
    Do([&](StoreTransaction& tx) {
      EXPECT_TRUE(engine_->desk().RetryJobs(tx, {id}, false, now_).ok());
    });
  }

  Job Get(JobId id) {
    std::optional<Job> job;
    (void)store_.Read([&](StoreReader& reader) {
      job = reader.GetJob(id);
      return absl::OkStatus();
    });
    return job.value_or(Job{});
  }
  std::string Why(const Job& job) {
    std::string message;
    (void)store_.Read([&](StoreReader& reader) {
      message = WhyWaiting(job, engine_->fleet(), reader, now_).message;
      return absl::OkStatus();
    });
    return message;
  }

  FakeStore store_;
  std::map<std::string, Pipeline> definitions_;
  std::unique_ptr<Engine> engine_;
  absl::Time now_ = absl::FromUnixSeconds(1'800'000'000);
  absl::Time wake_at_;
  int sessions_ = 0;
  WatcherStream stream_{"vm-b", "ledger"};
  int64_t sequence_ = 0;
  absl::StatusOr<AttendReply> last_reply_ = AttendReply{};
};

TEST_F(EngineTest, AFileIsInsertedAndLeasedByTheSameCommit) {
  ApplyPipeline(Enrich());
  const SessionId session = Attend("e1", 1);
  const Effects effects = Observe({Close("a.csv")});
  ASSERT_EQ(effects.grants.size(), 1u);
  EXPECT_EQ(effects.grants[0].session, session);
  EXPECT_EQ(effects.grants[0].job.state, JobState::kRunning);
  EXPECT_EQ(effects.grants[0].job.token, FencingToken{1});
}

TEST_F(EngineTest, TheSameVersionMakesOneJobHoweverOftenItIsSeen) {
  ApplyPipeline(Enrich());
  FileEvent event = Close("a.csv");
  EXPECT_EQ(Observe({event}).jobs.size(), 1u);
  EXPECT_TRUE(Observe({event}).jobs.empty());  // sent again
  event.sequence = ++sequence_;                // seen again, by a rescan
  EXPECT_TRUE(Observe({event}).jobs.empty());
}

TEST_F(EngineTest, TheWholeWayOfAJob) {
  ApplyPipeline(Enrich());
  const SessionId session = Attend("e1", 1);
  const Job job = Observe({Close("a.csv")}).grants.at(0).job;
  Report({.session = session, .running = {{Lease{job.id, job.token}, 42, {}}}});
  EXPECT_EQ(Get(job.id).started_at, now_);
  const Effects done = Finish(session, job, Outcome::kSucceeded);
  ASSERT_EQ(done.publish.size(), 1u);
  EXPECT_EQ(Get(job.id).state, JobState::kPublishing);
  EXPECT_EQ(Why(Get(job.id)), "volume out has no watcher online");
  Publish(job);
  EXPECT_EQ(Get(job.id).state, JobState::kSucceeded);
}

TEST_F(EngineTest, AnExpiredSessionLosesItsLeasesAndItsLateResultIsRefused) {
  ApplyPipeline(Enrich());
  const SessionId first = Attend("e1", 1);
  const Job job = Observe({Close("a.csv")}).grants.at(0).job;
  Disconnect(first);
  now_ += absl::Seconds(9);
  const SessionId second = Attend("e2", 1);
  EXPECT_TRUE(Tick().grants.empty());
  now_ += absl::Seconds(1);
  const Effects effects = Tick();
  EXPECT_TRUE(effects.expired.contains(first));
  ASSERT_EQ(effects.grants.size(), 1u);
  EXPECT_EQ(effects.grants[0].session, second);
  EXPECT_EQ(effects.grants[0].job.token, FencingToken{2});

  Finish(first, job, Outcome::kSucceeded);
  EXPECT_EQ(last_reply_.status().code(), absl::StatusCode::kNotFound);
  Finish(second, job, Outcome::kSucceeded);  // even with a live session: the token is stale
  EXPECT_EQ(Get(job.id).state, JobState::kRunning);
  EXPECT_EQ(last_reply_->settled.size(), 1u);
}

TEST_F(EngineTest, ARestartOfTheCoordinatorIsNotNoticedByARunningJob) {
  ApplyPipeline(Enrich());
  const SessionId session = Attend("e1", 1);
  const Job job = Observe({Close("a.csv")}).grants.at(0).job;
  Restart();
  now_ += absl::Seconds(9);
  Tick();
  EXPECT_EQ(Get(job.id).state, JobState::kRunning);
  absl::StatusOr<SessionId> resumed =
      Open({.name = "e1", .host = "vm-c", .session = session, .slots = 1});
  ASSERT_TRUE(resumed.ok());
  EXPECT_EQ(*resumed, session);
  now_ += absl::Seconds(5);
  Tick();
  Finish(session, job, Outcome::kSucceeded);
  EXPECT_EQ(Get(job.id).state, JobState::kPublishing);
}

TEST_F(EngineTest, AnUnknownSessionIsRefused) {
  EXPECT_EQ(Open({.name = "e", .session = "older", .slots = 1}).status().code(),
            absl::StatusCode::kNotFound);
  EXPECT_FALSE(Attend("e", 1).empty());
}

TEST_F(EngineTest, ALeaseThatWasLostOnTheWayIsSentAgain) {
  ApplyPipeline(Enrich());
  const SessionId session = Attend("e1", 2);
  const Job job = Observe({Close("a.csv")}).grants.at(0).job;
  Report({.session = session, .heartbeat = true});
  ASSERT_EQ(last_reply_->resend.size(), 1u);
  EXPECT_EQ(last_reply_->resend[0].job.id, job.id);
  Report({.session = session, .heartbeat = true, .running = {{Lease{job.id, job.token}, 0, {}}}});
  EXPECT_TRUE(last_reply_->resend.empty());
}

TEST_F(EngineTest, ANewerVersionSupersedesAJobThatWaits) {
  ApplyPipeline(Enrich());
  const JobId first = Observe({Close("a.csv", 1)}).jobs.begin()->first;
  Observe({Close("a.csv", 2)});
  EXPECT_EQ(Get(first).state, JobState::kCancelled);
  EXPECT_EQ(Get(JobId{first.value + 1}).state, JobState::kAvailable);
}

TEST_F(EngineTest, ANewerVersionWaitsForAJobThatRuns) {
  ApplyPipeline(Enrich());
  const SessionId session = Attend("e1", 2);
  const Job first = Observe({Close("a.csv", 1)}).grants.at(0).job;
  const Effects effects = Observe({Close("a.csv", 2)});
  EXPECT_TRUE(effects.grants.empty());
  const JobId second = effects.jobs.begin()->first;
  EXPECT_EQ(Get(second).after, first.id);
  EXPECT_EQ(Why(Get(second)), "job 1 of the same file goes first");
  Finish(session, first, Outcome::kInputChanged);
  EXPECT_EQ(Get(first.id).state, JobState::kCancelled);
  EXPECT_EQ(Get(second).state, JobState::kRunning);
}

// A follower that was cancelled meanwhile kept `after`, and waited for ever once it was retried.
TEST_F(EngineTest, ACancelledFollowerCanBeRetriedWhenTheEarlierVersionHasEnded) {
  ApplyPipeline(Enrich());
  const SessionId session = Attend("e1", 2);
  const Job first = Observe({Close("a.csv", 1)}).grants.at(0).job;
  const JobId second = Observe({Close("a.csv", 2)}).jobs.begin()->first;
  Cancel(second);
  Finish(session, first, Outcome::kSucceeded);
  Publish(first);
  Retry(second);
  EXPECT_EQ(Get(second).state, JobState::kRunning);
}

// Jobs of one file never run side by side, however they came to be there.
TEST_F(EngineTest, ARetriedJobWaitsForTheOneOfItsFileThatRuns) {
  Pipeline pipeline = Enrich();
  pipeline.on_new_version = OnNewVersion::kIgnore;
  ApplyPipeline(pipeline);
  const JobId first = Observe({Close("a.csv", 1)}).jobs.begin()->first;
  Cancel(first);
  const SessionId session = Attend("e1", 4);
  const JobId second = Observe({Close("a.csv", 2)}).grants.at(0).job.id;
  Retry(first);
  EXPECT_EQ(Get(first).state, JobState::kScheduled);
  EXPECT_EQ(Get(first).after, second);
  Finish(session, Get(second), Outcome::kSucceeded);
  EXPECT_EQ(Get(first).state, JobState::kScheduled);
  Publish(Get(second));
  EXPECT_EQ(Get(first).state, JobState::kRunning);
}

TEST_F(EngineTest, WhoLeavesTheMiddleOfALineLetsNobodyPass) {
  Pipeline pipeline = Enrich();
  pipeline.when = When::kCreate;  // each event has its job
  ApplyPipeline(pipeline);
  const auto create = [&](int64_t mtime) {
    FileEvent gone = Close("a.csv", mtime);
    gone.kind = EventKind::kDelete;
    FileEvent come = Close("a.csv", mtime);
    come.kind = EventKind::kCreate;
    return Observe({gone, come}).jobs.rbegin()->first;
  };
  Attend("e1", 4);
  const JobId first = create(1);
  const JobId second = create(2);
  const JobId third = create(3);
  ASSERT_EQ(Get(third).after, second);
  Cancel(second);
  EXPECT_EQ(Get(third).after, first);
  // Once more, behind the third.
  Retry(second);
  EXPECT_EQ(Get(second).after, third);
  EXPECT_EQ(Get(create(4)).after, second);
}

TEST_F(EngineTest, SupersedeKillsAndIgnoreIgnores) {
  Pipeline pipeline = Enrich();
  pipeline.on_new_version = OnNewVersion::kSupersede;
  ApplyPipeline(pipeline);
  const SessionId session = Attend("e1", 2);
  const Job first = Observe({Close("a.csv", 1)}).grants.at(0).job;
  const Effects effects = Observe({Close("a.csv", 2)});
  EXPECT_EQ(effects.revoked.size(), 1u);
  EXPECT_EQ(effects.grants.size(), 0u);  // before the first one's command is dead
  EXPECT_EQ(Finish(session, first, Outcome::kKilled).grants.size(), 1u);
  EXPECT_EQ(Get(first.id).state, JobState::kCancelled);
  pipeline.on_new_version = OnNewVersion::kIgnore;
  pipeline.definition = "enrich 2";
  ApplyPipeline(pipeline);
  EXPECT_TRUE(Observe({Close("a.csv", 3)}).jobs.empty());
}

TEST_F(EngineTest, TimesThatAreSetAfterTheCloseAmendTheJob) {
  ApplyPipeline(Enrich());
  const JobId id = Observe({Close("a.csv", 1)}).jobs.begin()->first;
  FileEvent attrib = Close("a.csv", 99);
  attrib.kind = EventKind::kAttrib;
  Observe({attrib});
  EXPECT_EQ(Get(id).input.mtime_ns, 99);
  EXPECT_TRUE(Observe({Close("a.csv", 99)}).jobs.empty());  // a rescan sees the amended version
}

TEST_F(EngineTest, ARemovedFileCancelsTheJobThatWaitsForIt) {
  ApplyPipeline(Enrich());
  const JobId id = Observe({Close("a.csv")}).jobs.begin()->first;
  FileEvent gone = Close("a.csv");
  gone.kind = EventKind::kDelete;
  Observe({gone});
  EXPECT_EQ(Get(id).state, JobState::kCancelled);
}

TEST_F(EngineTest, SettleWaitsForItsTime) {
  Pipeline pipeline = Enrich();
  pipeline.settle = absl::Seconds(2);
  ApplyPipeline(pipeline);
  Attend("e1", 1);
  const Effects effects = Observe({Close("a.csv")});
  EXPECT_TRUE(effects.grants.empty());
  EXPECT_EQ(Why(effects.jobs.begin()->second), "settling for 2s more");
  EXPECT_EQ(wake_at_, now_ + absl::Seconds(2));
  now_ += absl::Seconds(2);
  EXPECT_EQ(Tick().grants.size(), 1u);
}

TEST_F(EngineTest, FailuresAreRetriedWithBackoff) {
  ApplyPipeline(Enrich());
  const SessionId session = Attend("e1", 1);
  const Job job = Observe({Close("a.csv")}).grants.at(0).job;
  EXPECT_TRUE(Finish(session, job, Outcome::kFailed).grants.empty());
  EXPECT_EQ(Get(job.id).state, JobState::kRetrying);
  EXPECT_EQ(wake_at_, now_ + absl::Seconds(1));
  now_ += absl::Seconds(1);
  EXPECT_EQ(Tick().grants.at(0).job.token, FencingToken{2});
}

TEST_F(EngineTest, ALockIsHeldByOneJobAndTheOthersSayWho) {
  Pipeline pipeline = Enrich();
  pipeline.locks = {"picky-api"};
  ApplyPipeline(pipeline);
  const SessionId session = Attend("e1", 4);
  const Effects effects = Observe({Close("a.csv"), Close("b.csv"), Close("c.csv")});
  ASSERT_EQ(effects.grants.size(), 1u);
  EXPECT_EQ(Why(Get(JobId{3})),
            "lock picky-api held by job 1 on vm-c since 08:00:00 UTC, 1 of its pipeline before it");
  EXPECT_EQ(Finish(session, effects.grants[0].job, Outcome::kSucceeded).grants.size(), 1u);
}

TEST_F(EngineTest, LabelsAndSlotsAreRespectedAndNamed) {
  Pipeline pipeline = Enrich();
  pipeline.labels = {"internet"};
  ApplyPipeline(pipeline);
  const JobId id = Observe({Close("a.csv")}).jobs.begin()->first;
  EXPECT_EQ(Why(Get(id)), "no executor is connected");
  Attend("e1", 1);
  EXPECT_TRUE(Tick().grants.empty());
  EXPECT_EQ(Why(Get(id)), "no executor with label internet");
  Attend("e2", 1, {"internet"});
  EXPECT_EQ(Tick().grants.size(), 1u);
  const JobId second = Observe({Close("b.csv")}).jobs.begin()->first;
  EXPECT_EQ(Why(Get(second)), "no free slot on e2, next in line");
}

TEST_F(EngineTest, PrioritiesGoFirstAndEqualsTakeTurns) {
  Pipeline low = Enrich();
  Pipeline high = Enrich();
  high.name = high.definition = "urgent";
  high.match = {*Glob::Parse("urgent/**")};
  high.priority = 5;
  low.ignore = {*Glob::Parse("urgent/**")};
  ApplyPipeline(low);
  ApplyPipeline(high);
  Observe({Close("a.csv"), Close("urgent/b.csv")});
  Attend("e1", 1);
  EXPECT_EQ(Tick().grants.at(0).job.pipeline, "urgent");
}

TEST_F(EngineTest, CancellingARunningJobRevokesItsLease) {
  ApplyPipeline(Enrich());
  const SessionId session = Attend("e1", 1);
  const Job job = Observe({Close("a.csv")}).grants.at(0).job;
  const Effects effects = Cancel(job.id);
  EXPECT_TRUE(effects.revoked.contains(session));
  Finish(session, job, Outcome::kSucceeded);
  EXPECT_EQ(Get(job.id).state, JobState::kCancelled);
}

TEST_F(EngineTest, AFailedCommitLeavesNothingBehind) {
  ApplyPipeline(Enrich());
  Attend("e1", 1);
  EXPECT_FALSE(store_
                   .Write([&](StoreTransaction& tx) {
                     (void)engine_->RecordEvents(tx, stream_, {Close("a.csv")}, now_);
                     engine_->Tick(tx, now_);
                     return absl::ResourceExhaustedError("disk full");
                   })
                   .ok());
  (void)store_.Read([&](StoreReader& reader) { return engine_->Load(reader, now_); });
  EXPECT_TRUE(engine_->TakeEffects().empty());
  EXPECT_EQ(Observe({Close("a.csv")}).grants.size(), 1u);
}

TEST_F(EngineTest, AVolumeHasOneHome) {
  Watcher b{.host = "vm-b", .ledger_id = "ledger", .volumes = {{.volume = "in"}}};
  Watcher c{.host = "vm-c", .volumes = {{.volume = "in"}}};
  Watcher another{.host = "vm-b", .ledger_id = "another", .volumes = {{.volume = "in"}}};
  EXPECT_TRUE(Connect(b).ok());
  EXPECT_TRUE(Connect(b).ok());  // it came again before its old stream was seen to be broken
  EXPECT_EQ(Connect(another).code(), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(Connect(c).code(), absl::StatusCode::kFailedPrecondition);
  Write([&](StoreTransaction& tx) { engine_->DisconnectWatcher(tx, stream_); });
  EXPECT_TRUE(Connect(c).ok());
}

TEST_F(EngineTest, StagingIsSweptOnlyWhenNobodyCanNeedIt) {
  ApplyPipeline(Enrich());
  const SessionId session = Attend("e1", 1);
  const Job job = Observe({Close("a.csv")}).grants.at(0).job;
  auto may_sweep = [&](FencingToken token) {
    bool may = false;
    (void)store_.Read([&](StoreReader& reader) {
      may = engine_->MaySweep(reader, Lease{job.id, token});
      return absl::OkStatus();
    });
    return may;
  };
  EXPECT_FALSE(may_sweep(job.token));
  Finish(session, job, Outcome::kFailed);
  EXPECT_TRUE(may_sweep(job.token));
  now_ += absl::Seconds(1);
  Tick();
  EXPECT_TRUE(may_sweep(FencingToken{1}));
  EXPECT_FALSE(may_sweep(FencingToken{2}));
}

}  // namespace
}  // namespace closewrite

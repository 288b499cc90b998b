// Several engines over one store, driven in turn as their store loops would.
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "services/coordinator/core/engine.h"
#include "services/coordinator/store/fake_store.h"

namespace closewrite {
namespace {

constexpr absl::Duration kTtl = absl::Seconds(10);

class CoordinatorsTest : public ::testing::Test {
 protected:
  CoordinatorsTest() {
    for (const char* name : {"a", "b"}) engines_.push_back(Start(name));
  }

  std::unique_ptr<Engine> Start(const std::string& name) {
    auto engine = std::make_unique<Engine>(Engine::Options{
        .self = name,
        .shared = true,
        .session_ttl = kTtl,
        .random = [] { return 0.0; },
        .new_session_id = [this] { return absl::StrCat("s", ++sessions_); },
        .decode_pipeline = [](std::string_view name) -> absl::StatusOr<Pipeline> {
          Pipeline pipeline;
          pipeline.name = pipeline.definition = name;
          pipeline.volume = "in";
          pipeline.output_volume = "out";
          pipeline.match = {*Glob::Parse("**")};
          pipeline.command = {"true"};
          if (absl::StartsWith(pipeline.name, "locked")) pipeline.locks = {"lock"};
          return pipeline;
        },
    });
    EXPECT_TRUE(store_.Read([&](StoreReader& reader) { return engine->Load(reader, now_); }).ok());
    return engine;
  }

  // One commit of a coordinator's store loop, which has heard of everything.
  Effects Do(
      Engine& engine, absl::FunctionRef<void(StoreTransaction&)> step = [](auto&) {}) {
    EXPECT_TRUE(store_
                    .Write([&](StoreTransaction& tx) {
                      EXPECT_TRUE(engine.CatchUp(tx, News::Anything(), now_).ok());
                      step(tx);
                      engine.Tick(tx, now_);
                      return absl::OkStatus();
                    })
                    .ok());
    return engine.TakeEffects();
  }
  Effects Apply(Engine& engine, const std::string& name) {
    return Do(engine, [&](StoreTransaction& tx) {
      Pipeline pipeline;
      pipeline.name = pipeline.definition = name;
      pipeline.volume = "in";
      pipeline.output_volume = "out";
      pipeline.match = {*Glob::Parse("**")};
      if (absl::StartsWith(name, "locked")) pipeline.locks = {"lock"};
      EXPECT_TRUE(engine.desk().ApplyPipelines(tx, {pipeline}, false, now_).ok());
    });
  }
  static Watcher Home() {
    return {.host = "h", .ledger_id = "ledger", .volumes = {{.volume = "in"}, {.volume = "out"}}};
  }
  absl::Status Watch(Engine& engine) { return Watch(engine, Home()); }
  absl::Status Watch(Engine& engine, const Watcher& watcher) {
    absl::StatusOr<WatcherStream> stream;
    Do(engine, [&](StoreTransaction& tx) { stream = engine.ConnectWatcher(tx, watcher, now_); });
    if (stream.ok()) streams_[&engine] = *stream;
    return stream.status();
  }
  absl::Status File(Engine& engine, const std::string& path, Effects* effects = nullptr) {
    absl::Status status;
    Effects got = Do(engine, [&](StoreTransaction& tx) {
      const FileEvent event{.sequence = ++sequence_,
                            .evidence = Evidence::kClosed,
                            .file = {"in", path, 1, 1, sequence_}};
      status = engine.RecordEvents(tx, streams_[&engine], {event}, now_);
    });
    if (effects != nullptr) *effects = std::move(got);
    return status;
  }
  absl::StatusOr<SessionId> Attend(Engine& engine, const SessionId& session = "", int slots = 1) {
    absl::StatusOr<SessionId> id;
    grants_ = Do(engine, [&](StoreTransaction& tx) {
                id = engine.dispatch().Open(tx,
                                            {.name = absl::StrCat("e", slots),
                                             .host = "x",
                                             .session = session,
                                             .slots = slots,
                                             .volume_roots = {{"in", "/in"}, {"out", "/out"}}},
                                            now_);
              }).grants;
    return id;
  }
  absl::Status Report(Engine& engine, const AttendReport& report) {
    absl::Status status;
    grants_ = Do(engine, [&](StoreTransaction& tx) {
                status = engine.dispatch().Report(tx, report, now_).status();
              }).grants;
    return status;
  }
  absl::Status Finish(Engine& engine, const SessionId& session, const Job& job) {
    AttendReport report{.session = session};
    report.results.push_back({job.id,
                              {.token = job.token,
                               .outcome = Outcome::kSucceeded,
                               .outputs = {{"r", 1, std::string(32, 'h')}}}});
    return Report(engine, report);
  }
  Job Get(JobId id) {
    std::optional<Job> job;
    (void)store_.Read([&](StoreReader& reader) {
      job = reader.GetJob(id);
      return absl::OkStatus();
    });
    return job.value_or(Job{});
  }
  Engine& a() { return *engines_[0]; }
  Engine& b() { return *engines_[1]; }

  FakeStore store_{/*shared=*/true};
  absl::Time now_ = absl::FromUnixSeconds(1'800'000'000);
  int sessions_ = 0;
  int64_t sequence_ = 0;
  std::vector<Grant> grants_;  // of the last call
  std::map<Engine*, WatcherStream> streams_;
  std::vector<std::unique_ptr<Engine>> engines_;
};

TEST_F(CoordinatorsTest, APipelineAppliedAtOneIsKnownToTheOther) {
  Apply(a(), "enrich");
  EXPECT_TRUE(Do(b()).pipelines);
  EXPECT_NE(b().fleet().FindPipeline("enrich"), nullptr);
  EXPECT_FALSE(Do(b()).pipelines);
}

TEST_F(CoordinatorsTest, AFileAtOneBecomesALeaseAtTheOther) {
  Apply(a(), "enrich");
  EXPECT_TRUE(Attend(b()).ok());
  EXPECT_TRUE(Watch(a()).ok());
  Effects effects;
  EXPECT_TRUE(File(a(), "f", &effects).ok());
  EXPECT_TRUE(effects.grants.empty());
  EXPECT_TRUE(a().NewsOf(effects).work);
  const Effects others = Do(b());
  ASSERT_EQ(others.grants.size(), 1u);
  EXPECT_FALSE(b().NewsOf(others).work);
}

TEST_F(CoordinatorsTest, ASessionMovesWithItsLeases) {
  Apply(a(), "enrich");
  const SessionId session = *Attend(a());
  EXPECT_TRUE(Watch(a()).ok());
  Effects effects;
  EXPECT_TRUE(File(a(), "f", &effects).ok());
  const Job job = effects.grants.at(0).job;

  EXPECT_EQ(*Attend(b(), session), session);
  EXPECT_EQ(b().fleet().sessions.at(session).leases.count(job.id), 1u);
  // The one that had it gives nothing more away, and finds out.
  EXPECT_EQ(Report(a(), {.session = session, .heartbeat = true}).code(),
            absl::StatusCode::kAborted);
  EXPECT_TRUE(Finish(b(), session, job).ok());
  EXPECT_EQ(Get(job.id).state, JobState::kPublishing);
}

TEST_F(CoordinatorsTest, WhatAHostHasFoundAtOneIsKnownToTheOther) {
  const SessionId session = *Attend(a());
  AttendReport report{.session = session};
  report.health = {.sent_at = now_ + absl::Seconds(7), .unusable_volumes = {{"in", "gone"}}};
  EXPECT_TRUE(Report(a(), report).ok());
  Do(b());
  const HostFindings& findings = b().fleet().sessions.at(session).findings;
  EXPECT_EQ(findings.unusable_volumes.at("in"), "gone");
  EXPECT_EQ(findings.clock_ahead, absl::Seconds(7));
}

TEST_F(CoordinatorsTest, AStreamWhoseSessionHasMovedIsTold) {
  const SessionId session = *Attend(a());
  EXPECT_TRUE(Attend(b(), session).ok());
  EXPECT_TRUE(Do(a()).moved.contains(session));
  // Its end, which comes later, does not break the session at the other one.
  Do(a(), [&](StoreTransaction& tx) { a().dispatch().Disconnect(tx, session); });
  Do(b());
  EXPECT_EQ(b().fleet().sessions.at(session).coordinator, "b");
}

TEST_F(CoordinatorsTest, NothingIsLeasedToASessionThatHasJustMoved) {
  Apply(a(), "enrich");
  EXPECT_TRUE(Watch(a()).ok());
  const SessionId session = *Attend(a());
  ASSERT_TRUE(store_
                  .Write([&](StoreTransaction& tx) {
                    SessionRecord record = *tx.FindSession(session);
                    record.coordinator = "b";
                    tx.PutSession(record);
                    return absl::OkStatus();
                  })
                  .ok());
  // `a` has not caught up yet.
  Effects effects;
  ASSERT_TRUE(store_
                  .Write([&](StoreTransaction& tx) {
                    const FileEvent event{.sequence = ++sequence_,
                                          .evidence = Evidence::kClosed,
                                          .file = {"in", "f", 1, 1, 1}};
                    EXPECT_TRUE(a().RecordEvents(tx, streams_[&a()], {event}, now_).ok());
                    a().Tick(tx, now_);
                    return absl::OkStatus();
                  })
                  .ok());
  EXPECT_TRUE(a().TakeEffects().grants.empty());
}

TEST_F(CoordinatorsTest, TheOtherOneEndsWhatADeadCoordinatorLeft) {
  Apply(a(), "enrich");
  EXPECT_TRUE(Watch(b()).ok());
  const SessionId session = *Attend(a());
  EXPECT_TRUE(File(b(), "f").ok());
  const Job job = Do(a()).grants.at(0).job;
  // `a` is heard of no more, nor is the executor.
  now_ += kTtl - absl::Seconds(1);
  EXPECT_TRUE(Do(b()).expired.empty());
  EXPECT_EQ(Get(job.id).state, JobState::kRunning);
  now_ += absl::Seconds(1);
  EXPECT_TRUE(Do(b()).expired.contains(session));
  EXPECT_EQ(Get(job.id).state, JobState::kAvailable);
  EXPECT_EQ(Finish(a(), session, job).code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(Get(job.id).state, JobState::kAvailable);
}

TEST_F(CoordinatorsTest, AHeartbeatAtOneKeepsTheOtherFromEndingTheSession) {
  const SessionId session = *Attend(a());
  for (int i = 0; i < 5; ++i) {
    now_ += kTtl / 2;
    EXPECT_TRUE(Report(a(), {.session = session, .heartbeat = true}).ok());
    EXPECT_TRUE(Do(b()).expired.empty());
  }
}

TEST_F(CoordinatorsTest, AWatcherMovesAndItsOldStreamRecordsNothingMore) {
  EXPECT_TRUE(Watch(a()).ok());
  EXPECT_TRUE(File(a(), "f1").ok());
  EXPECT_TRUE(Watch(b()).ok());
  EXPECT_TRUE(File(b(), "f2").ok());
  EXPECT_EQ(File(a(), "f3").code(), absl::StatusCode::kAborted);
  std::vector<EventRecord> events;
  (void)store_.Read([&](StoreReader& reader) {
    events = reader.ListEvents("in", "", 0, 10);
    return absl::OkStatus();
  });
  EXPECT_EQ(events.size(), 2u);
}

TEST_F(CoordinatorsTest, AnotherWatcherOfTheSameHostIsRefusedByBoth) {
  EXPECT_TRUE(Watch(a()).ok());
  Watcher other = Home();
  other.ledger_id = "other";
  EXPECT_EQ(Watch(b(), other).code(), absl::StatusCode::kAlreadyExists);
  now_ += kWatcherTtl;
  EXPECT_TRUE(Watch(b(), other).ok());
}

TEST_F(CoordinatorsTest, ALockIsHeldOnceInTheWholeFleet) {
  Apply(a(), "locked1");
  Apply(b(), "locked2");
  EXPECT_TRUE(Watch(a()).ok());
  const SessionId at_a = *Attend(a(), "", 5);
  const SessionId at_b = *Attend(b(), "", 6);
  Effects effects;
  EXPECT_TRUE(File(a(), "f", &effects).ok());  // a job of both pipelines
  ASSERT_EQ(effects.grants.size(), 1u);
  EXPECT_TRUE(Do(b()).grants.empty());
  EXPECT_TRUE(Finish(a(), at_a, effects.grants[0].job).ok());
  // Whoever comes first has the lock now.
  const size_t granted = grants_.size() + Do(b()).grants.size();
  EXPECT_EQ(granted, 1u);
  EXPECT_TRUE(Do(a()).grants.empty());
}

TEST_F(CoordinatorsTest, ACancelledJobIsTakenFromItsSessionElsewhere) {
  Apply(a(), "enrich");
  EXPECT_TRUE(Watch(a()).ok());
  const SessionId session = *Attend(b());
  EXPECT_TRUE(File(a(), "f").ok());
  const Job job = Do(b()).grants.at(0).job;
  EXPECT_TRUE(Report(b(), {.session = session, .running = {{{job.id, job.token}, 7}}}).ok());
  const Effects effects = Do(a(), [&](StoreTransaction& tx) {
    EXPECT_TRUE(a().desk().CancelJobs(tx, {job.id}, "", now_).ok());
  });
  const News news = a().NewsOf(effects);
  EXPECT_EQ(news.revoked, std::set<SessionId>{session});
  EXPECT_TRUE(store_.Write([&](StoreTransaction& tx) { return b().CatchUp(tx, news, now_); }).ok());
  EXPECT_TRUE(b().TakeEffects().revoked.contains(session));
  EXPECT_TRUE(b().fleet().sessions.at(session).Kept().empty());
  EXPECT_EQ(b().fleet().sessions.at(session).FreeSlots(), 0);  // its command is being killed
}

TEST_F(CoordinatorsTest, AnExecutorElsewhereIsToldToDrainAndStaysSo) {
  Apply(a(), "enrich");
  EXPECT_TRUE(Watch(a()).ok());
  const SessionId session = *Attend(b());
  const std::string host = b().fleet().sessions.at(session).executor.host;
  Effects effects = Do(a(), [&](StoreTransaction& tx) {
    EXPECT_EQ(a().dispatch().Drain(tx, {host, "nobody"}).status().code(),
              absl::StatusCode::kNotFound);
  });
  EXPECT_TRUE(effects.revoked.empty());
  effects = Do(a(), [&](StoreTransaction& tx) {
    EXPECT_EQ(a().dispatch().Drain(tx, {host}).value().size(), 1u);
  });
  const News news = a().NewsOf(effects);
  EXPECT_TRUE(store_.Write([&](StoreTransaction& tx) { return b().CatchUp(tx, news, now_); }).ok());
  EXPECT_TRUE(b().TakeEffects().revoked.contains(session));
  EXPECT_TRUE(b().fleet().sessions.at(session).told_to_drain);
  // It has not heard of it yet.
  EXPECT_TRUE(Report(b(), {.session = session, .heartbeat = true}).ok());
  EXPECT_TRUE(b().fleet().sessions.at(session).told_to_drain);
  EXPECT_TRUE(File(a(), "f").ok());
  EXPECT_TRUE(Do(b()).grants.empty());
  // At its end it is forgotten, and comes again as any other.
  Do(b(), [&](StoreTransaction& tx) { b().dispatch().Disconnect(tx, session); });
  EXPECT_FALSE(b().fleet().sessions.contains(session));
  const SessionId again = *Attend(b());
  EXPECT_EQ(grants_.size(), 1u);
  EXPECT_FALSE(b().fleet().sessions.at(again).draining);
}

TEST_F(CoordinatorsTest, WhatComesLateOnAnOlderStreamOfAWatcherIsRefused) {
  EXPECT_TRUE(Watch(a()).ok());
  EXPECT_TRUE(Watch(b()).ok());
  EXPECT_TRUE(File(b(), "f").ok());
  EXPECT_TRUE(absl::IsAborted(File(a(), "f")));
  // Also when the newer one has ended.
  Do(b(), [&](StoreTransaction& tx) { b().DisconnectWatcher(tx, streams_[&b()]); });
  EXPECT_EQ(b().fleet().HomeOf("in"), nullptr);
  EXPECT_TRUE(absl::IsAborted(File(a(), "f")));
  // Also at the same coordinator.
  const WatcherStream older = streams_[&a()];
  EXPECT_TRUE(Watch(a()).ok());
  EXPECT_TRUE(File(a(), "f").ok());
  streams_[&a()] = older;
  EXPECT_TRUE(absl::IsAborted(File(a(), "f")));
}

TEST_F(CoordinatorsTest, ALockThatAnotherOneGaveUnderAnEarlierDefinitionIsFreed) {
  Apply(a(), "locked");
  Do(b());
  EXPECT_TRUE(Watch(a()).ok());
  const SessionId session = *Attend(a());
  EXPECT_TRUE(File(a(), "f").ok());
  Pipeline without;
  without.name = without.definition = "locked";
  without.volume = "in";
  without.match = {*Glob::Parse("**")};
  const absl::Status freed = store_.Write([&](StoreTransaction& tx) {
    EXPECT_EQ(tx.ListClaims().size(), 1);
    EXPECT_TRUE(b().desk().ApplyPipelines(tx, {without}, false, now_).ok());
    b().dispatch().Bury(tx, session, now_);
    EXPECT_TRUE(tx.ListClaims().empty());
    return absl::OkStatus();
  });
  EXPECT_TRUE(freed.ok());
}

// Whoever is asked, a program's session is renewed, and its lock is one for all.
TEST_F(CoordinatorsTest, AProgramMayAskAnyOfThem) {
  const auto ask = [&](Engine& engine, const SessionId& session) {
    Do(engine, [&](StoreTransaction& tx) {
      const LockClaim claim{.lock = "lock", .holder = session};
      EXPECT_TRUE(engine.locks().Ask(tx, {.claim = claim}, now_).ok());
    });
  };
  const auto held = [&](const Engine& engine, const SessionId& session) {
    const LockClaim* const claim = engine.fleet().locks.FindClaim("lock", session);
    return claim != nullptr && claim->held();
  };
  ask(a(), "one");
  ask(b(), "two");
  EXPECT_TRUE(held(a(), "one"));
  EXPECT_TRUE(held(b(), "one"));
  EXPECT_FALSE(held(b(), "two"));
  // Each is heard of at the other one from now on.
  for (int i = 0; i < 5; ++i) {
    now_ += kTtl / 2;
    ask(b(), "one");
    ask(a(), "two");
  }
  EXPECT_TRUE(held(a(), "one"));
  EXPECT_TRUE(held(b(), "one"));
  // The first one is silent; whichever notices it first.
  now_ += kTtl / 2;
  ask(b(), "two");
  now_ += kTtl / 2;
  Do(a());
  EXPECT_TRUE(held(a(), "two"));
  Do(b(), [&](StoreTransaction& tx) {
    EXPECT_TRUE(absl::IsNotFound(b().locks().Renew(tx, "one", now_)));
    b().locks().Release(tx, "lock", "two");
  });
  Do(a());
  EXPECT_TRUE(a().fleet().locks.lines().empty());
  EXPECT_TRUE(a().fleet().programs.empty());
}

TEST_F(CoordinatorsTest, ADeadExecutorsLeasesAreFreeAtOnceWhenItsHostSaysSo) {
  Apply(a(), "enrich");
  EXPECT_TRUE(Watch(a()).ok());
  const SessionId session = *Attend(a(), "", 1);
  Effects effects;
  EXPECT_TRUE(File(a(), "f", &effects).ok());
  EXPECT_TRUE(Attend(b(), "", 2).ok());
  Do(b(), [&](StoreTransaction& tx) { b().dispatch().Bury(tx, session, now_); });
  const Job job = Get(effects.grants.at(0).job.id);
  EXPECT_EQ(job.state, JobState::kRunning);  // elsewhere already, by the same commit
  EXPECT_EQ(job.token, FencingToken{2});
  EXPECT_TRUE(Do(a()).expired.contains(session));
}

}  // namespace
}  // namespace closewrite

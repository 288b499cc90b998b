#include "services/coordinator/store_loop.h"

#include <atomic>
#include <future>
#include <memory>
#include <string>
#include <vector>

#include "absl/synchronization/notification.h"
#include "gtest/gtest.h"
#include "services/coordinator/store/fake_store.h"

namespace closewrite {
namespace {

// Of an engine beside which others use the store, or alone.
Engine::Options OptionsOf(bool shared) {
  return {.self = shared ? "a" : "",
          .shared = shared,
          .random = [] { return 0.0; },
          .new_session_id = [] { return "s"; },
          .decode_pipeline = [](std::string_view) -> absl::StatusOr<Pipeline> {
            return absl::InternalError("none");
          }};
}

absl::Status Call(StoreLoop* loop, StoreLoop::Step step) {
  std::promise<absl::Status> answer;
  loop->Submit(std::move(step), [&](const absl::Status& status) { answer.set_value(status); });
  return answer.get_future().get();
}

// A database that cannot always be reached.
class BrokenStore : public Store {
 public:
  explicit BrokenStore(bool shared) : store(shared) {}
  absl::Status Write(absl::FunctionRef<absl::Status(StoreTransaction&)> fn) override {
    if (writable) return store.Write(fn);
    if (!refused.HasBeenNotified()) refused.Notify();
    return absl::UnavailableError("no connection");
  }
  absl::Status Read(absl::FunctionRef<absl::Status(StoreReader&)> fn) override {
    return readable ? store.Read(fn) : absl::UnavailableError("no connection");
  }
  std::string Durability() const override { return store.Durability(); }
  bool shared() const override { return store.shared(); }

  FakeStore store;
  std::atomic<bool> readable = true;
  std::atomic<bool> writable = true;
  absl::Notification refused;  // a Write was
};

class StoreLoopTest : public ::testing::Test {
 protected:
  StoreLoopTest()
      : engine_(OptionsOf(false)),
        clock_(absl::FromUnixSeconds(1'800'000'000)),
        loop_(&store_, &engine_, &feed_, &clock_) {}

  absl::Status Call(StoreLoop::Step step) { return closewrite::Call(&loop_, std::move(step)); }
  static StoreLoop::Step InsertEvent(int64_t sequence) {
    return [sequence](Engine& engine, StoreTransaction& tx, absl::Time now) {
      return engine.RecordEvents(tx, {"h", "ledger", 1},
                                 {{.sequence = sequence, .file = {"v", "p"}}}, now);
    };
  }
  size_t CountEvents() {
    size_t count = 0;
    (void)store_.Read([&](StoreReader& reader) {
      count = reader.ListEvents("", "", 0, 1000).size();
      return absl::OkStatus();
    });
    return count;
  }

  FakeStore store_;
  Engine engine_;
  ChangeFeed feed_;
  ManualClock clock_;
  StoreLoop loop_;
};

TEST_F(StoreLoopTest, AnswersAfterTheCommit) {
  ASSERT_TRUE(loop_.Start().ok());
  EXPECT_TRUE(Call(InsertEvent(1)).ok());
  EXPECT_EQ(CountEvents(), 1u);
}

TEST_F(StoreLoopTest, CommandsThatWaitTogetherAreCommittedTogetherAndToldInOrder) {
  std::vector<size_t> told;
  auto subscription =
      feed_.Subscribe([&](const Effects& effects) { told.push_back(effects.events.size()); });
  absl::Notification all;
  for (int64_t i = 1; i <= 10; ++i) {
    loop_.Submit(InsertEvent(i), [&, i](const absl::Status& status) {
      EXPECT_TRUE(status.ok());
      EXPECT_EQ(CountEvents(), 10u);  // one commit stands behind all answers
      if (i == 10) all.Notify();
    });
  }
  ASSERT_TRUE(loop_.Start().ok());
  all.WaitForNotification();
  loop_.Shutdown();
  EXPECT_EQ(told, std::vector<size_t>{10});
}

TEST_F(StoreLoopTest, AnErrorOfOneCommandIsItsOwn) {
  ASSERT_TRUE(loop_.Start().ok());
  EXPECT_EQ(Call([](Engine&, StoreTransaction&, absl::Time) {
              return absl::NotFoundError("no such job");
            }).code(),
            absl::StatusCode::kNotFound);
  EXPECT_TRUE(Call(InsertEvent(1)).ok());
}

TEST_F(StoreLoopTest, AfterAFailedCommitNothingIsToldAndTheNextOneWorks) {
  int told = 0;
  auto subscription = feed_.Subscribe([&](const Effects&) { ++told; });
  ASSERT_TRUE(loop_.Start().ok());
  ASSERT_TRUE(Call([](Engine&, StoreTransaction&, absl::Time) { return absl::OkStatus(); }).ok());
  store_.FailNextCommit(absl::ResourceExhaustedError("disk full"));
  EXPECT_EQ(Call(InsertEvent(1)).code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(CountEvents(), 0u);
  EXPECT_TRUE(Call(InsertEvent(1)).ok());
  loop_.Shutdown();
  EXPECT_EQ(told, 1);
}

// A database that can be written again before it can be read: what a failed commit had left in
// memory was then taken for committed, and a lease was sent that no store knew.
TEST(StoreLoopReloadTest, MemoryIsLoadedAnewByTheNextCommitItself) {
  BrokenStore store(/*shared=*/false);
  Engine engine(OptionsOf(false));
  ChangeFeed feed;
  ManualClock clock(absl::FromUnixSeconds(1'800'000'000));
  StoreLoop loop(&store, &engine, &feed, &clock);
  ASSERT_TRUE(loop.Start().ok());
  store.readable = false;
  store.store.FailNextCommit(absl::ResourceExhaustedError("disk full"));
  EXPECT_FALSE(Call(&loop, [](Engine& engine, StoreTransaction& tx, absl::Time now) {
                 return engine.dispatch().Open(tx, {.name = "e", .slots = 1}, now).status();
               }).ok());
  size_t sessions = 1;
  EXPECT_TRUE(Call(&loop, [&](Engine& engine, StoreTransaction&, absl::Time) {
                sessions = engine.fleet().sessions.size();
                return absl::OkStatus();
              }).ok());
  EXPECT_EQ(sessions, 0u);
}

// Notices may be lost: those that come, however often, must not put off the look at everything.
TEST(StoreLoopPollTest, NoticesDoNotPutOffTheLookAtEverything) {
  FakeStore store(/*shared=*/true);
  Engine engine(OptionsOf(true));
  ChangeFeed feed;
  ManualClock clock(absl::FromUnixSeconds(1'800'000'000));
  StoreLoop loop(&store, &engine, &feed, &clock);
  ASSERT_TRUE(loop.Start().ok());
  bool known = false;
  const auto look = [&] {
    EXPECT_TRUE(Call(&loop, [&](Engine& engine, StoreTransaction&, absl::Time) {
                  known = engine.fleet().watchers.contains("h");
                  return absl::OkStatus();
                }).ok());
  };
  look();
  // Another coordinator has a watcher, and all that is heard of it is that jobs have changed.
  ASSERT_TRUE(store
                  .Write([&](StoreTransaction& tx) {
                    tx.PutWatcher({.host = "h",
                                   .coordinator = "b",
                                   .expires_at = clock.Now() + absl::Hours(1)});
                    return absl::OkStatus();
                  })
                  .ok());
  constexpr int kNotices = 10;
  for (int i = 0; i < kNotices; ++i) {
    store.Notify(EncodeNews({.jobs = true}, kNoticeBytesMax));
    clock.Advance(kTickInterval / 4);
    look();
  }
  EXPECT_TRUE(known);
}

TEST_F(StoreLoopTest, StopsInAnyOrderAndAnswersWhatIsLeft) {
  loop_.Shutdown();
  EXPECT_EQ(Call(InsertEvent(1)).code(), absl::StatusCode::kUnavailable);
  loop_.Shutdown();
}

// A coordinator that is to end while its database is gone, or locked by another one that is frozen:
// it took as long as a commit may be tried again, for each that waited.
TEST(StoreLoopEndTest, WhatCannotBeCommittedIsNotTriedAgainAtTheEnd) {
  BrokenStore store(/*shared=*/true);
  store.writable = false;
  Engine engine(OptionsOf(true));
  ChangeFeed feed;
  ManualClock clock(absl::FromUnixSeconds(1'800'000'000));  // no limit is ever reached
  StoreLoop loop(&store, &engine, &feed, &clock);
  ASSERT_TRUE(loop.Start().ok());
  store.refused.WaitForNotification();
  std::promise<absl::Status> waits;
  loop.Submit([](Engine&, StoreTransaction&, absl::Time) { return absl::OkStatus(); },
              [&](const absl::Status& status) { waits.set_value(status); });
  loop.EndSoon();
  EXPECT_EQ(waits.get_future().get().code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(
      Call(&loop, [](Engine&, StoreTransaction&, absl::Time) { return absl::OkStatus(); }).code(),
      absl::StatusCode::kUnavailable);
}

}  // namespace
}  // namespace closewrite

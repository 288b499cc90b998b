#include "services/watcher/coordinator_link.h"

#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "services/transport/channel.h"
#include "services/watcher/fake_coordinator.h"

namespace closewrite::watcher {
namespace {

constexpr absl::Duration kPatience = absl::Seconds(30);

// A link over a ledger of its own; the test plays the engines.
class CoordinatorLinkTest : public ::testing::Test {
 protected:
  CoordinatorLinkTest() {
    std::string name = testing::TempDir() + "/link.XXXXXX";
    directory_ = mkdtemp(name.data());
    ledger_ = *Ledger::Open(directory_);
    volume_ = ledger_->FindVolume("v")->key;
    Publisher::Options publishing;
    publishing.ledger = ledger_.get();
    publishing.clock = &clock_;
    publishing.open_root = [](const std::string&) { return absl::NotFoundError("not the home"); };
    publishing.on_news = [this] { absl::MutexLock lock(&mutex_); };  // for whoever awaits it
    publisher_ = std::make_unique<Publisher>(std::move(publishing));
    CoordinatorLink::Options options;
    options.host = "vm-b";
    channel_ = std::make_unique<CoordinatorChannel>(coordinator_.address());
    options.channel = channel_.get();
    options.ledger = ledger_.get();
    options.publisher = publisher_.get();
    options.clock = &clock_;
    options.report = [] { return std::vector<VolumeReport>(); };
    options.backoff_max = absl::Milliseconds(100);
    options.on_interests = [this](std::vector<VolumeInterest> interests) {
      absl::MutexLock lock(&mutex_);
      interests_ = std::move(interests);
      ++told_;
    };
    options.flush = [this](const std::string& volume, FlushRelay::Done done) {
      absl::MutexLock lock(&mutex_);
      flushes_.emplace_back(volume, std::move(done));
    };
    options.look = [](const v1::LookRequest& request) {
      const v1::VolumePath& file = request.file();
      v1::FileLook look;
      look.set_message("looked at " + file.path());
      return look;
    };
    options_ = options;
    StartLink(std::move(options));
    EXPECT_TRUE(coordinator_.Await([](const auto& heard) { return heard.heartbeats > 0; }));
  }
  ~CoordinatorLinkTest() override {
    link_.reset();
    std::filesystem::remove_all(directory_);
  }

  // The ledger tells it of what comes, also while it ends.
  void StartLink(CoordinatorLink::Options options) {
    link_ = std::make_unique<CoordinatorLink>(std::move(options));
    ledger_->SetListener([link = link_.get()] { link->Wake(); });
    link_->Start();
  }
  void Record(const std::string& path, int64_t size) {
    FileRecord record;
    record.path = path;
    record.version.size = size;
    ASSERT_TRUE(ledger_->Record(volume_, {record}).ok());
  }
  bool Await(const std::function<bool()>& condition) {
    absl::MutexLock lock(&mutex_);
    return mutex_.AwaitWithTimeout(absl::Condition(&condition), kPatience);
  }
  // The next flush that an engine was asked for.
  std::pair<std::string, FlushRelay::Done> TakeFlush() {
    EXPECT_TRUE(Await([this] { return !flushes_.empty(); }));
    absl::MutexLock lock(&mutex_);
    auto flush = std::move(flushes_.front());
    flushes_.erase(flushes_.begin());
    return flush;
  }
  bool AwaitFlushed(size_t count) {
    return coordinator_.Await([&](const auto& heard) { return heard.flushed.size() >= count; });
  }

  std::string directory_;
  SteadyClock clock_;
  FakeCoordinator coordinator_;
  std::unique_ptr<CoordinatorChannel> channel_;
  std::unique_ptr<Ledger> ledger_;
  int64_t volume_ = 0;
  absl::Mutex mutex_;
  std::unique_ptr<Publisher> publisher_;
  std::vector<VolumeInterest> interests_;
  int told_ = 0;
  std::vector<std::pair<std::string, FlushRelay::Done>> flushes_;
  CoordinatorLink::Options options_;
  std::unique_ptr<CoordinatorLink> link_;
};

TEST_F(CoordinatorLinkTest, HandsInterestsOnWheneverTheyAreSaid) {
  ASSERT_TRUE(Await([this] { return told_ > 0; }));
  EXPECT_TRUE(interests_.empty());
  v1::VolumeInterest interest;
  interest.set_volume("v");
  interest.set_create(true);
  interest.mutable_quiet()->set_seconds(2);
  coordinator_.SetInterests({interest});
  ASSERT_TRUE(Await([this] { return !interests_.empty(); }));
  EXPECT_EQ(interests_[0],
            (VolumeInterest{.volume = "v", .create = true, .quiet = absl::Seconds(2)}));
  coordinator_.SetInterests({});
  EXPECT_TRUE(Await([this] { return interests_.empty(); }));
}

TEST_F(CoordinatorLinkTest, ManyAnswersGoInSeveralMessages) {
  constexpr int64_t kOrders = 2 * kPublishedPerMessageMax + 1;
  coordinator_.Stop();
  for (int64_t job = 1; job <= kOrders; ++job) {
    v1::PublishOrder order;
    order.set_volume("v");
    order.mutable_lease()->set_job_id(job);
    order.mutable_lease()->set_token(1);
    coordinator_.Order(order);
    publisher_->Submit({.volume = "v", .key = {job, 1}});
  }
  publisher_->Start();
  ASSERT_TRUE(Await([&] { return publisher_->Outcomes().size() == kOrders; }));
  coordinator_.Restart();
  ASSERT_TRUE(coordinator_.Await([](const auto& h) { return h.published.size() >= kOrders; }));
  EXPECT_EQ(coordinator_.heard().published_at_once, kPublishedPerMessageMax);
}

TEST_F(CoordinatorLinkTest, AFlushIsAnsweredWhenItIsAcknowledged) {
  coordinator_.SetAcknowledging(false);
  const int64_t id = coordinator_.Flush("v");
  auto [volume, done] = TakeFlush();
  EXPECT_EQ(volume, "v");
  Record("a", 1);
  done(ledger_->sequence());
  // A heartbeat later it still waits.
  const int heartbeats = coordinator_.heard().heartbeats;
  ASSERT_TRUE(
      coordinator_.Await([&](const auto& heard) { return heard.heartbeats > heartbeats + 1; }));
  EXPECT_TRUE(coordinator_.heard().Has("a"));
  EXPECT_TRUE(coordinator_.heard().flushed.empty());
  coordinator_.SetAcknowledging(true);
  ASSERT_TRUE(AwaitFlushed(1));
  EXPECT_EQ(coordinator_.heard().flushed[0].id(), id);
  EXPECT_EQ(coordinator_.heard().flushed[0].error(), "");
}

TEST_F(CoordinatorLinkTest, WhatCannotBeToldIsAnsweredWithItsReason) {
  coordinator_.Flush("v");
  TakeFlush().second(absl::FailedPreconditionError("volume v is LOST: the root is gone"));
  ASSERT_TRUE(AwaitFlushed(1));
  EXPECT_EQ(coordinator_.heard().flushed[0].error(), "volume v is LOST: the root is gone");
}

TEST_F(CoordinatorLinkTest, AFileIsLookedAt) {
  const int64_t id = coordinator_.Look("v", "in/a.csv");
  ASSERT_TRUE(coordinator_.Await([](const auto& heard) { return !heard.looked.empty(); }));
  EXPECT_EQ(coordinator_.heard().looked[0].id(), id);
  EXPECT_EQ(coordinator_.heard().looked[0].look().message(), "looked at in/a.csv");
  EXPECT_TRUE(coordinator_.heard().hello.health().has_sent_at());
}

TEST_F(CoordinatorLinkTest, RequestsThatComeMeanwhileShareTheNextFlush) {
  for (int i = 0; i < 100; ++i) coordinator_.Flush("v");
  coordinator_.Flush("w");
  // One of v and one of w; which requests were heard in time for the first one can't be told.
  size_t answered = 0;
  int taken = 0;
  while (answered < 101) {
    TakeFlush().second(ledger_->sequence());
    ++taken;
    ASSERT_TRUE(AwaitFlushed(answered + 1));
    answered = coordinator_.heard().flushed.size();
    ASSERT_LT(taken, 101);
  }
  EXPECT_EQ(answered, 101u);
}

TEST_F(CoordinatorLinkTest, AFlushOfABrokenStreamIsForgotten) {
  coordinator_.Flush("v");
  auto late = TakeFlush().second;
  coordinator_.Stop();
  coordinator_.Restart();
  ASSERT_TRUE(coordinator_.Await([](const auto& heard) { return heard.streams > 1; }));
  late(ledger_->sequence());
  // The first request of the new stream is the first answer.
  ASSERT_TRUE(coordinator_.Await([](const auto& heard) { return heard.heartbeats > 2; }));
  const int64_t id = coordinator_.Flush("v");
  TakeFlush().second(ledger_->sequence());
  ASSERT_TRUE(AwaitFlushed(1));
  EXPECT_EQ(coordinator_.heard().flushed[0].id(), id);
  // An engine that answers after the link is gone harms nothing.
  coordinator_.Flush("v");
  late = TakeFlush().second;
  link_.reset();
  late(ledger_->sequence());
}

TEST_F(CoordinatorLinkTest, WhenItsCoordinatorDiesItIsAtAnotherAndLosesNothing) {
  link_.reset();
  FakeCoordinator other;
  channel_ = std::make_unique<CoordinatorChannel>(coordinator_.address() + "," + other.address());
  options_.channel = channel_.get();
  // More than the test may take: it is not this pause that is waited for.
  options_.backoff_min = options_.backoff_max = absl::Hours(1);
  const int streams = coordinator_.heard().streams;
  StartLink(std::move(options_));
  Record("a", 1);
  while (!coordinator_.heard().Has("a") && !other.heard().Has("a")) std::this_thread::yield();
  const bool at_first = coordinator_.heard().streams > streams;
  FakeCoordinator& here = at_first ? coordinator_ : other;
  FakeCoordinator& there = at_first ? other : coordinator_;
  here.SetAcknowledging(false);
  Record("b", 1);
  ASSERT_TRUE(here.Await([](const auto& heard) { return heard.Has("b"); }));
  here.Stop();
  EXPECT_TRUE(there.Await([](const auto& heard) { return heard.Has("b"); }));
  link_.reset();
}

// What an ATTRIB or a rewrite moves on to a later sequence is waited for too.
TEST(FlushRelayTest, ARowThatHasMovedOnIsWaitedFor) {
  int64_t acknowledged = 0;
  int64_t newest = 7;
  FlushRelay::Done done;
  auto relay = FlushRelay::Make(
      {.flush = [&](const std::string&, FlushRelay::Done given) { done = std::move(given); },
       .wake = [] {},
       .settled = [&](int64_t sequence) { return sequence <= acknowledged || sequence == 5; },
       .newest = [&] { return newest; }});
  relay->Ask(1, "v");
  EXPECT_TRUE(relay->Step().empty());
  done(5);  // 5 has become 7, so nothing up to 5 waits
  EXPECT_TRUE(relay->Step().empty());
  newest = 9;  // later changes do not count
  acknowledged = 7;
  ASSERT_EQ(relay->Step().size(), 1u);
}

TEST(FlushRelayTest, TooManyAreRefused) {
  auto relay = FlushRelay::Make({.flush = [](const std::string&, const FlushRelay::Done&) {},
                                 .wake = [] {},
                                 .settled = [](int64_t) { return true; },
                                 .newest = [] { return int64_t{0}; }});
  for (size_t i = 0; i < kFlushRequestsMax; ++i) relay->Ask(static_cast<int64_t>(i + 1), "v");
  EXPECT_TRUE(relay->Step().empty());
  relay->Ask(4711, "v");
  const std::vector<FlushRelay::Answer> answers = relay->Step();
  ASSERT_EQ(answers.size(), 1u);
  EXPECT_EQ(answers[0].id, 4711);
  EXPECT_EQ(answers[0].error, "1024 flushes wait already: try again later");
}

}  // namespace
}  // namespace closewrite::watcher

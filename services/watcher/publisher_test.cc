#include "services/watcher/publisher.h"

#include <fcntl.h>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/log/str_cat.h"
#include "services/volume/path.h"
#include "services/watcher/scratch_volume.h"

namespace closewrite::watcher {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr absl::Duration kDeadline = absl::Seconds(30);

// A gate that orders of a volume stand at until it is opened.
class Gate {
 public:
  void Close() {
    absl::MutexLock lock(&mutex_);
    closed_ = true;
  }
  void Open() {
    absl::MutexLock lock(&mutex_);
    closed_ = false;
  }
  void Pass() {
    absl::MutexLock lock(&mutex_);
    ++waiting_;
    mutex_.Await(absl::Condition(this, &Gate::IsOpen));
    --waiting_;
  }
  bool AwaitWaiting(int count) {
    absl::MutexLock lock(&mutex_);
    const auto waits = [&] { return waiting_ == count; };
    return mutex_.AwaitWithTimeout(absl::Condition(&waits), kDeadline);
  }

 private:
  bool IsOpen() const { return !closed_; }

  absl::Mutex mutex_;
  bool closed_ = false;
  int waiting_ = 0;
};

class PublisherTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ledger_ = *Ledger::Open(state_.path());
    for (const char* volume : {"v", "slow", "old"}) ASSERT_TRUE(ledger_->FindVolume(volume).ok());
    Publisher::Options options;
    options.ledger = ledger_.get();
    options.clock = &clock_;
    options.volumes = {"old"};
    options.open_root = [this](const std::string& volume) { return OpenVolume(volume); };
    options.on_news = [this] {
      absl::MutexLock lock(&mutex_);
      ++news_;
      answers_ = publisher_->Outcomes().size();
    };
    options.backoff_min = absl::Milliseconds(1);
    options.backoff_max = absl::Milliseconds(4);
    options.staging_age_min = absl::ZeroDuration();
    publisher_ = std::make_unique<Publisher>(std::move(options));
  }

  absl::StatusOr<VolumeRoot> OpenVolume(const std::string& volume) {
    if (volume == "slow") gate_.Pass();
    absl::MutexLock lock(&mutex_);
    if (volume == "old") {
      ++opened_;
      return VolumeRoot::Open(old_.path());
    }
    if (failures_ > 0 && failures_-- > 0) return absl::UnavailableError("not now");
    return VolumeRoot::Open(folder_.path());
  }
  // One file; its content is the number of the job.
  PublishTask Stage(int64_t job, const std::string& path, const std::string& volume = "v") {
    const std::string staged = Join(StagingPath(job, 1), path);
    const std::string content = StrCat(job);
    const ScratchVolume& folder = volume == "old" ? old_ : folder_;
    folder.MakeDirectory(DirName(staged));
    folder.Write(staged, content);
    const Fd fd(open(folder.Absolute(staged).c_str(), O_RDONLY | O_CLOEXEC));
    const int64_t size = static_cast<int64_t>(content.size());
    return {volume, {job, 1}, {{path, size, DigestFile(fd.get())->sha256}}};
  }
  std::vector<int64_t> Answered() const {
    std::vector<int64_t> jobs;
    for (const PublishOutcome& outcome : publisher_->Outcomes()) {
      EXPECT_EQ(outcome.error, "");
      jobs.push_back(outcome.key.job);
    }
    return jobs;
  }
  bool AwaitAnswers(size_t count) {
    absl::MutexLock lock(&mutex_);
    const auto answered = [&] { return answers_ >= count; };
    return mutex_.AwaitWithTimeout(absl::Condition(&answered), kDeadline);
  }

  ScratchVolume state_;
  ScratchVolume folder_;
  ScratchVolume old_;  // the only one that is searched for old staging
  const SteadyClock clock_;
  Gate gate_;
  absl::Mutex mutex_;
  int news_ = 0;
  int opened_ = 0;      // roots of old_
  size_t answers_ = 0;  // when there was news last
  int failures_ = 0;
  std::unique_ptr<Ledger> ledger_;
  std::unique_ptr<Publisher> publisher_;
};

TEST_F(PublisherTest, OneSlowOrderHoldsNobodyUp) {
  gate_.Close();
  publisher_->Submit(Stage(1, "a", "slow"));
  publisher_->Start();
  ASSERT_TRUE(gate_.AwaitWaiting(1));
  for (int64_t job = 2; job <= 5; ++job) publisher_->Submit(Stage(job, StrCat("f", job)));
  ASSERT_TRUE(AwaitAnswers(4));
  EXPECT_THAT(Answered(), ElementsAre(2, 3, 4, 5));
  gate_.Open();
  ASSERT_TRUE(AwaitAnswers(5));
  EXPECT_EQ(folder_.Read("a"), "1");
}

TEST_F(PublisherTest, OrdersForOneFileComeOneAfterTheOther) {
  gate_.Close();
  publisher_->Start();
  publisher_->Submit(Stage(9, "a", "slow"));
  PublishTask both = Stage(2, "a", "slow");
  both.files.push_back(Stage(2, "b", "slow").files[0]);
  publisher_->Submit(both);
  publisher_->Submit(Stage(3, "b", "slow"));
  publisher_->Submit(Stage(4, "c", "slow"));
  ASSERT_TRUE(gate_.AwaitWaiting(2)) << "of 9 and 4 alone";
  EXPECT_TRUE(gate_.AwaitWaiting(2));
  gate_.Open();
  ASSERT_TRUE(AwaitAnswers(4));
  EXPECT_EQ(folder_.Read("a"), "2");
  EXPECT_EQ(folder_.Read("b"), "3");
  EXPECT_EQ(folder_.Read("c"), "4");
}

TEST_F(PublisherTest, WhatMayPassIsTriedAgainInItsTurn) {
  failures_ = 3;
  publisher_->Submit(Stage(1, "a"));
  publisher_->Submit(Stage(2, "a"));
  publisher_->Start();
  ASSERT_TRUE(AwaitAnswers(2));
  EXPECT_EQ(folder_.Read("a"), "2");
  EXPECT_TRUE(*ledger_->PublishingBegan(1, 1));
  EXPECT_EQ(news_, 2);
  EXPECT_EQ(publisher_->Numbers()["v"].published, 2);
  EXPECT_EQ(publisher_->Numbers()["v"].postponed, 3);
}

TEST_F(PublisherTest, SettledOrdersLetTheNextOnesGo) {
  gate_.Close();
  publisher_->Submit(Stage(1, "a", "slow"));
  publisher_->Submit(Stage(2, "a"));
  publisher_->Submit(Stage(3, "a"));  // the same path in another volume
  publisher_->Settle({{1, 1}, {3, 1}});
  publisher_->Start();
  ASSERT_TRUE(gate_.AwaitWaiting(1));
  ASSERT_TRUE(AwaitAnswers(1));
  EXPECT_THAT(Answered(), ElementsAre(3));
  publisher_->Settle({{1, 1}});
  {
    absl::MutexLock lock(&mutex_);
    answers_ = 0;
  }
  EXPECT_FALSE(*ledger_->PublishingBegan(3, 1));
  EXPECT_THAT(Answered(), IsEmpty());
  gate_.Open();
  ASSERT_TRUE(AwaitAnswers(1));
  EXPECT_THAT(Answered(), ElementsAre(1));
}

TEST_F(PublisherTest, AFileThatIsNamedTwiceIsRefusedAndHoldsNobodyUp) {
  PublishTask twice = Stage(1, "a");
  twice.files.push_back(twice.files[0]);
  publisher_->Submit(twice);
  publisher_->Submit(Stage(2, "a"));
  publisher_->Start();
  ASSERT_TRUE(AwaitAnswers(2));
  EXPECT_NE(publisher_->Outcomes()[0].error, "");
  EXPECT_EQ(publisher_->Numbers()["v"].refused, 1);
  EXPECT_EQ(folder_.Read("a"), "2");
}

TEST_F(PublisherTest, TheRowsOfPublishedFilesNameTheirJob) {
  publisher_->Submit(Stage(41, "d/a"));
  publisher_->Start();
  ASSERT_TRUE(AwaitAnswers(1));
  struct stat st = {};
  ASSERT_EQ(stat(folder_.Absolute("d/a").c_str(), &st), 0);
  FileRecord record;
  record.path = "d/a";
  record.version = ContentVersion::Of(st);
  const int64_t volume = ledger_->FindVolume("v")->key;
  ASSERT_TRUE(ledger_->Record(volume, {record}).ok());
  EXPECT_EQ((*ledger_->Find(volume, "d/a"))->caused_by_job, 41);
}

TEST_F(PublisherTest, OldStagingIsListedAndSwept) {
  Stage(7, "a", "old");
  Stage(8, "a", "old");
  publisher_->Start();
  std::vector<StagingEntry> found;
  {
    absl::MutexLock lock(&mutex_);
    const auto news = [&] { return news_ > 0; };
    ASSERT_TRUE(mutex_.AwaitWithTimeout(absl::Condition(&news), kDeadline));
    found = publisher_->TakeStaging();
  }
  ASSERT_EQ(found.size(), 2u);
  publisher_->Sweep({"old", {7, 1}});
  publisher_->Sweep({"old", {8, 1}});
  publisher_->Sweep({"old", {9, 1}});  // not there
  {
    // One after the other: with the third the first two are done.
    absl::MutexLock lock(&mutex_);
    const auto swept = [&] { return opened_ == 4; };  // the first was that of the list
    ASSERT_TRUE(mutex_.AwaitWithTimeout(absl::Condition(&swept), kDeadline));
  }
  EXPECT_FALSE(old_.Exists(".closewrite/staging/8"));
  EXPECT_FALSE(old_.Exists(".closewrite/staging/7"));
}

TEST_F(PublisherTest, AThousandOrders) {
  for (int64_t job = 1; job <= 1000; ++job) {
    publisher_->Submit(Stage(job, StrCat("d", job % 7, "/f", job % 100)));
  }
  publisher_->Start();
  ASSERT_TRUE(AwaitAnswers(1000));
  for (int64_t last = 901; last <= 1000; ++last) {
    EXPECT_EQ(folder_.Read(StrCat("d", last % 7, "/f", last % 100)), StrCat(last));
  }
}

TEST_F(PublisherTest, StartAndShutdownInAnyOrder) {
  publisher_->Shutdown();
  publisher_->Shutdown();
  publisher_->Start();
  publisher_->Start();
  publisher_->Shutdown();
  publisher_->Shutdown();
}

}  // namespace
}  // namespace closewrite::watcher

// What every backend promises, on real kernels: see WatchBackend. And the queue behind them.
#include "services/watcher/watch_backend.h"

#include <fcntl.h>
#include <sys/inotify.h>

#include <map>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "services/log/str_cat.h"
#include "services/watcher/event_queue.h"
#include "services/watcher/fake_backend.h"
#include "services/watcher/fanotify_backend.h"
#include "services/watcher/inotify_backend.h"
#include "services/watcher/poll_backend.h"
#include "services/watcher/scratch_volume.h"

namespace closewrite::watcher {
namespace {

constexpr size_t kAll = 1 << 20;
constexpr absl::Duration kPatience = absl::Seconds(30);

RawEvent Named(std::string name) {
  RawEvent event;
  event.watch = 1;
  event.name = std::move(name);
  return event;
}

TEST(EventQueueTest, OverflowsInsteadOfGrowing) {
  EventQueue queue(2);
  RawEvent barrier;
  barrier.barrier = 5;
  queue.Push({Named("a"), Named("b"), Named("c"), barrier});
  EventQueue::Batch batch = queue.Take(kPatience, kAll);
  ASSERT_EQ(batch.events.size(), 3u);
  EXPECT_EQ(batch.events[2].barrier, 5);
  EXPECT_TRUE(batch.overflowed);
  queue.Push({Named("d")});
  batch = queue.Take(kPatience, kAll);
  EXPECT_EQ(batch.events.size(), 1u);
  EXPECT_FALSE(batch.overflowed);
}

TEST(EventQueueTest, TakesInPortionsAndIsWoken) {
  EventQueue queue;
  queue.Push({Named("a"), Named("b"), Named("c")});
  EXPECT_EQ(queue.Take(kPatience, 2).events.size(), 2u);
  EXPECT_EQ(queue.Take(kPatience, 2).events.size(), 1u);
  queue.Wake();
  EXPECT_TRUE(queue.Take(kPatience, 2).events.empty());
  queue.MarkFailed();
  EXPECT_TRUE(queue.Take(kPatience, 2).failed);
  queue.MarkUnnamed();
  EXPECT_TRUE(queue.Take(kPatience, 2).unnamed);
  queue.Push({Named("a")});
  queue.Clear();
  EXPECT_TRUE(queue.Take(absl::ZeroDuration(), 2).events.empty());
}

using Told = std::map<std::string, uint32_t>;  // name: all that was told of it

enum class Backend { kInotify, kFanotify, kPoll, kFake };

class WatchBackendTest : public ::testing::TestWithParam<Backend> {
 protected:
  void SetUp() override {
    const Fd root = Open("");
    absl::StatusOr<std::unique_ptr<WatchBackend>> backend = Make(root.get());
    if (absl::IsPermissionDenied(backend.status())) GTEST_SKIP() << backend.status();
    ASSERT_TRUE(backend.ok()) << backend.status();
    backend_ = *std::move(backend);
    const absl::StatusOr<int> watch = backend_->Watch(root.get());
    ASSERT_TRUE(watch.ok()) << watch.status();
    watch_ = *watch;
    EXPECT_GT(watch_, 0);
    EXPECT_EQ(*backend_->Watch(root.get()), watch_);
  }

  absl::StatusOr<std::unique_ptr<WatchBackend>> Make(int root) {
    switch (GetParam()) {
      case Backend::kFanotify:
        return FanotifyBackend::Create(root, &queue_);
      case Backend::kPoll:
        return std::make_unique<PollBackend>(&queue_);
      case Backend::kFake:
        return std::make_unique<FakeBackend>(&queue_);
      default:
        return InotifyBackend::Create(&queue_);
    }
  }
  bool hears() const { return GetParam() != Backend::kPoll; }
  Fd Open(std::string_view path) const {
    return Fd(open(volume_.Absolute(path).c_str(), O_RDONLY | O_DIRECTORY));
  }
  int Watch(std::string_view path) { return *backend_->Watch(Open(path).get()); }

  // Everything up to now.
  std::vector<RawEvent> Drain() {
    backend_->Barrier(++barrier_);
    std::vector<RawEvent> events;
    while (true) {
      for (RawEvent& event : queue_.Take(kPatience, kAll).events) {
        if (event.barrier == barrier_) return events;
        events.push_back(std::move(event));
      }
    }
  }
  // What was told of names in one directory.
  Told DrainOf(int watch) {
    Told told;
    for (const RawEvent& event : Drain()) {
      if (event.watch == watch) told[event.name] |= event.mask;
    }
    return told;
  }

  ScratchVolume volume_;
  EventQueue queue_;
  std::unique_ptr<WatchBackend> backend_;
  int watch_ = -1;
  int64_t barrier_ = 0;
};

TEST_P(WatchBackendTest, ABarrierComesBehindAllThatHappened) {
  constexpr int kFiles = 3000;  // more than one read takes
  const std::string padding(200, 'x');
  for (int i = 0; i < kFiles; ++i) volume_.Write(std::to_string(i) + padding, "");
  backend_->Start();
  int closes = 0;
  for (const auto& [name, mask] : DrainOf(watch_)) closes += (mask & IN_CLOSE_WRITE) != 0;
  EXPECT_EQ(closes, hears() ? kFiles : 0);
  EXPECT_TRUE(Drain().empty());
}

TEST_P(WatchBackendTest, NamesAreBytesAndOwnReadsMakeNoEvents) {
  backend_->Start();
  volume_.Write("\xff\n", "x");
  EXPECT_EQ(DrainOf(watch_).contains("\xff\n"), hears());
  EXPECT_EQ(volume_.Read("\xff\n"), "x");
  EXPECT_TRUE(Drain().empty());
}

TEST_P(WatchBackendTest, TellsOfEachKindOfChange) {
  if (!hears()) GTEST_SKIP() << "polling tells nothing";
  backend_->Start();
  volume_.Write("a", "1");
  EXPECT_EQ(DrainOf(watch_)["a"] & (IN_CREATE | IN_CLOSE_WRITE), IN_CREATE | IN_CLOSE_WRITE);
  volume_.SetMtime("a", 1'000'000);
  EXPECT_TRUE(DrainOf(watch_)["a"] & IN_ATTRIB);
  volume_.Link("a", "b");
  EXPECT_TRUE(DrainOf(watch_)["b"] & IN_CREATE);
  volume_.Remove("a");
  EXPECT_TRUE(DrainOf(watch_)["a"] & IN_DELETE);
  volume_.MakeDirectory("d");
  EXPECT_EQ(DrainOf(watch_)["d"] & (IN_CREATE | IN_ISDIR), IN_CREATE | IN_ISDIR);
  volume_.Remove("d");
  EXPECT_EQ(DrainOf(watch_)["d"] & (IN_DELETE | IN_ISDIR), IN_DELETE | IN_ISDIR);
}

TEST_P(WatchBackendTest, AFileThatIsOpenIsNotCalledClosed) {
  if (!hears()) GTEST_SKIP() << "polling tells nothing";
  backend_->Start();
  Fd writer = volume_.OpenForWriting("a", "1");
  EXPECT_FALSE(DrainOf(watch_)["a"] & IN_CLOSE_WRITE);
  const Fd duplicate(dup(writer.get()));
  writer.Reset();
  EXPECT_FALSE(DrainOf(watch_)["a"] & IN_CLOSE_WRITE) << "only the last close counts";
}

TEST_P(WatchBackendTest, BothHalvesOfARenameHaveOneCookie) {
  if (!hears()) GTEST_SKIP() << "polling tells nothing";
  volume_.MakeDirectory("d");
  volume_.MakeDirectory("e");
  volume_.MakeDirectory("unwatched");
  const int d = Watch("d");
  const int e = Watch("e");
  ASSERT_NE(d, e);
  volume_.Write("d/f", "1");
  backend_->Start();
  Drain();
  volume_.Rename("d/f", "e/g");
  std::map<int, RawEvent> moved;
  for (const RawEvent& event : Drain()) {
    if (event.mask & IN_MOVE) moved[event.watch] = event;
  }
  EXPECT_EQ(moved[d].name, "f");
  EXPECT_TRUE(moved[d].mask & IN_MOVED_FROM);
  EXPECT_EQ(moved[e].name, "g");
  EXPECT_TRUE(moved[e].mask & IN_MOVED_TO);
  EXPECT_EQ(moved[d].cookie, moved[e].cookie);
  // Where it sees one side only, the fake can't tell a rename from a removal.
  if (GetParam() == Backend::kFake) return;
  volume_.Rename("e/g", "unwatched/g");
  EXPECT_TRUE(DrainOf(e)["g"] & IN_MOVED_FROM);
  volume_.Rename("unwatched/g", "e/h");
  EXPECT_TRUE(DrainOf(e)["h"] & IN_MOVED_TO);
  volume_.Rename("d", "e/d");
  EXPECT_EQ(DrainOf(e)["d"] & (IN_MOVED_TO | IN_ISDIR), IN_MOVED_TO | IN_ISDIR);
}

TEST_P(WatchBackendTest, AWatchFollowsItsDirectoryAndEndsWithUnwatch) {
  if (!hears()) GTEST_SKIP() << "polling tells nothing";
  volume_.MakeDirectory("d");
  const int d = Watch("d");
  backend_->Start();
  volume_.Rename("d", "e");
  volume_.Write("e/f", "1");
  EXPECT_TRUE(DrainOf(d)["f"] & IN_CLOSE_WRITE);
  EXPECT_EQ(Watch("e"), d);
  backend_->Unwatch(d);
  Drain();
  volume_.Write("e/g", "1");
  EXPECT_TRUE(Drain().empty());
  volume_.Remove("e");
  volume_.MakeDirectory("e");
  EXPECT_NE(Watch("e"), d) << "another directory, perhaps with the same inode number";
}

TEST_P(WatchBackendTest, ARootThatMovesOrGoesIsTold) {
  if (!hears()) GTEST_SKIP() << "polling tells nothing";
  backend_->Start();
  const std::string away = StrCat(volume_.path(), ".away");
  ASSERT_EQ(rename(volume_.path().c_str(), away.c_str()), 0);
  EXPECT_TRUE(DrainOf(watch_)[""] & IN_MOVE_SELF);
  ASSERT_EQ(rename(away.c_str(), volume_.path().c_str()), 0);
}

TEST_P(WatchBackendTest, ModificationsAreToldOnDemand) {
  if (!hears()) GTEST_SKIP() << "polling tells nothing";
  backend_->Start();
  const Fd writer = volume_.OpenForWriting("a", "1");
  EXPECT_FALSE(DrainOf(watch_)["a"] & IN_MODIFY);
  ASSERT_TRUE(backend_->TellModifications(true).ok());
  EXPECT_EQ(Watch(""), watch_);
  ASSERT_EQ(pwrite(writer.get(), "22", 2, 0), 2);
  EXPECT_TRUE(DrainOf(watch_)["a"] & IN_MODIFY);
  ASSERT_TRUE(backend_->TellModifications(false).ok());
  EXPECT_EQ(Watch(""), watch_);
  ASSERT_EQ(pwrite(writer.get(), "3", 1, 0), 1);
  EXPECT_FALSE(DrainOf(watch_)["a"] & IN_MODIFY);
}

TEST_P(WatchBackendTest, WhatOverflowsIsSaid) {
  if (!hears() || GetParam() == Backend::kFake) GTEST_SKIP() << "there is no queue";
  // More than the kernel keeps for a reader that is not started; distinct names are not merged.
  constexpr int kFiles = 40'000;
  for (int i = 0; i < kFiles; ++i) {
    ASSERT_EQ(mknodat(AT_FDCWD, volume_.Absolute(StrCat("f", i)).c_str(), S_IFREG | 0600, 0), 0);
  }
  backend_->Start();
  backend_->Barrier(++barrier_);
  bool overflowed = false;
  bool reached = false;
  while (!reached) {
    const EventQueue::Batch batch = queue_.Take(kPatience, kAll);
    overflowed |= batch.overflowed;
    for (const RawEvent& event : batch.events) reached |= event.barrier == barrier_;
  }
  EXPECT_TRUE(overflowed);
  volume_.Write("later", "1");
  EXPECT_TRUE(DrainOf(watch_)["later"] & IN_CLOSE_WRITE);
}

TEST_P(WatchBackendTest, StopsInAnyOrder) {
  backend_->Shutdown();
  backend_->Shutdown();
  backend_.reset();
}

std::string NameOf(const ::testing::TestParamInfo<Backend>& info) {
  constexpr const char* kNames[] = {"inotify", "fanotify", "poll", "fake"};
  return kNames[static_cast<int>(info.param)];
}

INSTANTIATE_TEST_SUITE_P(Backends, WatchBackendTest,
                         ::testing::Values(Backend::kInotify, Backend::kFanotify, Backend::kPoll,
                                           Backend::kFake),
                         NameOf);

}  // namespace
}  // namespace closewrite::watcher

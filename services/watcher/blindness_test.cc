// What makes a watcher blind: other file systems over the folder, too few watches, remote mounts.
// It must say so, and never take what it can't see for deleted.
#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#include <atomic>
#include <memory>
#include <string>
#include <utility>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/log/str_cat.h"
#include "services/watcher/engine_fixture.h"
#include "services/watcher/inotify_backend.h"
#include "services/watcher/mount_watch.h"
#include "services/watcher/poll_backend.h"

namespace closewrite::watcher {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::UnorderedElementsAre;

// Mounts are seen by this process only.
class MountTest : public ::testing::Test, protected EngineFixture {
 protected:
  void SetUp() override {
    if (unshare(CLONE_NEWNS) != 0) GTEST_SKIP() << "needs root";
    ASSERT_EQ(mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr), 0);
  }
  void TearDown() override {
    watch_.Shutdown();
    Stop();
    // In case a test failed in between.
    while (umount2(volume.path().c_str(), MNT_DETACH) == 0) {
    }
  }
  void StartWatched() {
    Start();
    ASSERT_TRUE(watch_.Start().ok());
  }
  static void MountOver(const std::string& path) {
    ASSERT_EQ(mount("tmpfs", path.c_str(), "tmpfs", 0, nullptr), 0);
  }

  MountWatch watch_{[this] { engine->MountsChanged(); }};
};

TEST_F(MountTest, AFileSystemOverAFolderHidesAndDeletesNothing) {
  volume.MakeDirectory("d/e");
  volume.Write("d/a", "1");
  volume.Write("d/e/b", "1");
  StartWatched();
  EXPECT_EQ(News().size(), 2u);
  MountOver(volume.Absolute("d"));
  Until(EngineState::kDegraded);
  EXPECT_THAT(Report().message, HasSubstr("another file system is mounted there"));
  EXPECT_THAT(News(), IsEmpty());
  volume.Write("d/a", "not of this volume");
  EXPECT_THAT(News(), IsEmpty());
  // A start with the mount in place must not take the files for deleted either.
  watch_.Shutdown();
  Stop();
  Start();
  EXPECT_THAT(News(), IsEmpty());
  EXPECT_EQ(Report().state, EngineState::kDegraded);
  ASSERT_EQ(umount(volume.Absolute("d").c_str()), 0);
  engine->MountsChanged();
  Until(EngineState::kLive);
  EXPECT_THAT(News(), IsEmpty());
  volume.Write("d/e/b", "22");
  EXPECT_THAT(News(), ElementsAre(Pair("d/e/b", "CLOSE_WRITE CLOSED")));
}

TEST_F(MountTest, AFileSystemOverTheRootMeansLost) {
  volume.Write("a", "1");
  StartWatched();
  News();
  MountOver(volume.path());
  Until(EngineState::kLost);
  EXPECT_EQ(Flush().code(), absl::StatusCode::kFailedPrecondition);
  ASSERT_EQ(umount(volume.path().c_str()), 0);
  Until(EngineState::kLive);
  EXPECT_THAT(News(), IsEmpty());
  volume.Write("b", "1");
  EXPECT_THAT(News(), ElementsAre(Pair("b", "CLOSE_WRITE CLOSED")));
}

TEST_F(MountTest, ALazyUnmountOfTheRootMeansLost) {
  MountOver(volume.path());
  volume.Write("a", "1");
  StartWatched();
  EXPECT_EQ(News().size(), 1u);
  ASSERT_EQ(umount2(volume.path().c_str(), MNT_DETACH), 0);
  Until(EngineState::kLost);
  EXPECT_THAT(Report().message, HasSubstr(volume.path()));
}

TEST_F(MountTest, ABindMountOfTheSameFolderIsSeen) {
  volume.MakeDirectory("d");
  ScratchVolume elsewhere;
  ASSERT_EQ(
      mount(volume.Absolute("d").c_str(), elsewhere.path().c_str(), nullptr, MS_BIND, nullptr), 0);
  StartWatched();
  elsewhere.Write("a", "1");
  EXPECT_THAT(News(), ElementsAre(Pair("d/a", "CLOSE_WRITE CLOSED")));
  ASSERT_EQ(umount(elsewhere.path().c_str()), 0);
}

TEST_F(MountTest, OverlayfsIsAccompaniedByAWarning) {
  ScratchVolume parts;
  MountOver(parts.path());
  for (const char* part : {"lower", "upper", "work"}) parts.MakeDirectory(part);
  parts.Write("lower/below", "1");
  const std::string layers =
      StrCat("lowerdir=", parts.Absolute("lower"), ",upperdir=", parts.Absolute("upper"),
             ",workdir=", parts.Absolute("work"));
  ASSERT_EQ(mount("overlay", volume.path().c_str(), "overlay", 0, layers.c_str()), 0);
  options.audit = absl::Milliseconds(100);
  StartWatched();
  EXPECT_THAT(News(), ElementsAre(Pair("below", "CLOSE_WRITE FOUND rescan")));
  Until(EngineState::kLive);
  EXPECT_EQ(Report().file_system, "overlay");
  EXPECT_THAT(Report().message, HasSubstr("overlayfs"));
  volume.Write("a", "1");
  EXPECT_THAT(News(), ElementsAre(Pair("a", "CLOSE_WRITE CLOSED")));
  volume.Append("below", "2");  // copied up
  EXPECT_EQ(News().size(), 1u);
  watch_.Shutdown();
  Stop();
  ASSERT_EQ(umount(volume.path().c_str()), 0);
  ASSERT_EQ(umount2(parts.path().c_str(), MNT_DETACH), 0);
}

// inotify with few watches, as under a low fs.inotify.max_user_watches.
class FewWatches final : public WatchBackend {
 public:
  FewWatches(std::unique_ptr<WatchBackend> inotify, const std::atomic<int>* watches_max)
      : inotify_(std::move(inotify)), watches_max_(*watches_max) {}
  BackendKind kind() const override { return inotify_->kind(); }
  void Start() override { inotify_->Start(); }
  void Shutdown() override { inotify_->Shutdown(); }
  absl::StatusOr<int> Watch(int directory) override {
    const absl::StatusOr<int> watch = inotify_->Watch(directory);
    if (!watch.ok() || *watch <= watches_max_) return watch;
    inotify_->Unwatch(*watch);
    return absl::ResourceExhaustedError("the limit of inotify watches is reached");
  }
  void Unwatch(int watch) override { inotify_->Unwatch(watch); }
  void Barrier(int64_t barrier) override { inotify_->Barrier(barrier); }
  absl::Status TellModifications(bool tell) override { return inotify_->TellModifications(tell); }

 private:
  const std::unique_ptr<WatchBackend> inotify_;
  const std::atomic<int>& watches_max_;
};

class BlindnessTest : public ::testing::Test, protected EngineFixture {};

TEST_F(BlindnessTest, WhatCannotBeWatchedIsPolledUntilItCan) {
  std::atomic<int> watches_max = 2;
  options.make_backend = [&](EventQueue* queue) -> absl::StatusOr<std::unique_ptr<WatchBackend>> {
    return std::make_unique<FewWatches>(*InotifyBackend::Create(queue), &watches_max);
  };
  for (const char* path : {"a/b", "c"}) volume.MakeDirectory(path);
  Start();
  Until(EngineState::kDegraded);
  EXPECT_EQ(Report().unwatched_directories, 3);
  EXPECT_EQ(Report().watched_directories, 1);
  EXPECT_THAT(Report().message, HasSubstr("3 directories are not watched but polled"));
  EXPECT_THAT(Report().message, HasSubstr("sysctl -w fs.inotify.max_user_watches="));
  volume.Write("a/b/x", "1");
  volume.Write("c/y", "1");
  Said said;
  while (said.size() < 2) said.merge(News());
  EXPECT_THAT(said, UnorderedElementsAre(Pair("a/b/x", "CLOSE_WRITE FOUND rescan"),
                                         Pair("c/y", "CLOSE_WRITE FOUND rescan")));
  watches_max = 1'000'000;
  Until(EngineState::kLive);
  EXPECT_EQ(Report().unwatched_directories, 0);
  EXPECT_EQ(Report().watched_directories, 4);
  volume.Write("a/b/x", "22");
  EXPECT_THAT(News(), ElementsAre(Pair("a/b/x", "CLOSE_WRITE CLOSED")));
}

TEST_F(BlindnessTest, ACanaryThatIsNotSeenIsToldAndTheVolumeRescanned) {
  options.make_backend = [](EventQueue* queue) -> absl::StatusOr<std::unique_ptr<WatchBackend>> {
    return std::make_unique<PollBackend>(queue);  // deaf
  };
  volume.Write("a", "1");
  Start();
  Until(EngineState::kDegraded);
  EXPECT_GT(Report().canary_misses, 0);
  EXPECT_THAT(Report().message, HasSubstr("its event did not come"));
  EXPECT_EQ(News().size(), 1u);
}

TEST_F(BlindnessTest, APolledFileCountsWhenItWasSeenTheSameTwice) {
  options.backend = BackendKind::kPoll;
  options.poll = absl::Milliseconds(200);
  options.poll_unchanged = 3;
  volume.Write("a", "1");
  Start();
  EXPECT_THAT(News(), ElementsAre(Pair("a", "CLOSE_WRITE QUIET poll")));
  EXPECT_EQ(Report().state, EngineState::kLive);
  EXPECT_EQ(Report().backend, BackendKind::kPoll);
  volume.MakeDirectory("d");
  volume.Write("d/b", "1");
  volume.Append("a", "2");
  EXPECT_THAT(News(), UnorderedElementsAre(Pair("a", "CLOSE_WRITE QUIET poll"),
                                           Pair("d/b", "CLOSE_WRITE QUIET poll")));
  EXPECT_THAT(News(), IsEmpty());
  EXPECT_EQ(Version("a").inode, 0u);
  volume.Rename("d", "e");
  volume.Remove("a");
  EXPECT_THAT(News(), UnorderedElementsAre(Pair("a", "DELETE  poll"), Pair("d/b", "DELETE  poll"),
                                           Pair("e/b", "CLOSE_WRITE QUIET poll")));
}

}  // namespace
}  // namespace closewrite::watcher

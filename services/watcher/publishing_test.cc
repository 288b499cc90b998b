#include "services/watcher/publishing.h"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <functional>
#include <limits>
#include <thread>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/log/str_cat.h"
#include "services/volume/path.h"
#include "services/watcher/scratch_volume.h"

namespace closewrite::watcher {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

constexpr PublishKey kKey = {7, 2};
constexpr int kSwapRounds = 300;

class PublishingTest : public ::testing::Test {
 protected:
  void SetUp() override { root_ = *OpenRoot(volume_.path()); }

  std::string Staged(std::string_view path) const { return Join(StagingPath(7, 2), path); }
  void Stage(const std::string& path, std::string_view content) {
    volume_.MakeDirectory(DirName(Staged(path)));
    volume_.Write(Staged(path), content);
    const Fd fd(open(volume_.Absolute(Staged(path)).c_str(), O_RDONLY));
    task_.key = kKey;
    task_.files.push_back(
        {path, static_cast<int64_t>(content.size()), DigestFile(fd.get())->sha256});
  }
  // Stages `1` as `a` in that directory, whatever somebody does to it meanwhile. Not ok() when that
  // can't be.
  Fd MakeStaged(const std::string& directory) {
    task_.key = kKey;
    const std::string path = StrCat(StagingPath(7, 2), "/", directory);
    MakeDirectories(root_.get(), path, 0777, /*sync=*/false).IgnoreError();
    absl::StatusOr<Fd> fd = OpenFileBeneath(root_.get(), Join(path, "a"), O_RDWR | O_CREAT, 0600);
    if (!fd.ok() || pwrite(fd->get(), "1", 1, 0) != 1) return Fd();
    digest_of_1_ = DigestFile(fd->get())->sha256;
    return *std::move(fd);
  }
  // Stops after some steps, as a kill would.
  absl::Status Run(int steps_max = std::numeric_limits<int>::max()) {
    PublishProgress progress;
    progress.began = began_;
    progress.begin = [this](absl::Span<const PublishedFile> files) {
      if (at_begin_) at_begin_();
      begun_.assign(files.begin(), files.end());
      began_ = begin_status_.ok();
      return begin_status_;
    };
    steps_.clear();
    progress.after = [this, steps_max](PublishStep step) {
      steps_.push_back(step);
      return static_cast<int>(steps_.size()) < steps_max ? absl::OkStatus()
                                                         : absl::AbortedError("killed");
    };
    return Publish(root_.get(), task_, progress);
  }
  int Count(PublishStep step) const {
    return static_cast<int>(std::count(steps_.begin(), steps_.end(), step));
  }
  uint64_t Inode(std::string_view path) const {
    struct stat st = {};
    EXPECT_EQ(lstat(volume_.Absolute(path).c_str(), &st), 0) << path;
    return st.st_ino;
  }
  // The whole refusal; nothing was changed by it.
  std::string Refusal() {
    const absl::Status status = Run();
    EXPECT_TRUE(IsFinal(status)) << status;
    EXPECT_EQ(Count(PublishStep::kBegun) + Count(PublishStep::kDirectoryMade), 0);
    return std::string(status.message());
  }

  ScratchVolume volume_;
  Fd root_;
  PublishTask task_;
  std::string digest_of_1_;
  bool began_ = false;
  std::function<void()> at_begin_;  // between the checks and the renames
  absl::Status begin_status_;
  std::vector<PublishedFile> begun_;
  std::vector<PublishStep> steps_;
};

TEST_F(PublishingTest, MovesFilesIntoPlaceAndSweeps) {
  Stage("a/b/c.csv", "one");
  Stage("d.csv", "");
  volume_.Write("d.csv", "older");
  ASSERT_TRUE(Run().ok());
  EXPECT_EQ(volume_.Read("a/b/c.csv"), "one");
  EXPECT_TRUE(volume_.Exists("d.csv"));
  EXPECT_EQ(volume_.Read("d.csv"), "");
  EXPECT_FALSE(volume_.Exists(".closewrite/staging/7"));
}

TEST_F(PublishingTest, RepeatingDoesTheSameAsOnce) {
  Stage("a/c.csv", "one");
  ASSERT_TRUE(Run().ok());
  EXPECT_TRUE(Run().ok());
  began_ = false;  // the ledger was lost
  EXPECT_TRUE(Run().ok());
  EXPECT_EQ(volume_.Read("a/c.csv"), "one");
}

TEST_F(PublishingTest, AConsumerMayHaveTakenTheResultBeforeTheRepeat) {
  Stage("c.csv", "one");
  ASSERT_TRUE(Run().ok());
  volume_.Remove("c.csv");
  EXPECT_TRUE(Run().ok());
  EXPECT_FALSE(volume_.Exists("c.csv"));
}

TEST_F(PublishingTest, GoesOnWhereAKilledTryStopped) {
  Stage("a", "1");
  Stage("b", "2");
  volume_.Rename(Staged("a"), "a");
  began_ = true;
  ASSERT_TRUE(Run().ok());
  EXPECT_EQ(volume_.Read("a"), "1");
  EXPECT_EQ(volume_.Read("b"), "2");
}

TEST_F(PublishingTest, NothingIsRenamedUnlessAllCanBe) {
  Stage("a", "1");
  Stage("b", "2");
  volume_.Write(Staged("b"), "3");
  const absl::Status status = Run();
  EXPECT_TRUE(IsFinal(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("SHA-256"));
  EXPECT_FALSE(volume_.Exists("a"));
  EXPECT_TRUE(volume_.Exists(Staged("a")));
}

TEST_F(PublishingTest, FinalAnswers) {
  Stage("a", "1");
  volume_.Write(Staged("a"), "12");
  EXPECT_THAT(std::string(Run().message()), HasSubstr("2 bytes instead of 1"));
  volume_.Remove(Staged("a"));
  EXPECT_TRUE(IsFinal(Run()));
  ASSERT_EQ(symlink("/etc/passwd", volume_.Absolute(Staged("a")).c_str()), 0);
  EXPECT_TRUE(IsFinal(Run()));
}

TEST_F(PublishingTest, RefusedTargets) {
  Stage("a", "1");
  volume_.MakeDirectory("a/full");
  EXPECT_TRUE(IsFinal(Run()));
  for (const char* path : {".closewrite/volume", "../x", "/etc/x", "a//b", ""}) {
    task_.files[0].path = path;
    EXPECT_TRUE(IsFinal(Run())) << path;
  }
  task_.files[0].path = "file/below";
  volume_.Write("file", "");
  EXPECT_TRUE(IsFinal(Run()));
  ASSERT_EQ(symlink("/tmp", volume_.Absolute("link").c_str()), 0);
  task_.files[0].path = "link/x";
  EXPECT_TRUE(IsFinal(Run()));
}

TEST_F(PublishingTest, WhatStandsInTheWayIsNamedAndNothingIsChanged) {
  Stage("new/first", "1");
  Stage("in/the/way", "2");
  volume_.Write("in", "a file");
  EXPECT_THAT(Refusal(), HasSubstr("a file stands where the directory in is needed"));
  volume_.Remove("in");
  volume_.MakeDirectory("in/the/way");
  EXPECT_THAT(Refusal(), HasSubstr("a directory stands where in/the/way is to be published"));
  volume_.Remove("in/the");
  ASSERT_EQ(symlink("/tmp", volume_.Absolute("in/the").c_str()), 0);
  EXPECT_THAT(Refusal(), HasSubstr("symbolic link"));
  EXPECT_FALSE(volume_.Exists("new"));
  EXPECT_EQ(volume_.Read(Staged("new/first")), "1");
  volume_.Remove("in");
  EXPECT_TRUE(Run().ok());
  EXPECT_EQ(volume_.Read("in/the/way"), "2");
}

TEST_F(PublishingTest, OnlyRegularFilesAreTakenFromStaging) {
  Stage("a", "");
  const std::string staged = volume_.Absolute(Staged("a"));
  const auto replace = [&](const std::function<int()>& make) {
    volume_.Remove(Staged("a"));
    EXPECT_EQ(make(), 0);
    return Refusal();
  };
  EXPECT_THAT(replace([&] { return mkfifo(staged.c_str(), 0600); }), HasSubstr("not a regular"));
  EXPECT_THAT(replace([&] { return mkdir(staged.c_str(), 0700); }), HasSubstr("not a regular"));
  volume_.Write("elsewhere", "");
  EXPECT_THAT(replace([&] { return symlink("../../../../elsewhere", staged.c_str()); }),
              HasSubstr("not a regular"));
  EXPECT_FALSE(volume_.Exists("a"));
}

// A staged hard link was published, and whoever had the other name went on changing the result.
TEST_F(PublishingTest, WhatHasAnotherNameIsNotPublished) {
  volume_.Write("theirs", "1");
  Stage("a", "1");
  volume_.Remove(Staged("a"));
  volume_.Link("theirs", Staged("a"));
  EXPECT_THAT(Refusal(), HasSubstr("a is a hard link"));
  EXPECT_FALSE(volume_.Exists("a"));
  volume_.Remove("theirs");
  EXPECT_TRUE(Run().ok()) << "it is alone now";
}

// What took a staged file's name after its content had been checked was published unchecked.
TEST_F(PublishingTest, WhatTakesAFilesPlaceAfterItsCheckIsNotPublished) {
  const std::string staged = volume_.Absolute(Staged("d/a"));
  const std::vector<std::function<void()>> swaps = {
      [&] { ASSERT_EQ(symlink("/etc/passwd", staged.c_str()), 0); },
      [&] { ASSERT_EQ(mkfifo(staged.c_str(), 0600), 0); },
      [&] { volume_.Write(Staged("d/a"), "2"); },
      [&] { volume_.Link("elsewhere", Staged("d/a")); },
  };
  volume_.Write("elsewhere", "1");
  for (size_t i = 0; i < swaps.size(); ++i) {
    task_.files.clear();
    began_ = false;
    Stage("d/a", "1");
    at_begin_ = [&] {
      volume_.Rename(Staged("d/a"), StrCat("aside", i));
      swaps[i]();
    };
    const absl::Status status = Run();
    EXPECT_TRUE(absl::IsUnavailable(status)) << i << ": " << status;
    EXPECT_FALSE(volume_.Exists("d/a")) << i;
    at_begin_ = nullptr;
    EXPECT_TRUE(IsFinal(Run())) << i << ": the next try says what it has become";
    EXPECT_FALSE(volume_.Exists("d/a")) << i;
    volume_.Remove(StagingPath(7, 2));
  }
}

// The directories above a staged or a published file were exchanged for links while it was
// published; the empty folder of a job was removed by its path, over a link that led out.
TEST_F(PublishingTest, NoSwapOfADirectoryLeadsOut) {
  ScratchVolume outside;
  outside.MakeDirectory("d");
  outside.Write("d/a", "theirs");
  outside.MakeDirectory("staging/7");
  const std::string target = outside.path() + "/d";
  const std::string link = volume_.Absolute("link");
  for (const std::string& swapped : {std::string("d"), std::string(Staged("d"))}) {
    std::atomic<bool> stop = false;
    volume_.MakeDirectory("d");
    std::thread swapper([&] {
      while (!stop) {
        renameat2(AT_FDCWD, volume_.Absolute(swapped).c_str(), AT_FDCWD, link.c_str(),
                  RENAME_EXCHANGE);
      }
    });
    for (int round = 0; round < kSwapRounds; ++round) {
      // Staging is swept with what was swapped into it.
      [[maybe_unused]] const int again = symlink(target.c_str(), link.c_str());
      task_.files.clear();
      began_ = false;
      const Fd staged = MakeStaged("d");
      if (!staged.ok()) continue;
      task_.files.push_back({"d/a", 1, digest_of_1_});
      Run().IgnoreError();
    }
    stop = true;
    swapper.join();
    EXPECT_EQ(outside.Read("d/a"), "theirs") << swapped;
    EXPECT_EQ(std::distance(std::filesystem::directory_iterator(outside.path() + "/d"), {}), 1);
  }
  volume_.Remove(".closewrite");
  volume_.MakeDirectory(".closewrite");
  ASSERT_EQ(symlink((outside.path() + "/staging").c_str(),
                    volume_.Absolute(".closewrite/staging").c_str()),
            0);
  EXPECT_FALSE(RemoveStaging(root_.get(), kKey).ok());
  EXPECT_FALSE(ListStaging(root_.get(), absl::InfiniteFuture(), 10).ok());
  EXPECT_TRUE(outside.Exists("staging/7"));
}

TEST_F(PublishingTest, AFileIsNamedOnce) {
  Stage("a", "1");
  task_.files.push_back(task_.files[0]);
  EXPECT_THAT(Refusal(), HasSubstr("twice"));
}

TEST_F(PublishingTest, TheRenameKeepsTheInodeThatIsRecorded) {
  Stage("d/a", "1");
  Stage("b", "2");
  const uint64_t inode_a = Inode(Staged("d/a"));
  const uint64_t inode_b = Inode(Staged("b"));
  ASSERT_TRUE(Run().ok());
  EXPECT_THAT(begun_,
              UnorderedElementsAre(PublishedFile{"d/a", inode_a}, PublishedFile{"b", inode_b}));
  EXPECT_EQ(Inode("d/a"), inode_a);
}

TEST_F(PublishingTest, NewDirectoriesResembleTheStagedOnes) {
  Stage("new/deep/a", "1");
  const bool root = geteuid() == 0;
  ASSERT_EQ(chmod(volume_.Absolute(Staged("new")).c_str(), 0770), 0);
  if (root) {
    ASSERT_EQ(chown(volume_.Absolute(Staged("new")).c_str(), 12345, 54321), 0);
  }
  ASSERT_TRUE(Run().ok());
  struct stat st = {};
  ASSERT_EQ(stat(volume_.Absolute("new").c_str(), &st), 0);
  EXPECT_EQ(st.st_mode & 07777, 0770u);
  EXPECT_EQ(st.st_uid, root ? 12345u : geteuid());
  EXPECT_EQ(st.st_gid, root ? 54321u : getegid());
}

TEST_F(PublishingTest, EachDirectoryIsSyncedOnce) {
  for (int number = 0; number < 20; ++number) Stage(StrCat("new/deep/", number), "x");
  Stage("there/a", "x");
  Stage("top", "x");
  volume_.MakeDirectory("there");
  ASSERT_TRUE(Run().ok());
  EXPECT_EQ(Count(PublishStep::kDirectoryMade), 2);
  EXPECT_EQ(Count(PublishStep::kRenamed), 22);
  EXPECT_EQ(Count(PublishStep::kSynced), 4) << "the root, new, new/deep and there";
}

// Kills at every step, with and without what the ledger says of it; then a try that is not killed.
TEST_F(PublishingTest, AKillAtAnyStepIsMadeGoodByTheNextTry) {
  const std::vector<std::pair<std::string, std::string>> files = {
      {"a/b/one", "1"}, {"a/two", "2"}, {"three", "3"}, {"old/four", "4"}};
  for (const bool ledger_lost : {false, true}) {
    for (int kill_after = 1;; ++kill_after) {
      volume_.Remove("");
      volume_.MakeDirectory("old");
      volume_.Write("old/four", "older");
      root_ = *OpenRoot(volume_.path());
      task_.files.clear();
      for (const auto& [path, content] : files) Stage(path, content);
      began_ = false;
      const absl::Status killed = Run(kill_after);
      if (killed.ok()) {
        ASSERT_GT(kill_after, 15);
        break;
      }
      ASSERT_TRUE(absl::IsAborted(killed)) << killed;
      // Each file is old or new as a whole.
      for (const auto& [path, content] : files) {
        const std::string now = volume_.Read(path);
        EXPECT_TRUE(now == content || now == (path == "old/four" ? "older" : "")) << path;
      }
      if (ledger_lost) began_ = false;
      const absl::Status again = Run();
      ASSERT_TRUE(again.ok()) << "killed after step " << kill_after << ": " << again;
      for (const auto& [path, content] : files) EXPECT_EQ(volume_.Read(path), content);
      EXPECT_FALSE(volume_.Exists(".closewrite/staging/7"));
      EXPECT_TRUE(Run().ok());
    }
  }
}

// Directories that a killed try had made were not synced by the next one.
TEST_F(PublishingTest, DirectoriesThatAKilledTryMadeAreSyncedToo) {
  Stage("a/b/c", "1");
  ASSERT_FALSE(Run(4).ok());
  ASSERT_EQ(steps_.back(), PublishStep::kDirectoryMade);
  ASSERT_TRUE(Run().ok());
  EXPECT_EQ(Count(PublishStep::kSynced), 3) << "the root, a and a/b";
}

TEST_F(PublishingTest, TenThousandFilesInOneOrder) {
  for (int number = 0; number < 10'000; ++number) {
    Stage(StrCat("d", number % 10, "/f", number), "content");
  }
  ASSERT_TRUE(Run().ok());
  EXPECT_EQ(Count(PublishStep::kRenamed), 10'000);
  EXPECT_EQ(Count(PublishStep::kSynced), 11);
  EXPECT_EQ(volume_.Read("d9/f9999"), "content");
  EXPECT_FALSE(volume_.Exists(".closewrite/staging/7"));
}

TEST_F(PublishingTest, NothingIsRenamedBeforeItIsRecorded) {
  Stage("a", "1");
  begin_status_ = absl::ResourceExhaustedError("disk full");
  const absl::Status status = Run();
  EXPECT_FALSE(IsFinal(status));
  EXPECT_FALSE(status.ok());
  EXPECT_FALSE(volume_.Exists("a"));
}

TEST_F(PublishingTest, ListsOldStagingAndDropsEmptyJobs) {
  Stage("a", "1");
  volume_.MakeDirectory(".closewrite/staging/9");
  volume_.MakeDirectory(".closewrite/staging/x/1");
  EXPECT_THAT(*ListStaging(root_.get(), absl::InfinitePast(), 10), IsEmpty());
  EXPECT_TRUE(volume_.Exists(".closewrite/staging/9"));
  EXPECT_THAT(*ListStaging(root_.get(), absl::InfiniteFuture(), 10), UnorderedElementsAre(kKey));
  EXPECT_FALSE(volume_.Exists(".closewrite/staging/9"));
  EXPECT_TRUE(RemoveStaging(root_.get(), kKey).ok());
  EXPECT_TRUE(RemoveStaging(root_.get(), kKey).ok());
  EXPECT_FALSE(volume_.Exists(".closewrite/staging/7"));
}

TEST_F(PublishingTest, NoStagingAtAllIsAnEmptyList) {
  EXPECT_THAT(*ListStaging(root_.get(), absl::InfiniteFuture(), 10), IsEmpty());
}

// A mount for as long as the object lives.
class Mount {
 public:
  Mount(const char* source, std::string target, const char* type, unsigned long flags)
      : target_(std::move(target)), error_(mount(source, target_.c_str(), type, flags, nullptr)) {}
  Mount(const Mount&) = delete;
  Mount& operator=(const Mount&) = delete;
  ~Mount() {
    if (error_ == 0) umount2(target_.c_str(), MNT_DETACH);
  }
  bool ok() const { return error_ == 0; }

 private:
  const std::string target_;
  const int error_;
};

TEST_F(PublishingTest, StagingBehindAMountIsRefused) {
  EXPECT_TRUE(CheckStaging(root_.get()).ok());
  Stage("a", "1");
  EXPECT_TRUE(CheckStaging(root_.get()).ok());
  const std::string staging = volume_.Absolute(".closewrite/staging");
  {
    const Mount tmpfs("tmpfs", staging, "tmpfs", 0);
    if (!tmpfs.ok()) GTEST_SKIP() << "may not mount";
    const absl::Status status = CheckStaging(root_.get());
    EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
    EXPECT_THAT(std::string(status.message()), HasSubstr("unmount it there"));
  }
  {
    // The same file system, and yet nothing can be renamed out of it.
    const Mount bind(staging.c_str(), staging, nullptr, MS_BIND);
    EXPECT_FALSE(CheckStaging(root_.get()).ok());
    EXPECT_THAT(Refusal(), HasSubstr("unmount it there"));
  }
  EXPECT_TRUE(Run().ok());
}

TEST_F(PublishingTest, NothingIsPublishedIntoAMountInsideTheVolume) {
  Stage("nested/deep/a", "1");
  volume_.MakeDirectory("nested");
  const Mount tmpfs("tmpfs", volume_.Absolute("nested"), "tmpfs", 0);
  if (!tmpfs.ok()) GTEST_SKIP() << "may not mount";
  EXPECT_THAT(Refusal(), HasSubstr("another file system is mounted"));
}

}  // namespace
}  // namespace closewrite::watcher

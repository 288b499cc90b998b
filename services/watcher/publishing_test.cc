#include "services/watcher/publishing.h"

#include <fcntl.h>
#include <unistd.h>

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
  absl::Status Run() {
    PublishProgress progress;
    progress.began = began_;
    progress.begin = [this](absl::Span<const PublishedFile>) {
      began_ = true;
      return begin_status_;
    };
    return Publish(root_.get(), task_, progress);
  }

  ScratchVolume volume_;
  Fd root_;
  PublishTask task_;
  bool began_ = false;
  absl::Status begin_status_;
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

}  // namespace
}  // namespace closewrite::watcher

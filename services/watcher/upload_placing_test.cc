#include "services/watcher/upload_placing.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "absl/synchronization/notification.h"
#include "gtest/gtest.h"
#include "services/log/str_cat.h"
#include "services/volume/file_system.h"
#include "services/volume/path.h"
#include "services/watcher/scratch_volume.h"
#include "services/watcher/upload_placer.h"

namespace closewrite::watcher {
namespace {

class UploadPlacingTest : public ::testing::Test {
 protected:
  void SetUp() override { root_ = *OpenRoot(volume_.path()); }

  UploadTask Stage(int64_t number, const std::string& path, std::string_view content) const {
    const std::string staging = StagingPath(0, number);
    volume_.MakeDirectory(staging);
    volume_.Write(Join(staging, "content"), content);
    const Fd fd(open(volume_.Absolute(Join(staging, "content")).c_str(), O_RDONLY));
    return {number, path, static_cast<int64_t>(content.size()), DigestFile(fd.get())->sha256};
  }

  ScratchVolume volume_;
  Fd root_;
};

TEST_F(UploadPlacingTest, PutsAFileToItsNameAndStaysDone) {
  const UploadTask task = Stage(7, "in/2026/a.csv", "one");
  ASSERT_TRUE(PlaceUpload(root_.get(), task).ok());
  EXPECT_EQ(volume_.Read("in/2026/a.csv"), "one");
  EXPECT_TRUE(volume_.Exists(StagingPath(0, 7)));
  EXPECT_TRUE(PlaceUpload(root_.get(), task).ok());
  // Whoever has taken the file away by then has had it.
  volume_.Remove("in/2026/a.csv");
  EXPECT_TRUE(PlaceUpload(root_.get(), task).ok());
  EXPECT_FALSE(volume_.Exists("in/2026/a.csv"));
}

TEST_F(UploadPlacingTest, NothingIsOverwritten) {
  volume_.Write("a.csv", "theirs");
  const UploadTask task = Stage(7, "a.csv", "ours");
  EXPECT_TRUE(absl::IsAlreadyExists(PlaceUpload(root_.get(), task)));
  EXPECT_EQ(volume_.Read("a.csv"), "theirs");
  UploadTask other = task;
  other.path = "a-2.csv";
  ASSERT_TRUE(PlaceUpload(root_.get(), other).ok());
  EXPECT_EQ(volume_.Read("a-2.csv"), "ours");
  // A directory is something, too.
  volume_.MakeDirectory("b.csv");
  EXPECT_TRUE(absl::IsAlreadyExists(PlaceUpload(root_.get(), Stage(8, "b.csv", "x"))));
}

TEST_F(UploadPlacingTest, WhatIsNotWhatWasAnnouncedStaysOut) {
  UploadTask task = Stage(7, "a.csv", "one");
  task.size = 4;
  EXPECT_TRUE(absl::IsFailedPrecondition(PlaceUpload(root_.get(), task)));
  task.size = 3;
  task.sha256[0] ^= 1;
  EXPECT_TRUE(absl::IsFailedPrecondition(PlaceUpload(root_.get(), task)));
  task = Stage(9, "a.csv", "one");
  task.number = 10;
  EXPECT_TRUE(absl::IsNotFound(PlaceUpload(root_.get(), task)));
  for (const char* path : {"", "/a", "../a", "b/../../a", ".closewrite/a"}) {
    task.number = 9;
    task.path = path;
    EXPECT_TRUE(absl::IsInvalidArgument(PlaceUpload(root_.get(), task))) << path;
  }
  EXPECT_FALSE(volume_.Exists("a.csv"));
}

TEST_F(UploadPlacingTest, OnlyAFileOfItsOwnIsPutIntoPlace) {
  const UploadTask task = Stage(7, "a.csv", "one");
  const std::string content = Join(StagingPath(0, 7), "content");
  volume_.Rename(content, "theirs");
  volume_.Link("theirs", content);
  EXPECT_TRUE(absl::IsFailedPrecondition(PlaceUpload(root_.get(), task)));
  volume_.Remove(content);
  ASSERT_EQ(symlink(volume_.Absolute("theirs").c_str(), volume_.Absolute(content).c_str()), 0);
  EXPECT_TRUE(absl::IsFailedPrecondition(PlaceUpload(root_.get(), task)));
  volume_.Remove(content);
  ASSERT_EQ(mkfifo(volume_.Absolute(content).c_str(), 0600), 0);
  EXPECT_TRUE(absl::IsFailedPrecondition(PlaceUpload(root_.get(), task)));
  EXPECT_FALSE(volume_.Exists("a.csv"));
}

TEST_F(UploadPlacingTest, AnOrderIsAnsweredWhereItCameFromLast) {
  absl::Notification answered;
  UploadPlacer placer(
      {.open_root = [&](const std::string&) { return VolumeRoot::Open(volume_.path()); },
       .on_news = [&] { answered.Notify(); }});
  const UploadTask task = Stage(7, "a.csv", "one");
  v1::UploadOrder order;
  order.set_id(1);
  order.set_upload(7);
  order.mutable_file()->set_volume("v");
  order.mutable_file()->set_path(task.path);
  order.set_size(task.size);
  order.set_sha256(task.sha256);
  placer.Submit(1, order);
  order.set_id(5);
  placer.Submit(2, order);
  placer.Start();
  answered.WaitForNotification();
  const std::vector<v1::UploadResult> results = placer.Take(2);
  ASSERT_EQ(results.size(), 1u);
  EXPECT_EQ(results[0].id(), 5);
  EXPECT_EQ(results[0].outcome(), v1::UPLOAD_OUTCOME_DONE);
  EXPECT_TRUE(placer.Take(2).empty());
}

}  // namespace
}  // namespace closewrite::watcher

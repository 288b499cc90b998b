#include "services/watcher/volume_root.h"

#include <sys/stat.h>
#include <unistd.h>

#include <string>

#include "gtest/gtest.h"
#include "services/watcher/scratch_volume.h"

namespace closewrite::watcher {
namespace {

// Staging was made with the watcher's own umask, and executors of other users could not write
// there.
TEST(VolumeRootTest, StagingIsAsOpenAsTheRoot) {
  ScratchVolume volume;
  ASSERT_EQ(chmod(volume.path().c_str(), 02775), 0);
  absl::StatusOr<VolumeRoot> root = VolumeRoot::Open(volume.path());
  ASSERT_TRUE(root.ok()) << root.status();
  ASSERT_TRUE(root->MakeMarker().ok());
  for (const char* path : {"/.closewrite", "/.closewrite/staging"}) {
    struct stat st;
    ASSERT_EQ(stat((volume.path() + path).c_str(), &st), 0) << path;
    EXPECT_EQ(st.st_mode & 07777, mode_t{02775}) << path;
  }
}

// A marker was written into whatever had the name of its unfinished file: a hard link to somebody's
// file lost its content.
TEST(VolumeRootTest, NothingIsWrittenIntoWhatHasTheMarkersName) {
  ScratchVolume outside;
  outside.Write("theirs", "content");
  ScratchVolume volume;
  volume.MakeDirectory(".closewrite");
  const std::string unfinished = volume.Absolute(".closewrite/volume.new");
  absl::StatusOr<VolumeRoot> root = VolumeRoot::Open(volume.path());
  ASSERT_TRUE(root.ok()) << root.status();
  ASSERT_EQ(link(outside.Absolute("theirs").c_str(), unfinished.c_str()), 0);
  EXPECT_TRUE(root->MakeMarker().ok());
  ASSERT_EQ(symlink(outside.Absolute("theirs").c_str(), unfinished.c_str()), 0);
  EXPECT_TRUE(root->MakeMarker().ok());
  ASSERT_EQ(mkfifo(unfinished.c_str(), 0600), 0);
  EXPECT_TRUE(root->MakeMarker().ok());
  EXPECT_EQ(outside.Read("theirs"), "content");
}

// A pipe of the marker's name was read from, and a device would have been opened.
TEST(VolumeRootTest, OnlyAFileIsAMarker) {
  ScratchVolume volume;
  absl::StatusOr<VolumeRoot> root = VolumeRoot::Open(volume.path());
  ASSERT_TRUE(root.ok()) << root.status();
  volume.MakeDirectory(".closewrite");
  ASSERT_EQ(mkfifo(volume.Absolute(kMarkerPath).c_str(), 0600), 0);
  EXPECT_NE(std::string(root->ReadMarker().status().message()).find("a named pipe"),
            std::string::npos);
  volume.Remove(".closewrite");
  ScratchVolume outside;
  ASSERT_EQ(symlink(outside.path().c_str(), volume.Absolute(".closewrite").c_str()), 0);
  EXPECT_FALSE(root->MakeMarker().ok());
  EXPECT_FALSE(outside.Exists("volume")) << "it was made over a link";
}

TEST(VolumeRootTest, TheMarkerIsReadBackAndChecked) {
  ScratchVolume volume;
  absl::StatusOr<VolumeRoot> root = VolumeRoot::Open(volume.path());
  ASSERT_TRUE(root.ok()) << root.status();
  const absl::StatusOr<std::string> id = root->MakeMarker();
  ASSERT_TRUE(id.ok());
  EXPECT_EQ(root->ReadMarker().value_or(""), *id);
  EXPECT_TRUE(root->Check(*id).ok());
  EXPECT_EQ(root->Check("another").code(), absl::StatusCode::kFailedPrecondition);
}

}  // namespace
}  // namespace closewrite::watcher

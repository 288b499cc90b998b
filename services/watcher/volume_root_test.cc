#include "services/watcher/volume_root.h"

#include <sys/stat.h>

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

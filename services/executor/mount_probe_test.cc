#include "services/executor/mount_probe.h"

#include <sys/mount.h>

#include <filesystem>
#include <string>
#include <thread>

#include "gtest/gtest.h"
#include "services/volume/mount.h"

namespace closewrite::executor {
namespace {

class MountProbeTest : public ::testing::Test {
 protected:
  MountProbeTest() {
    std::string name = testing::TempDir() + "/probe.XXXXXX";
    root_ = mkdtemp(name.data());
    std::filesystem::create_directories(root_ + "/.closewrite/staging");
  }
  ~MountProbeTest() override {
    umount2(root_.c_str(), MNT_DETACH);
    std::filesystem::remove_all(root_);
  }
  std::string root_;
};

TEST_F(MountProbeTest, AVolumeThatCanBeUsed) {
  const v1::VolumeHealth health = ProbeVolume("v", {.root = root_}, "e");
  EXPECT_EQ(health.problem(), "");
  EXPECT_GT(health.total_bytes(), 0);
  EXPECT_NE(health.file_system(), "");
  EXPECT_TRUE(health.has_checked_at());
  // Nothing is left of the test.
  EXPECT_TRUE(std::filesystem::is_empty(root_ + "/.closewrite/staging"));
}

// The folder that tries the staging area was made and removed wherever a link led.
TEST_F(MountProbeTest, NothingIsTriedOverALink) {
  std::filesystem::remove_all(root_ + "/.closewrite/staging");
  std::filesystem::create_directories(root_ + "/elsewhere/test-of-e");
  std::filesystem::create_symlink("../elsewhere", root_ + "/.closewrite/staging");
  const v1::VolumeHealth health = ProbeVolume("v", {.root = root_}, "e");
  EXPECT_NE(health.problem().find("symbolic link"), std::string::npos) << health.problem();
  EXPECT_TRUE(std::filesystem::exists(root_ + "/elsewhere/test-of-e"));
}

TEST_F(MountProbeTest, AVolumeThatIsGone) {
  const v1::VolumeHealth health = ProbeVolume("v", {.root = root_ + "/none"}, "e");
  EXPECT_NE(health.problem().find("No such file"), std::string::npos) << health.problem();
}

TEST_F(MountProbeTest, AMountThatHasBecomeReadOnly) {
  const char* const root = root_.c_str();
  if (mount(root, root, nullptr, MS_BIND, nullptr) != 0) GTEST_SKIP();
  ASSERT_EQ(mount(nullptr, root, nullptr, MS_REMOUNT | MS_BIND | MS_RDONLY, nullptr), 0);
  const v1::VolumeHealth health = ProbeVolume("v", {.root = root_}, "e");
  EXPECT_NE(health.problem().find("Read-only file system"), std::string::npos) << health.problem();
  // Where nothing is written to that is as it should be.
  EXPECT_EQ(ProbeVolume("v", {.root = root_, .read_only = true}, "e").problem(), "");
}

TEST_F(MountProbeTest, AFolderThatNothingIsMountedOnAnyMoreIsLeftEmpty) {
  std::filesystem::remove_all(root_ + "/.closewrite");
  EXPECT_EQ(ProbeVolume("v", {.root = root_}, "e").problem(),
            "it has no .closewrite/staging: is it still mounted?");
  EXPECT_TRUE(std::filesystem::is_empty(root_));
}

TEST_F(MountProbeTest, AVolumeThatWasEmptiedGetsItsStagingFolderAgain) {
  const LocalVolume local = {.root = root_, .mounted_on = FindMount(root_)->mount_point};
  std::filesystem::remove_all(root_ + "/.closewrite");
  EXPECT_EQ(ProbeVolume("v", local, "e").problem(), "");
  EXPECT_TRUE(std::filesystem::is_directory(root_ + "/.closewrite/staging"));
  // Not where another file system is mounted now than at the start.
  std::filesystem::remove_all(root_ + "/.closewrite");
  if (mount("none", root_.c_str(), "tmpfs", 0, nullptr) != 0) GTEST_SKIP();
  EXPECT_NE(ProbeVolume("v", local, "e").problem(), "");
}

TEST_F(MountProbeTest, ALookTellsAtOnce) {
  MountProbe probe({{"v", {.root = root_}}}, "e");
  EXPECT_EQ(probe.Look("v"), "");
  std::filesystem::remove_all(root_);
  const std::string problem = probe.Look("v");
  EXPECT_NE(problem, "");
  EXPECT_EQ(probe.Volumes().at(0).problem(), problem);
}

TEST_F(MountProbeTest, LooksByItself) {
  const MountProbe probe({{"v", {.root = root_}}}, "e");
  while (!probe.Volumes().at(0).has_checked_at()) std::this_thread::yield();
  EXPECT_EQ(probe.Volumes().at(0).volume(), "v");
}

}  // namespace
}  // namespace closewrite::executor

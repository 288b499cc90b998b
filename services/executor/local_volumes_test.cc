#include "services/executor/local_volumes.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "gtest/gtest.h"

namespace closewrite::executor {
namespace {

class LocalVolumesTest : public testing::Test {
 protected:
  LocalVolumesTest() {
    std::string name = testing::TempDir() + "/volumes.XXXXXX";
    root_ = mkdtemp(name.data());
    std::filesystem::create_directory(root_ + "/in");
  }
  std::string root_;
};

TEST_F(LocalVolumesTest, WritableOnesGetAStagingFolder) {
  LocalVolumes volumes = {{"in", {.root = root_ + "/in"}}};
  EXPECT_TRUE(CheckVolumes(&volumes).ok());
  EXPECT_NE(volumes["in"].mounted_on, "");
  EXPECT_TRUE(std::filesystem::is_directory(root_ + "/in/.closewrite/staging"));
}

TEST_F(LocalVolumesTest, ReadOnlyOnesAreLeftAlone) {
  LocalVolumes volumes = {{"in", {.root = root_ + "/in", .read_only = true}}};
  EXPECT_TRUE(CheckVolumes(&volumes).ok());
  EXPECT_TRUE(std::filesystem::is_empty(root_ + "/in"));
}

TEST_F(LocalVolumesTest, MissingOnesAreNamed) {
  LocalVolumes volumes = {{"gone", {.root = root_ + "/gone"}}};
  const absl::Status status = CheckVolumes(&volumes);
  EXPECT_NE(status.message().find("gone"), absl::string_view::npos);
  EXPECT_NE(status.message().find("mount it"), absl::string_view::npos) << status;
  std::ofstream(root_ + "/file") << "x";
  volumes = {{"file", {.root = root_ + "/file"}}};
  EXPECT_FALSE(CheckVolumes(&volumes).ok());
}

TEST_F(LocalVolumesTest, AStagingFolderThatCantBeMadeIsNamed) {
  std::ofstream(root_ + "/in/.closewrite") << "a file in the way";
  LocalVolumes volumes = {{"in", {.root = root_ + "/in"}}};
  const absl::Status status = CheckVolumes(&volumes);
  EXPECT_NE(status.message().find("read_only: true"), absl::string_view::npos) << status;
}

TEST_F(LocalVolumesTest, TheStateLiesOutside) {
  const LocalVolumes volumes = {{"in", {.root = root_ + "/in"}}};
  EXPECT_TRUE(CheckStateOutside(root_ + "/state", volumes).ok());
  EXPECT_TRUE(CheckStateOutside(root_ + "/in-state", volumes).ok());
  EXPECT_FALSE(CheckStateOutside(root_ + "/in", volumes).ok());
  EXPECT_FALSE(CheckStateOutside(root_ + "/in/state", volumes).ok());
  EXPECT_FALSE(CheckStateOutside(root_, volumes).ok());
  ASSERT_EQ(symlink("in", (root_ + "/link").c_str()), 0);
  EXPECT_FALSE(CheckStateOutside(root_ + "/link/state", volumes).ok());
}

}  // namespace
}  // namespace closewrite::executor

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
  EXPECT_TRUE(CheckVolumes({{"in", {.root = root_ + "/in"}}}).ok());
  EXPECT_TRUE(std::filesystem::is_directory(root_ + "/in/.closewrite/staging"));
}

TEST_F(LocalVolumesTest, ReadOnlyOnesAreLeftAlone) {
  EXPECT_TRUE(CheckVolumes({{"in", {.root = root_ + "/in", .read_only = true}}}).ok());
  EXPECT_TRUE(std::filesystem::is_empty(root_ + "/in"));
}

TEST_F(LocalVolumesTest, MissingOnesAreNamed) {
  const absl::Status status = CheckVolumes({{"gone", {.root = root_ + "/gone"}}});
  EXPECT_NE(status.message().find("gone"), absl::string_view::npos);
  EXPECT_NE(status.message().find("mount it"), absl::string_view::npos) << status;
  std::ofstream(root_ + "/file") << "x";
  EXPECT_FALSE(CheckVolumes({{"file", {.root = root_ + "/file"}}}).ok());
}

TEST_F(LocalVolumesTest, AStagingFolderThatCantBeMadeIsNamed) {
  std::ofstream(root_ + "/in/.closewrite") << "a file in the way";
  const absl::Status status = CheckVolumes({{"in", {.root = root_ + "/in"}}});
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

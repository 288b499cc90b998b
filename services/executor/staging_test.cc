#include "services/executor/staging.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "absl/strings/escaping.h"
#include "gtest/gtest.h"

namespace closewrite::executor {
namespace {

namespace fs = std::filesystem;

class StagingTest : public testing::Test {
 protected:
  StagingTest() {
    std::string name = testing::TempDir() + "/staging.XXXXXX";
    root_ = mkdtemp(name.data());
    fs::create_directories(root_ + "/.closewrite/staging");
  }

  void Write(const std::string& path, const std::string& content) {
    std::ofstream(path) << content;
  }

  std::string root_;
};

TEST_F(StagingTest, MakesTheParentsOfTheOutput) {
  const Staging staging(root_, 7, 2);
  ASSERT_TRUE(staging.Make("a/b c/f.csv").ok());
  EXPECT_EQ(staging.directory(), root_ + "/.closewrite/staging/7/2");
  EXPECT_EQ(staging.Output("a/b c/f.csv"), staging.directory() + "/a/b c/f.csv");
  EXPECT_TRUE(fs::is_directory(staging.directory() + "/a/b c"));
  EXPECT_TRUE(staging.Collect()->empty());
}

TEST_F(StagingTest, ListsAndHashesWhatIsThere) {
  const Staging staging(root_, 7, 2);
  const std::string odd = "-n \n'\"$(x)\xff" + std::string(200, 'n');
  ASSERT_TRUE(staging.Make("a/" + odd).ok());
  Write(staging.Output("a/" + odd), "abc");
  Write(staging.directory() + "/empty", "");
  fs::create_directories(staging.directory() + "/x/y");
  Write(staging.directory() + "/x/y/z", "abc");
  const auto files = staging.Collect();
  ASSERT_TRUE(files.ok()) << files.status();
  ASSERT_EQ(files->size(), 3);
  EXPECT_EQ((*files)[0].path, "a/" + odd);
  EXPECT_EQ((*files)[0].size, 3);
  EXPECT_EQ(absl::BytesToHexString((*files)[0].sha256),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ((*files)[1].path, "empty");
  EXPECT_EQ((*files)[1].size, 0);
  EXPECT_EQ((*files)[2].path, "x/y/z");
}

TEST_F(StagingTest, WhatAnEarlierTryLeftIsGone) {
  const Staging staging(root_, 7, 2);
  ASSERT_TRUE(staging.Make("f").ok());
  Write(staging.Output("old"), "x");
  ASSERT_TRUE(staging.Make("f").ok());
  EXPECT_TRUE(staging.Collect()->empty());
}

TEST_F(StagingTest, RefusesLinksAndSpecialFiles) {
  const Staging staging(root_, 7, 2);
  ASSERT_TRUE(staging.Make("f").ok());
  ASSERT_EQ(symlink("/etc/passwd", staging.Output("l").c_str()), 0);
  EXPECT_NE(staging.Collect().status().message().find("`l`, a symbolic link"),
            absl::string_view::npos);
  ASSERT_EQ(unlink(staging.Output("l").c_str()), 0);
  ASSERT_EQ(mkfifo(staging.Output("p").c_str(), 0600), 0);
  EXPECT_EQ(staging.Collect().status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_NE(staging.Collect().status().message().find("`p`, a named pipe"),
            absl::string_view::npos);
}

// A hard link was published, and the result changed with the file that it was.
TEST_F(StagingTest, RefusesHardLinks) {
  const Staging staging(root_, 7, 2);
  ASSERT_TRUE(staging.Make("f").ok());
  Write(root_ + "/theirs", "x");
  ASSERT_EQ(link((root_ + "/theirs").c_str(), staging.Output("l").c_str()), 0);
  const absl::Status refused = staging.Collect().status();
  EXPECT_EQ(refused.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_NE(refused.message().find("`l`, a hard link"), absl::string_view::npos) << refused;
  ASSERT_EQ(unlink((root_ + "/theirs").c_str()), 0);
  EXPECT_TRUE(staging.Collect().ok());
}

TEST_F(StagingTest, RefusesReservedNames) {
  const Staging staging(root_, 7, 2);
  ASSERT_TRUE(staging.Make(".closewrite/f").ok());
  Write(staging.Output(".closewrite/f"), "x");
  EXPECT_NE(staging.Collect().status().message().find("reserved"), absl::string_view::npos);
}

TEST_F(StagingTest, RefusesTooManyFiles) {
  const Staging staging(root_, 7, 2);
  ASSERT_TRUE(staging.Make("f").ok());
  for (int i = 0; i <= kStagedFilesMax; ++i) Write(staging.Output(std::to_string(i)), "");
  EXPECT_NE(staging.Collect().status().message().find("archive"), absl::string_view::npos);
}

// It was made in the folder that the volume had been mounted on, and its results were found
// nowhere.
TEST_F(StagingTest, MakesNothingWhereTheVolumeIsGone) {
  fs::remove_all(root_ + "/.closewrite");
  EXPECT_EQ(Staging(root_, 7, 2).Make("f").code(), absl::StatusCode::kNotFound);
  EXPECT_TRUE(fs::is_empty(root_));
}

TEST_F(StagingTest, RemovesOnlyItsOwn) {
  const Staging older(root_, 7, 2);
  const Staging newer(root_, 7, 3);
  ASSERT_TRUE(older.Make("f").ok());
  ASSERT_TRUE(newer.Make("f").ok());
  EXPECT_TRUE(older.Remove().ok());
  EXPECT_TRUE(older.Remove().ok());
  EXPECT_FALSE(fs::exists(older.directory()));
  EXPECT_TRUE(fs::exists(newer.directory()));
}

}  // namespace
}  // namespace closewrite::executor

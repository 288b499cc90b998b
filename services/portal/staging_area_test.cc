#include "services/portal/staging_area.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "gtest/gtest.h"
#include "services/log/str_cat.h"
#include "services/volume/file_system.h"
#include "services/volume/path.h"

namespace closewrite::portal {
namespace {

const absl::Time kNow = absl::FromUnixSeconds(1795344900);

class StagingAreaTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name = StrCat(::testing::TempDir(), "/staging.XXXXXX");
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    root_ = name;
    ASSERT_TRUE(MakeDirectories(OpenRoot(root_)->get(), ".closewrite/staging").ok());
  }

  std::string root_;
  StagingArea area_;
};

TEST_F(StagingAreaTest, GoesOnWhereARestartLeftIt) {
  std::string whole;
  {
    auto staged = area_.Take(root_, 7, kNow);
    ASSERT_TRUE(staged.ok()) << staged.status();
    ASSERT_TRUE((*staged)->Append("hello ", 6).ok());
    EXPECT_TRUE(absl::IsAborted(area_.Take(root_, 7, kNow).status()));
  }
  {
    auto staged = area_.Take(root_, 7, kNow);
    ASSERT_TRUE((*staged)->Append("world", 5).ok());
    EXPECT_EQ((*staged)->head(), "hello world");
    whole = *(*staged)->Seal();
    // It can be sealed again, when the coordinator was away.
    EXPECT_EQ(*(*staged)->Seal(), whole);
  }
  StagingArea restarted;
  auto staged = restarted.Take(root_, 7, kNow);
  ASSERT_TRUE(staged.ok());
  EXPECT_EQ((*staged)->size(), 11);
  EXPECT_EQ((*staged)->head(), "hello world");
  EXPECT_EQ(*(*staged)->Seal(), whole);
}

TEST_F(StagingAreaTest, WhatIsDoneWithIsForgotten) {
  {
    auto staged = area_.Take(root_, 7, kNow);
    ASSERT_TRUE((*staged)->Append("x", 1).ok());
    area_.Forget(7);
  }
  ASSERT_TRUE(RemoveTree(OpenRoot(root_)->get(), StagingPath(0, 7)).ok());
  EXPECT_EQ((*area_.Take(root_, 7, kNow))->size(), 0);
}

// What had the name of an upload's content was written into, whatever it was.
TEST_F(StagingAreaTest, OnlyAFileOfItsOwnIsWrittenInto) {
  const Fd root = *OpenRoot(root_);
  ASSERT_TRUE(MakeDirectories(root.get(), StagingPath(0, 7)).ok());
  const std::string content = StrCat(root_, "/", StagingPath(0, 7), "/content");
  const std::string theirs = root_ + "/theirs";
  ASSERT_TRUE(OpenBeneath(root.get(), "theirs", O_WRONLY | O_CREAT, 0600).ok());
  ASSERT_EQ(link(theirs.c_str(), content.c_str()), 0);
  EXPECT_TRUE(absl::IsFailedPrecondition(area_.Take(root_, 7, kNow).status()));
  ASSERT_EQ(unlink(content.c_str()), 0);
  ASSERT_EQ(symlink(theirs.c_str(), content.c_str()), 0);
  EXPECT_TRUE(absl::IsFailedPrecondition(area_.Take(root_, 7, kNow).status()));
  ASSERT_EQ(unlink(content.c_str()), 0);
  ASSERT_EQ(mkfifo(content.c_str(), 0600), 0);
  EXPECT_TRUE(absl::IsFailedPrecondition(area_.Take(root_, 7, kNow).status()));
}

TEST_F(StagingAreaTest, AnotherFolderIsNotWrittenTo) {
  ASSERT_TRUE(RemoveTree(OpenRoot(root_)->get(), ".closewrite").ok());
  EXPECT_TRUE(absl::IsNotFound(area_.Take(root_, 7, kNow).status()));
}

}  // namespace
}  // namespace closewrite::portal

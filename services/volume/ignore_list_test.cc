#include "services/volume/ignore_list.h"

#include "gtest/gtest.h"

namespace closewrite {
namespace {

TEST(IgnoreListTest, DefaultsCoverTemporaryNames) {
  const absl::StatusOr<IgnoreList> list = IgnoreList::Parse(DefaultIgnoreGlobs());
  ASSERT_TRUE(list.ok()) << list.status();
  for (const char* path :
       {".a.txt.swp", "d/.a.txt.swp", ".#a", "a~", "x/y/a.part", "a.tmp", ".data.csv.Ab3dE9",
        "d/.fuse_hidden0001", ".nfs000a", ".closewrite/volume", ".closewrite"}) {
    EXPECT_TRUE(list->IgnoresFile(path)) << path;
  }
  for (const char* path : {"a.csv", "d/a", ".hidden", "part", "tmp", "a.swp", ".bashrc",
                           "d/.closewrite", "a.tmp.csv"}) {
    EXPECT_FALSE(list->IgnoresFile(path)) << path;
  }
}

TEST(IgnoreListTest, ATrailingSlashIsForDirectoriesAlone) {
  const absl::StatusOr<IgnoreList> list = IgnoreList::Parse({"**/old/", "*.bak"});
  ASSERT_TRUE(list.ok()) << list.status();
  EXPECT_TRUE(list->IgnoresDirectory("a/old"));
  EXPECT_FALSE(list->IgnoresFile("a/old"));
  EXPECT_TRUE(list->IgnoresDirectory("x.bak"));
  EXPECT_TRUE(list->IgnoresFile("x.bak"));
  EXPECT_FALSE(list->IgnoresFile("a.tmp"));
  EXPECT_TRUE(list->IgnoresDirectory(".closewrite"));
}

TEST(IgnoreListTest, WhatLiesBelowAnIgnoredDirectoryIsIgnoredWithIt) {
  const absl::StatusOr<IgnoreList> list = IgnoreList::Parse({"**/old/", "*.bak"});
  ASSERT_TRUE(list.ok()) << list.status();
  EXPECT_EQ(list->WhyIgnored("a/old/b/c.csv"), "it lies below a/old, which its volume ignores");
  EXPECT_NE(list->WhyIgnored("x.bak"), "");
  EXPECT_NE(list->WhyIgnored(".closewrite/volume"), "");
  EXPECT_EQ(list->WhyIgnored("a/old"), "");
  EXPECT_EQ(list->WhyIgnored("a/x.bak"), "");
}

TEST(IgnoreListTest, AMalformedGlobIsRefused) {
  EXPECT_EQ(IgnoreList::Parse({"[a"}).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(IgnoreList::Parse(std::vector<std::string>(kIgnoreGlobsMax + 1, "a")).status().code(),
            absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace closewrite

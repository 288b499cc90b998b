#include "services/watcher/directory_tree.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace closewrite::watcher {
namespace {

using ::testing::ElementsAre;
using ::testing::Optional;
using ::testing::UnorderedElementsAre;

class DirectoryTreeTest : public ::testing::Test {
 protected:
  // root(1) - a(2) - b(3) - c(4)
  void SetUp() override {
    tree_.Reset(1);
    ASSERT_TRUE(tree_.Place(1, "a", 2));
    ASSERT_TRUE(tree_.Place(2, "b", 3));
    ASSERT_TRUE(tree_.Place(3, "c", 4));
  }
  DirectoryTree tree_;
};

TEST_F(DirectoryTreeTest, PathsAndFind) {
  EXPECT_THAT(tree_.Path(1), Optional(std::string("")));
  EXPECT_THAT(tree_.Path(4), Optional(std::string("a/b/c")));
  EXPECT_EQ(tree_.Find("a/b/c"), 4);
  EXPECT_EQ(tree_.Find(""), 1);
  EXPECT_EQ(tree_.Find("a/x/c"), std::nullopt);
  EXPECT_EQ(tree_.Path(99), std::nullopt);
}

TEST_F(DirectoryTreeTest, AMovedDirectoryTakesWhatIsBelowWithIt) {
  ASSERT_TRUE(tree_.Place(1, "z", 3));
  EXPECT_THAT(tree_.Path(4), Optional(std::string("z/c")));
  EXPECT_EQ(tree_.Find("a/b"), std::nullopt);
}

TEST_F(DirectoryTreeTest, DetachedHasNoPathUntilItIsPlacedAgain) {
  EXPECT_EQ(tree_.Detach(2, "b"), 3);
  EXPECT_EQ(tree_.Path(3), std::nullopt);
  EXPECT_EQ(tree_.Path(4), std::nullopt);
  EXPECT_EQ(tree_.Detach(2, "b"), std::nullopt);
  ASSERT_TRUE(tree_.Place(1, "b", 3));
  EXPECT_THAT(tree_.Path(4), Optional(std::string("b/c")));
}

TEST_F(DirectoryTreeTest, PlacingOverAnotherDisplacesItsWholeSubtree) {
  EXPECT_THAT(tree_.Place(1, "a", 9), Optional(UnorderedElementsAre(2, 3, 4)));
  EXPECT_EQ(tree_.size(), 2u);
  EXPECT_FALSE(tree_.Contains(4));
}

TEST_F(DirectoryTreeTest, PlacingOverItsOwnAncestorKeepsWhatIsBelowIt) {
  EXPECT_THAT(tree_.Place(1, "a", 3), Optional(ElementsAre(2)));
  EXPECT_THAT(tree_.Path(4), Optional(std::string("a/c")));
}

TEST_F(DirectoryTreeTest, ACycleIsRefused) {
  EXPECT_EQ(tree_.Place(4, "x", 2), std::nullopt);
  EXPECT_EQ(tree_.Place(99, "x", 2), std::nullopt);
  EXPECT_EQ(tree_.Place(2, "x", 1), std::nullopt);
  EXPECT_THAT(tree_.Path(4), Optional(std::string("a/b/c")));
}

TEST_F(DirectoryTreeTest, RemoveForgetsAllBelow) {
  EXPECT_THAT(tree_.Remove(2), UnorderedElementsAre(2, 3, 4));
  EXPECT_EQ(tree_.size(), 1u);
  EXPECT_THAT(tree_.Remove(2), ElementsAre());
}

TEST_F(DirectoryTreeTest, NamesAreBytes) {
  const std::string name("\xff\n $()", 6);
  ASSERT_TRUE(tree_.Place(1, name, 7));
  EXPECT_THAT(tree_.Path(7), Optional(name));
  EXPECT_THAT(tree_.ChildNames(1), UnorderedElementsAre("a", name));
}

}  // namespace
}  // namespace closewrite::watcher

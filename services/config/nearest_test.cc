#include "services/config/nearest.h"

#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace closewrite {
namespace {

TEST(NearestTest, Table) {
  const std::vector<std::string> kKnown = {"listen", "host", "settle", "on_new_version", "on"};
  const struct {
    std::string word, nearest;
  } kCases[] = {
      {"setle", "settle"},
      {"settel", "settle"},
      {"SETTLE", "settle"},
      {"listne", "listen"},
      {"hots", "host"},
      {"onNewVersion", "on_new_version"},
      {"no", "on"},
      {"completely_different", ""},
      {"x", ""},
      {"", ""},
      {"hst", "host"},
      {std::string(1000, 'x'), ""},
  };
  for (const auto& c : kCases) EXPECT_EQ(Nearest(c.word, kKnown), c.nearest) << c.word;
  EXPECT_EQ(Nearest("a", {}), "");
  EXPECT_EQ(Nearest("", {"a"}), "");
}

TEST(NearestTest, TheNearerOneWinsThenTheFirst) {
  EXPECT_EQ(Nearest("abcde", {"abxxe", "abcdx", "abcdy"}), "abcdx");
}

TEST(SuggestNearestTest, Sentences) {
  EXPECT_EQ(SuggestNearest("hst", {"host", "listen"}), "did you mean \"host\"?");
  EXPECT_EQ(SuggestNearest("zzz", {"host", "listen"}), "known are host, listen");
  EXPECT_EQ(SuggestNearest("zzz", {}), "none is known");
}

}  // namespace
}  // namespace closewrite

#include "services/volume/glob.h"

#include <functional>
#include <random>
#include <string>

#include "gtest/gtest.h"
#include "services/log/str_cat.h"
#include "services/volume/path.h"

namespace closewrite {
namespace {

using std::string_literals::operator""s;

Glob Must(std::string_view pattern) {
  auto glob = Glob::Parse(pattern);
  EXPECT_TRUE(glob.ok()) << glob.status();
  return *std::move(glob);
}

TEST(GlobTest, Table) {
  const struct {
    std::string pattern, path;
    bool matches;
  } kCases[] = {
      {"a", "a", true},
      {"a", "b", false},
      {"a", "a/a", false},
      {"*.csv", "x.csv", true},
      {"*.csv", ".csv", true},
      {"*.csv", "d/x.csv", false},
      {"*.csv", "x.csv.part", false},
      {"*", "a", true},
      {"*", "a/b", false},
      {"*/*", "a/b", true},
      {"*/*", "a", false},
      {"?", "a", true},
      {"?", "ab", false},
      {"?", "\xff", true},
      {"?", "\xc3\xa4", false},
      {"??", "\xc3\xa4", true},
      {"a?b", "a/b", false},
      {"a*b", "ab", true},
      {"a*b", "a/b", false},
      {"a*b*c", "a1b2b3c", true},
      {"a*b*c", "a1b2b3cd", false},
      {"**", "a", true},
      {"**", "a/b/c", true},
      {"**", "a\nb", true},
      {"**/*.csv", "x.csv", true},
      {"**/*.csv", "d/e/x.csv", true},
      {"**/*.csv", "d/e/x.tsv", false},
      {"**/x", "x", true},
      {"**/x", "yx", false},
      {"**/x", "a/yx", false},
      {"a/**", "a/b", true},
      {"a/**", "a/b/c", true},
      {"a/**", "a", false},
      {"a/**", "ab/c", false},
      {"a/", "a/b/c", true},
      {"a/", "a", false},
      {"**/.~tmp~/", "x/.~tmp~/y", true},
      {"a/**/b", "a/b", true},
      {"a/**/b", "a/x/b", true},
      {"a/**/b", "a/x/y/b", true},
      {"a/**/b", "ab", false},
      {"a/**/b", "a/xb", false},
      {"a/**/b", "a/b/c", false},
      {"a/**/b/**/c", "a/b/x/b/c", true},
      {"a/**/b/**/c", "a/x/c", false},
      {"**/a/b", "a/a/b", true},
      {"**/a*/b", "ax/c/ay/b", true},
      {"**/**/a", "a", true},
      {"**/**", "a", true},
      {"a**b", "axxb", true},
      {"a**b", "ax/xb", false},
      {"**.csv", "x.csv", true},
      {"**.csv", "d/x.csv", false},
      {"a**", "abc", true},
      {"a**", "ab/c", false},
      {"[abc]", "b", true},
      {"[abc]", "d", false},
      {"[a-c]x", "bx", true},
      {"[a-c]x", "dx", false},
      {"[!a-c]", "d", true},
      {"[!a-c]", "b", false},
      {"[^a-c]", "d", true},
      {"[^a-c]", "b", false},
      {"[!a]", "/", false},
      {"a[!x]b", "a/b", false},
      {"[]]", "]", true},
      {"[]a]", "a", true},
      {"[!]]", "]", false},
      {"[!]]", "x", true},
      {"[a-]", "-", true},
      {"[-a]", "-", true},
      {"[a-]", "b", false},
      {"[\\]]", "]", true},
      {"[\\!a]", "!", true},
      {"[\\a-\\c]", "b", true},
      {"[\x80-\xff]", "\xe4", true},
      {"[\x80-\xff]", "a", false},
      {"[*]", "*", true},
      {"[*]", "a", false},
      {"[{]", "{", true},
      {"\\*", "*", true},
      {"\\*", "a", false},
      {"\\\\", "\\", true},
      {"\\a", "a", true},
      {"\\{a,b\\}", "{a,b}", true},
      {"\\[a]", "[a]", true},
      {"a]", "a]", true},
      {"a,b", "a,b", true},
      {"{a,b}.csv", "a.csv", true},
      {"{a,b}.csv", "b.csv", true},
      {"{a,b}.csv", "c.csv", false},
      {"{a,b}{1,2}", "b1", true},
      {"{a,b}{1,2}", "b3", false},
      {"x{,.gz}", "x", true},
      {"x{,.gz}", "x.gz", true},
      {"{a/**,b}/c", "a/x/y/c", true},
      {"{a/**,b}/c", "b/c", true},
      {"{a/**,b}/c", "b/x/c", false},
      {"{[,],x}", ",", true},
      {"{a\\,b,c}", "a,b", true},
      {"*\n*", "a\nb", true},
      {"a b", "a b", true},
      {"-rf", "-rf", true},
      {"$(x)*", "$(x)y", true},
      {"\xe4*", "\xe4x", true},
      {"*\xff", "\xfe\xff", true},
      {".*.??????", ".name.Ab12Cd", true},
      {".*.??????", "name.Ab12Cd", false},
      {"**/.#*", "d/.#x", true},
      {"*~", "x~", true},
  };
  for (const auto& c : kCases) {
    EXPECT_EQ(Must(c.pattern).Matches(c.path), c.matches)
        << Display(c.pattern) << " on " << Display(c.path);
  }
}

TEST(GlobTest, RefusesWithThePosition) {
  const struct {
    std::string pattern, says;
  } kCases[] = {
      {"", "is empty"},
      {"a[b", "at position 2: '[' is not closed"},
      {"[", "at position 1: '['"},
      {"[]", "at position 1: '['"},
      {"[!]", "at position 1: '['"},
      {"[a\\]", "at position 1: '['"},
      {"[a\\", "at position 1: '['"},
      {"[z-a]", "at position 2: the range"},
      {"[a/b]", "at position 1: a class never matches '/'"},
      {"a{b", "at position 2: '{' is not closed"},
      {"a}", "at position 2: '}' closes nothing"},
      {"{a,{b,c}}", "at position 4: braces in braces"},
      {"a\\", "at position 2: '\\' escapes nothing"},
      {"/a", "starts with '/'"},
      {"{a,/b}", "starts with '/'"},
      {"{a,}", "is empty"},
      {"a//b", "has a part \"\" at position 3"},
      {"../a", "has a part \"..\""},
      {"./a", "has a part \".\""},
      {"a\0b"s, "at position 2: a NUL byte"},
      {"{1,2,3,4,5,6,7,8,9}{1,2,3,4,5,6,7,8,9}", "more than 64 choices"},
      {std::string(1025, 'a'), "more than 1024 bytes"},
      {"{1,2,3,4,5,6,7,8}{1,2,3,4,5,6,7,8}" + std::string(900, 'x'), "more than 16384 bytes"},
  };
  for (const auto& c : kCases) {
    const auto glob = Glob::Parse(c.pattern);
    ASSERT_FALSE(glob.ok()) << Display(c.pattern);
    EXPECT_EQ(glob.status().code(), absl::StatusCode::kInvalidArgument);
    EXPECT_NE(std::string(glob.status().message()).find(c.says), std::string::npos)
        << glob.status();
  }
}

TEST(GlobTest, KeepsItsPattern) { EXPECT_EQ(Must("{a,b}/*").pattern(), "{a,b}/*"); }

// What the header says, as plainly and slowly as it can be written down, for patterns of the bytes
// in `kPatternBytes` below.
bool NaiveMatch(std::string_view pattern, std::string_view path, bool part_starts) {
  if (pattern.empty()) return path.empty();
  if (part_starts && pattern == "**") return !path.empty();
  if (part_starts && pattern.substr(0, 3) == "**/") {
    if (NaiveMatch(pattern.substr(3), path, true)) return true;
    const size_t slash = path.find('/');
    return slash != std::string_view::npos && NaiveMatch(pattern, path.substr(slash + 1), true);
  }
  if (pattern[0] == '*') {
    if (NaiveMatch(pattern.substr(1), path, false)) return true;
    return !path.empty() && path[0] != '/' && NaiveMatch(pattern, path.substr(1), false);
  }
  if (path.empty()) return false;
  if (pattern[0] == '[') {  // always `[a]` or `[!a]`
    const bool negated = pattern[1] == '!';
    const bool in_class = (path[0] == pattern[negated ? 2 : 1]) != negated && path[0] != '/';
    return in_class && NaiveMatch(pattern.substr(negated ? 4 : 3), path.substr(1), false);
  }
  const bool same = pattern[0] == '?' ? path[0] != '/' : pattern[0] == path[0];
  return same && NaiveMatch(pattern.substr(1), path.substr(1), pattern[0] == '/');
}

std::string RandomPath(std::mt19937* random) {
  const std::vector<std::string> kBytes = {"a", "b", "/", "a", "\xff"};
  std::string path;
  const int length = 1 + static_cast<int>((*random)() % 10);
  for (int i = 0; i < length; ++i) path += kBytes[(*random)() % kBytes.size()];
  return path;
}

TEST(GlobTest, AgreesWithANaiveMatcher) {
  const std::vector<std::string> kPieces = {"a",   "b",   "/",  "*",   "?",
                                            "**/", "/**", "**", "[a]", "[!a]"};
  std::mt19937 random(20261122);
  int tried = 0, matched = 0;
  for (int i = 0; i < 60'000; ++i) {
    std::string pattern;
    const int length = 1 + static_cast<int>(random() % 6);
    for (int j = 0; j < length; ++j) pattern += kPieces[random() % kPieces.size()];
    const auto glob = Glob::Parse(pattern);
    if (!glob.ok() || pattern.back() == '/') continue;
    for (int j = 0; j < 8; ++j) {
      const std::string path = RandomPath(&random);
      if (!CheckRelativePath(path).ok()) continue;
      const bool expected = NaiveMatch(pattern, path, true);
      ASSERT_EQ(glob->Matches(path), expected) << pattern << " on " << Display(path);
      ++tried;
      matched += expected ? 1 : 0;
    }
  }
  EXPECT_GT(tried, 50'000);
  EXPECT_GT(matched, 5'000);
}

TEST(GlobTest, ChoicesAreTheirAlternatives) {
  std::mt19937 random(7);
  const std::vector<std::string> kPieces = {"a", "b", "*", "?", "**/a", "/b", ""};
  const auto piece = [&] { return kPieces[random() % kPieces.size()]; };
  for (int i = 0; i < 20'000; ++i) {
    const std::string start = piece(), first = piece(), second = piece(), end = piece();
    const auto both = Glob::Parse(StrCat(start, "{", first, ",", second, "}", end));
    const auto one = Glob::Parse(StrCat(start, first, end));
    const auto two = Glob::Parse(StrCat(start, second, end));
    ASSERT_EQ(both.ok(), one.ok() && two.ok());
    if (!both.ok()) continue;
    const std::string path = RandomPath(&random);
    ASSERT_EQ(both->Matches(path), one->Matches(path) || two->Matches(path)) << both->pattern();
  }
}

TEST(GlobTest, NoBytesMakeTheParserReadPastItsEnd) {
  const std::string kBytes = "[]{}!^-\\,*/a\xff"s + '\0';
  std::mt19937 random(3);
  for (int i = 0; i < 200'000; ++i) {
    std::string pattern;
    const int length = static_cast<int>(random() % 12);
    for (int j = 0; j < length; ++j) pattern += kBytes[random() % kBytes.size()];
    const auto glob = Glob::Parse(pattern);
    if (glob.ok()) glob->Matches("a/-]/a");
  }
}

// A matcher that backtracks without bounds would need longer than the universe.
TEST(GlobTest, HostilePatternsStayCheap) {
  std::string stars;
  for (int i = 0; i < 500; ++i) stars += "*a";
  const Glob in_part = Must(stars + "b");
  EXPECT_FALSE(in_part.Matches(std::string(4000, 'a')));
  std::string trees;
  for (int i = 0; i < 200; ++i) trees += "**/a/";
  const Glob in_tree = Must(trees + "b");
  std::string path;
  for (int i = 0; i < 2000; ++i) path += "a/";
  EXPECT_FALSE(in_tree.Matches(path + "c"));
}

}  // namespace
}  // namespace closewrite

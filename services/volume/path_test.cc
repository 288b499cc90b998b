#include "services/volume/path.h"

#include <string>

#include "gtest/gtest.h"
#include "services/log/str_cat.h"

namespace closewrite {
namespace {

using std::string_literals::operator""s;

TEST(CheckRelativePathTest, TakesAnyBytesButNulAndSlash) {
  for (const std::string& path :
       {"a"s, "a/b"s, " "s, "-rf"s, "a\nb"s, "\xff\xfe"s, "$(x)"s, "..."s, ".a"s, "a/..b"s, "a..b"s,
        std::string(255, 'x'), StrCat(std::string(255, 'x'), "/", std::string(255, 'y'))}) {
    EXPECT_TRUE(CheckRelativePath(path).ok()) << Display(path);
  }
}

TEST(CheckRelativePathTest, RefusesWhatIsNotBelowTheRoot) {
  for (const std::string& path :
       {""s, "/"s, "/a"s, "a/"s, "a//b"s, "."s, ".."s, "./a"s, "../a"s, "a/.."s, "a/."s, "a/../b"s,
        "a\0b"s, "\0"s, std::string(256, 'x'), StrCat("a/", std::string(256, 'x'))}) {
    EXPECT_EQ(CheckRelativePath(path).code(), absl::StatusCode::kInvalidArgument) << Display(path);
  }
}

TEST(CheckRelativePathTest, LengthLimit) {
  std::string path;
  while (path.size() < kPathBytesMax - 1) path += "a/";
  path.resize(kPathBytesMax - 1);
  path += "b";
  path[kPathBytesMax - 2] = 'c';
  ASSERT_EQ(path.size(), kPathBytesMax);
  EXPECT_TRUE(CheckRelativePath(path).ok());
  EXPECT_FALSE(CheckRelativePath(path + "d").ok());
}

TEST(CheckRelativePathTest, MessageShowsThePathEscaped) {
  const absl::Status status = CheckRelativePath("/a\nb");
  EXPECT_EQ(std::string(status.message()),
            "path \"/a\\nb\" is absolute; give it relative to the volume's root");
}

TEST(CheckNameTest, Table) {
  for (const std::string& name : {"a"s, "vm-a"s, "A.b_c-9"s, "9"s, std::string(63, 'x')}) {
    EXPECT_TRUE(CheckName("volume", name).ok()) << name;
  }
  for (const std::string& name :
       {""s, "-a"s, ".a"s, "_a"s, "a b"s, "a/b"s, "\xc3\xa4"s, "a\n"s, std::string(64, 'x')}) {
    const absl::Status status = CheckName("volume", name);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << name;
    EXPECT_EQ(std::string(status.message()).rfind("volume ", 0), 0u);
  }
}

TEST(DisplayTest, Table) {
  const struct {
    std::string bytes, shown;
  } kCases[] = {
      {"", ""},
      {"plain name.csv", "plain name.csv"},
      {"a\nb\tc\rd\\e", "a\\nb\\tc\\rd\\\\e"},
      {"\x01\x1b[31m\x7f", "\\x01\\x1b[31m\\x7f"},
      {"a\0b"s, "a\\x00b"},
      {"\xff", "\\xff"},
      {"M\xc3\xbcnchen", "M\xc3\xbcnchen"},
      {"M\xfcnchen", "M\\xfcnchen"},
      {"\xe2\x82\xac \xf0\x9f\x98\x80", "\xe2\x82\xac \xf0\x9f\x98\x80"},
      {"\xe2\x82", "\\xe2\\x82"},
      {"\xc0\xaf", "\\xc0\\xaf"},                    // overlong '/'
      {"\xed\xa0\x80", "\\xed\\xa0\\x80"},           // a surrogate
      {"\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80"},  // past U+10FFFF
      {"\xc2\x85", "\\xc2\\x85"},                    // U+0085, next line
      {"\xe2\x80\xae", "\\xe2\\x80\\xae"},           // right-to-left override
      {"\xe2\x80\xa8", "\\xe2\\x80\\xa8"},           // line separator
  };
  for (const auto& c : kCases) EXPECT_EQ(Display(c.bytes), c.shown);
}

TEST(DisplayTest, IsAlwaysUtf8WithoutLineBreaks) {
  for (int first = 0; first < 256; ++first) {
    for (int second = 0; second < 256; ++second) {
      const std::string bytes = {'a', static_cast<char>(first), static_cast<char>(second), 'z'};
      const std::string shown = Display(bytes);
      EXPECT_TRUE(IsUtf8(shown));
      EXPECT_EQ(shown.find_first_of("\n\r\0"s), std::string::npos);
    }
  }
}

TEST(IsUtf8Test, Table) {
  EXPECT_TRUE(IsUtf8(""));
  EXPECT_TRUE(IsUtf8("a\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80"));
  EXPECT_TRUE(IsUtf8("\xf4\x8f\xbf\xbf"));
  for (const char* bad :
       {"\x80", "\xc3", "\xc3(", "\xe0\x80\x80", "\xf0\x80\x80\x80", "\xf5\x80\x80\x80"}) {
    EXPECT_FALSE(IsUtf8(bad)) << Display(bad);
  }
}

// Messages were cut in the middle of a character, and whoever got them could read none of the
// answer.
TEST(BeginningTest, NoCharacterIsCut) {
  EXPECT_EQ(Beginning("abc", 3), "abc");
  EXPECT_EQ(Beginning("abc", 2), "ab");
  EXPECT_EQ(Beginning("abc", 0), "");
  for (const std::string character : {"\xc3\xa4", "\xe2\x82\xac", "\xf0\x9f\x98\x80"}) {
    const std::string text = "ab" + character + "c";
    for (size_t bytes = 0; bytes <= text.size(); ++bytes) {
      EXPECT_TRUE(IsUtf8(Beginning(text, bytes))) << Display(text) << " " << bytes;
      EXPECT_LE(Beginning(text, bytes).size(), bytes);
      EXPECT_GT(Beginning(text, bytes).size() + character.size(), bytes);
    }
  }
  // What is no text is cut where it must be.
  EXPECT_EQ(Beginning("\x80\x80\x80\x80\x80\x80", 5).size(), size_t{5});
}

TEST(PartsTest, BaseAndDir) {
  EXPECT_EQ(BaseName("a/b/c"), "c");
  EXPECT_EQ(DirName("a/b/c"), "a/b");
  EXPECT_EQ(BaseName("c"), "c");
  EXPECT_EQ(DirName("c"), "");
  EXPECT_EQ(Join("", "c"), "c");
  EXPECT_EQ(Join("a/b", "c"), "a/b/c");
  // The directory of a file at the root is "": joined, it left a '/' at the end that no call takes.
  EXPECT_EQ(Join("a/b", DirName("c")), "a/b");
}

TEST(PrivateTest, Table) {
  EXPECT_TRUE(IsPrivate(".closewrite"));
  EXPECT_TRUE(IsPrivate(".closewrite/staging/1/2/x"));
  EXPECT_FALSE(IsPrivate(".closewrite2/a"));
  EXPECT_FALSE(IsPrivate("a/.closewrite"));
  EXPECT_FALSE(IsPrivate(""));
  EXPECT_EQ(StagingPath(7, 2), ".closewrite/staging/7/2");
  EXPECT_TRUE(IsPrivate(StagingPath(7, 2)));
}

}  // namespace
}  // namespace closewrite

#include "services/cli/table.h"

#include <sstream>

#include "gtest/gtest.h"

namespace closewrite::cli {
namespace {

TEST(TextWidth, CountsColumnsAndNotBytes) {
  EXPECT_EQ(TextWidth("abc"), 3);
  EXPECT_EQ(TextWidth("Übergröße"), 9);
  EXPECT_EQ(TextWidth("日本"), 4);
  EXPECT_EQ(TextWidth("e\xcc\x81"), 1);  // e and a combining acute accent
  EXPECT_EQ(TextWidth("\xff\xfe"), 2);   // not UTF-8
  EXPECT_EQ(TextWidth("\xe6\x97"), 2);   // cut off
  EXPECT_EQ(TextWidth("\xf0\x9f\x98\x80"), 2);
}

TEST(TextWidth, KnowsMarksOfOtherScripts) {
  EXPECT_EQ(TextWidth("नमस्ते"), 4);  // vowel signs and viramas stand in others
  EXPECT_EQ(TextWidth("שָׁלוֹם"), 4);  // Hebrew with points
  EXPECT_EQ(TextWidth("한글"), 4);
  EXPECT_EQ(TextWidth("\xe1\x84\x92\xe1\x85\xa1\xe1\x86\xab"), 2);  // 한 in its parts
  EXPECT_EQ(TextWidth("a\xe2\x80\x8b"
                      "b"),
            2);  // zero width space
}

TEST(TextWidth, CountsEmojiAsTheyAreShown) {
  EXPECT_EQ(TextWidth("🚀"), 2);
  EXPECT_EQ(TextWidth("✅ done"), 7);
  EXPECT_EQ(TextWidth("👩\u200d👩\u200d👧"), 2);  // a family, joined
  EXPECT_EQ(TextWidth("👍\U0001F3FD"), 2);      // with a skin tone
  EXPECT_EQ(TextWidth("❤\ufe0f"), 2);          // the heart as an emoji
  EXPECT_EQ(TextWidth("❤"), 1);                // and as text
  EXPECT_EQ(TextWidth("🇩🇪"), 2);               // a flag, of two letters
}

TEST(Shorten, CutsAtCodePoints) {
  EXPECT_EQ(Shorten("abcdef", 6), "abcdef");
  EXPECT_EQ(Shorten("abcdef", 4), "abc…");
  EXPECT_EQ(Shorten("日本語", 4), "日…");
  EXPECT_EQ(Shorten("abc", 0), "");
  EXPECT_EQ(Shorten("e\xcc\x81"
                    "e\xcc\x81"
                    "e\xcc\x81",
                    2),
            "e\xcc\x81…");
  EXPECT_EQ(Shorten("👩\u200d👧xyz", 4), "👩\u200d👧x…");
}

TEST(Printable, DisarmsControlCharacters) {
  EXPECT_EQ(Printable("a\x1b[31mb"), "a\\x1b[31mb");
  EXPECT_EQ(Printable("a\nb\tc"), "a\\x0ab\\x09c");
  EXPECT_EQ(Printable("\xc2\x9b"), "\\xc2\\x9b");  // CSI as a C1 control
  EXPECT_EQ(Printable("Ü\xff"), "Ü\\xff");
  EXPECT_EQ(Printable("\xc0\xaf"), "\\xc0\\xaf");  // overlong
}

TEST(Table, AlignsByWidth) {
  Table table({{"ID", true}, {"INPUT"}, {"WHY"}});
  table.Add({{"7"}, {"in:Ü.csv"}, {"waits"}});
  table.Add({{"1234"}, {"in:日本.csv"}, {""}});
  std::ostringstream out;
  table.Print(out, {});
  EXPECT_EQ(out.str(),
            "  ID  INPUT        WHY\n"
            "   7  in:Ü.csv     waits\n"
            "1234  in:日本.csv\n");
}

TEST(Table, CutsTheLastColumnOnATerminal) {
  Table table({{"ID"}, {"WHY"}});
  table.Add({{"1"}, {"a long reason"}});
  std::ostringstream out;
  table.Print(out, {.width_max = 10});
  EXPECT_EQ(out.str(), "ID  WHY\n1   a lon…\n");
}

TEST(Wrap, BreaksAtBlanks) {
  EXPECT_EQ(Wrap("no executor with linux", 11),
            (std::vector<std::string>{"no executor", "with linux"}));
  EXPECT_EQ(Wrap("a verylongword", 6), (std::vector<std::string>{"a", "veryl…"}));
  EXPECT_EQ(Wrap("", 6), std::vector<std::string>());
}

TEST(Table, WrapsTheLastColumnWhenItMay) {
  const auto print = [](int width) {
    Table table({{"ID"}, {.heading = "WHY", .wraps = true}});
    table.Add({{"1"}, {"the lock api-x is held by job 41, third in line"}});
    table.Add({{"2"}, {"short"}});
    std::ostringstream out;
    table.Print(out, {.width_max = width});
    return out.str();
  };
  EXPECT_EQ(print(34),
            "ID  WHY\n"
            "1   the lock api-x is held by job\n"
            "    41, third in line\n"
            "2   short\n");
  // Where there is little room beside the others, below them.
  EXPECT_EQ(print(24),
            "ID  WHY\n"
            "1\n"
            "    the lock api-x is\n"
            "    held by job 41,\n"
            "    third in line\n"
            "2   short\n");
}

TEST(Table, ColorsOnlyWhenAsked) {
  Table table({{"STATE"}, {"X"}});
  table.Add({{"failed", Color::kRed}, {"y"}});
  std::ostringstream plain;
  Table copy = table;
  copy.Print(plain, {});
  EXPECT_EQ(plain.str().find('\x1b'), std::string::npos);
  std::ostringstream colored;
  table.Print(colored, {.color = true});
  EXPECT_EQ(colored.str(), "STATE   X\n\x1b[31mfailed\x1b[0m  y\n");
}

TEST(Table, GrowsWithoutRepeatingItsHeadings) {
  Table table({{"KIND", false, 6}, {"FILE"}});
  std::ostringstream out;
  table.Print(out, {});
  table.Add({{"create"}, {"a"}});
  table.Print(out, {});
  table.Add({{"close_write"}, {"b"}});
  table.Print(out, {});
  EXPECT_EQ(out.str(), "KIND    FILE\ncreate  a\nclose_write  b\n");
}

}  // namespace
}  // namespace closewrite::cli

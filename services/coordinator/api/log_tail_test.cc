#include "services/coordinator/api/log_tail.h"

#include <algorithm>
#include <string>

#include "gtest/gtest.h"

namespace closewrite {
namespace {

std::string Tail(const std::string& log, int64_t lines, int64_t piece_bytes_max) {
  LogTail tail(lines, static_cast<int64_t>(log.size()), piece_bytes_max);
  for (size_t i = 0; i <= log.size() && !tail.done(); ++i) {
    tail.Feed(log.substr(tail.piece_offset(), tail.piece_size()));
  }
  EXPECT_TRUE(tail.done());
  return log.substr(tail.start());
}

TEST(LogTailTest, FindsTheLastLinesWhateverThePieces) {
  struct Case {
    std::string log;
    int64_t lines;
    std::string want;
  };
  const Case kCases[] = {
      {"", 1, ""},
      {"a", 1, "a"},
      {"a\n", 1, "a\n"},
      {"a\nb", 1, "b"},
      {"a\nb\n", 1, "b\n"},
      {"a\nb\n", 2, "a\nb\n"},
      {"a\nb\n", 9, "a\nb\n"},
      {"a\nb\nc\n", 2, "b\nc\n"},
      {"a\n\n\n", 1, "\n"},
      {"a\n\n\n", 2, "\n\n"},
      {"\n", 1, "\n"},
      {"first line\nsecond line\nthird", 2, "second line\nthird"},
  };
  for (const Case& c : kCases) {
    for (int64_t piece_bytes_max = 1; piece_bytes_max < 40; ++piece_bytes_max) {
      EXPECT_EQ(Tail(c.log, c.lines, piece_bytes_max), c.want)
          << c.log << " " << c.lines << " " << piece_bytes_max;
    }
  }
}

TEST(LogTailTest, AMissingPieceEndsTheSearch) {
  LogTail tail(3, 100, 10);
  tail.Feed("");
  EXPECT_TRUE(tail.done());
  EXPECT_EQ(tail.start(), 0);
}

}  // namespace
}  // namespace closewrite

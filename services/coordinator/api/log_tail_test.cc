#include "services/coordinator/api/log_tail.h"

#include <algorithm>
#include <string>

#include "gtest/gtest.h"

namespace closewrite {
namespace {

// A log of one byte a part, all at the offset of their index; upper case is stderr.
LogPiece PieceOf(const std::string& log, int64_t from, int64_t to) {
  LogPiece piece{.parts = {}, .end = from};
  for (int64_t i = from; i < to; ++i) {
    const char c = log[static_cast<size_t>(i)];
    piece.parts.push_back({.offset = i,
                           .time_us = 0,
                           .stream = isupper(c) != 0 ? LogStream::kStderr : LogStream::kStdout,
                           .bytes = std::string(1, c)});
  }
  return piece;
}

std::string Tail(const std::string& log, int64_t lines, int64_t piece_bytes_max,
                 LogStreams streams = LogStreams::All()) {
  LogTail tail(lines, static_cast<int64_t>(log.size()), streams);
  for (size_t i = 0; i <= log.size() && !tail.done(); ++i) {
    tail.Feed(PieceOf(log, std::max<int64_t>(0, tail.unread() - piece_bytes_max), tail.unread()));
  }
  EXPECT_TRUE(tail.done());
  return log.substr(static_cast<size_t>(tail.start().offset + tail.start().skip));
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

TEST(LogTailTest, OnlyTheChosenStreamsCount) {
  LogStreams err;
  err.Add(LogStream::kStderr);
  // There is no newline on stderr: all of it is one line.
  EXPECT_EQ(Tail("AB\nCD\nEF", 1, 3, err), "AB\nCD\nEF");
  LogStreams out;
  out.Add(LogStream::kStdout);
  EXPECT_EQ(Tail("a\nb\nXY", 1, 3, out), "b\nXY");
}

TEST(LogTailTest, LinesAreFoundWithinAPart) {
  LogTail tail(2, 100, LogStreams::All());
  tail.Feed({.parts = {{.offset = 40, .bytes = "one\ntwo\nthree\n"}}, .end = 40});
  EXPECT_TRUE(tail.done());
  EXPECT_EQ(tail.start().offset, 40);
  EXPECT_EQ(tail.start().skip, 4);
}

TEST(LogTailTest, AMissingPieceEndsTheSearch) {
  LogTail tail(3, 100, LogStreams::All());
  tail.Feed(LogPiece());
  EXPECT_TRUE(tail.done());
  EXPECT_EQ(tail.start().offset, 0);
}

}  // namespace
}  // namespace closewrite

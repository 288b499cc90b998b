#include "services/cli/log_lines.h"

#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "services/log/str_cat.h"

namespace closewrite::cli {
namespace {

v1::LogPart Part(v1::LogStream stream, int64_t second, const std::string& text) {
  v1::LogPart part;
  part.set_stream(stream);
  if (second != 0) part.mutable_time()->set_seconds(second);
  part.set_text(text);
  return part;
}

constexpr v1::LogStream kOut = v1::LOG_STREAM_STDOUT;
constexpr v1::LogStream kErr = v1::LOG_STREAM_STDERR;

class LogLinesTest : public testing::Test {
 protected:
  std::string Take() { return std::exchange(seen_, ""); }

  std::string seen_;
  size_t lines_max_ = 1000;
  size_t count_ = 0;
  LogLines lines_{[this](const LogLine& line) {
    StrAppend(&seen_, line.time.has_value() ? StrCat(absl::ToUnixSeconds(*line.time)) : "-",
              line.stream == kOut ? " out " : " err ", line.text, line.whole ? "|" : "~");
    return ++count_ < lines_max_;
  }};
};

TEST_F(LogLinesTest, ALineHasTheTimeOfItsBeginning) {
  EXPECT_TRUE(lines_.Add(Part(kOut, 1, "a")));
  EXPECT_TRUE(lines_.Add(Part(kOut, 2, "b")));
  EXPECT_EQ(Take(), "");
  EXPECT_TRUE(lines_.Add(Part(kOut, 3, "c\nd\n\ne")));
  EXPECT_EQ(Take(), "1 out abc|3 out d|3 out |");
  EXPECT_TRUE(lines_.Add(Part(kOut, 4, "\n")));
  EXPECT_EQ(Take(), "3 out e|");
  EXPECT_TRUE(lines_.Add(Part(kOut, 0, "x\n")));
  EXPECT_EQ(Take(), "- out x|");
}

TEST_F(LogLinesTest, StreamsDoNotMix) {
  lines_.Add(Part(kOut, 1, "out"));
  lines_.Add(Part(kErr, 2, "err\nrest"));
  lines_.Add(Part(kOut, 3, "put\n"));
  EXPECT_EQ(Take(), "2 err err|1 out output|");
  EXPECT_TRUE(lines_.End());
  EXPECT_EQ(Take(), "2 err rest|");
  EXPECT_TRUE(lines_.End());
  EXPECT_EQ(Take(), "");
}

TEST_F(LogLinesTest, ALongLineComesInPieces) {
  const std::string most(kLogLineBytesMax - 1, 'x');
  lines_.Add(Part(kOut, 1, most));
  EXPECT_EQ(Take(), "");
  lines_.Add(Part(kOut, 2, "yz"));
  EXPECT_EQ(Take(), StrCat("1 out ", most, "y~"));
  lines_.Add(Part(kOut, 3, "\nnext\n"));
  EXPECT_EQ(Take(), "1 out z|3 out next|");
  // Of just as many bytes as a line may have.
  lines_.Add(Part(kOut, 4, most + "y\n"));
  EXPECT_EQ(Take(), StrCat("4 out ", most, "y|"));
}

TEST_F(LogLinesTest, EndsWhenNoMoreIsWanted) {
  lines_max_ = 2;
  EXPECT_FALSE(lines_.Add(Part(kOut, 1, "a\nb\nc\n")));
  EXPECT_EQ(Take(), "1 out a|1 out b|");
}

TEST_F(LogLinesTest, BytesThatAreNoTextAreTakenToo) {
  v1::LogPart part = Part(kOut, 1, "");
  part.set_data("\xff\n");
  lines_.Add(part);
  EXPECT_EQ(Take(), "1 out \xff|");
}

}  // namespace
}  // namespace closewrite::cli

#include "services/log_record/log_record.h"

#include "gtest/gtest.h"

namespace closewrite {
namespace {

constexpr size_t kHeader = sizeof(LogRecordHeader);

TEST(LogRecord, ComesBackAsItWent) {
  std::string log;
  AppendLogRecord(1, LogStream::kStdout, std::string("a\0\xff\n", 4), &log);
  AppendLogRecord(-2, LogStream::kStderr, "b", &log);
  AppendLogRecord(3, LogStream::kNote, "c\n", &log);
  std::string_view rest = log;
  std::optional<LogRecord> record = TakeLogRecord(&rest);
  ASSERT_TRUE(record.has_value());
  EXPECT_EQ(record->time_us, 1);
  EXPECT_EQ(record->stream, LogStream::kStdout);
  EXPECT_EQ(record->bytes, std::string_view("a\0\xff\n", 4));
  record = TakeLogRecord(&rest);
  ASSERT_TRUE(record.has_value());
  EXPECT_EQ(record->time_us, -2);
  EXPECT_EQ(record->stream, LogStream::kStderr);
  EXPECT_EQ(record->bytes, "b");
  record = TakeLogRecord(&rest);
  ASSERT_TRUE(record.has_value());
  EXPECT_EQ(record->stream, LogStream::kNote);
  EXPECT_TRUE(rest.empty());
  EXPECT_FALSE(TakeLogRecord(&rest).has_value());
  EXPECT_EQ(LogText(log), std::string("a\0\xff\nbc\n", 7));
}

// The format is on disks and in databases.
TEST(LogRecord, LooksTheSameForEver) {
  std::string log;
  AppendLogRecord(0x0102030405060708, LogStream::kStderr, "hi", &log);
  EXPECT_EQ(log, std::string("\x08\x07\x06\x05\x04\x03\x02\x01"
                             "\x02\0\0\0"
                             "\x02\0\0\0"
                             "hi",
                             18));
}

TEST(LogRecord, NothingIsNoRecord) {
  std::string log;
  AppendLogRecord(1, LogStream::kStdout, "", &log);
  EXPECT_EQ(log, "");
}

TEST(LogRecord, WhatIsTooLongForOneIsSplit) {
  std::string log;
  AppendLogRecord(1, LogStream::kStdout, std::string(2 * kLogRecordBytesMax + 1, 'x'), &log);
  EXPECT_EQ(log.size(), 3 * kHeader + 2 * kLogRecordBytesMax + 1);
  std::string_view rest = log;
  for (const size_t bytes : {size_t{kLogRecordBytesMax}, size_t{kLogRecordBytesMax}, size_t{1}}) {
    const std::optional<LogRecord> record = TakeLogRecord(&rest);
    ASSERT_TRUE(record.has_value());
    EXPECT_EQ(record->bytes.size(), bytes);
  }
  EXPECT_TRUE(rest.empty());
}

TEST(LogRecord, OnlyWholeOnesAreTaken) {
  std::string log;
  AppendLogRecord(1, LogStream::kStdout, "one", &log);
  const size_t first = log.size();
  AppendLogRecord(1, LogStream::kStdout, "two", &log);
  for (size_t size = 0; size <= log.size(); ++size) {
    const size_t whole = size < first ? 0 : size < log.size() ? first : size;
    EXPECT_EQ(WholeLogRecords(std::string_view(log).substr(0, size)), whole) << size;
  }
  std::string_view rest = std::string_view(log).substr(0, first - 1);
  EXPECT_FALSE(TakeLogRecord(&rest).has_value());
  EXPECT_EQ(rest.size(), first - 1);
}

TEST(LogRecord, TheMalformedIsNotTaken) {
  std::string good;
  AppendLogRecord(1, LogStream::kStdout, "x", &good);
  const auto spoilt = [&](size_t at, char with) {
    std::string bad = good + std::string(2 * kLogRecordBytesMax, '\0');
    bad[at] = with;
    std::string_view rest = bad;
    return !TakeLogRecord(&rest).has_value();
  };
  EXPECT_FALSE(spoilt(0, 7));
  EXPECT_TRUE(spoilt(8, 0));    // no bytes
  EXPECT_TRUE(spoilt(10, 2));   // more than kLogRecordBytesMax
  EXPECT_TRUE(spoilt(12, 0));   // no stream
  EXPECT_TRUE(spoilt(12, 4));   // an unknown one
  EXPECT_FALSE(spoilt(13, 1));  // may get a meaning
}

}  // namespace
}  // namespace closewrite

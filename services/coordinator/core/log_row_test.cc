#include "services/coordinator/core/log_row.h"

#include <string>

#include "gtest/gtest.h"

namespace closewrite {
namespace {

std::string Record(std::string_view bytes, int64_t time_us = 1) {
  std::string record;
  AppendLogRecord(time_us, LogStream::kStdout, bytes, &record);
  return record;
}

LogRow RecordsAt(int64_t offset, const std::string& records) {
  return {.offset = offset,
          .bytes = static_cast<int64_t>(records.size()),
          .format = LogFormat::kRecords,
          .data = records};
}

std::string TextOf(const LogPiece& piece) {
  std::string text;
  for (const LogPart& part : piece.parts) text += part.bytes;
  return text;
}

TEST(LogRowTest, OnlyWhatIsNewIsAppended) {
  const std::string one = Record("one");
  const std::string two = Record("two");
  const auto length = static_cast<int64_t>(one.size());
  EXPECT_EQ(RowsToAppend(length, 0, one + two), std::vector<LogRow>{RecordsAt(length, two)});
  EXPECT_EQ(RowsToAppend(length, length, two), std::vector<LogRow>{RecordsAt(length, two)});
  EXPECT_TRUE(RowsToAppend(length, 0, one).empty());
  EXPECT_TRUE(RowsToAppend(length, length + 1, two).empty());
  EXPECT_TRUE(RowsToAppend(length, -1, two).empty());
  EXPECT_TRUE(RowsToAppend(length, length, "").empty());
}

TEST(LogRowTest, RowsHoldWholeRecords) {
  std::string records;
  while (records.size() < size_t{3} * kLogRowBytesMax) records += Record(std::string(60'000, 'x'));
  const std::vector<LogRow> rows = RowsToAppend(0, 0, records);
  EXPECT_EQ(rows.size(), 4u);
  int64_t offset = 0;
  for (const LogRow& row : rows) {
    EXPECT_EQ(row.offset, offset);
    EXPECT_EQ(row.format, LogFormat::kRecords);
    EXPECT_LE(row.bytes, kLogRowBytesMax);
    EXPECT_EQ(WholeLogRecords(row.data), row.data.size());
    offset = row.end();
  }
  EXPECT_EQ(offset, static_cast<int64_t>(records.size()));
}

TEST(LogRowTest, WhatIsNoRecordIsRaw) {
  const std::string raw(size_t{kLogRowBytesMax} + 5, 'r');
  const std::vector<LogRow> rows = RowsToAppend(0, 0, Record("x") + raw);
  ASSERT_EQ(rows.size(), 3u);
  EXPECT_EQ(rows[0].format, LogFormat::kRecords);
  EXPECT_EQ(rows[1].format, LogFormat::kRaw);
  EXPECT_EQ(rows[1].bytes, kLogRowBytesMax);
  EXPECT_EQ(rows[2].bytes, 5);
  const LogPiece piece = UnpackLogRows(rows, 0);
  EXPECT_EQ(TextOf(piece), "x" + raw);
  EXPECT_EQ(piece.end, rows[2].end());
  // From the middle of it.
  EXPECT_EQ(TextOf(UnpackLogRows({rows[2]}, rows[2].end() - 2)), "rr");
}

TEST(LogRowTest, PackedRowsComeBack) {
  std::string first;
  std::string second;
  for (int i = 0; i < 1000; ++i) first += Record("the same again and again\n", i);
  for (int i = 0; i < 1000; ++i) second += Record("and once more\n", i);
  const LogRow one = RecordsAt(100, first);
  const LogRow two = RecordsAt(one.end(), second);
  const LogRow packed = PackLogRows({one, two});
  EXPECT_EQ(packed.offset, 100);
  EXPECT_EQ(packed.end(), two.end());
  EXPECT_EQ(packed.format, LogFormat::kPacked);
  EXPECT_LT(packed.data.size(), static_cast<size_t>(packed.bytes) / 5);
  const LogPiece piece = UnpackLogRows({packed}, 100);
  EXPECT_EQ(piece.parts, UnpackLogRows({one, two}, 100).parts);
  EXPECT_EQ(piece.parts.size(), 2000u);
  // From a record on.
  EXPECT_EQ(UnpackLogRows({packed}, two.offset).parts.size(), 1000u);
}

TEST(LogRowTest, WhatCannotBePackedIsJoined) {
  const LogRow one = RecordsAt(0, Record("a"));
  const LogRow two = RecordsAt(one.end(), Record("b"));
  const LogRow joined = PackLogRows({one, two});
  EXPECT_EQ(joined, RecordsAt(0, one.data + two.data));
  EXPECT_EQ(PackLogRows({one}), one);
}

TEST(LogRowTest, ANoteStandsForWhatIsMissing) {
  const LogRow first = RecordsAt(0, Record("a\n"));
  const LogRow left_out{.offset = 1000, .bytes = 500, .format = LogFormat::kLeftOut, .data = ""};
  const LogRow last = RecordsAt(2000, Record("b\n"));
  const LogPiece piece = UnpackLogRows({first, left_out, last}, 0);
  ASSERT_EQ(piece.parts.size(), 3u);
  EXPECT_EQ(piece.parts[1].offset, first.end());
  EXPECT_EQ(piece.parts[1].stream, LogStream::kNote);
  EXPECT_EQ(piece.parts[1].bytes, "[1982 bytes left out]\n");
  EXPECT_EQ(piece.end, last.end());
  // Read on from within the gap.
  EXPECT_EQ(TextOf(UnpackLogRows({last}, 1990)), "[10 bytes left out]\nb\n");
  EXPECT_EQ(TextOf(UnpackLogRows({left_out}, 1000)), "[500 bytes left out]\n");
  EXPECT_EQ(UnpackLogRows({}, 77).end, 77);
}

TEST(LogRowTest, DamageIsNotedAndTheRestIsRead) {
  std::string records;
  for (int i = 0; i < 100; ++i) records += Record("the same again and again\n");
  LogRow packed = PackLogRows({RecordsAt(0, records)});
  ASSERT_EQ(packed.format, LogFormat::kPacked);
  const LogRow next = RecordsAt(packed.end(), Record("next"));
  const auto text = [&] { return TextOf(UnpackLogRows({packed, next}, 0)); };
  packed.data[packed.data.size() / 2] ^= 0x55;
  EXPECT_EQ(text(), "[4100 damaged bytes]\nnext");
  packed.data.clear();
  EXPECT_EQ(text(), "[4100 damaged bytes]\nnext");
  // A row that claims to unpack to more than any row has.
  packed.bytes = int64_t{1} << 40;
  EXPECT_EQ(TextOf(UnpackLogRows({packed}, 0)), "[1099511627776 damaged bytes]\n");
  LogRow torn = RecordsAt(0, Record("one") + Record("two"));
  torn.data.resize(torn.data.size() - 1);
  EXPECT_EQ(TextOf(UnpackLogRows({torn}, 0)), "one[19 damaged bytes]\n");
}

}  // namespace
}  // namespace closewrite

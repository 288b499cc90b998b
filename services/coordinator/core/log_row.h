// How the log of an attempt lies in the store: in rows, which follow each other.
#ifndef SERVICES_COORDINATOR_CORE_LOG_ROW_H_
#define SERVICES_COORDINATOR_CORE_LOG_ROW_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "services/log_record/log_record.h"

namespace closewrite {

// What a row holds. The numbers are stored.
enum class LogFormat {
  kRaw = 0,      // bytes without records: stdout of an unknown time
  kRecords = 1,  // whole records, see log_record.h
  kPacked = 2,   // the same, compressed
  kLeftOut = 3,  // nothing: it stands for a part of the log that is kept no more
};

// Bytes of log in one row.
inline constexpr int64_t kLogRowBytesMax = 256 << 10;

// Rows that are not there any more leave a gap between their neighbours.
struct LogRow {
  int64_t offset = 0;  // of its first byte in the log
  int64_t bytes = 0;   // of the log; of `data` too, but for kPacked and kLeftOut
  LogFormat format = LogFormat::kRecords;
  std::string data;
  int64_t end() const { return offset + bytes; }
  bool operator==(const LogRow&) const = default;
};

// What is to be stored of `data` that was sent for `offset`, where the log ends at `length`: only
// what comes behind its end, as records as far as it is made of such. Nothing when all of it is
// there already, or when it would leave a gap.
std::vector<LogRow> RowsToAppend(int64_t length, int64_t offset, std::string_view data);

// Rows of kRecords that follow each other as one, compressed if that makes it smaller.
LogRow PackLogRows(const std::vector<LogRow>& rows);

// What a command wrote in one go, or a note.
struct LogPart {
  int64_t offset = 0;   // where it begins in the log
  int64_t time_us = 0;  // since 1970; 0: not known
  LogStream stream = LogStream::kStdout;
  std::string bytes;
  bool operator==(const LogPart&) const = default;
};

struct LogPiece {
  std::vector<LogPart> parts;
  int64_t end = 0;  // where to read on
};

// The parts from `offset` on, of rows that are sorted and end behind it. A note stands for what is
// missing between them and for what can't be read.
LogPiece UnpackLogRows(const std::vector<LogRow>& rows, int64_t offset);

}  // namespace closewrite

#endif  // SERVICES_COORDINATOR_CORE_LOG_ROW_H_

// The format of an attempt's log: what a command wrote, in pieces that know their stream and time.
#ifndef SERVICES_LOG_RECORD_LOG_RECORD_H_
#define SERVICES_LOG_RECORD_LOG_RECORD_H_

#include <bit>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace closewrite {

// A log is a row of records, each a header and then its bytes. Records hold bytes as they came:
// they need not end where a line ends, and lines of both streams may interleave. Offsets in a log
// count headers, too.
enum class LogStream : uint8_t {
  kStdout = 1,
  kStderr = 2,
  kNote = 3,  // our own words: a line for people, such as "[12 bytes left out]\n"
};

// Little-endian, as it lies in memory.
struct LogRecordHeader {
  int64_t time_us;  // when the bytes were read from the command; microseconds since 1970
  uint32_t bytes;   // that follow; 1 to kLogRecordBytesMax
  LogStream stream;
  uint8_t unused[3];  // 0
};
static_assert(sizeof(LogRecordHeader) == 16 && std::endian::native == std::endian::little);

inline constexpr uint32_t kLogRecordBytesMax = 64 << 10;
// With its header.
inline constexpr size_t kWholeLogRecordBytesMax = sizeof(LogRecordHeader) + kLogRecordBytesMax;

struct LogRecord {
  int64_t time_us = 0;
  LogStream stream = LogStream::kStdout;
  std::string_view bytes;
};

// Appends records that hold `bytes`: several when these are too many for one, none when there are
// none.
void AppendLogRecord(int64_t time_us, LogStream stream, std::string_view bytes, std::string* out);

// Takes the first record off `data`; its bytes lie there still. Nothing, and `data` as it was, when
// that is empty, or does not begin with a whole record.
std::optional<LogRecord> TakeLogRecord(std::string_view* data);

// What the whole records at the front of `data` hold, of all streams, one after the other.
std::string LogText(std::string_view data);

// How many bytes at the front of `data` are whole records.
size_t WholeLogRecords(std::string_view data);

}  // namespace closewrite

#endif  // SERVICES_LOG_RECORD_LOG_RECORD_H_

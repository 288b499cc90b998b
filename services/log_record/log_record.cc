#include "services/log_record/log_record.h"

#include <cstring>

namespace closewrite {
namespace {

bool IsSound(const LogRecordHeader& header) {
  return header.bytes > 0 && header.bytes <= kLogRecordBytesMax &&
         header.stream >= LogStream::kStdout && header.stream <= LogStream::kNote;
}

}  // namespace

void AppendLogRecord(int64_t time_us, LogStream stream, std::string_view bytes, std::string* out) {
  while (!bytes.empty()) {
    const std::string_view part = bytes.substr(0, kLogRecordBytesMax);
    const LogRecordHeader header = {.time_us = time_us,
                                    .bytes = static_cast<uint32_t>(part.size()),
                                    .stream = stream,
                                    .unused = {}};
    out->append(reinterpret_cast<const char*>(&header), sizeof header);
    out->append(part);
    bytes.remove_prefix(part.size());
  }
}

std::optional<LogRecord> TakeLogRecord(std::string_view* data) {
  LogRecordHeader header;
  if (data->size() < sizeof header) return std::nullopt;
  std::memcpy(&header, data->data(), sizeof header);
  if (!IsSound(header) || data->size() - sizeof header < header.bytes) return std::nullopt;
  const LogRecord record = {.time_us = header.time_us,
                            .stream = header.stream,
                            .bytes = data->substr(sizeof header, header.bytes)};
  data->remove_prefix(sizeof header + header.bytes);
  return record;
}

std::string LogText(std::string_view data) {
  std::string text;
  while (const std::optional<LogRecord> record = TakeLogRecord(&data)) text += record->bytes;
  return text;
}

size_t WholeLogRecords(std::string_view data) {
  std::string_view rest = data;
  while (TakeLogRecord(&rest).has_value()) {
  }
  return data.size() - rest.size();
}

}  // namespace closewrite

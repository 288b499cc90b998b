// Frames of logs, as supervisors write them and anything can have damaged them.
#include <fuzzer/FuzzedDataProvider.h>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "services/log_record/log_record.h"
#include "tests/fuzz/require.h"

namespace closewrite {
namespace {

struct Written {
  int64_t time_us;
  LogStream stream;
  std::string bytes;
};

// What was written comes back, wherever it is cut: whole records, and then nothing.
void CheckWritten(const std::vector<Written>& all, size_t cut) {
  std::string data;
  std::string text;
  for (const Written& each : all) {
    AppendLogRecord(each.time_us, each.stream, each.bytes, &data);
    text += each.bytes;
  }
  Require(WholeLogRecords(data) == data.size(), "what is written is whole");
  Require(LogText(data) == text, "what is written is read");
  const std::string_view front = std::string_view(data).substr(0, cut % (data.size() + 1));
  Require(text.starts_with(LogText(front)), "what is cut off takes nothing else with it");
  Require(WholeLogRecords(front) <= front.size(), "a part is no more than all of it");
}

void CheckRead(std::string_view bytes) {
  std::string_view rest = bytes;
  std::string text;
  while (true) {
    const std::string_view before = rest;
    const std::optional<LogRecord> record = TakeLogRecord(&rest);
    if (!record.has_value()) {
      Require(rest == before, "what is no record stays");
      break;
    }
    Require(!record->bytes.empty() && record->bytes.size() <= kLogRecordBytesMax,
            "a record is bounded");
    Require(record->stream >= LogStream::kStdout && record->stream <= LogStream::kNote,
            "its stream is known");
    Require(before.size() - rest.size() == sizeof(LogRecordHeader) + record->bytes.size(),
            "it is taken whole");
    text += record->bytes;
    std::string again;
    AppendLogRecord(record->time_us, record->stream, record->bytes, &again);
    std::string_view copy = again;
    const auto same = TakeLogRecord(&copy);
    Require(same.has_value() && same->bytes == record->bytes && same->time_us == record->time_us,
            "a record can be written again");
  }
  Require(LogText(bytes) == text, "the text is that of the records");
  Require(WholeLogRecords(bytes) == bytes.size() - rest.size(), "and so is their size");
}

}  // namespace
}  // namespace closewrite

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  namespace cw = closewrite;
  cw::CheckRead(std::string_view(reinterpret_cast<const char*>(data), size));
  FuzzedDataProvider input(data, size);
  std::vector<cw::Written> all;
  const size_t cut = input.ConsumeIntegral<uint32_t>();
  while (input.remaining_bytes() > 0 && all.size() < 20) {
    cw::Written written{.time_us = input.ConsumeIntegral<int64_t>(),
                        .stream = static_cast<cw::LogStream>(input.ConsumeIntegralInRange(1, 3)),
                        .bytes = input.ConsumeRandomLengthString()};
    // More than a record can hold, now and then.
    if (input.ConsumeIntegralInRange(0, 7) == 7) {
      written.bytes += std::string(input.ConsumeIntegralInRange(65'530, 65'540), 'x');
    }
    all.push_back(std::move(written));
  }
  cw::CheckWritten(all, cut);
  return 0;
}

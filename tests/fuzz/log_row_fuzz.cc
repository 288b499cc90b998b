// What executors send of logs, and what a damaged store gives back.
#include <string>
#include <string_view>

#include "services/coordinator/core/log_row.h"
#include "tests/fuzz/require.h"

namespace closewrite {
namespace {

void CheckAppended(std::string_view data) {
  const std::vector<LogRow> rows = RowsToAppend(0, 0, data);
  std::string stored;
  for (const LogRow& row : rows) {
    Require(row.offset == static_cast<int64_t>(stored.size()), "rows follow each other");
    Require(row.bytes == static_cast<int64_t>(row.data.size()), "a row knows its size");
    Require(row.bytes > 0 && row.bytes <= kLogRowBytesMax, "a row is bounded");
    stored += row.data;
  }
  Require(stored == data, "all is stored as it came");
  const LogPiece piece = UnpackLogRows(rows, 0);
  Require(piece.end == static_cast<int64_t>(data.size()), "all is read");
  for (const LogPart& part : piece.parts) {
    Require(part.bytes.find("damaged bytes]") == std::string::npos ||
                data.find("damaged bytes]") != std::string_view::npos,
            "what was stored is readable");
  }
  if (!rows.empty() && rows.front().format == LogFormat::kRecords) {
    const LogRow packed = PackLogRows({rows.front()});
    Require(UnpackLogRows({packed}, 0).parts == UnpackLogRows({rows.front()}, 0).parts,
            "what is packed comes back");
  }
}

void CheckDamaged(std::string_view data, LogFormat format) {
  const LogRow row{.offset = 7, .bytes = 100, .format = format, .data = std::string(data)};
  const LogPiece piece = UnpackLogRows({row}, 0);
  Require(piece.end == row.end(), "a damaged row holds nothing up");
  Require(!piece.parts.empty() && piece.parts.front().stream == LogStream::kNote,
          "the gap before it is noted");
}

}  // namespace
}  // namespace closewrite

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  closewrite::CheckAppended(bytes);
  for (const closewrite::LogFormat format :
       {closewrite::LogFormat::kRaw, closewrite::LogFormat::kRecords,
        closewrite::LogFormat::kPacked, closewrite::LogFormat::kLeftOut}) {
    closewrite::CheckDamaged(bytes, format);
  }
  return 0;
}

#include "services/coordinator/core/log_row.h"

#include <zstd.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <utility>

#include "services/log/str_cat.h"

namespace closewrite {
namespace {

// A third of zlib's time for the same size; see docs/adr/0014-logs.md.
constexpr int kCompressionLevel = 1;

// Appends a row of the first bytes of `data`, and takes them off.
void CutRow(int64_t bytes, LogFormat format, std::string_view* data, int64_t* offset,
            std::vector<LogRow>* rows) {
  rows->push_back({.offset = *offset,
                   .bytes = bytes,
                   .format = format,
                   .data = std::string(data->substr(0, static_cast<size_t>(bytes)))});
  data->remove_prefix(static_cast<size_t>(bytes));
  *offset += bytes;
}

// Bytes of whole records at the front of `data` that fit into one row.
int64_t RecordsForOneRow(std::string_view data) {
  std::string_view rest = data;
  int64_t bytes = 0;
  while (TakeLogRecord(&rest).has_value()) {
    const auto taken = static_cast<int64_t>(data.size() - rest.size());
    if (taken > kLogRowBytesMax) break;
    bytes = taken;
  }
  return bytes;
}

// Bytes that `from` takes in the compressed form that is put into `to`, which has room for any; an
// error as ZSTD_isError tells. Damage will be noticed: it has a checksum.
size_t Compress(const std::string& from, std::string* to) {
  static thread_local const std::unique_ptr<ZSTD_CCtx, decltype(&ZSTD_freeCCtx)> context(
      ZSTD_createCCtx(), &ZSTD_freeCCtx);
  ZSTD_CCtx_setParameter(context.get(), ZSTD_c_compressionLevel, kCompressionLevel);
  ZSTD_CCtx_setParameter(context.get(), ZSTD_c_checksumFlag, 1);
  return ZSTD_compress2(context.get(), to->data(), to->size(), from.data(), from.size());
}

std::optional<std::string> Unpack(const LogRow& row) {
  if (row.bytes <= 0 || row.bytes > kLogRowBytesMax) return std::nullopt;
  std::string records(static_cast<size_t>(row.bytes), '\0');
  const size_t size =
      ZSTD_decompress(records.data(), records.size(), row.data.data(), row.data.size());
  if (ZSTD_isError(size) != 0 || size != records.size()) return std::nullopt;
  return records;
}

class Unpacker {
 public:
  explicit Unpacker(int64_t offset) { piece_.end = offset; }

  void Add(const LogRow& row) {
    left_out_ += std::max<int64_t>(0, row.offset - piece_.end);
    piece_.end = std::max(piece_.end, row.offset);
    if (row.format == LogFormat::kLeftOut) {
      left_out_ += row.end() - piece_.end;
    } else if (row.format == LogFormat::kRaw) {
      const auto skip = static_cast<size_t>(piece_.end - row.offset);
      AddPart({.offset = piece_.end, .bytes = row.data.substr(std::min(skip, row.data.size()))});
    } else {
      AddRecords(row);
    }
    piece_.end = row.end();
  }

  LogPiece Take() {
    NoteLeftOut();
    return std::move(piece_);
  }

 private:
  void AddRecords(const LogRow& row) {
    std::optional<std::string> unpacked;
    if (row.format == LogFormat::kPacked) unpacked = Unpack(row);
    std::string_view rest = unpacked.has_value() ? *unpacked : row.data;
    if (row.format == LogFormat::kPacked && !unpacked.has_value()) rest = {};
    int64_t at = row.offset;
    while (const std::optional<LogRecord> record = TakeLogRecord(&rest)) {
      if (at >= piece_.end) {
        AddPart({.offset = at,
                 .time_us = record->time_us,
                 .stream = record->stream,
                 .bytes = std::string(record->bytes)});
      }
      at += static_cast<int64_t>(sizeof(LogRecordHeader) + record->bytes.size());
    }
    if (at < row.end()) Note(at, StrCat("[", row.end() - at, " damaged bytes]\n"));
  }

  void AddPart(LogPart part) {
    NoteLeftOut();
    if (!part.bytes.empty()) piece_.parts.push_back(std::move(part));
  }

  void NoteLeftOut() {
    const int64_t bytes = std::exchange(left_out_, 0);
    if (bytes > 0) Note(piece_.end - bytes, StrCat("[", bytes, " bytes left out]\n"));
  }

  void Note(int64_t offset, std::string text) {
    NoteLeftOut();
    piece_.parts.push_back(
        {.offset = offset, .stream = LogStream::kNote, .bytes = std::move(text)});
  }

  LogPiece piece_;
  int64_t left_out_ = 0;  // before the end of the piece, and not noted yet
};

}  // namespace

std::vector<LogRow> RowsToAppend(int64_t length, int64_t offset, std::string_view data) {
  std::vector<LogRow> rows;
  if (offset < 0 || offset > length) return rows;
  if (length - offset >= static_cast<int64_t>(data.size())) return rows;
  data.remove_prefix(static_cast<size_t>(length - offset));
  int64_t at = length;
  while (const int64_t bytes = RecordsForOneRow(data)) {
    CutRow(bytes, LogFormat::kRecords, &data, &at, &rows);
  }
  while (!data.empty()) {
    const int64_t bytes = std::min<int64_t>(kLogRowBytesMax, static_cast<int64_t>(data.size()));
    CutRow(bytes, LogFormat::kRaw, &data, &at, &rows);
  }
  return rows;
}

LogRow PackLogRows(const std::vector<LogRow>& rows) {
  LogRow packed{.offset = rows.front().offset};
  std::string records;
  for (const LogRow& row : rows) records += row.data;
  packed.bytes = static_cast<int64_t>(records.size());
  packed.data.resize(ZSTD_compressBound(records.size()));
  const size_t size = Compress(records, &packed.data);
  if (ZSTD_isError(size) != 0 || size >= records.size()) {
    packed.data = std::move(records);
    return packed;
  }
  packed.data.resize(size);
  packed.data.shrink_to_fit();
  packed.format = LogFormat::kPacked;
  return packed;
}

LogPiece UnpackLogRows(const std::vector<LogRow>& rows, int64_t offset) {
  Unpacker unpacker(offset);
  for (const LogRow& row : rows) unpacker.Add(row);
  return unpacker.Take();
}

}  // namespace closewrite

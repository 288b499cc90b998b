#include "services/coordinator/core/log_pieces.h"

#include <vector>

namespace closewrite {

LogPiece ReadLogPiece(StoreReader& reader, const Lease& lease, int64_t offset, int64_t bytes_max) {
  return UnpackLogRows(reader.ReadLog(lease, offset, bytes_max), offset);
}

LogPiece ReadLogPieceBefore(StoreReader& reader, const Lease& lease, int64_t offset,
                            int64_t bytes_max) {
  const std::vector<LogRow> rows = reader.ReadLogBefore(lease, offset, bytes_max);
  if (rows.empty()) return LogPiece();
  LogPiece piece = UnpackLogRows(rows, rows.front().offset);
  std::erase_if(piece.parts, [&](const LogPart& part) { return part.offset >= offset; });
  piece.end = rows.front().offset;
  return piece;
}

}  // namespace closewrite

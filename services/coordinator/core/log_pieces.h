// Logs read in pieces of bounded size.
#ifndef SERVICES_COORDINATOR_CORE_LOG_PIECES_H_
#define SERVICES_COORDINATOR_CORE_LOG_PIECES_H_

#include <cstdint>

#include "services/coordinator/core/ids.h"
#include "services/coordinator/core/log_row.h"
#include "services/coordinator/core/store.h"

namespace closewrite {

// Some of the streams of a log.
class LogStreams {
 public:
  static LogStreams All() { return LogStreams{~0u}; }
  LogStreams() = default;
  void Add(LogStream stream) { bits_ |= BitOf(stream); }
  bool Has(LogStream stream) const { return (bits_ & BitOf(stream)) != 0; }

 private:
  explicit LogStreams(unsigned bits) : bits_(bits) {}
  static unsigned BitOf(LogStream stream) { return 1u << static_cast<unsigned>(stream); }

  unsigned bits_ = 0;
};

// What comes at `offset` and behind it: about `bytes_max`, by less than a row more. Its end is
// `offset` at the end of what is recorded.
LogPiece ReadLogPiece(StoreReader& reader, const Lease& lease, int64_t offset, int64_t bytes_max);

// What comes before `offset`. Its end is where it begins: 0 at the beginning of the log.
LogPiece ReadLogPieceBefore(StoreReader& reader, const Lease& lease, int64_t offset,
                            int64_t bytes_max);

}  // namespace closewrite

#endif  // SERVICES_COORDINATOR_CORE_LOG_PIECES_H_

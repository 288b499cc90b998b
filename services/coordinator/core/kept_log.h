// What is known of a log beside its rows.
#ifndef SERVICES_COORDINATOR_CORE_KEPT_LOG_H_
#define SERVICES_COORDINATOR_CORE_KEPT_LOG_H_

#include <cstdint>

#include "absl/time/time.h"
#include "services/coordinator/core/ids.h"

namespace closewrite {

// As somebody has seen it last who looked after it; it may have grown since.
struct KeptLog {
  Lease lease;
  absl::Time closed_at = absl::InfiniteFuture();  // nothing is to be done for it since; open before
  int64_t sealed = 0;                             // rows that begin before are as they will stay
  int64_t rows = 0;
  int64_t stored_bytes = 0;    // that its rows take, compressed
  int64_t left_out_bytes = 0;  // of the log, that are kept no more
  bool operator==(const KeptLog&) const = default;
};

// One that is to be looked after, and how it is now.
struct OpenedLog {
  KeptLog log;
  int64_t length = 0;     // where it ends
  int64_t open_rows = 0;  // that begin at log.sealed or later
  bool over = false;      // its job is finished or gone, or has a newer attempt
};

// Sums over all logs.
struct LogTotals {
  int64_t rows = 0;
  int64_t stored_bytes = 0;
  int64_t left_out_bytes = 0;  // ever, those of logs that are gone included
  bool operator==(const LogTotals&) const = default;
};

}  // namespace closewrite

#endif  // SERVICES_COORDINATOR_CORE_KEPT_LOG_H_

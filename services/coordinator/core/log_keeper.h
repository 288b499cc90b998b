// Looks after the logs of all attempts: packs what has grown, and keeps it within its bounds.
#ifndef SERVICES_COORDINATOR_CORE_LOG_KEEPER_H_
#define SERVICES_COORDINATOR_CORE_LOG_KEEPER_H_

#include <cstdint>

#include "absl/time/time.h"
#include "services/coordinator/core/store.h"

namespace closewrite {

struct LogLimits {
  // Of one log, before compression: its first eighth and its end stay.
  int64_t attempt_bytes_max = int64_t{64} << 20;
  // Of all logs, as they are stored.
  int64_t total_bytes_max = int64_t{10} << 30;
  // How long a log stays when its attempt is over.
  absl::Duration retention = absl::InfiniteDuration();
};

// Logs are looked after once in this time, by one coordinator of all; and the pause between two
// steps of it.
inline constexpr absl::Duration kTendLogsEvery = absl::Seconds(10);
inline constexpr absl::Duration kTendLogsPause = absl::Milliseconds(20);
// In one step: logs that are looked at, bytes that are packed, and what each log counts as at
// least; rows that are forgotten.
inline constexpr int64_t kTendedLogsMax = 200;
inline constexpr int64_t kPackedBytesMax = 1 << 20;
inline constexpr int64_t kPackedLogCost = 32 << 10;
inline constexpr int64_t kForgottenRowsMax = 256;
// A log that is too long is cut each time it has grown by so much.
inline constexpr int64_t kCutLogEvery = 256 << 10;
// What has grown is packed when it fills a row, or makes so many; of an attempt that is over when
// it is worth the trouble.
inline constexpr int64_t kOpenRowsMax = 512;
inline constexpr int64_t kPackedRowsMin = 8;
inline constexpr int64_t kPackedBytesMin = 4 << 10;

// Not thread-safe. Memory is a hint: all that matters is in the store.
class LogKeeper {
 public:
  // `shared`: others use the store, too.
  LogKeeper(const LogLimits& limits, bool shared) : limits_(limits), shared_(shared) {}

  // Appends, and cuts what is too long then. Returns as StoreTransaction::AppendLog.
  int64_t Append(StoreTransaction& tx, const Lease& lease, int64_t offset, std::string_view data);

  // Does a step of what is due. Returns when it must be called next, at the latest.
  absl::Time Tick(StoreTransaction& tx, absl::Time now);

 private:
  enum class Work { kNothing, kOpenLogs, kClosedLogs };

  int64_t Cut(StoreTransaction& tx, const Lease& lease, int64_t length);
  // Both return whether there is more to do.
  bool TendOpenLogs(StoreTransaction& tx, absl::Time now);
  bool ForgetClosedLogs(StoreTransaction& tx, absl::Time now);
  // Returns whether it is done with.
  bool Tend(StoreTransaction& tx, const OpenedLog& opened, absl::Time now, int64_t* bytes_left);
  bool Forget(StoreTransaction& tx, const OpenedLog& opened, int64_t* rows_left);

  const LogLimits limits_;
  const bool shared_;
  Work work_ = Work::kNothing;
  Lease after_;  // how far the open logs were looked at
  absl::Time tend_at_ = absl::InfinitePast();
};

}  // namespace closewrite

#endif  // SERVICES_COORDINATOR_CORE_LOG_KEEPER_H_

#include "services/coordinator/log_limits.h"

#include <limits>
#include <string>

#include "services/config/duration.h"
#include "services/config/size.h"
#include "services/log/str_cat.h"

namespace closewrite {
namespace {

constexpr int64_t kAttemptBytesMin = int64_t{1} << 20;
constexpr int64_t kAttemptBytesMax = int64_t{16} << 30;
constexpr int64_t kTotalBytesMin = int64_t{64} << 20;
constexpr absl::Duration kRetentionMin = absl::Hours(1);

// Reads a size into `bytes`, which stays as it is when none is given.
absl::Status ReadSize(std::string_view key, const std::string& text, int64_t min, int64_t max,
                      std::string_view range, int64_t* bytes) {
  if (text.empty()) return absl::OkStatus();
  const absl::StatusOr<int64_t> size = ParseSize(text);
  if (!size.ok()) {
    return absl::InvalidArgumentError(StrCat("logs.", key, ": ", ToStd(size.status().message())));
  }
  if (*size < min || *size > max) {
    return absl::InvalidArgumentError(StrCat("logs.", key, ": must be ", range));
  }
  *bytes = *size;
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<LogLimits> LogLimitsFrom(const v1::LogsConfig& config) {
  LogLimits limits;
  absl::Status status = ReadSize("attempt_max", config.attempt_max(), kAttemptBytesMin,
                                 kAttemptBytesMax, "1MiB to 16GiB", &limits.attempt_bytes_max);
  if (status.ok()) {
    status =
        ReadSize("total_max", config.total_max(), kTotalBytesMin,
                 std::numeric_limits<int64_t>::max(), "64MiB or more", &limits.total_bytes_max);
  }
  if (!status.ok()) return status;
  if (config.has_retention()) {
    limits.retention = FromProto(config.retention());
    if (limits.retention < kRetentionMin) {
      return absl::InvalidArgumentError("logs.retention: must be 1h or more");
    }
  }
  return limits;
}

}  // namespace closewrite

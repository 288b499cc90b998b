// How much of logs is kept, out of the configuration.
#ifndef SERVICES_COORDINATOR_LOG_LIMITS_H_
#define SERVICES_COORDINATOR_LOG_LIMITS_H_

#include "absl/status/statusor.h"
#include "closewrite/v1/config.pb.h"
#include "services/coordinator/core/log_keeper.h"

namespace closewrite {

// INVALID_ARGUMENT names the key and says what is accepted.
absl::StatusOr<LogLimits> LogLimitsFrom(const v1::LogsConfig& config);

}  // namespace closewrite

#endif  // SERVICES_COORDINATOR_LOG_LIMITS_H_

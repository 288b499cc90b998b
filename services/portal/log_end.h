// What a job's command has printed last.
#ifndef SERVICES_PORTAL_LOG_END_H_
#define SERVICES_PORTAL_LOG_END_H_

#include <cstdint>
#include <string>

#include "services/portal/coordinator_calls.h"

namespace closewrite::portal {

inline constexpr int64_t kLogLinesShown = 200;
inline constexpr size_t kLogBytesShown = 256 << 10;

// The end of the log of a job's newest attempt; "" when there is none, or it can't be had.
std::string LogEnd(CoordinatorCalls* calls, int64_t job_id);

}  // namespace closewrite::portal

#endif  // SERVICES_PORTAL_LOG_END_H_

// The end of a job, in words.
#ifndef SERVICES_COORDINATOR_ALERTS_JOB_MESSAGE_H_
#define SERVICES_COORDINATOR_ALERTS_JOB_MESSAGE_H_

#include <optional>
#include <string>

#include "services/coordinator/core/job.h"
#include "services/coordinator/core/outbox.h"
#include "services/coordinator/core/store.h"

namespace closewrite {

// Of the log, whatever number of lines is asked for.
inline constexpr size_t kMessageLogBytesMax = 64 << 10;
// Results that are named.
inline constexpr size_t kMessageResultsMax = 50;

// The message with its subject, text and details; `job_url` as in AlertOptions. The job is as it is
// now, which is what matters when a message is late; nullopt when it is not kept any more.
OutboxMessage WithJobText(OutboxMessage message, const std::optional<Job>& job,
                          const std::string& job_url, StoreReader& reader);

}  // namespace closewrite

#endif  // SERVICES_COORDINATOR_ALERTS_JOB_MESSAGE_H_

// Rows for the tests of stores.
#ifndef SERVICES_COORDINATOR_STORE_STORE_SAMPLES_H_
#define SERVICES_COORDINATOR_STORE_STORE_SAMPLES_H_

#include <cstdint>
#include <string>

#include "absl/time/time.h"
#include "services/coordinator/core/file_event.h"
#include "services/coordinator/core/job.h"
#include "services/coordinator/core/presence.h"

namespace closewrite {

// Every byte but NUL and '/', most of which make no UTF-8.
std::string AllBytes();
absl::Time Second(int64_t unix_seconds);

// A job of pipeline "p" in `state` for the file "in/`name`", with `name` as its key.
Job SmallJob(const std::string& name, JobState state = JobState::kAvailable);
// A job, an attempt, ... in which no field has its default value.
Job FullJob(const std::string& key);
Attempt FullAttempt(JobId job, int64_t token);
SessionRecord FullSession(const SessionId& id);
Watcher FullWatcher(const std::string& host);
EventRecord FullEvent(const std::string& ledger_id, int64_t sequence);
EventRecord EventOfPath(int64_t sequence, const std::string& volume, const std::string& path);

}  // namespace closewrite

#endif  // SERVICES_COORDINATOR_STORE_STORE_SAMPLES_H_

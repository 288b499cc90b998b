#include "services/coordinator/core/job.h"

#include "absl/strings/str_cat.h"

namespace closewrite {

std::string JobKey(const std::string& pipeline, const FileVersion& input) {
  // Neither names nor paths can hold a NUL, so the parts can't run into each other.
  const std::string nul(1, '\0');
  return absl::StrCat(pipeline, nul, input.volume, nul, input.path, nul, input.inode, nul,
                      input.size, nul, input.mtime_ns);
}

std::string EventJobKey(const std::string& pipeline, const FileVersion& input, int64_t event_id) {
  return absl::StrCat(JobKey(pipeline, input), std::string(1, '\0'), event_id);
}

Attempt LiveAttempt(const Job& job) {
  return {.job = job.id,
          .token = job.token,
          .number = job.attempts,
          .executor = job.executor,
          .host = job.host,
          .pid = job.pid,
          .leased_at = job.leased_at,
          .started_at = job.started_at};
}

}  // namespace closewrite

// What executors report, as plain values.
#ifndef SERVICES_COORDINATOR_CORE_ATTEND_REPORT_H_
#define SERVICES_COORDINATOR_CORE_ATTEND_REPORT_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "services/coordinator/core/ids.h"
#include "services/coordinator/core/job.h"
#include "services/coordinator/core/job_rules.h"

namespace closewrite {

// In one message.
struct AttendReport {
  SessionId session;
  bool heartbeat = false;  // `running` and `results` are complete
  bool draining = false;
  struct Health {
    absl::Time sent_at;  // by its host's clock
    std::map<std::string, std::string> unusable_volumes;
  };
  std::optional<Health> health;
  struct Running {
    Lease lease;
    int pid = 0;
    Progress progress;
  };
  std::vector<Running> running;
  struct Result {
    JobId job;
    Finished end;
  };
  std::vector<Result> results;
  struct Log {
    Lease lease;
    int64_t offset = 0;
    std::string data;
  };
  std::vector<Log> logs;
};

}  // namespace closewrite

#endif  // SERVICES_COORDINATOR_CORE_ATTEND_REPORT_H_

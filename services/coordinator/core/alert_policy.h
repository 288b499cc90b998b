// What somebody is to be told about a pipeline or a task, and who: plain values.
#ifndef SERVICES_COORDINATOR_CORE_ALERT_POLICY_H_
#define SERVICES_COORDINATOR_CORE_ALERT_POLICY_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/time/time.h"

namespace closewrite {

struct Recipients {
  std::vector<std::string> emails;
  std::string webhook;  // "": none
  bool operator==(const Recipients&) const = default;

  bool empty() const { return emails.empty() && webhook.empty(); }
};

// So many jobs within that time.
struct FailureLimit {
  int count = 0;  // 0: no limit
  absl::Duration within;
};

// When somebody is to be told that something is wrong; see Alerts in alert.proto.
struct AlertPolicy {
  absl::Duration no_success_within = absl::InfiniteDuration();
  FailureLimit failed;
  absl::Duration running_longer_than = absl::InfiniteDuration();
  absl::Duration waiting_longer_than = absl::InfiniteDuration();
  bool executor_lost = false;
  bool watcher_lost = false;
  bool overflow = false;
  Recipients to;                // empty: those of the coordinator
  absl::Duration remind_every;  // zero: as the coordinator says

  bool any() const {
    return no_success_within != absl::InfiniteDuration() || failed.count > 0 ||
           running_longer_than != absl::InfiniteDuration() ||
           waiting_longer_than != absl::InfiniteDuration() || executor_lost || watcher_lost ||
           overflow;
  }
};

// Who is told of the end of each job.
struct NotifyPolicy {
  Recipients to;
  bool success = false;
  bool failure = false;
  int log_lines = 0;
  int64_t attach_bytes_max = 0;  // results that are attached to the mail, in all
};

}  // namespace closewrite

#endif  // SERVICES_COORDINATOR_CORE_ALERT_POLICY_H_

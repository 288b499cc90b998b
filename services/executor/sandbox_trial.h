// Whether this host lets commands be shut in; see sandbox.h.
#ifndef SERVICES_EXECUTOR_SANDBOX_TRIAL_H_
#define SERVICES_EXECUTOR_SANDBOX_TRIAL_H_

#include <string>
#include <vector>

#include "absl/status/status.h"

namespace closewrite::executor {

// Those of these absolute paths that a sandbox would hide, as it takes them to be kept.
std::vector<std::string> KeptInSandbox(const std::vector<std::string>& paths);

// Makes one in a child. FAILED_PRECONDITION, one line for people, when it can't be had.
absl::Status TrySandbox(int supervisor_image, const std::vector<std::string>& kept);

}  // namespace closewrite::executor

#endif  // SERVICES_EXECUTOR_SANDBOX_TRIAL_H_

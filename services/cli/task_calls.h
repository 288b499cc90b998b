// Calls about tasks that several commands make.
#ifndef SERVICES_CLI_TASK_CALLS_H_
#define SERVICES_CLI_TASK_CALLS_H_

#include <string>

#include "absl/status/statusor.h"
#include "services/cli/invocation.h"

namespace closewrite::cli {

absl::StatusOr<v1::TaskStatus> GetTask(Invocation& invocation, const std::string& name);

// What the jobs of a task name as their pipeline.
std::string RunsOf(const std::string& task);

}  // namespace closewrite::cli

#endif  // SERVICES_CLI_TASK_CALLS_H_

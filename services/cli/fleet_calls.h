// Who is there, whole lists.
#ifndef SERVICES_CLI_FLEET_CALLS_H_
#define SERVICES_CLI_FLEET_CALLS_H_

#include <vector>

#include "absl/status/status.h"
#include "services/cli/invocation.h"

namespace closewrite::cli {

absl::Status ListExecutors(Invocation& invocation, std::vector<v1::ExecutorStatus>* executors);
absl::Status ListWatchers(Invocation& invocation, std::vector<v1::WatcherStatus>* watchers);
absl::Status ListPipelines(Invocation& invocation, std::vector<v1::PipelineStatus>* pipelines);

}  // namespace closewrite::cli

#endif  // SERVICES_CLI_FLEET_CALLS_H_

// Waiting for results to be in place.
#ifndef SERVICES_CLI_OUTPUT_WAIT_H_
#define SERVICES_CLI_OUTPUT_WAIT_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "services/cli/invocation.h"

namespace closewrite::cli {

struct OutputWaitOptions {
  std::string volume;
  std::string match;  // glob over the relative path; empty: all
  int64_t count = 1;  // different paths
};

// Waits until `count` different files that match have been published by jobs, now or earlier,
// --timeout, or Ctrl-C; prints each (an object a line with -o json). Returns the exit code: 0, 124
// or 130.
absl::StatusOr<int> WaitForOutputs(Invocation& invocation, const OutputWaitOptions& options);

}  // namespace closewrite::cli

#endif  // SERVICES_CLI_OUTPUT_WAIT_H_

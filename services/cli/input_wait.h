// Waiting until the jobs of a volume's files have ended.
#ifndef SERVICES_CLI_INPUT_WAIT_H_
#define SERVICES_CLI_INPUT_WAIT_H_

#include <string>

#include "absl/status/statusor.h"
#include "services/cli/invocation.h"

namespace closewrite::cli {

struct InputWaitOptions {
  std::string volume;
  std::string match;  // glob over the relative path; empty: all
};

// Flushes the volume, then waits until every unfinished job of its files that match has ended, and
// so the jobs that come of them meanwhile (a newer version's). A `match` without wildcards is one
// file: its newest jobs are waited for also if they have ended already. Prints what they publish.
// Returns the exit code: 0; the command's own code of the first job that failed; 124, with the ids
// of unfinished jobs on stdout; 130.
absl::StatusOr<int> WaitForInputs(Invocation& invocation, const InputWaitOptions& options);

}  // namespace closewrite::cli

#endif  // SERVICES_CLI_INPUT_WAIT_H_

// The processes below this one.
#ifndef SERVICES_CLI_LOCK_PROCESS_TREE_H_
#define SERVICES_CLI_LOCK_PROCESS_TREE_H_

#include <sys/types.h>

#include <vector>

#include "absl/functional/function_ref.h"

namespace closewrite::cli {

// Those that `process` has now, of all its threads (proc(5), /proc/pid/task/tid/children).
std::vector<pid_t> ChildrenOf(pid_t process);

// Sends `signal` to all processes below this one, parents first.
void SignalDescendants(int signal);

// Kills all processes below this one, and returns when none of them is left. The caller must be a
// child subreaper (prctl(2)), so that children of the dead become its own. `reaped` is told of
// each.
void EndDescendants(absl::FunctionRef<void(pid_t process, int wait_status)> reaped);

}  // namespace closewrite::cli

#endif  // SERVICES_CLI_LOCK_PROCESS_TREE_H_

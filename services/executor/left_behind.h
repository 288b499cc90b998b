// What dead processes leave in a state directory, for tests.
#ifndef SERVICES_EXECUTOR_LEFT_BEHIND_H_
#define SERVICES_EXECUTOR_LEFT_BEHIND_H_

#include <sys/types.h>

#include <string>

#include "services/executor/supervisor_files.h"
#include "services/executor/supervisor_protocol.h"
#include "services/volume/file_system.h"

namespace closewrite::executor {

// A log whose command wrote this to stdout.
void LeaveLog(const std::string& folder, const std::string& text);

// The state of a supervisor, which lives as long as what this returns.
Fd LeaveState(const SupervisorFiles& files, const SupervisorState& state);

// Of a supervisor whose command has ended by itself so.
SupervisorState EndedWith(int exit_code);

// Of a supervisor, dead, whose command leads the session that `pid` leads.
SupervisorState CommandIs(pid_t pid);

}  // namespace closewrite::executor

#endif  // SERVICES_EXECUTOR_LEFT_BEHIND_H_

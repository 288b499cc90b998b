// `lock run`: a command that runs only while a lock is held.
#ifndef SERVICES_CLI_LOCK_LOCK_RUN_H_
#define SERVICES_CLI_LOCK_LOCK_RUN_H_

#include "services/cli/command.h"

namespace closewrite::cli {

Command LockRunCommand();

}  // namespace closewrite::cli

#endif  // SERVICES_CLI_LOCK_LOCK_RUN_H_

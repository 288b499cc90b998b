// `lock hold`: a lock for scripts that can't be wrapped.
#ifndef SERVICES_CLI_LOCK_LOCK_HOLD_H_
#define SERVICES_CLI_LOCK_LOCK_HOLD_H_

#include "services/cli/command.h"

namespace closewrite::cli {

Command LockHoldCommand();

}  // namespace closewrite::cli

#endif  // SERVICES_CLI_LOCK_LOCK_HOLD_H_

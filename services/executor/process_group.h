// Process groups whose supervisor can't do it any more.
#ifndef SERVICES_EXECUTOR_PROCESS_GROUP_H_
#define SERVICES_EXECUTOR_PROCESS_GROUP_H_

#include "services/executor/supervisor_protocol.h"

namespace closewrite::executor {

// Kills all processes of the command's group, whose supervisor is dead. Numbers that the kernel has
// given to others by now are told apart: by the boot, the session, and when the leader began. False
// when some of the group still lives after kGroupLooksMax looks, which only a hung file system can
// do. What has moved to another group is not found.
bool KillGroup(const SupervisorState& state);

inline constexpr int kGroupLooksMax = 2500;
inline constexpr int kGroupLookMs = 2;

}  // namespace closewrite::executor

#endif  // SERVICES_EXECUTOR_PROCESS_GROUP_H_

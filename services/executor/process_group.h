// Process groups whose supervisor can't do it any more.
#ifndef SERVICES_EXECUTOR_PROCESS_GROUP_H_
#define SERVICES_EXECUTOR_PROCESS_GROUP_H_

#include <sys/types.h>

namespace closewrite::executor {

// Kills all processes of a group that is not ours to wait for. False when some of it still lives
// after kGroupLooksMax looks, which only a hung file system can do. What has moved to another group
// is not found.
bool KillGroup(pid_t leader);

inline constexpr int kGroupLooksMax = 2500;
inline constexpr int kGroupLookMs = 2;

}  // namespace closewrite::executor

#endif  // SERVICES_EXECUTOR_PROCESS_GROUP_H_

#include "services/executor/process_group.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>

namespace closewrite::executor {

bool KillGroup(pid_t leader) {
  for (int looks = 0; looks < kGroupLooksMax; ++looks) {
    if (kill(-leader, SIGKILL) != 0) return errno == ESRCH;
    poll(nullptr, 0, kGroupLookMs);  // nobody tells when it is gone
  }
  return false;
}

}  // namespace closewrite::executor

#include "services/config/core_dump.h"

#include <sys/prctl.h>

namespace closewrite {

// It can't fail: see prctl(2).
void ForbidCoreDumps() { prctl(PR_SET_DUMPABLE, 0, 0, 0, 0); }

}  // namespace closewrite

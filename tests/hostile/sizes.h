// Misdeeds of messages that are too large, or list too much.
#ifndef TESTS_HOSTILE_SIZES_H_
#define TESTS_HOSTILE_SIZES_H_

#include "tests/hostile/stage.h"

namespace closewrite::hostile {

// Messages just below and above what gRPC takes, and lists of 100,000 tiny entries, each on a
// stream of its own. What has a limit in the API is to be refused; what has none is to be answered.
void SendHugeMessages(const Stage& stage);

}  // namespace closewrite::hostile

#endif  // TESTS_HOSTILE_SIZES_H_

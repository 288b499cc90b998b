// Misdeeds of many streams.
#ifndef TESTS_HOSTILE_FLOODS_H_
#define TESTS_HOSTILE_FLOODS_H_

#include "tests/hostile/stage.h"

namespace closewrite::hostile {

// Opens 2,000 streams of executors, of which every other one says hello, each under another name.
// Silent ones that are too many are to be ended.
void FloodHellos(const Stage& stage);

// Opens 500 streams that say nothing and 500 that say hello and then nothing, and holds them until
// all sessions have expired, or for `options.seconds`. After that none is to be left of them, and
// few silent ones.
void HoldHalfOpen(const Stage& stage);

}  // namespace closewrite::hostile

#endif  // TESTS_HOSTILE_FLOODS_H_

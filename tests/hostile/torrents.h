// Misdeeds of one stream that says as much as it can.
#ifndef TESTS_HOSTILE_TORRENTS_H_
#define TESTS_HOSTILE_TORRENTS_H_

#include "tests/hostile/stage.h"

namespace closewrite::hostile {

// Chunks of log as fast as they are taken for `options.seconds`, without reading what is answered:
// of the job that the liar was given, if its `label` and `roots` say that it waits for one, or else
// of `options.job`. Nothing else is to suffer from it.
void FloodLogs(const Stage& stage);

// Events of its own volume as fast as they are taken, for `options.seconds`.
void FloodEvents(const Stage& stage);

}  // namespace closewrite::hostile

#endif  // TESTS_HOSTILE_TORRENTS_H_

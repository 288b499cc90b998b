// Misdeeds of a watcher: of volumes that are not its own, and by names that are none.
#ifndef TESTS_HOSTILE_WATCHER_LIES_H_
#define TESTS_HOSTILE_WATCHER_LIES_H_

#include "tests/hostile/stage.h"

namespace closewrite::hostile {

// Calls the volumes of `options.foreign` its own, and tells of events and results in them.
void SpeakForForeignVolumes(const Stage& stage);

// Events of its own volume and, as an executor, lists of results with names that no file below a
// volume's root can have; and volumes that can't be.
void UseWrongPaths(const Stage& stage);

}  // namespace closewrite::hostile

#endif  // TESTS_HOSTILE_WATCHER_LIES_H_

// Misdeeds of an executor that speaks for leases and sessions of others.
#ifndef TESTS_HOSTILE_EXECUTOR_LIES_H_
#define TESTS_HOSTILE_EXECUTOR_LIES_H_

#include "tests/hostile/stage.h"

namespace closewrite::hostile {

// Starts, progress, results and log of `options.job`, which another session holds with
// `options.token`: with that token, and with older and newer ones.
void LieOfALease(const Stage& stage);

// Resumes and ends `options.session`, and others that are guessed, under other names; with a
// certificate also under the name of its `owner`.
void StealSessions(const Stage& stage);

}  // namespace closewrite::hostile

#endif  // TESTS_HOSTILE_EXECUTOR_LIES_H_

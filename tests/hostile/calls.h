// Calls that nobody makes with the certificate of a watcher or an executor.
#ifndef TESTS_HOSTILE_CALLS_H_
#define TESTS_HOSTILE_CALLS_H_

#include "tests/hostile/stage.h"

namespace closewrite::hostile {

// Submits, cancels, retries and lists jobs, applies pipelines and tasks, copies the store, drains
// executors and reads a log. Each is to be refused for who calls.
void MakeForbiddenCalls(const Stage& stage);

}  // namespace closewrite::hostile

#endif  // TESTS_HOSTILE_CALLS_H_

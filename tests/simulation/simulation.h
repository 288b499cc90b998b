// One run: everything from one seed.
#ifndef TESTS_SIMULATION_SIMULATION_H_
#define TESTS_SIMULATION_SIMULATION_H_

#include <cstdint>
#include <deque>
#include <optional>
#include <string>

#include "absl/time/time.h"
#include "tests/simulation/plants.h"
#include "tests/simulation/world.h"

namespace closewrite::simulation {

struct RunResult {
  std::optional<Failure> failure;
  uint64_t trace_hash = 0;
  int64_t steps = 0;              // events that happened
  absl::Duration simulated;       // time that passed in it
  int64_t jobs = 0;               // that were made
  int64_t runs = 0;               // of them: of tasks
  std::deque<std::string> trace;  // when it was asked for
};

// The same seed and plant give the same outcome, always.
RunResult Simulate(uint64_t seed, Plant plant, bool keep_trace);

}  // namespace closewrite::simulation

#endif  // TESTS_SIMULATION_SIMULATION_H_

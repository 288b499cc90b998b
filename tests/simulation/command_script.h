// What commands do: decided by the seed, the file (or the run of a task) and the attempt, never by
// when they run.
#ifndef TESTS_SIMULATION_COMMAND_SCRIPT_H_
#define TESTS_SIMULATION_COMMAND_SCRIPT_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "services/coordinator/core/job.h"
#include "services/coordinator/core/pipeline.h"
#include "services/log_record/log_record.h"
#include "tests/simulation/scenario.h"

namespace closewrite::simulation {

struct CommandScript {
  absl::Duration runs;
  Outcome outcome = Outcome::kSucceeded;
  int exit_code = 0;
  std::vector<std::string> outputs;  // paths
  int64_t log_records = 0;
};

// `calm`: the storm is over, everything is quick and succeeds.
CommandScript ScriptFor(const Scenario& scenario, const Pipeline& pipeline, const Job& job,
                        bool calm);

// Record `number` of the log of an attempt; all have the same size.
std::string LogRecordOf(const Lease& lease, int64_t number);
inline constexpr int64_t kLogRecordSize = sizeof(LogRecordHeader) + 150;

}  // namespace closewrite::simulation

#endif  // TESTS_SIMULATION_COMMAND_SCRIPT_H_

// What a change of a job means for whoever counts and measures.
#ifndef SERVICES_COORDINATOR_CORE_JOB_MEASURE_H_
#define SERVICES_COORDINATOR_CORE_JOB_MEASURE_H_

#include <optional>
#include <string>

#include "absl/time/time.h"
#include "services/coordinator/core/job.h"

namespace closewrite {

struct JobMeasure {
  std::string pipeline;
  absl::Time at;
  bool made = false;
  bool leased = false;
  std::optional<JobState> end;     // the job came to this final state
  std::optional<Outcome> outcome;  // an attempt ended so; of a success its results are in place
  absl::Duration attempt;          // of that one, since its lease
  absl::Duration cpu;              // that a command has used
  // From the event that the job is about - of a task's run, from when it was due - to the start of
  // its first attempt's command, and to its result. A job that was made once more, of an old event,
  // counts from when it was made.
  std::optional<absl::Duration> to_start;
  std::optional<absl::Duration> to_result;
};

// `ended` is JobChange::attempt of the change. nullopt: nothing to count.
std::optional<JobMeasure> MeasureOf(const Job& before, const Job& after,
                                    const std::optional<Attempt>& ended, absl::Time now);

}  // namespace closewrite

#endif  // SERVICES_COORDINATOR_CORE_JOB_MEASURE_H_

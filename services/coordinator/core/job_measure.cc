#include "services/coordinator/core/job_measure.h"

#include <algorithm>

namespace closewrite {
namespace {

// Clocks of two hosts may disagree.
absl::Duration Since(absl::Time from, absl::Time now) {
  return std::max(now - from, absl::ZeroDuration());
}

std::optional<absl::Duration> SinceItsEvent(const Job& job, absl::Time now) {
  const absl::Time from = IsMadeAgain(job) ? job.created_at : job.observed_at;
  if (from == absl::InfinitePast()) return std::nullopt;
  return Since(from, now);
}

// A command may have ended before its start was told.
bool HasRun(const Attempt& attempt) {
  return attempt.pid != 0 || attempt.exit_code.has_value() || attempt.signal != 0;
}

}  // namespace

std::optional<JobMeasure> MeasureOf(const Job& before, const Job& after,
                                    const std::optional<Attempt>& ended, absl::Time now) {
  JobMeasure measure;
  const bool was_running = before.state == JobState::kRunning;
  const bool runs = after.state == JobState::kRunning;
  measure.leased = runs && !was_running;
  if (!IsFinal(before.state) && IsFinal(after.state)) measure.end = after.state;
  const bool left = was_running && !runs;
  if (left && ended.has_value()) measure.cpu = ended->cpu;
  if (left && after.state != JobState::kPublishing && ended.has_value()) {
    measure.outcome = ended->outcome;
  } else if (before.state == JobState::kPublishing && after.state != JobState::kPublishing) {
    measure.outcome = ended.has_value() ? ended->outcome : Outcome::kSucceeded;
  }
  if (measure.outcome.has_value()) measure.attempt = Since(before.leased_at, now);
  const bool started = was_running && before.pid == 0 &&
                       (runs ? after.pid != 0 : ended.has_value() && HasRun(*ended));
  if (started && before.token.value == 1) measure.to_start = SinceItsEvent(before, now);
  if (measure.end == JobState::kSucceeded) measure.to_result = SinceItsEvent(before, now);
  if (!measure.leased && !started && !left && !measure.end && !measure.outcome) return std::nullopt;
  measure.pipeline = after.pipeline;
  measure.at = now;
  return measure;
}

}  // namespace closewrite

#include "services/coordinator/core/execution_points.h"

#include <cstdint>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "services/coordinator/core/task.h"

namespace closewrite {
namespace {

constexpr size_t kExecutionTagsMax = 6;  // with those that are asked for

// The finalizer of SplitMix64 (https://prng.di.unimi.it/splitmix64.c): it maps no two numbers to
// the same one.
uint64_t Mix(uint64_t x) {
  x += 0x9E3779B97F4A7C15;
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EB;
  return x ^ (x >> 31);
}

}  // namespace

bool IsExecution(const Attempt& ended) {
  if (ended.outcome == Outcome::kHandedBack) return false;
  const bool gone = ended.outcome == Outcome::kLost || ended.outcome == Outcome::kKilled;
  return !gone || ended.pid != 0;
}

std::string_view ExecutionStateName(ExecutionState state) {
  switch (state) {
    case ExecutionState::kStart:
      return "start";
    case ExecutionState::kEnd:
      return "end";
    case ExecutionState::kError:
      return "error";
  }
  return "";
}

std::string ExecutionId(const Lease& lease, absl::Time leased_at) {
  const auto time = static_cast<uint64_t>(absl::ToUnixNanos(leased_at));
  const uint64_t high = Mix(time ^ Mix(static_cast<uint64_t>(lease.job.value)));
  const uint64_t low =
      Mix(Mix(static_cast<uint64_t>(lease.job.value)) ^ static_cast<uint64_t>(lease.token.value));
  return absl::StrFormat("%08x-%04x-8%03x-%04x-%012x", high >> 32, high >> 16 & 0xFFFF,
                         high & 0xFFF, (low >> 48 & 0x3FFF) | 0x8000, low & 0xFFFFFFFFFFFF);
}

std::string ExecutionJobName(const Job& job) {
  return std::string(TaskOfRuns(job.pipeline).value_or(job.pipeline));
}

Point ExecutionPoint(std::string_view id, std::string_view job, ExecutionState state,
                     absl::Time time) {
  Point point{.measurement = "execution", .time = time};
  point.tags.reserve(kExecutionTagsMax);
  point.tags.emplace_back("id", id);
  point.tags.emplace_back("job", job);
  point.tags.emplace_back("state", ExecutionStateName(state));
  point.fields.emplace_back("value", 1.0);
  return point;
}

std::vector<Point> ExecutionPointsOf(const Job& before, const Job& after,
                                     const std::optional<Attempt>& ended, const ExtraTags& tags,
                                     absl::Time now) {
  std::vector<Point> points;
  const auto add = [&](ExecutionState state, absl::Time time) {
    Point point = ExecutionPoint(ExecutionId({before.id, before.token}, before.leased_at),
                                 ExecutionJobName(before), state, time);
    if (tags.host) point.tags.emplace_back("host", before.host);
    if (tags.attempt) point.tags.emplace_back("attempt", absl::StrCat(before.attempts));
    if (tags.pipeline && !TaskOfRuns(before.pipeline).has_value()) {
      point.tags.emplace_back("pipeline", before.pipeline);
    }
    points.push_back(std::move(point));
  };
  const bool running = before.state == JobState::kRunning;
  if (running && before.pid == 0 && after.pid != 0 && after.token == before.token) {
    add(ExecutionState::kStart, after.started_at);
  }
  if (running && ended.has_value() && ended->pid == 0 && IsExecution(*ended)) {
    add(ExecutionState::kStart, before.leased_at);
  }
  if (after.state == JobState::kSucceeded && before.state != JobState::kSucceeded) {
    add(ExecutionState::kEnd, now);
  } else if (ended.has_value() && IsExecution(*ended) && after.state != JobState::kPublishing) {
    add(ExecutionState::kError, now);
  }
  return points;
}

}  // namespace closewrite

#include "tests/simulation/store_lies.h"

namespace closewrite::simulation {
namespace {

constexpr absl::Duration kLocked = absl::Milliseconds(20);
constexpr absl::Duration kFree = absl::Seconds(3);
// How long a planted bug does not look at a task.
constexpr absl::Duration kPassedOver = absl::Seconds(20);

}  // namespace

void StoreLies::Begin(const std::vector<Pipeline>& pipelines, absl::Duration storm) {
  if (plant_ != Plant::kForgetQueue) return;
  const std::string name = pipelines[world_.random().Below(pipelines.size())].name;
  world_.After(world_.random().Between(absl::ZeroDuration(), storm), nullptr,
               [this, name] { forgotten_ = name; });
}

template <class Id>
bool StoreLies::IsLocked(const Id& id, std::map<Id, absl::Duration>& locked_at) {
  const auto locked = locked_at.find(id);
  if (locked != locked_at.end()) {
    const absl::Duration since = world_.now() - locked->second;
    if (since < kFree) return since < kLocked;
  }
  if (!Skips()) return false;
  locked_at[id] = world_.now();
  return true;
}

bool StoreLies::HidesFromClaim(const Job& job) {
  return job.pipeline == forgotten_ || IsLocked(job.id, jobs_locked_at_);
}

bool StoreLies::HidesDue(const StoredTask& task) { return IsLocked(task.name, tasks_locked_at_); }

StoredTask StoreLies::Bend(const StoredTask& kept, const StoredTask& task) {
  const TaskState& before = kept.state;
  StoredTask bent = task;
  TaskState& after = bent.state;
  const bool goes_on = before.started && after.started && kept.version == task.version;
  const bool fired = goes_on && after.seen > before.seen;
  const bool restarts = goes_on && !fired && before.due_at == absl::InfiniteFuture() &&
                        after.due_at != absl::InfiniteFuture();
  const auto happens = [this](Plant plant, bool it_may) {
    return plant_ == plant && it_may && world_.random().Chance(0.05);
  };
  if (happens(Plant::kForgetRestart, restarts)) after.due_at = absl::InfiniteFuture();
  if (happens(Plant::kFireTwice, fired)) after = before;
  if (happens(Plant::kForgetDue, fired)) after.due_at += kPassedOver;
  if (happens(Plant::kIgnoreStop, before.started && !after.started)) after = before;
  return bent;
}

}  // namespace closewrite::simulation

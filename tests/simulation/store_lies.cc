#include "tests/simulation/store_lies.h"

namespace closewrite::simulation {
namespace {

constexpr absl::Duration kLocked = absl::Milliseconds(20);
constexpr absl::Duration kFree = absl::Seconds(3);

}  // namespace

void StoreLies::Begin(const std::vector<Pipeline>& pipelines, absl::Duration storm) {
  if (plant_ != Plant::kForgetQueue) return;
  const std::string name = pipelines[world_.random().Below(pipelines.size())].name;
  world_.After(world_.random().Between(absl::ZeroDuration(), storm), nullptr,
               [this, name] { forgotten_ = name; });
}

bool StoreLies::IsLocked(JobId job) {
  const auto locked_at = locked_at_.find(job);
  if (locked_at != locked_at_.end()) {
    const absl::Duration since = world_.now() - locked_at->second;
    if (since < kFree) return since < kLocked;
  }
  if (!Skips()) return false;
  locked_at_[job] = world_.now();
  return true;
}

}  // namespace closewrite::simulation

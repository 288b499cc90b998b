#include "tests/simulation/store_lies.h"

namespace closewrite::simulation {

void StoreLies::Begin(const std::vector<Pipeline>& pipelines, absl::Duration storm) {
  if (plant_ != Plant::kForgetQueue) return;
  const std::string name = pipelines[world_.random().Below(pipelines.size())].name;
  world_.After(world_.random().Between(absl::ZeroDuration(), storm), nullptr,
               [this, name] { forgotten_ = name; });
}

}  // namespace closewrite::simulation

#include "tests/simulation/disk.h"

namespace closewrite::simulation {

CommitPlan Disk::Plan() {
  using Fate = CommitPlan::Fate;
  Random& random = world_.random();
  CommitPlan plan;
  const bool slow = world_.now() < slow_until_ || random.Chance(rates_.slow);
  const absl::Duration unit = slow ? absl::Milliseconds(400) : absl::Microseconds(100);
  plan.before = random.Between(absl::ZeroDuration(), unit);
  plan.after = random.Between(unit, unit * 4);
  if (world_.now() < down_until_) {
    plan.fate = Fate::kUnavailable;
  } else if (world_.now() < full_until_) {
    plan.fate = Fate::kFull;
  } else if (random.Chance(rates_.failing)) {
    constexpr Fate kFates[] = {Fate::kUnavailable, Fate::kLostAnswer, Fate::kFull, Fate::kAborted};
    plan.fate = kFates[random.Below(shared_ ? 4 : 3)];
  }
  if (random.Chance(rates_.crashing)) {
    plan.crash =
        random.Chance(0.5) ? CommitPlan::Crash::kBeforeChange : CommitPlan::Crash::kAfterChange;
  }
  return plan;
}

absl::Status Disk::PlanRead() {
  const bool fails = world_.now() < down_until_ || world_.random().Chance(rates_.failing);
  return fails ? absl::UnavailableError("the store does not answer") : absl::OkStatus();
}

void Disk::Heal() {
  rates_ = {};
  slow_until_ = down_until_ = full_until_ = world_.now();
}

}  // namespace closewrite::simulation

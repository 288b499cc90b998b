#include "tests/simulation/world.h"

#include <algorithm>

namespace closewrite::simulation {

void Part::After(absl::Duration delay, absl::AnyInvocable<void()> action) {
  world_.After(delay, this, std::move(action));
}

void World::Push(int64_t at_ns, uint32_t slot) {
  heap_.push_back({at_ns, ++planned_, slot});
  std::push_heap(heap_.begin(), heap_.end(), Later);
}

void World::After(absl::Duration delay, Part* part, Action action) {
  uint32_t slot = static_cast<uint32_t>(slots_.size());
  if (free_slots_.empty()) {
    slots_.emplace_back();
  } else {
    slot = free_slots_.back();
    free_slots_.pop_back();
  }
  slots_[slot] = {std::move(action), part, part == nullptr ? 0 : part->life()};
  // Never too early: who waits for a point in time must find it passed.
  int64_t delay_ns = absl::ToInt64Nanoseconds(delay);
  if (absl::Nanoseconds(delay_ns) < delay) ++delay_ns;
  Push(now_ns_ + std::max<int64_t>(0, delay_ns), slot);
}

bool World::Step() {
  if (heap_.empty()) return false;
  std::pop_heap(heap_.begin(), heap_.end(), Later);
  const Planned next = heap_.back();
  heap_.pop_back();
  now_ns_ = next.at_ns;
  Slot& slot = slots_[next.slot];
  const bool over = slot.part != nullptr && slot.part->life() != slot.life;
  if (!over && slot.part != nullptr && slot.part->frozen_until_ns() > now_ns_) {
    Push(slot.part->frozen_until_ns(), next.slot);
    return true;
  }
  Action action = std::move(slot.action);
  slot.action = nullptr;
  free_slots_.push_back(next.slot);
  if (over) return true;
  ++steps_;
  action();
  return true;
}

void World::Fail(std::string_view check, std::string message) {
  if (failure_.has_value()) return;
  Note("", "FAILED: $d", {}, message);
  failure_ = Failure{std::string(check), std::move(message), now()};
}

}  // namespace closewrite::simulation

#include "tests/simulation/journal_model.h"

namespace closewrite::simulation {
namespace {

// Files whose removal may not have reached the disk.
constexpr size_t kForgottenMax = 4;

}  // namespace

void JournalModel::Forget(const Lease& lease) {
  const auto found = entries_.find(lease);
  if (found == entries_.end()) return;
  forgotten_.emplace_back(lease, std::move(found->second));
  if (forgotten_.size() > kForgottenMax) forgotten_.pop_front();
  entries_.erase(found);
}

void JournalModel::CutPower(Random& random) {
  if (random.Chance(0.3)) session.clear();
  for (auto& [lease, entry] : forgotten_) {
    if (random.Chance(0.3)) entries_.emplace(lease, std::move(entry));
  }
  forgotten_.clear();
  std::erase_if(entries_, [&](const auto&) { return random.Chance(0.2); });
  // The start and the result are files of their own.
  for (auto& [lease, entry] : entries_) {
    if (random.Chance(0.2)) entry.result.reset();
  }
}

}  // namespace closewrite::simulation

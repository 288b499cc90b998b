#include "tests/simulation/ledger_model.h"

#include <algorithm>

namespace closewrite::simulation {
namespace {

// Sequences that are skipped when a ledger is opened: kSequencesLostMax of services/watcher.
constexpr int64_t kSequencesLostMax = int64_t{1} << 32;
// Steps that may be lost, before SQLite syncs them by itself.
constexpr size_t kUnsyncedStepsMax = 30;

}  // namespace

void LedgerModel::Do(Step step) {
  step(state_);
  unsynced_.push_back(std::move(step));
  if (unsynced_.size() > kUnsyncedStepsMax) Sync();
}

void LedgerModel::Open() {
  // Durable before the first is given.
  Do([](State& state) { state.sequence += kSequencesLostMax; });
  Sync();
}

const FileEvent* LedgerModel::Find(const Path& path) const {
  const auto found = state_.rows.find(path);
  return found == state_.rows.end() ? nullptr : &found->second;
}

std::vector<LedgerModel::Path> LedgerModel::Paths(const std::string& volume) const {
  std::vector<Path> paths;
  for (auto it = state_.rows.lower_bound({volume, ""});
       it != state_.rows.end() && it->first.first == volume; ++it) {
    paths.push_back(it->first);
  }
  return paths;
}

void LedgerModel::Record(FileEvent event) {
  Do([event = std::move(event)](State& state) mutable {
    const Path path(event.file.volume, event.file.path);
    FileEvent& row = state.rows[path];
    state.by_sequence.erase(row.sequence);
    row = event;
    row.sequence = ++state.sequence;
    const auto maker = state.makers.find(path);
    if (maker != state.makers.end()) {
      if (event.kind == EventKind::kMovedTo) row.caused_by_job = maker->second.value;
      state.makers.erase(maker);
    }
    state.by_sequence[row.sequence] = path;
  });
}

std::vector<FileEvent> LedgerModel::Pending(int64_t after, size_t limit) const {
  std::vector<FileEvent> pending;
  for (auto it = state_.by_sequence.upper_bound(after);
       it != state_.by_sequence.end() && pending.size() < limit; ++it) {
    pending.push_back(state_.rows.at(it->second));
  }
  return pending;
}

void LedgerModel::Acknowledge(int64_t sequence) {
  Do([sequence](State& state) {
    const int64_t before = state.acknowledged;
    state.acknowledged = std::max(before, sequence);
    // The row of a file that is gone is dropped when its deletion is acknowledged.
    for (auto it = state.by_sequence.upper_bound(before);
         it != state.by_sequence.end() && it->first <= sequence;) {
      const auto row = state.rows.find(it->second);
      const bool gone = IsGone(row->second);
      if (gone) state.rows.erase(row);
      it = gone ? state.by_sequence.erase(it) : std::next(it);
    }
  });
}

void LedgerModel::BeginPublishing(const Lease& order, const std::string& volume,
                                  const std::vector<std::string>& paths) {
  Do([=](State& state) {
    state.began.insert(order);
    for (const std::string& path : paths) state.makers[{volume, path}] = order.job;
  });
  Sync();
}

void LedgerModel::ForgetPublishingExcept(const std::set<Lease>& orders) {
  const bool all = std::all_of(state_.began.begin(), state_.began.end(),
                               [&](const Lease& order) { return orders.contains(order); });
  if (all) return;
  Do([orders](State& state) {
    std::erase_if(state.began, [&](const Lease& order) { return !orders.contains(order); });
  });
}

void LedgerModel::Sync() {
  for (Step& step : unsynced_) step(synced_);
  unsynced_.clear();
}

void LedgerModel::CutPower(Random& random) {
  const size_t kept = random.Below(unsynced_.size() + 1);
  for (size_t i = 0; i < kept; ++i) unsynced_[i](synced_);
  unsynced_.clear();
  state_ = synced_;
}

}  // namespace closewrite::simulation

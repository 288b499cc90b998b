#include "tests/simulation/commands_model.h"

#include <algorithm>
#include <utility>
#include <vector>

namespace closewrite::simulation {
namespace {

// How long the kernel takes to end a process that is killed.
constexpr absl::Duration kDyingMax = absl::Milliseconds(5);

}  // namespace

int CommandsModel::Start(const Lease& lease, Run run) {
  const int pid = ++pids_;
  const absl::Duration runs = run.runs;
  running_[lease] = {std::move(run), pid, false};
  options_.machine->After(runs, [this, lease, pid] { End(lease, pid, CommandEnd::kByItself); });
  WatchLease(lease, pid);
  return pid;
}

void CommandsModel::WatchLease(const Lease& lease, int pid) {
  const auto found = running_.find(lease);
  if (found == running_.end() || found->second.pid != pid || options_.outlive_lease) return;
  const absl::Duration left = found->second.run.lease_deadline - options_.world->now();
  if (left <= absl::ZeroDuration()) return KillFor(lease, CommandEnd::kLease);
  options_.machine->After(left, [this, lease, pid] { WatchLease(lease, pid); });
}

void CommandsModel::Renew(absl::Duration lease_deadline) {
  for (auto& [lease, running] : running_) {
    running.run.lease_deadline = std::max(running.run.lease_deadline, lease_deadline);
  }
}

void CommandsModel::Kill(const Lease& lease) { KillFor(lease, CommandEnd::kTold); }

void CommandsModel::KillFor(const Lease& lease, CommandEnd why) {
  const auto found = running_.find(lease);
  if (found == running_.end() || found->second.dying) return;
  found->second.dying = true;
  const int pid = found->second.pid;
  const absl::Duration dying = options_.world->random().Between(absl::ZeroDuration(), kDyingMax);
  options_.machine->After(dying, [this, lease, pid, why] { End(lease, pid, why); });
}

void CommandsModel::End(const Lease& lease, int pid, CommandEnd why) {
  const auto found = running_.find(lease);
  if (found == running_.end() || found->second.pid != pid) return;
  const auto on_end = std::move(found->second.run.on_end);
  running_.erase(found);
  options_.on_dead(lease);
  on_end(why);
}

void CommandsModel::ExecutorDied() {
  std::vector<Lease> leases;
  for (const auto& [lease, running] : running_) leases.push_back(lease);
  for (const Lease& lease : leases) KillFor(lease, CommandEnd::kExecutorDied);
}

void CommandsModel::CutPower() {
  for (const auto& [lease, running] : running_) options_.on_dead(lease);
  running_.clear();
}

absl::Duration CommandsModel::Deadline(const Lease& lease) const {
  const auto found = running_.find(lease);
  return found == running_.end() ? absl::ZeroDuration() : found->second.run.lease_deadline;
}

}  // namespace closewrite::simulation

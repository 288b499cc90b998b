#include "tests/simulation/publisher_model.h"

#include <algorithm>

namespace closewrite::simulation {

absl::Duration PublisherModel::Pause() {
  Random& random = options_.world->random();
  return random.Chance(0.05) ? random.Between(absl::ZeroDuration(), absl::Milliseconds(500))
                             : random.Between(absl::Microseconds(100), absl::Milliseconds(2));
}

void PublisherModel::Submit(const Job& job) {
  const Lease lease{job.id, job.token};
  if (orders_.contains(lease)) return;
  if (outcomes_.contains(lease) && !options_.again_and_again) return;
  const bool here = options_.volumes.contains(job.output_volume);
  if (!here) return;
  Order& order = orders_[lease];
  order.volume = job.output_volume;
  for (const OutputFile& file : job.outputs) order.paths.push_back(file.path);
  line_.push_back(lease);
  Next();
}

void PublisherModel::Settle(const std::set<Lease>& ordered) {
  std::erase_if(outcomes_, [&](const auto& entry) { return !ordered.contains(entry.first); });
  std::erase_if(orders_, [&](const auto& entry) {
    return !entry.second.running && !ordered.contains(entry.first);
  });
  std::erase_if(line_, [&](const Lease& lease) { return !orders_.contains(lease); });
  options_.ledger->ForgetPublishingExcept(ordered);
  Next();
}

// Orders that name the same file wait for each other.
bool PublisherModel::Blocked(const Lease& lease, const Order& order) const {
  for (const Lease& earlier : line_) {
    if (earlier == lease) return false;
    const Order& other = orders_.at(earlier);
    if (other.volume != order.volume) continue;
    const bool shares = std::any_of(order.paths.begin(), order.paths.end(), [&](const auto& path) {
      return std::find(other.paths.begin(), other.paths.end(), path) != other.paths.end();
    });
    if (shares) return true;
  }
  return false;
}

void PublisherModel::Next() {
  for (const Lease& lease : line_) {
    Order& order = orders_.at(lease);
    if (order.running || Blocked(lease, order)) continue;
    order.running = true;
    options_.part->After(Pause(), [this, lease] { Verify(lease); });
  }
}

void PublisherModel::Verify(const Lease& lease) {
  const Order& order = orders_.at(lease);
  const VolumeModel& volume = *options_.volumes.at(order.volume);
  const bool began = options_.ledger->PublishingBegan(lease);
  if (!options_.again_and_again) {
    for (const std::string& path : order.paths) {
      // Only we take files out of a staging directory whose renames have begun.
      if (!volume.IsStaged(lease, path) && !began && !volume.IsPublished(lease, path)) {
        return Finish(lease, "staged file " + path + " is missing");
      }
    }
  }
  options_.part->After(Pause(), [this, lease] {
    const Order& checked = orders_.at(lease);
    options_.ledger->BeginPublishing(lease, checked.volume, checked.paths);
    options_.part->After(Pause(), [this, lease] { Rename(lease); });
  });
}

void PublisherModel::Rename(const Lease& lease) {
  Order& order = orders_.at(lease);
  VolumeModel& volume = *options_.volumes.at(order.volume);
  if (order.renamed == order.paths.size()) {
    volume.Sync();
    options_.part->After(Pause(), [this, lease] { Finish(lease, ""); });
    return;
  }
  const std::string& path = order.paths[order.renamed++];
  if (volume.IsStaged(lease, path) || options_.again_and_again) {
    volume.Publish(lease, path);
    options_.renamed(lease, order.volume, path);
  }
  options_.part->After(Pause(), [this, lease] { Rename(lease); });
}

void PublisherModel::Finish(const Lease& lease, const std::string& error) {
  const auto order = orders_.find(lease);
  options_.world->Note(options_.part->name(), "answers the order of job $0/$1: $d",
                       {lease.job.value, lease.token.value}, error.empty() ? "done" : error);
  if (error.empty()) options_.volumes.at(order->second.volume)->RemoveStaging(lease);
  orders_.erase(order);
  std::erase(line_, lease);
  outcomes_[lease] = error;
  options_.on_news();
  Next();
}

void PublisherModel::Sweep(const std::string& volume, const Lease& lease) {
  if (orders_.contains(lease) || outcomes_.contains(lease)) return;
  options_.swept(lease);
  options_.volumes.at(volume)->RemoveStaging(lease);
}

}  // namespace closewrite::simulation

#include "services/coordinator/core/engine.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

namespace closewrite {
namespace {

constexpr absl::Duration kForgetRequestsEvery = absl::Hours(1);

}  // namespace

Engine::Engine(Options options)
    : options_(std::move(options)),
      book_(&fleet_, options_.random),
      intake_(&fleet_, &book_),
      dispatch_(&fleet_, &book_, options_.new_session_id),
      desk_(&fleet_, &book_, &intake_) {
  fleet_.session_ttl = options_.session_ttl;
}

absl::Status Engine::Load(StoreReader& reader, absl::Time now) {
  (void)TakeEffects();
  if (fleet_.started_at == absl::InfinitePast()) fleet_.started_at = now;
  fleet_.pipelines.clear();
  for (const StoredPipeline& stored : reader.ListPipelines()) {
    absl::StatusOr<Pipeline> pipeline = options_.decode_pipeline(stored.definition);
    if (!pipeline.ok()) {
      return absl::InternalError(absl::StrCat(
          "pipeline ", stored.name, " in the store is damaged: ", pipeline.status().message()));
    }
    pipeline->version = stored.version;
    pipeline->applied_at = stored.applied_at;
    fleet_.pipelines[stored.name] = std::make_shared<const Pipeline>(*std::move(pipeline));
  }
  book_.Load(reader, now);
  return absl::OkStatus();
}

absl::Status Engine::ConnectWatcher(const Watcher& watcher, absl::Time now) {
  auto same = fleet_.watchers.find(watcher.host);
  if (same != fleet_.watchers.end() && same->second.connected) {
    return absl::AlreadyExistsError(absl::StrCat(
        "a watcher of host ", watcher.host,
        " is connected already: give each host one watcher, or wait until that one is gone"));
  }
  for (const VolumeReport& report : watcher.volumes) {
    const Watcher* home = fleet_.HomeOf(report.volume);
    if (home == nullptr) continue;
    return absl::FailedPreconditionError(absl::StrCat(
        "volume ", report.volume, " has its home on ", home->host,
        " already: a volume lies on one host; take it out of this watcher's configuration"));
  }
  Watcher& entry = fleet_.watchers[watcher.host];
  entry = watcher;
  entry.connected = true;
  entry.heartbeat_at = now;
  return absl::OkStatus();
}

void Engine::UpdateWatcher(const std::string& host, std::vector<VolumeReport> volumes,
                           absl::Time now) {
  Watcher& watcher = fleet_.watchers[host];
  watcher.heartbeat_at = now;
  watcher.volumes = std::move(volumes);
}

void Engine::DisconnectWatcher(const std::string& host) {
  auto it = fleet_.watchers.find(host);
  if (it != fleet_.watchers.end()) it->second.connected = false;
}

void Engine::RecordEvents(StoreTransaction& tx, const std::string& host,
                          const std::string& ledger_id, const std::vector<FileEvent>& events,
                          absl::Time now) {
  intake_.Record(tx, host, ledger_id, events, now);
}

void Engine::RecordPublished(StoreTransaction& tx, const Lease& lease, const std::string& error,
                             absl::Time now) {
  std::optional<Job> job = tx.GetJob(lease.job);
  if (!job.has_value()) return;
  // An answer that comes twice is refused by the rules, and that is all that should happen to it.
  (void)book_.Change(tx, *job, Published{lease.token, error}, now);
}

std::vector<Job> Engine::PublishOrders(StoreReader& reader,
                                       const std::vector<VolumeReport>& volumes) {
  std::vector<Job> orders;
  for (const VolumeReport& report : volumes) {
    const int64_t left = kPublishOrdersMax - static_cast<int64_t>(orders.size());
    if (left <= 0) break;
    JobFilter filter{.states = {JobState::kPublishing}, .output_volume = report.volume};
    for (Job& job : reader.ListJobs(filter, JobId{}, left)) orders.push_back(std::move(job));
  }
  return orders;
}

bool Engine::MaySweep(StoreReader& reader, const Lease& lease) {
  std::optional<Job> job = reader.GetJob(lease.job);
  if (!job.has_value()) return true;
  if (job->token != lease.token) return job->token > lease.token;
  return job->state != JobState::kRunning && job->state != JobState::kPublishing;
}

absl::Time Engine::Tick(StoreTransaction& tx, absl::Time now) {
  const absl::Time next = dispatch_.Tick(tx, now);
  dispatch_.Assign(tx, now);
  if (now >= forget_at_) {
    tx.ForgetRequests(now - kRequestKept);
    forget_at_ = now + kForgetRequestsEvery;
  }
  return std::min(next, forget_at_);
}

}  // namespace closewrite

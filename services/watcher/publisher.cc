#include "services/watcher/publisher.h"

#include <algorithm>
#include <utility>

#include "services/log/log.h"

namespace closewrite::watcher {

Publisher::~Publisher() { Shutdown(); }

void Publisher::Start() {
  if (!thread_.joinable()) thread_ = std::thread([this] { Run(); });
}

void Publisher::Shutdown() {
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
    woken_ = true;
  }
  if (thread_.joinable()) thread_.join();
}

void Publisher::Submit(PublishTask task) {
  absl::MutexLock lock(&mutex_);
  const PublishKey key = task.key;
  if (waiting_.contains(key) || outcomes_.contains(key) || running_ == key) return;
  if (waiting_.size() >= kPublishTasksMax) {
    LogWarn("too many publish orders wait; one is left for later",
            {{"job", key.job}, {"token", key.token}});
    return;
  }
  waiting_.emplace(key, Waiting{std::move(task), options_.clock->Now(), absl::ZeroDuration()});
  woken_ = true;
}

void Publisher::Settle(const std::set<PublishKey>& ordered) {
  {
    absl::MutexLock lock(&mutex_);
    const auto settled = [&](const auto& entry) { return !ordered.contains(entry.first); };
    std::erase_if(outcomes_, settled);
    std::erase_if(waiting_, settled);
  }
  std::set<std::pair<int64_t, int64_t>> orders;
  for (const PublishKey& key : ordered) orders.emplace(key.job, key.token);
  const absl::Status forgotten = options_.ledger->ForgetPublishingExcept(orders);
  if (!forgotten.ok())
    LogWarn("settled orders stay in the ledger", {{"error", forgotten.message()}});
}

std::vector<PublishOutcome> Publisher::Outcomes() const {
  absl::MutexLock lock(&mutex_);
  std::vector<PublishOutcome> outcomes;
  for (const auto& [key, error] : outcomes_) outcomes.push_back({key, error});
  return outcomes;
}

void Publisher::Sweep(StagingEntry entry) {
  absl::MutexLock lock(&mutex_);
  if (sweeps_.size() >= kSweepsMax) return;
  sweeps_.push_back(std::move(entry));
  woken_ = true;
}

std::vector<StagingEntry> Publisher::TakeStaging() {
  absl::MutexLock lock(&mutex_);
  return std::exchange(staging_, {});
}

absl::Time Publisher::NextDue() const {
  absl::Time due = next_listing_;
  for (const auto& [key, waiting] : waiting_) due = std::min(due, waiting.due);
  return due;
}

void Publisher::Run() {
  while (true) {
    const absl::Time now = options_.clock->Now();
    {
      absl::MutexLock lock(&mutex_);
      if (sweeps_.empty()) {
        mutex_.AwaitWithTimeout(absl::Condition(&woken_),
                                std::max(NextDue() - now, absl::ZeroDuration()));
      }
      woken_ = false;
      if (stopping_) return;
    }
    RunNext(options_.clock->Now());
  }
}

void Publisher::RunNext(absl::Time now) {
  std::optional<Waiting> next;
  std::optional<StagingEntry> sweep;
  bool list = false;
  {
    absl::MutexLock lock(&mutex_);
    auto due = waiting_.begin();
    while (due != waiting_.end() && due->second.due > now) ++due;
    if (due != waiting_.end()) {
      running_ = due->first;
      next = std::move(due->second);
      waiting_.erase(due);
      woken_ = true;  // there may be more
    } else if (!sweeps_.empty()) {
      sweep = std::move(sweeps_.front());
      sweeps_.pop_front();
      const PublishKey& key = sweep->key;
      if (waiting_.contains(key) || outcomes_.contains(key)) sweep.reset();
    } else if (now >= next_listing_) {
      next_listing_ = now + options_.staging_interval;
      list = true;
    }
  }
  if (next.has_value()) {
    const absl::Status status = Execute(next->task);
    Finished(*std::move(next), status, options_.clock->Now());
  }
  if (sweep.has_value()) SweepOne(*sweep);
  if (list) ListAll(now);
}

absl::Status Publisher::Execute(const PublishTask& task) {
  const absl::StatusOr<VolumeRoot> root = options_.open_root(task.volume);
  if (!root.ok()) return root.status();
  const PublishKey key = task.key;
  const absl::StatusOr<bool> began = options_.ledger->PublishingBegan(key.job, key.token);
  if (!began.ok()) return began.status();
  PublishProgress progress;
  progress.began = *began;
  progress.begin = [&](absl::Span<const PublishedFile> files) {
    return options_.ledger->BeginPublishing(key.job, key.token, task.volume, files);
  };
  return Publish(root->fd(), task, progress);
}

void Publisher::Finished(Waiting waiting, const absl::Status& status, absl::Time now) {
  const PublishTask& task = waiting.task;
  if (status.ok()) {
    LogInfo("published", {{"job", task.key.job},
                          {"token", task.key.token},
                          {"volume", task.volume},
                          {"files", task.files.size()}});
  } else {
    LogWarn(IsFinal(status) ? "cannot be published" : "cannot be published yet; it is tried again",
            {{"job", task.key.job},
             {"token", task.key.token},
             {"volume", task.volume},
             {"error", status.message()}});
  }
  {
    absl::MutexLock lock(&mutex_);
    running_.reset();
    if (!status.ok() && !IsFinal(status)) {
      waiting.backoff = std::clamp(waiting.backoff * 2, options_.backoff_min, options_.backoff_max);
      waiting.due = now + waiting.backoff;
      const PublishKey key = task.key;
      waiting_.emplace(key, std::move(waiting));
      return;
    }
    outcomes_[task.key] = std::string(status.message());
  }
  options_.on_news();
}

void Publisher::SweepOne(const StagingEntry& entry) {
  const absl::StatusOr<VolumeRoot> root = options_.open_root(entry.volume);
  const absl::Status swept = root.ok() ? RemoveStaging(root->fd(), entry.key) : root.status();
  if (swept.ok()) {
    LogInfo("old staging removed",
            {{"volume", entry.volume}, {"job", entry.key.job}, {"token", entry.key.token}});
  } else {
    LogWarn("old staging can't be removed", {{"volume", entry.volume},
                                             {"job", entry.key.job},
                                             {"token", entry.key.token},
                                             {"error", swept.message()}});
  }
}

void Publisher::ListAll(absl::Time now) {
  std::vector<StagingEntry> found;
  for (const std::string& volume : options_.volumes) {
    const absl::StatusOr<VolumeRoot> root = options_.open_root(volume);
    if (!root.ok()) continue;  // the engine has said why
    const auto keys = ListStaging(root->fd(), now - options_.staging_age_min, kStagingListedMax);
    if (!keys.ok()) {
      LogWarn("staging can't be listed", {{"volume", volume}, {"error", keys.status().message()}});
      continue;
    }
    for (const PublishKey& key : *keys) found.push_back({volume, key});
  }
  if (found.empty()) return;
  {
    absl::MutexLock lock(&mutex_);
    staging_ = std::move(found);
  }
  options_.on_news();
}

}  // namespace closewrite::watcher

#include "services/watcher/publisher.h"

#include <algorithm>
#include <utility>

#include "services/log/log.h"
#include "services/log/str_cat.h"

namespace closewrite::watcher {
namespace {

std::string ClaimKey(const PublishTask& task, const StagedFile& file) {
  return StrCat(task.volume, std::string_view("\0", 1), file.path);
}

}  // namespace

Publisher::~Publisher() { Shutdown(); }

void Publisher::Start() {
  if (!threads_.empty()) return;
  for (int number = 0; number < kPublishThreads; ++number) {
    threads_.emplace_back([this] { Run(); });
  }
}

void Publisher::Shutdown() {
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
  }
  for (std::thread& thread : threads_) {
    if (thread.joinable()) thread.join();
  }
}

void Publisher::Claim(const PublishKey& key, Order* order) {
  for (const StagedFile& file : order->task.files) {
    std::deque<PublishKey>& claim = claims_[ClaimKey(order->task, file)];
    // A file that is named twice, which Publish refuses, must not wait for itself.
    if (!claim.empty() && claim.back() == key) continue;
    if (!claim.empty()) ++order->blockers;
    claim.push_back(key);
  }
}

void Publisher::Release(const PublishKey& key) {
  const auto released = orders_.find(key);
  for (const StagedFile& file : released->second.task.files) {
    const auto claim = claims_.find(ClaimKey(released->second.task, file));
    if (claim == claims_.end()) continue;
    std::deque<PublishKey>& queue = claim->second;
    const bool first = queue.front() == key;
    queue.erase(std::remove(queue.begin(), queue.end(), key), queue.end());
    if (queue.empty()) {
      claims_.erase(claim);
    } else if (first) {
      Order& next = orders_.at(queue.front());
      if (--next.blockers == 0) ready_.push_back(queue.front());
    }
  }
  orders_.erase(released);
}

void Publisher::Submit(PublishTask task) {
  absl::MutexLock lock(&mutex_);
  const PublishKey key = task.key;
  if (orders_.contains(key) || outcomes_.contains(key)) return;
  if (orders_.size() >= kPublishTasksMax) {
    LogWarn("too many publish orders wait; one is left for later",
            {{"job", key.job}, {"token", key.token}});
    return;
  }
  Order& order = orders_[key];
  order.task = std::move(task);
  Claim(key, &order);
  if (order.blockers == 0) ready_.push_back(key);
}

void Publisher::Settle(const std::set<PublishKey>& ordered) {
  {
    absl::MutexLock lock(&mutex_);
    std::erase_if(outcomes_, [&](const auto& entry) { return !ordered.contains(entry.first); });
    std::vector<PublishKey> settled;
    for (const auto& [key, order] : orders_) {
      if (!order.running && !ordered.contains(key)) settled.push_back(key);
    }
    for (const PublishKey& key : settled) Release(key);
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

std::map<std::string, PublishNumbers> Publisher::Numbers() const {
  absl::MutexLock lock(&mutex_);
  return numbers_;
}

void Publisher::Sweep(StagingEntry entry) {
  absl::MutexLock lock(&mutex_);
  if (sweeps_.size() >= kSweepsMax) return;
  sweeps_.push_back(std::move(entry));
}

std::vector<StagingEntry> Publisher::TakeStaging() {
  absl::MutexLock lock(&mutex_);
  return std::exchange(staging_, {});
}

bool Publisher::SomethingToDo() const {
  return stopping_ || woken_ || !ready_.empty() || (!sweeps_.empty() && !tidying_);
}

absl::Time Publisher::NextDue() const {
  const absl::Time listing = tidying_ ? absl::InfiniteFuture() : next_listing_;
  return delayed_.empty() ? listing : std::min(listing, delayed_.begin()->first);
}

Publisher::Work Publisher::TakeWork(absl::Time now) {
  while (!delayed_.empty() && delayed_.begin()->first <= now) {
    ready_.push_back(delayed_.begin()->second);
    delayed_.erase(delayed_.begin());
  }
  Work work;
  while (!ready_.empty()) {
    const PublishKey key = ready_.front();
    ready_.pop_front();
    const auto order = orders_.find(key);
    if (order == orders_.end() || order->second.running || order->second.blockers > 0) continue;
    order->second.running = true;
    // Another thread is to look when the next is due: this one may be long.
    woken_ = !delayed_.empty();
    work.order = key;
    work.task = &order->second.task;
    return work;
  }
  if (tidying_) return work;
  while (!sweeps_.empty()) {
    StagingEntry entry = std::move(sweeps_.front());
    sweeps_.pop_front();
    if (orders_.contains(entry.key) || outcomes_.contains(entry.key)) continue;
    work.sweep = std::move(entry);
    tidying_ = true;
    return work;
  }
  if (now >= next_listing_) {
    next_listing_ = now + options_.staging_interval;
    work.list = true;
    tidying_ = true;
  }
  return work;
}

// Waits for something to do; nullopt when it is time to stop.
std::optional<Publisher::Work> Publisher::Next() {
  absl::MutexLock lock(&mutex_);
  const absl::Duration pause = NextDue() - options_.clock->Now();
  if (pause > absl::ZeroDuration()) {
    mutex_.AwaitWithTimeout(absl::Condition(this, &Publisher::SomethingToDo), pause);
  }
  woken_ = false;
  if (stopping_) return std::nullopt;
  return TakeWork(options_.clock->Now());
}

void Publisher::Run() {
  while (true) {
    const std::optional<Work> work = Next();
    if (!work.has_value()) return;
    if (work->order.has_value()) Finished(*work->order, Execute(*work->task));
    if (work->sweep.has_value()) SweepOne(*work->sweep);
    if (work->list) ListAll();
    if (work->sweep.has_value() || work->list) {
      absl::MutexLock lock(&mutex_);
      tidying_ = false;
      woken_ = true;
    }
  }
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

void Publisher::Finished(const PublishKey& key, const absl::Status& status) {
  std::string volume;
  size_t files = 0;
  const bool final = status.ok() || IsFinal(status);
  {
    absl::MutexLock lock(&mutex_);
    Order& order = orders_.at(key);
    volume = order.task.volume;
    files = order.task.files.size();
    order.running = false;
    PublishNumbers& numbers = numbers_[volume];
    ++(status.ok() ? numbers.published : final ? numbers.refused : numbers.postponed);
    if (final) {
      outcomes_[key] = std::string(status.message());
      Release(key);
    } else {
      order.backoff = std::clamp(order.backoff * 2, options_.backoff_min, options_.backoff_max);
      delayed_.emplace(options_.clock->Now() + order.backoff, key);
      woken_ = true;
    }
  }
  if (status.ok()) {
    LogInfo("published",
            {{"job", key.job}, {"token", key.token}, {"volume", volume}, {"files", files}});
  } else {
    LogWarn(
        final ? "cannot be published" : "cannot be published yet; it is tried again",
        {{"job", key.job}, {"token", key.token}, {"volume", volume}, {"error", status.message()}});
  }
  if (final) options_.on_news();
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

void Publisher::ListAll() {
  const absl::Time before = options_.clock->Now() - options_.staging_age_min;
  std::vector<StagingEntry> found;
  for (const std::string& volume : options_.volumes) {
    const absl::StatusOr<VolumeRoot> root = options_.open_root(volume);
    if (!root.ok()) continue;  // the engine has said why
    const auto keys = ListStaging(root->fd(), before, kStagingListedMax);
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

// Carries out the coordinator's publish orders, beside the watching.
#ifndef SERVICES_WATCHER_PUBLISHER_H_
#define SERVICES_WATCHER_PUBLISHER_H_

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "services/clock/clock.h"
#include "services/watcher/ledger.h"
#include "services/watcher/publishing.h"
#include "services/watcher/volume_root.h"

namespace closewrite::watcher {

// Past these more orders and sweeps are dropped; the coordinator says them again.
inline constexpr size_t kPublishTasksMax = 4096;
inline constexpr size_t kSweepsMax = 16384;
// Staging directories of one volume that are listed at once.
inline constexpr size_t kStagingListedMax = 16384;

struct PublishOutcome {
  PublishKey key;
  std::string error;  // empty: every file is in place
};

struct StagingEntry {
  std::string volume;
  PublishKey key;
};

// One thread. Orders whose problem may pass are tried again with backoff. Thread-safe.
class Publisher {
 public:
  struct Options {
    Ledger* ledger = nullptr;      // not owned
    const Clock* clock = nullptr;  // not owned
    std::vector<std::string> volumes;
    // Opens the root of a volume of this host. FAILED_PRECONDITION and NOT_FOUND are final answers.
    std::function<absl::StatusOr<VolumeRoot>(const std::string& volume)> open_root;
    // Called when Outcomes or TakeStaging have something new, from the publisher's thread.
    std::function<void()> on_news;
    absl::Duration backoff_min = absl::Milliseconds(500);
    absl::Duration backoff_max = absl::Seconds(30);
    absl::Duration staging_interval = absl::Minutes(10);
    absl::Duration staging_age_min = absl::Minutes(1);
  };

  explicit Publisher(Options options) : options_(std::move(options)) {}
  ~Publisher();

  void Start();
  // Waits for the order that is being carried out. May be called any number of times.
  void Shutdown();

  // Takes an order, unless it is known already.
  void Submit(PublishTask task);
  // The complete list of orders: outcomes of others are settled and forgotten, and others that wait
  // are dropped.
  void Settle(const std::set<PublishKey>& ordered);
  std::vector<PublishOutcome> Outcomes() const;

  // Removes a staging directory that no order is about.
  void Sweep(StagingEntry entry);
  // Staging directories, once after each time they were listed.
  std::vector<StagingEntry> TakeStaging();

 private:
  struct Waiting {
    PublishTask task;
    absl::Time due;
    absl::Duration backoff;
  };

  void Run();
  void RunNext(absl::Time now);
  absl::Status Execute(const PublishTask& task);
  void Finished(Waiting waiting, const absl::Status& status, absl::Time now);
  void SweepOne(const StagingEntry& entry);
  void ListAll(absl::Time now);
  absl::Time NextDue() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const Options options_;
  std::thread thread_;
  mutable absl::Mutex mutex_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  bool woken_ ABSL_GUARDED_BY(mutex_) = false;
  std::map<PublishKey, Waiting> waiting_ ABSL_GUARDED_BY(mutex_);
  std::optional<PublishKey> running_ ABSL_GUARDED_BY(mutex_);
  std::map<PublishKey, std::string> outcomes_ ABSL_GUARDED_BY(mutex_);
  std::deque<StagingEntry> sweeps_ ABSL_GUARDED_BY(mutex_);
  std::vector<StagingEntry> staging_ ABSL_GUARDED_BY(mutex_);
  absl::Time next_listing_ ABSL_GUARDED_BY(mutex_) = absl::InfinitePast();
};

}  // namespace closewrite::watcher

#endif  // SERVICES_WATCHER_PUBLISHER_H_

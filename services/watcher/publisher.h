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
#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
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
// Orders that are carried out side by side, so that a large file that is hashed holds nobody up.
inline constexpr int kPublishThreads = 4;

struct PublishOutcome {
  PublishKey key;
  std::string error;  // empty: every file is in place
};

// What came of orders, since the start.
struct PublishNumbers {
  int64_t published = 0;
  int64_t refused = 0;    // for good
  int64_t postponed = 0;  // tries that failed and are to be repeated
};

struct StagingEntry {
  std::string volume;
  PublishKey key;
};

// A few threads. Orders that name the same file of a volume are carried out in the order in which
// they came, one waiting for the answer of the other; those whose problem may pass are tried again
// with backoff. Thread-safe.
class Publisher {
 public:
  struct Options {
    Ledger* ledger = nullptr;      // not owned
    const Clock* clock = nullptr;  // not owned
    std::vector<std::string> volumes;
    // Opens the root of a volume of this host. FAILED_PRECONDITION and NOT_FOUND are final answers.
    // Called from several threads.
    std::function<absl::StatusOr<VolumeRoot>(const std::string& volume)> open_root;
    // Called when Outcomes or TakeStaging have something new, from the publisher's threads.
    std::function<void()> on_news;
    absl::Duration backoff_min = absl::Milliseconds(500);
    absl::Duration backoff_max = absl::Seconds(30);
    absl::Duration staging_interval = absl::Minutes(10);
    absl::Duration staging_age_min = absl::Minutes(1);
  };

  explicit Publisher(Options options) : options_(std::move(options)) {}
  ~Publisher();

  void Start();
  // Waits for the orders that are being carried out. May be called any number of times.
  void Shutdown();

  // Takes an order, unless it is known already.
  void Submit(PublishTask task);
  // The complete list of orders: outcomes of others are settled and forgotten, and others that wait
  // are dropped.
  void Settle(const std::set<PublishKey>& ordered);
  std::vector<PublishOutcome> Outcomes() const;
  // By volume.
  std::map<std::string, PublishNumbers> Numbers() const;

  // Removes a staging directory that no order is about.
  void Sweep(StagingEntry entry);
  // Staging directories, once after each time they were listed.
  std::vector<StagingEntry> TakeStaging();

 private:
  struct Order {
    PublishTask task;
    // Files for which an order that came before is not answered; nothing is done until there is
    // none.
    size_t blockers = 0;
    bool running = false;
    absl::Duration backoff;
  };
  // What a thread does next; at most one is set.
  struct Work {
    std::optional<PublishKey> order;
    const PublishTask* task = nullptr;  // of the order; stays until Finished
    std::optional<StagingEntry> sweep;
    bool list = false;
  };

  void Run();
  std::optional<Work> Next();
  Work TakeWork(absl::Time now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool SomethingToDo() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Time NextDue() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Queues the order for each of its files, and takes it out again.
  void Claim(const PublishKey& key, Order* order) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Release(const PublishKey& key) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status Execute(const PublishTask& task);
  void Finished(const PublishKey& key, const absl::Status& status);
  void SweepOne(const StagingEntry& entry);
  void ListAll();

  const Options options_;
  std::vector<std::thread> threads_;
  mutable absl::Mutex mutex_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  // Something is due sooner than those who wait think.
  bool woken_ ABSL_GUARDED_BY(mutex_) = false;
  bool tidying_ ABSL_GUARDED_BY(mutex_) = false;  // a thread sweeps or lists; one is enough
  std::map<PublishKey, Order> orders_ ABSL_GUARDED_BY(mutex_);  // without an answer
  std::deque<PublishKey> ready_ ABSL_GUARDED_BY(mutex_);        // may name some that are dropped
  std::multimap<absl::Time, PublishKey> delayed_ ABSL_GUARDED_BY(mutex_);  // the same
  // By volume, NUL and path: the orders that name the file, the first of which may be carried out.
  absl::flat_hash_map<std::string, std::deque<PublishKey>> claims_ ABSL_GUARDED_BY(mutex_);
  std::map<PublishKey, std::string> outcomes_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, PublishNumbers> numbers_ ABSL_GUARDED_BY(mutex_);
  std::deque<StagingEntry> sweeps_ ABSL_GUARDED_BY(mutex_);
  std::vector<StagingEntry> staging_ ABSL_GUARDED_BY(mutex_);
  absl::Time next_listing_ ABSL_GUARDED_BY(mutex_) = absl::InfinitePast();
};

}  // namespace closewrite::watcher

#endif  // SERVICES_WATCHER_PUBLISHER_H_

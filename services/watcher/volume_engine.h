// One volume: from the kernel's events to rows in the ledger.
#ifndef SERVICES_WATCHER_VOLUME_ENGINE_H_
#define SERVICES_WATCHER_VOLUME_ENGINE_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "services/clock/clock.h"
#include "services/watcher/event_interpreter.h"
#include "services/watcher/event_queue.h"
#include "services/watcher/file_judge.h"
#include "services/watcher/ignore_list.h"
#include "services/watcher/inotify_reader.h"
#include "services/watcher/ledger.h"
#include "services/watcher/ledger_batch.h"
#include "services/watcher/pending_files.h"
#include "services/watcher/scanner.h"
#include "services/watcher/volume_root.h"
#include "services/watcher/watched_tree.h"

namespace closewrite::watcher {

// Raw events that are interpreted between two commits.
inline constexpr size_t kEventsPerCommitMax = 4096;
// Flushes of one volume that may wait at once.
inline constexpr size_t kFlushesMax = 64;

// The same as VolumeState in closewrite/v1/observe.proto.
enum class EngineState : int { kLive = 1, kScanning = 2, kDegraded = 3, kLost = 4 };

struct VolumeReport {
  std::string name;
  std::string root;
  std::string marker;
  EngineState state = EngineState::kScanning;
  std::string message;
  bool read_only = false;
  int64_t watched_directories = 0;
  int64_t overflows = 0;
  int64_t unacknowledged = 0;
};

// Owns the volume's reader and its own thread. Start once; Shutdown any number of times; the other
// calls at any time, from any thread.
class VolumeEngine {
 public:
  struct Options {
    std::string name;
    std::string path;  // absolute
    bool read_only = false;
    IgnoreList ignore;
    Ledger* ledger = nullptr;      // not owned
    const Clock* clock = nullptr;  // not owned
    // Called when the state has changed, from the engine's thread. May be empty.
    std::function<void()> on_state;
    size_t queued_events_max = kQueuedEventsMax;
  };
  // OK with the last sequence of what had happened, or why it can't be told.
  using FlushDone = std::function<void(absl::StatusOr<int64_t>)>;

  explicit VolumeEngine(Options options);
  ~VolumeEngine();

  // Finds the volume in the ledger. One that the ledger has never known gets its marker; that of
  // another one is checked later, for it may come back by itself. Call before Start.
  absl::Status Prepare();
  void Start();
  void Shutdown();

  VolumeReport Report() const;

  // Calls `done` once everything that happened in the volume before this call is in the ledger, but
  // for files that are open for writing. FAILED_PRECONDITION when the volume is LOST,
  // RESOURCE_EXHAUSTED past kFlushesMax, UNAVAILABLE when the engine stops. From the engine's
  // thread, or this one.
  void Flush(FlushDone done);

  // The root, if this is the right volume, for those who write into it.
  absl::StatusOr<VolumeRoot> OpenRoot() const;

 private:
  struct FlushWait {
    FlushDone done;
    int64_t barrier = 0;   // 0: not asked for yet
    bool reached = false;  // then the three below say what else must be done first
    int64_t scans = 0;
    int64_t pending_order = 0;
    absl::Time renames_until;
  };

  void Run();
  bool stopping() const;
  absl::Status Attach();
  void Lose(const absl::Status& why, absl::Time now);
  void Turn(absl::Time now);
  absl::Duration Pause(absl::Time now) const;
  void OnOverflow(absl::Time now);
  void LookAgain(absl::Time now);
  void Confirm(int64_t barrier, absl::Time now);
  void StepScans(absl::Time now);
  void RetryUncovered(absl::Time now);
  bool Commit();
  void ServeFlushes(int64_t barrier, absl::Time now);
  void FailFlushes(const absl::Status& why);
  void UpdateReport();

  const Options options_;
  LedgerVolume volume_;  // set by Prepare
  std::thread thread_;
  EventQueue queue_;

  // Of the engine's thread alone.
  std::optional<VolumeRoot> root_;
  std::unique_ptr<InotifyReader> reader_;
  std::unique_ptr<LedgerBatch> batch_;
  PendingFiles pending_;
  WatchedTree tree_;
  std::unique_ptr<FileJudge> judge_;
  std::unique_ptr<Scanner> scanner_;
  std::unique_ptr<EventInterpreter> interpreter_;
  int64_t next_barrier_ = 1;
  absl::Time next_attach_ = absl::InfinitePast();
  absl::Time next_retry_ = absl::InfiniteFuture();   // of uncovered directories
  absl::Time next_rescan_ = absl::InfiniteFuture();  // after an error of the ledger
  absl::Time last_overflow_ = absl::InfinitePast();
  absl::Time overflowing_until_ = absl::InfinitePast();
  std::string lost_;          // why; empty: it is not
  std::string ledger_error_;  // empty: none
  std::vector<FlushWait> flushing_;

  mutable absl::Mutex mutex_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  VolumeReport report_ ABSL_GUARDED_BY(mutex_);
  std::vector<FlushDone> flushes_ ABSL_GUARDED_BY(mutex_);  // on their way to the thread
};

}  // namespace closewrite::watcher

#endif  // SERVICES_WATCHER_VOLUME_ENGINE_H_

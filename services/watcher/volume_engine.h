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
#include "absl/random/random.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "services/clock/clock.h"
#include "services/volume/ignore_list.h"
#include "services/watcher/canary.h"
#include "services/watcher/event_interpreter.h"
#include "services/watcher/event_queue.h"
#include "services/watcher/file_judge.h"
#include "services/watcher/flush_queue.h"
#include "services/watcher/ledger.h"
#include "services/watcher/ledger_batch.h"
#include "services/watcher/pending_files.h"
#include "services/watcher/scanner.h"
#include "services/watcher/volume_report.h"
#include "services/watcher/volume_root.h"
#include "services/watcher/watch_backend.h"
#include "services/watcher/watched_tree.h"

namespace closewrite::watcher {

// Raw events that are interpreted between two commits.
inline constexpr size_t kEventsPerCommitMax = 4096;
inline constexpr absl::Duration kAuditDefault = absl::Minutes(10);
// Where writes may come that no event tells of: by NFS servers, and below an overlay.
inline constexpr absl::Duration kAuditOften = absl::Seconds(60);
inline constexpr absl::Duration kQuietOfNfs = absl::Seconds(2);
// Directories that could not be watched or read are tried again after this, at least.
inline constexpr absl::Duration kUncoveredInterval = absl::Seconds(5);
inline constexpr absl::Duration kLedgerRetryInterval = absl::Seconds(1);

// Owns the volume's backend and its own thread. Start once; Shutdown any number of times; the other
// calls at any time, from any thread.
class VolumeEngine {
 public:
  struct Options {
    std::string name;
    std::string path;  // absolute
    bool read_only = false;
    IgnoreList ignore;
    BackendKind backend = BackendKind::kAuto;
    absl::Duration poll = absl::Seconds(5);  // with kPoll
    int poll_unchanged = 2;                  // with kPoll; at least 2
    absl::Duration audit;                    // zero: kAuditDefault or kAuditOften
    bool nfs_exported = false;
    bool writer_check = true;
    Ledger* ledger = nullptr;      // not owned
    const Clock* clock = nullptr;  // not owned
    // Called when the state has changed, from the engine's thread. May be empty.
    std::function<void()> on_state;
    size_t queued_events_max = kQueuedEventsMax;
    // For tests: in place of what `backend` says.
    std::function<absl::StatusOr<std::unique_ptr<WatchBackend>>(EventQueue*)> make_backend;
  };
  // OK with the last sequence of what had happened, or why it can't be told.
  using FlushDone = FlushQueue::Done;

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

  // What pipelines want of this volume beyond finished files: names that appear, and files that
  // have not changed for `quiet` (zero: not wanted).
  void SetInterest(bool create, absl::Duration quiet);
  // Something was mounted or unmounted on this host.
  void MountsChanged();

  // The root, if this is the right volume, for those who write into it.
  absl::StatusOr<VolumeRoot> OpenRoot() const;

 private:
  struct Interest {
    bool create = false;
    absl::Duration quiet;
    bool operator==(const Interest&) const = default;
  };
  // What others have asked for since the last turn.
  struct Asked {
    bool interest = false;
    bool mounts = false;
  };

  void Run();
  bool stopping() const;
  bool polled() const { return options_.backend == BackendKind::kPoll; }
  absl::Status Attach();
  absl::StatusOr<std::unique_ptr<WatchBackend>> MakeBackend();
  void Detach();
  void Lose(const absl::Status& why, absl::Time now);
  void Turn(absl::Time now);
  absl::Time NextDue(absl::Time now) const;
  void OnOverflow(absl::Time now);
  // Barriers that were reached, and files that wait for one.
  void Confirm(int64_t barrier, absl::Time now);
  void LookAgain(absl::Time now);
  // What is due by itself: the canary, audits, polls, directories that could not be watched.
  void Upkeep(absl::Time now);
  void RetryUncovered(absl::Time now);
  void UseFanotifyInstead();
  // False when the volume is lost.
  bool HearOthers(absl::Time now);
  void ApplyInterest();
  void StepScans(absl::Time now);
  void NoteScans(absl::Time now);
  bool Commit();
  void ServeFlushes(int64_t barrier, absl::Time now);
  void UpdateReport();
  void SetState(VolumeReport* report) const;
  absl::Duration AuditInterval();

  const Options options_;
  LedgerVolume volume_;  // set by Prepare
  std::thread thread_;
  EventQueue queue_;
  FlushQueue flushes_;

  // Of the engine's thread alone.
  std::optional<VolumeRoot> root_;
  std::unique_ptr<WatchBackend> backend_;
  std::unique_ptr<LedgerBatch> batch_;
  PendingFiles pending_;
  WatchedTree tree_;
  Canary canary_;
  std::unique_ptr<FileJudge> judge_;
  std::unique_ptr<Scanner> scanner_;
  std::unique_ptr<EventInterpreter> interpreter_;
  absl::BitGen random_;
  int64_t next_barrier_ = 1;
  size_t last_batch_ = 0;         // events of the last turn
  bool fanotify_wanted_ = false;  // inotify has too few watches
  bool fanotify_refused_ = false;
  bool modifications_ = false;       // are told by the backend
  std::vector<std::string> mounts_;  // below the root
  absl::Time next_attach_ = absl::InfinitePast();
  absl::Time next_retry_ = absl::InfiniteFuture();   // of uncovered directories
  absl::Time next_rescan_ = absl::InfiniteFuture();  // after an error of the ledger, or a gap
  absl::Time next_audit_ = absl::InfiniteFuture();   // or poll
  absl::Time next_step_ = absl::InfinitePast();      // of the audit
  absl::Time scan_began_ = absl::InfinitePast();     // of the whole volume; that: none is under way
  absl::Time retry_began_ = absl::InfinitePast();    // of uncovered directories
  int64_t scans_ = 0;                                // of the whole volume
  int64_t retry_scans_ = 0;                          // it has ended when as many have
  absl::Time last_overflow_ = absl::InfinitePast();
  absl::Time overflowing_until_ = absl::InfinitePast();
  std::string lost_;          // why; empty: it is not
  std::string ledger_error_;  // empty: none

  mutable absl::Mutex mutex_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  VolumeReport report_ ABSL_GUARDED_BY(mutex_);
  Asked asked_ ABSL_GUARDED_BY(mutex_);
  Interest wanted_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace closewrite::watcher

#endif  // SERVICES_WATCHER_VOLUME_ENGINE_H_

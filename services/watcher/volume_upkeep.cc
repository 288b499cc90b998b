#include "services/watcher/volume_engine.h"

// What an engine does without being told: canary, audits, polls, and what could not be watched.

#include <malloc.h>

#include <algorithm>
#include <utility>

#include "services/log/log.h"
#include "services/watcher/fanotify_backend.h"

namespace closewrite::watcher {
namespace {

// Polling what can't be watched may take this part of the time.
constexpr int kUncoveredPart = 10;
constexpr absl::Duration kScanSlice = absl::Milliseconds(10);
// An audit works for a slice and then rests, so that it takes a fifth of one core at most.
constexpr absl::Duration kAuditSlice = absl::Milliseconds(5);
constexpr absl::Duration kAuditRest = absl::Milliseconds(20);
constexpr double kAuditJitter = 0.1;
}  // namespace

void VolumeEngine::Upkeep(absl::Time now) {
  if (canary_.Tick(next_barrier_, now)) backend_->Barrier(next_barrier_++);
  if (const absl::Status failure = judge_->TakeFailure(); !failure.ok()) {
    LogError("the ledger can't be read; the volume is rescanned",
             {{"volume", options_.name}, {"error", failure.message()}});
    next_rescan_ = now + kLedgerRetryInterval;
  }
  if (now >= next_rescan_) {
    next_rescan_ = absl::InfiniteFuture();
    scanner_->EnqueueAll();
  }
  if (now >= next_audit_) {
    next_audit_ = now + (polled() ? options_.poll : AuditInterval());
    polled() ? scanner_->EnqueueAll(kCausedByPoll) : scanner_->StartAudit();
  }
  RetryUncovered(now);
}

absl::Duration VolumeEngine::AuditInterval() {
  absl::Duration interval = options_.audit;
  if (interval == absl::ZeroDuration()) {
    const bool often = options_.nfs_exported || root_->file_system() == "overlay";
    interval = often ? kAuditOften : kAuditDefault;
  }
  return interval * absl::Uniform(random_, 1 - kAuditJitter, 1 + kAuditJitter);
}

void VolumeEngine::RetryUncovered(absl::Time now) {
  if (now < next_retry_) return;
  next_retry_ = now + kUncoveredInterval;
  if (tree_.unwatched() > 0) UseFanotifyInstead();
  if (!root_.has_value()) return;
  for (std::string& path : tree_.UncoveredToRetry()) {
    ScanRequest request;
    request.directory = std::move(path);
    scanner_->Enqueue(std::move(request));
    next_retry_ = absl::InfiniteFuture();
    retry_began_ = now;
  }
  retry_scans_ = scanner_->requested();
}

// Watches are short: with `auto`, fanotify is tried once.
void VolumeEngine::UseFanotifyInstead() {
  const bool may = options_.backend == BackendKind::kAuto && !options_.make_backend &&
                   backend_->kind() == BackendKind::kInotify && !fanotify_refused_;
  if (!may) return;
  const auto fanotify = FanotifyBackend::Create(root_->fd(), &queue_);
  if (!fanotify.ok()) {
    LogInfo("inotify has too few watches, and fanotify can't be used instead",
            {{"volume", options_.name}, {"error", fanotify.status().message()}});
    fanotify_refused_ = true;
    return;
  }
  LogWarn("inotify has too few watches; fanotify is used instead", {{"volume", options_.name}});
  fanotify_wanted_ = true;
  Detach();
  next_attach_ = absl::InfinitePast();
}

void VolumeEngine::StepScans(absl::Time now) {
  const bool urgent = scanner_->busy();
  if (!urgent && (!scanner_->auditing() || now < next_step_)) return;
  const absl::Duration until = SinceBoot() + (urgent ? kScanSlice : kAuditSlice);
  while (scanner_->busy() || scanner_->auditing()) {
    const absl::Status stepped = scanner_->Step(now);
    if (absl::IsFailedPrecondition(stepped)) return Lose(stepped, now);
    if (!stepped.ok()) {
      LogError("a scan failed; it is repeated",
               {{"volume", options_.name}, {"error", stepped.message()}});
      next_rescan_ = now + kLedgerRetryInterval;
      return;
    }
    if (SinceBoot() >= until || scanner_->busy() != urgent) break;
  }
  next_step_ = now + kAuditSlice + kAuditRest;
}

void VolumeEngine::NoteScans(absl::Time now) {
  if (retry_began_ != absl::InfinitePast() && scanner_->finished() >= retry_scans_) {
    next_retry_ = now + std::max(kUncoveredInterval, (now - retry_began_) * kUncoveredPart);
    retry_began_ = absl::InfinitePast();
  }
  if (scanner_->scanning_all() && scan_began_ == absl::InfinitePast()) scan_began_ = now;
  if (scanner_->whole_finished() == scans_) return;
  // What a scan of millions of files took for the moment goes back to the system; not at each poll.
  if (!polled() || scans_ == 0) malloc_trim(0);
  scans_ = scanner_->whole_finished();
  absl::MutexLock lock(&mutex_);
  report_.scans = scans_;
  report_.scan_duration =
      options_.clock->Now() - (scan_began_ == absl::InfinitePast() ? now : scan_began_);
  scan_began_ = scanner_->scanning_all() ? now : absl::InfinitePast();
}

}  // namespace closewrite::watcher

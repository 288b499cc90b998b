#include "services/watcher/volume_engine.h"

#include <stdlib.h>
#include <sys/statvfs.h>

#include <algorithm>
#include <utility>

#include "services/log/log.h"
#include "services/log/str_cat.h"
#include "services/volume/mount.h"
#include "services/volume/path.h"
#include "services/watcher/fanotify_backend.h"
#include "services/watcher/inotify_backend.h"
#include "services/watcher/poll_backend.h"
#include "services/watcher/volume_state.h"

namespace closewrite::watcher {
namespace {

constexpr absl::Duration kAttachInterval = absl::Seconds(5);
constexpr absl::Duration kUnnamedInterval = absl::Seconds(5);
constexpr absl::Duration kIdlePauseMax = absl::Minutes(1);
constexpr absl::Duration kOverflowsWithin = absl::Seconds(60);
constexpr size_t kPendingPerTurnMax = 1000;
constexpr size_t kFewEvents = 16;
constexpr absl::Duration kGather = absl::Milliseconds(2);

std::string RealPath(const std::string& path) {
  const std::unique_ptr<char, void (*)(void*)> real(realpath(path.c_str(), nullptr), free);
  return real == nullptr ? path : std::string(real.get());
}

}  // namespace

VolumeEngine::VolumeEngine(Options options)
    : options_(std::move(options)), queue_(options_.queued_events_max) {
  absl::MutexLock lock(&mutex_);
  report_.name = options_.name;
  report_.root = options_.path;
  report_.read_only = options_.read_only;
}

VolumeEngine::~VolumeEngine() { Shutdown(); }

absl::Status VolumeEngine::Prepare() {
  absl::StatusOr<LedgerVolume> volume = options_.ledger->FindVolume(options_.name);
  if (!volume.ok()) return volume.status();
  volume_ = *std::move(volume);
  if (volume_.marker.empty()) {
    const absl::StatusOr<VolumeRoot> root = VolumeRoot::Open(options_.path, polled());
    if (!root.ok()) return root.status();
    absl::StatusOr<std::string> marker = root->ReadMarker();
    if (absl::IsNotFound(marker.status())) marker = root->MakeMarker();
    if (!marker.ok()) {
      return absl::Status(
          marker.status().code(),
          StrCat("volume ", options_.name, ": no marker: ", marker.status().message()));
    }
    const absl::Status status = options_.ledger->SetMarker(volume_.key, *marker);
    if (!status.ok()) return status;
    volume_.marker = *std::move(marker);
  }
  absl::MutexLock lock(&mutex_);
  report_.marker = volume_.marker;
  return absl::OkStatus();
}

void VolumeEngine::Start() {
  batch_ = std::make_unique<LedgerBatch>(options_.ledger, volume_.key);
  judge_ = std::make_unique<FileJudge>(options_.ledger, batch_.get(), &pending_);
  scanner_ = std::make_unique<Scanner>(
      Scanner::Options{&tree_, batch_.get(), judge_.get(), &pending_, &options_.ignore,
                       [this] { return root_->Check(volume_.marker); }});
  interpreter_ = std::make_unique<EventInterpreter>(EventInterpreter::Options{
      &tree_, scanner_.get(), judge_.get(), &pending_, &options_.ignore, &canary_});
  thread_ = std::thread([this] { Run(); });
}

void VolumeEngine::Shutdown() {
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
  }
  queue_.Wake();
  if (thread_.joinable()) thread_.join();
  flushes_.Fail(absl::UnavailableError("the watcher is stopping; call again"));
}

bool VolumeEngine::stopping() const {
  absl::MutexLock lock(&mutex_);
  return stopping_;
}

VolumeReport VolumeEngine::Report() const {
  VolumeReport report;
  {
    absl::MutexLock lock(&mutex_);
    report = report_;
  }
  const absl::StatusOr<int64_t> count = options_.ledger->CountPending(volume_.key);
  report.unacknowledged = count.ok() ? *count : 0;
  return report;
}

void VolumeEngine::Flush(FlushDone done) {
  absl::Status refused;
  {
    absl::MutexLock lock(&mutex_);
    if (stopping_) {
      refused = absl::UnavailableError("the watcher is stopping; call again");
    } else if (report_.state == EngineState::kLost) {
      refused = absl::FailedPreconditionError(
          StrCat("volume ", options_.name, " is LOST: ", report_.message));
    } else if (!flushes_.Add(&done)) {
      refused = absl::ResourceExhaustedError("too many flushes wait; call again later");
    }
  }
  if (!refused.ok()) return done(refused);
  queue_.Wake();
}

void VolumeEngine::SetInterest(bool create, absl::Duration quiet) {
  {
    absl::MutexLock lock(&mutex_);
    const Interest wanted = {create, quiet};
    if (wanted_ == wanted) return;
    wanted_ = wanted;
    asked_.interest = true;
  }
  queue_.Wake();
}

void VolumeEngine::MountsChanged() {
  {
    absl::MutexLock lock(&mutex_);
    asked_.mounts = true;
  }
  queue_.Wake();
}

absl::StatusOr<VolumeRoot> VolumeEngine::OpenRoot() const {
  absl::StatusOr<VolumeRoot> root = VolumeRoot::Open(options_.path, polled());
  const absl::Status right = root.ok() ? root->Check(volume_.marker) : root.status();
  // Whatever lies there now, it may be the volume again later.
  if (!right.ok()) return absl::UnavailableError(right.message());
  return root;
}

void VolumeEngine::Run() {
  while (!stopping()) {
    const absl::Time now = options_.clock->Now();
    if (!root_.has_value() && now >= next_attach_) {
      const absl::Status attached = Attach();
      if (!attached.ok()) Lose(attached, now);
    }
    Turn(now);
  }
  if (backend_ != nullptr) backend_->Shutdown();
}

absl::StatusOr<std::unique_ptr<WatchBackend>> VolumeEngine::MakeBackend() {
  if (options_.make_backend) return options_.make_backend(&queue_);
  switch (options_.backend) {
    case BackendKind::kPoll:
      return std::make_unique<PollBackend>(&queue_);
    case BackendKind::kFanotify:
      return FanotifyBackend::Create(root_->fd(), &queue_);
    case BackendKind::kInotify:
      return InotifyBackend::Create(&queue_);
    case BackendKind::kAuto:
      break;
  }
  // fanotify also tells of writes by file handle, as NFS servers do after a restart.
  if (fanotify_wanted_ || options_.nfs_exported) {
    absl::StatusOr<std::unique_ptr<WatchBackend>> fanotify =
        FanotifyBackend::Create(root_->fd(), &queue_);
    if (fanotify.ok()) return fanotify;
    fanotify_refused_ = true;
  }
  return InotifyBackend::Create(&queue_);
}

absl::Status VolumeEngine::Attach() {
  absl::StatusOr<VolumeRoot> root = VolumeRoot::Open(options_.path, polled());
  if (!root.ok()) return root.status();
  if (const absl::Status right = root->Check(volume_.marker); !right.ok()) return right;
  root_ = *std::move(root);
  absl::StatusOr<std::unique_ptr<WatchBackend>> backend = MakeBackend();
  if (!backend.ok()) return backend.status();
  backend_ = *std::move(backend);
  queue_.Clear();
  judge_->SetRoot(root_->fd());
  ApplyInterest();
  backend_->Start();
  if (absl::Status status = tree_.Attach(&*root_, backend_.get()); !status.ok()) return status;
  mounts_ = MountsBelow(RealPath(options_.path));
  scanner_->EnqueueAll();
  if (!polled()) canary_.Attach(*root_, backend_.get());
  const absl::Time now = options_.clock->Now();
  next_retry_ = now + kUncoveredInterval;
  next_audit_ = now + (polled() ? options_.poll : AuditInterval());
  lost_.clear();
  if (flushes_.Restart(next_barrier_)) backend_->Barrier(next_barrier_++);
  UpdateReport();
  return absl::OkStatus();
}

void VolumeEngine::Detach() {
  if (backend_ != nullptr) backend_->Shutdown();
  interpreter_->Clear();
  scanner_->Clear();
  pending_.Clear();
  tree_.Detach();
  canary_.Detach();
  modifications_ = false;
  backend_.reset();
  root_.reset();
  queue_.Clear();
  scan_began_ = retry_began_ = absl::InfinitePast();
}

void VolumeEngine::Lose(const absl::Status& why, absl::Time now) {
  if (lost_ != ToStd(why.message())) {
    LogError("volume lost; nothing is reported from it until it is back",
             {{"volume", options_.name}, {"error", why.message()}});
  }
  lost_ = std::string(why.message());
  Detach();
  next_attach_ = now + kAttachInterval;
  UpdateReport();
  flushes_.Fail(
      absl::FailedPreconditionError(StrCat("volume ", options_.name, " is LOST: ", why.message())));
}

absl::Time VolumeEngine::NextDue(absl::Time now) const {
  if (!root_.has_value()) return next_attach_;
  if (scanner_->busy()) return now;
  absl::Time due = std::min({pending_.NextDue(), interpreter_->NextDue(), next_retry_, next_rescan_,
                             next_audit_, canary_.next_due(), now + kIdlePauseMax});
  if (scanner_->auditing()) due = std::min(due, next_step_);
  return due;
}

// One turn: hear, look, commit. `before` is the time before it waited.
void VolumeEngine::Turn(absl::Time before) {
  // While much happens, a commit waits a moment for more to share it.
  const bool busy = last_batch_ > kFewEvents && !scanner_->busy();
  EventQueue::Batch batch = queue_.Take(NextDue(before) - before, kEventsPerCommitMax,
                                        busy ? kGather : absl::ZeroDuration());
  last_batch_ = batch.events.size();
  if (!root_.has_value()) {
    flushes_.Fail(
        absl::FailedPreconditionError(StrCat("volume ", options_.name, " is LOST: ", lost_)));
    return;
  }
  const absl::Time now = options_.clock->Now();
  if (batch.failed) return Lose(absl::UnavailableError("reading events failed"), now);
  if (!HearOthers(now)) return;
  if (batch.overflowed) OnOverflow(now);
  if (batch.unnamed) next_rescan_ = std::min(next_rescan_, now + kUnnamedInterval);
  const EventInterpreter::Outcome outcome = interpreter_->Interpret(batch.events, now);
  if (outcome.root_lost) {
    if (!Commit()) return;
    return Lose(absl::UnavailableError(
                    StrCat(Display(options_.path), " was removed, moved away or unmounted")),
                now);
  }
  if (outcome.canary) canary_.Seen(now);
  if (outcome.barrier != 0) Confirm(outcome.barrier, now);
  interpreter_->Tick(now);
  LookAgain(now);
  Upkeep(now);
  if (!root_.has_value() || !Commit()) return;
  StepScans(now);
  if (!root_.has_value() || !Commit()) return;
  NoteScans(now);
  UpdateReport();  // first, so that who has flushed sees what came of it
  ServeFlushes(outcome.barrier, now);
}

void VolumeEngine::OnOverflow(absl::Time now) {
  int64_t overflows = 0;
  {
    absl::MutexLock lock(&mutex_);
    overflows = ++report_.overflows;
  }
  if (now - last_overflow_ < kOverflowsWithin) {
    overflowing_until_ = now + kOverflowsWithin;  // said by the volume's state, not by a line each
  } else {
    LogWarn("events came faster than they were read and were lost; the volume is rescanned",
            {{"volume", options_.name}, {"overflows", overflows}});
  }
  last_overflow_ = now;
  canary_.Excuse(now);
  // A close may be among the lost ones, so nothing that waits for none may be believed.
  pending_.Clear();
  scanner_->EnqueueAll();
}

void VolumeEngine::LookAgain(absl::Time now) {
  const int64_t barrier = next_barrier_;
  bool confirming = false;
  for (PendingFile& file : pending_.TakeDue(now, kPendingPerTurnMax)) {
    ContentVersion version;
    if (!judge_->Due(file, now, &version)) continue;
    pending_.Confirm(std::move(file), version, barrier);
    confirming = true;
  }
  if (!confirming) return;
  ++next_barrier_;
  backend_->Barrier(barrier);
}

void VolumeEngine::Confirm(int64_t barrier, absl::Time now) {
  for (const PendingFile& file : pending_.TakeConfirmed(barrier)) judge_->Confirmed(file, now);
  if (canary_.Reached(barrier, now)) return;
  LogError("the canary was written and its event did not come; the volume is rescanned",
           {{"volume", options_.name}, {"misses", canary_.misses()}});
  scanner_->EnqueueAll();
}

bool VolumeEngine::HearOthers(absl::Time now) {
  Asked asked;
  {
    absl::MutexLock lock(&mutex_);
    asked = std::exchange(asked_, Asked());
  }
  if (asked.interest) ApplyInterest();
  if (!asked.mounts) return true;
  if (const absl::Status right = root_->Check(volume_.marker); !right.ok()) {
    Lose(right, now);
    return false;
  }
  std::vector<std::string> mounts = MountsBelow(RealPath(options_.path));
  if (mounts != mounts_) scanner_->EnqueueAll();
  mounts_ = std::move(mounts);
  return true;
}

void VolumeEngine::ApplyInterest() {
  Interest interest;
  {
    absl::MutexLock lock(&mutex_);
    interest = wanted_;
  }
  if (options_.nfs_exported && interest.quiet == absl::ZeroDuration()) {
    interest.quiet = kQuietOfNfs;
  }
  FileJudge::Rules rules;
  rules.writer_check = options_.writer_check;
  rules.create = interest.create;
  rules.quiet = interest.quiet;
  rules.poll_unchanged = polled() ? options_.poll_unchanged : 0;
  rules.poll = options_.poll;
  judge_->SetRules(rules);
  const bool tell = interest.quiet > absl::ZeroDuration();
  if (tell == modifications_) return;
  const absl::Status told = backend_->TellModifications(tell);
  if (!told.ok()) {
    LogError("modifications can't be watched",
             {{"volume", options_.name}, {"error", told.message()}});
    return;
  }
  modifications_ = tell;
  // Watches are renewed by it.
  scanner_->EnqueueAll();
}

// Waits until the ledger takes the batch; meanwhile events gather in the bounded queue. False when
// the engine is to stop.
bool VolumeEngine::Commit() {
  while (true) {
    const absl::Status committed = batch_->Commit();
    if (committed.ok()) {
      if (!ledger_error_.empty()) LogInfo("the ledger works again", {{"volume", options_.name}});
      ledger_error_.clear();
      return true;
    }
    if (ledger_error_ != ToStd(committed.message())) {
      LogError("the ledger can't be written; it is tried again every second",
               {{"volume", options_.name}, {"error", committed.message()}});
    }
    ledger_error_ = std::string(committed.message());
    UpdateReport();
    absl::MutexLock lock(&mutex_);
    mutex_.AwaitWithTimeout(absl::Condition(&stopping_), kLedgerRetryInterval);
    if (stopping_) return false;
  }
}

void VolumeEngine::ServeFlushes(int64_t barrier, absl::Time now) {
  if (barrier != 0 && flushes_.Awaits(barrier)) {
    // A close may have been heard a moment before it was done.
    for (PendingFile& file : pending_.TakeWritten()) judge_->LookNow(std::move(file), now);
    if (!Commit()) return;
  }
  flushes_.Reached(barrier, {scanner_->requested(), pending_.next_order(), now + kRenamePairing});
  if (flushes_.Admit(next_barrier_)) {
    // What nothing tells of must be looked for.
    if (polled()) scanner_->EnqueueAll(kCausedByPoll);
    backend_->Barrier(next_barrier_++);
  }
  const std::vector<FlushDone> settled = flushes_.Take([this](FlushQueue::Horizon* horizon) {
    if (scanner_->finished() < horizon->scans) return false;
    // What a poll has found must be seen again, as often as is asked for.
    if (polled() && !std::exchange(horizon->scanned, true)) {
      horizon->pending_order = pending_.next_order();
    }
    return !pending_.AnyBefore(horizon->pending_order) &&
           interpreter_->NextDue() > horizon->renames_until;
  });
  for (const FlushDone& done : settled) done(options_.ledger->sequence());
}

void VolumeEngine::SetState(VolumeReport* report) const {
  VolumeState state;
  state.lost = lost_;
  state.ledger_error = ledger_error_;
  state.tree = root_.has_value() ? &tree_ : nullptr;
  state.canary = polled() ? nullptr : &canary_;
  state.overflowing = options_.clock->Now() < overflowing_until_;
  state.scanning = scanner_->scanning_all() && !(polled() && report->scans > 0);
  state.overlay = root_.has_value() && root_->file_system() == "overlay";
  Describe(state, report);
}

void VolumeEngine::UpdateReport() {
  VolumeReport report;
  {
    absl::MutexLock lock(&mutex_);
    report = report_;
  }
  SetState(&report);
  if (backend_ != nullptr) report.backend = backend_->kind();
  if (root_.has_value()) report.file_system = root_->file_system();
  report.watched_directories = root_.has_value() ? tree_.watched() : 0;
  report.unwatched_directories = root_.has_value() ? tree_.unwatched() : 0;
  report.pending_files = static_cast<int64_t>(pending_.size());
  report.audit_found = judge_->audit_found();
  report.canary_seen_at = canary_.seen_at();
  report.canary_misses = canary_.misses();
  struct statvfs space;
  if (root_.has_value() && fstatvfs(root_->fd(), &space) == 0) {
    const auto block = static_cast<int64_t>(space.f_frsize);
    report.free_bytes = block * static_cast<int64_t>(space.f_bavail);
    report.total_bytes = block * static_cast<int64_t>(space.f_blocks);
  }
  bool changed = false;
  {
    absl::MutexLock lock(&mutex_);
    changed = report_.state != report.state || report_.message != report.message;
    report_ = report;
  }
  if (!changed) return;
  if (report.state == EngineState::kLive) {
    LogInfo("volume live", {{"volume", options_.name}, {"directories", tree_.watched()}});
  } else if (report.state == EngineState::kDegraded) {
    LogWarn("volume degraded", {{"volume", options_.name}, {"why", report.message}});
  }
  if (options_.on_state) options_.on_state();
}

}  // namespace closewrite::watcher

#include "services/watcher/volume_engine.h"

#include <algorithm>
#include <utility>

#include "absl/strings/escaping.h"
#include "services/log/log.h"
#include "services/log/str_cat.h"
#include "services/volume/path.h"

namespace closewrite::watcher {
namespace {

constexpr absl::Duration kAttachInterval = absl::Seconds(5);
constexpr absl::Duration kUncoveredInterval = absl::Minutes(1);
constexpr absl::Duration kLedgerRetryInterval = absl::Seconds(1);
constexpr absl::Duration kIdlePauseMax = absl::Minutes(1);
constexpr absl::Duration kScanSlice = absl::Milliseconds(10);
constexpr absl::Duration kOverflowsWithin = absl::Seconds(60);
constexpr size_t kPendingPerTurnMax = 1000;
constexpr size_t kUncoveredShownMax = 3;

std::string DescribeUncovered(const WatchedTree& tree) {
  const int64_t count = static_cast<int64_t>(tree.uncovered().size()) + tree.uncovered_more();
  std::string text = StrCat(count, count == 1 ? " directory is" : " directories are",
                            " looked at once a minute only: ");
  size_t shown = 0;
  for (const auto& [path, why] : tree.uncovered()) {
    if (shown++ == kUncoveredShownMax) return StrCat(text, " …");
    StrAppend(&text, shown > 1 ? "; " : "", path.empty() ? "." : Display(path), " (", why, ")");
  }
  return text;
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
    const absl::StatusOr<VolumeRoot> root = VolumeRoot::Open(options_.path);
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
  interpreter_ = std::make_unique<EventInterpreter>(
      EventInterpreter::Options{&tree_, scanner_.get(), judge_.get(), &pending_, &options_.ignore});
  thread_ = std::thread([this] { Run(); });
}

void VolumeEngine::Shutdown() {
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
  }
  queue_.Wake();
  if (thread_.joinable()) thread_.join();
  FailFlushes(absl::UnavailableError("the watcher is stopping; call again"));
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
    } else if (flushes_.size() >= kFlushesMax) {
      refused = absl::ResourceExhaustedError("too many flushes wait; call again later");
    } else {
      flushes_.push_back(std::move(done));
    }
  }
  if (!refused.ok()) return done(refused);
  queue_.Wake();
}

absl::StatusOr<VolumeRoot> VolumeEngine::OpenRoot() const {
  absl::StatusOr<VolumeRoot> root = VolumeRoot::Open(options_.path);
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
  if (reader_ != nullptr) reader_->Shutdown();
}

absl::Status VolumeEngine::Attach() {
  absl::StatusOr<VolumeRoot> root = VolumeRoot::Open(options_.path);
  if (!root.ok()) return root.status();
  if (const absl::Status right = root->Check(volume_.marker); !right.ok()) return right;
  absl::StatusOr<std::unique_ptr<InotifyReader>> reader = InotifyReader::Create(&queue_);
  if (!reader.ok()) return reader.status();
  root_ = *std::move(root);
  reader_ = *std::move(reader);
  queue_.Clear();
  reader_->Start();
  if (absl::Status status = tree_.Attach(&*root_, reader_.get()); !status.ok()) return status;
  judge_->SetRoot(root_->fd());
  scanner_->SetRoot(root_->fd());
  scanner_->Enqueue(ScanRequest());
  next_retry_ = options_.clock->Now() + kUncoveredInterval;
  lost_.clear();
  UpdateReport();
  return absl::OkStatus();
}

void VolumeEngine::Lose(const absl::Status& why, absl::Time now) {
  if (lost_ != ToStd(why.message())) {
    LogError("volume lost; nothing is reported from it until it is back",
             {{"volume", options_.name}, {"error", why.message()}});
  }
  lost_ = std::string(why.message());
  if (reader_ != nullptr) reader_->Shutdown();
  interpreter_->Clear();
  scanner_->Clear();
  pending_.Clear();
  tree_.Detach();
  reader_.reset();
  root_.reset();
  queue_.Clear();
  next_attach_ = now + kAttachInterval;
  UpdateReport();
  FailFlushes(
      absl::FailedPreconditionError(StrCat("volume ", options_.name, " is LOST: ", why.message())));
}

absl::Duration VolumeEngine::Pause(absl::Time now) const {
  if (!root_.has_value()) return next_attach_ - now;
  if (scanner_->busy()) return absl::ZeroDuration();
  const absl::Time due = std::min({pending_.NextDue(), interpreter_->NextDue(), next_retry_,
                                   next_rescan_, now + kIdlePauseMax});
  return due - now;
}

// One turn: hear, look, commit. `before` is the time before it waited.
void VolumeEngine::Turn(absl::Time before) {
  EventQueue::Batch batch = queue_.Take(Pause(before), kEventsPerCommitMax);
  if (!root_.has_value()) {
    FailFlushes(
        absl::FailedPreconditionError(StrCat("volume ", options_.name, " is LOST: ", lost_)));
    return;
  }
  const absl::Time now = options_.clock->Now();
  if (batch.failed) return Lose(absl::UnavailableError("reading inotify failed"), now);
  if (batch.overflowed) OnOverflow(now);
  const EventInterpreter::Outcome outcome = interpreter_->Interpret(batch.events, now);
  if (outcome.root_lost) {
    if (!Commit()) return;
    return Lose(absl::UnavailableError(
                    StrCat(Display(options_.path), " was removed, moved away or unmounted")),
                now);
  }
  if (outcome.barrier != 0) Confirm(outcome.barrier, now);
  interpreter_->Tick(now);
  LookAgain(now);
  RetryUncovered(now);
  if (!Commit()) return;
  StepScans(now);
  if (!root_.has_value() || !Commit()) return;
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
  reader_->Barrier(barrier);
}

void VolumeEngine::Confirm(int64_t barrier, absl::Time now) {
  for (const PendingFile& file : pending_.TakeConfirmed(barrier)) judge_->Confirmed(file, now);
}

void VolumeEngine::StepScans(absl::Time now) {
  const absl::Duration until = SinceBoot() + kScanSlice;
  while (scanner_->busy()) {
    const absl::Status stepped = scanner_->Step(now);
    if (absl::IsFailedPrecondition(stepped)) return Lose(stepped, now);
    if (!stepped.ok()) {
      LogError("a scan failed; it is repeated",
               {{"volume", options_.name}, {"error", stepped.message()}});
      next_rescan_ = now + kLedgerRetryInterval;
      return;
    }
    if (SinceBoot() >= until) return;
  }
}

void VolumeEngine::RetryUncovered(absl::Time now) {
  if (const absl::Status failure = judge_->TakeFailure(); !failure.ok()) {
    LogError("the ledger can't be read; the volume is rescanned",
             {{"volume", options_.name}, {"error", failure.message()}});
    next_rescan_ = now + kLedgerRetryInterval;
  }
  if (now >= next_rescan_) {
    next_rescan_ = absl::InfiniteFuture();
    scanner_->EnqueueAll();
  }
  if (now < next_retry_) return;
  next_retry_ = now + kUncoveredInterval;
  for (std::string& path : tree_.TakeUncovered()) {
    ScanRequest request;
    request.directory = std::move(path);
    scanner_->Enqueue(std::move(request));
  }
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
  for (FlushWait& wait : flushing_) {
    if (wait.reached || wait.barrier > barrier) continue;
    wait.reached = true;
    wait.scans = scanner_->requested();
    wait.pending_order = pending_.next_order();
    wait.renames_until = now + kRenamePairing;
  }
  std::vector<FlushDone> fresh;
  {
    absl::MutexLock lock(&mutex_);
    fresh.swap(flushes_);
  }
  if (!fresh.empty()) reader_->Barrier(next_barrier_);
  for (FlushDone& done : fresh) {
    FlushWait wait;
    wait.done = std::move(done);
    wait.barrier = next_barrier_;
    flushing_.push_back(std::move(wait));
  }
  if (!fresh.empty()) ++next_barrier_;
  const auto settled = [&](const FlushWait& wait) {
    return wait.reached && scanner_->finished() >= wait.scans &&
           !pending_.AnyBefore(wait.pending_order) && interpreter_->NextDue() > wait.renames_until;
  };
  const auto first_settled = std::stable_partition(
      flushing_.begin(), flushing_.end(), [&](const FlushWait& wait) { return !settled(wait); });
  std::vector<FlushWait> done(std::make_move_iterator(first_settled),
                              std::make_move_iterator(flushing_.end()));
  flushing_.erase(first_settled, flushing_.end());
  for (FlushWait& wait : done) wait.done(options_.ledger->sequence());
}

void VolumeEngine::FailFlushes(const absl::Status& why) {
  std::vector<FlushDone> failed;
  {
    absl::MutexLock lock(&mutex_);
    failed.swap(flushes_);
  }
  for (FlushWait& wait : flushing_) failed.push_back(std::move(wait.done));
  flushing_.clear();
  for (const FlushDone& done : failed) done(why);
}

void VolumeEngine::UpdateReport() {
  EngineState state = EngineState::kLive;
  std::string message;
  if (!lost_.empty()) {
    state = EngineState::kLost;
    message = lost_;
  } else if (!ledger_error_.empty()) {
    state = EngineState::kDegraded;
    message = StrCat(ledger_error_, "; events wait in memory");
  } else if (!tree_.uncovered().empty()) {
    state = EngineState::kDegraded;
    message = DescribeUncovered(tree_);
  } else if (options_.clock->Now() < overflowing_until_) {
    state = EngineState::kDegraded;
    message = "events overflow again and again; raise fs.inotify.max_queued_events (sysctl)";
  } else if (scanner_->scanning_all()) {
    state = EngineState::kScanning;
    message = "a scan of the whole volume is under way";
  }
  bool changed = false;
  {
    absl::MutexLock lock(&mutex_);
    changed = report_.state != state || report_.message != message;
    report_.state = state;
    report_.message = message;
    report_.watched_directories = root_.has_value() ? tree_.watched() : 0;
  }
  if (!changed) return;
  if (state == EngineState::kLive) {
    LogInfo("volume live", {{"volume", options_.name}, {"directories", tree_.watched()}});
  } else if (state == EngineState::kDegraded) {
    LogWarn("volume degraded", {{"volume", options_.name}, {"why", message}});
  }
  if (options_.on_state) options_.on_state();
}

}  // namespace closewrite::watcher

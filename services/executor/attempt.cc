#include "services/executor/attempt.h"

#include <unistd.h>

#include <utility>

#include "services/clock/clock.h"
#include "services/config/config.h"
#include "services/log/log.h"
#include "services/log/str_cat.h"
#include "services/log_record/log_record.h"
#include "services/volume/path.h"

namespace closewrite::executor {
Attempt::Attempt(const AttemptContext* context, v1::Assignment assignment,
                 absl::Duration lease_deadline)
    : context_(context),
      assignment_(std::move(assignment)),
      adopted_(false),
      log_(std::make_shared<AttemptLog>(context->journal->LogFolder(assignment_.lease()))),
      lease_deadline_(lease_deadline) {}

// What has ended needs no lease to be concluded here; the coordinator knows whether it counts.
Attempt::Attempt(const AttemptContext* context, v1::Assignment assignment,
                 const SupervisorState& state)
    : context_(context),
      assignment_(std::move(assignment)),
      adopted_(true),
      log_(std::make_shared<AttemptLog>(context->journal->LogFolder(assignment_.lease()))),
      command_began_(absl::Seconds(state.command_ticks) / sysconf(_SC_CLK_TCK)),
      lease_deadline_(state.ended != 0 ? absl::InfiniteDuration()
                                       : absl::Nanoseconds(state.lease_ns)),
      started_(true),
      pid_(state.report.pid) {}

Attempt::~Attempt() {
  if (thread_.joinable()) thread_.join();
}

void Attempt::Start() { thread_ = std::thread(&Attempt::Run, this); }

void Attempt::Run() {
  v1::AttemptResult result = Execute();
  *result.mutable_lease() = assignment_.lease();
  const bool succeeded = result.outcome() == v1::ATTEMPT_OUTCOME_SUCCEEDED;
  context_->journal->RemoveScratch(assignment_.lease());
  if (staging_.has_value() && !succeeded && !keep_staged_) {
    const absl::Status removed = staging_->Remove();
    if (!removed.ok()) {
      LogWarn("staged files could not be removed; the publisher will sweep them",
              {{"directory", staging_->directory()}, {"error", removed.message()}});
    }
  }
  LogInfo("attempt ended", {{"job", facts_.job},
                            {"token", facts_.token},
                            {"outcome", v1::AttemptOutcome_Name(result.outcome())},
                            {"message", result.message()}});
  if (context_->meters != nullptr) context_->meters->Take(assignment_.pipeline(), result, ran_);
  absl::MutexLock lock(&mutex_);
  if (pid_ != 0) {
    const absl::Status recorded = context_->journal->RecordResult(result);
    if (!recorded.ok()) LogWarn("a result could not be recorded", {{"error", recorded.message()}});
  }
  result_ = std::move(result);
  ended_ = true;
  context_->on_change();
}

v1::AttemptResult Attempt::Execute() {
  ended_command_.program = assignment_.command_size() > 0 ? assignment_.command(0) : "";
  ended_command_.place.host = context_->host;
  ended_command_.timeout = FromProto(assignment_.timeout());
  ended_command_.memory_bytes = assignment_.memory_bytes();
  ended_command_.adopted = adopted_;
  const absl::Status located = Locate();
  if (!located.ok() && adopted_) Kill(ToStd(located.message()));
  if (!located.ok() && !adopted_) {
    return EndedAs(v1::ATTEMPT_OUTCOME_FAILED, ToStd(located.message()));
  }
  if (adopted_) {
    AdoptCommand();
  } else {
    if (auto refused = CheckItsInput(); refused.has_value()) return *std::move(refused);
    const auto options = Prepare();
    if (trouble_.has_value()) return HandBackFor(*trouble_);
    if (!options.ok()) {
      return EndedAs(refused_ ? v1::ATTEMPT_OUTCOME_REFUSED : v1::ATTEMPT_OUTCOME_FAILED,
                     ToStd(options.status().message()));
    }
    ended_command_.program = options->arguments.front();
    if (auto refused = StartCommand(*options); refused.has_value()) return *std::move(refused);
  }
  v1::AttemptResult result = AwaitCommand();
  if (result.outcome() == v1::ATTEMPT_OUTCOME_SUCCEEDED) {
    keep_staged_ = adopted_;
    Conclude(&result);
  }
  return result;
}

// Turns volumes and relative paths into this host's.
absl::Status Attempt::Locate() {
  const auto root_of = [this](const std::string& volume) -> const LocalVolume* {
    const auto found = context_->volumes.find(volume);
    return found == context_->volumes.end() ? nullptr : &found->second;
  };
  facts_.job = assignment_.lease().job_id();
  facts_.token = assignment_.lease().token();
  facts_.attempt = assignment_.attempt();
  if (assignment_.has_input()) {
    const v1::FileVersion& file = assignment_.input();
    const LocalVolume* volume = root_of(file.volume());
    if (volume == nullptr) {
      return absl::FailedPreconditionError(StrCat(
          "volume ", file.volume(), " is not mounted here; add it to the executor's volumes"));
    }
    absl::Status good = CheckRelativePath(file.path());
    if (!good.ok()) return good;
    if (!assignment_.input_unchecked()) {
      input_ = AnnouncedInput{.root = volume->root,
                              .path = file.path(),
                              .size = file.size(),
                              .mtime_ns = file.mtime_ns()};
    }
    facts_.volume = file.volume();
    facts_.path = file.path();
    facts_.event = assignment_.event();
    facts_.input = StrCat(volume->root, "/", file.path());
  }
  if (!assignment_.output_volume().empty()) {
    const LocalVolume* volume = root_of(assignment_.output_volume());
    if (volume == nullptr || volume->read_only) {
      return absl::FailedPreconditionError(
          StrCat("volume ", assignment_.output_volume(),
                 volume == nullptr ? " is not mounted here; add it to the executor's volumes"
                                   : " is read-only here; nothing can be published into it"));
    }
    staging_.emplace(volume->root, facts_.job, facts_.token);
    facts_.output_dir = staging_->directory();
    facts_.output = staging_->Output(facts_.path);
  }
  return absl::OkStatus();
}

InputCheckOptions Attempt::CheckOptions(absl::Duration visible_within) {
  InputCheckOptions options;
  options.visible_within = visible_within;
  options.now = SinceBoot;
  options.pause = [this](absl::Duration pause) {
    if (!StopReason().has_value()) bell_.Wait(pause);
    return !StopReason().has_value();
  };
  return options;
}

std::optional<v1::AttemptResult> Attempt::CheckItsInput() {
  if (!input_.has_value()) return std::nullopt;
  const InputFinding finding =
      CheckInput(*input_, CheckOptions(FromProto(assignment_.visible_within())));
  switch (finding.state) {
    case InputState::kAnnounced:
      return std::nullopt;
    case InputState::kInterrupted:
      return EndedAs(v1::ATTEMPT_OUTCOME_HANDED_BACK, StopReason().value_or(finding.message));
    case InputState::kNotVisible:
      if (const auto trouble = Trouble(facts_.volume); trouble.has_value()) {
        return HandBackFor(*trouble);
      }
      return EndedAs(v1::ATTEMPT_OUTCOME_INPUT_NOT_VISIBLE, finding.message);
    case InputState::kChanged:
      break;
  }
  v1::AttemptResult changed = EndedAs(v1::ATTEMPT_OUTCOME_INPUT_CHANGED, finding.message);
  changed.mutable_observed_input()->set_size(finding.size);
  changed.mutable_observed_input()->set_mtime_ns(finding.mtime_ns);
  return changed;
}

std::optional<std::string> Attempt::Trouble(const std::string& volume) const {
  const std::string problem = context_->look ? context_->look(volume) : "";
  if (problem.empty()) return std::nullopt;
  return StrCat("volume ", volume, " can't be used on ", context_->host, " at ",
                context_->volumes.at(volume).root, ": ", problem);
}

v1::AttemptResult Attempt::HandBackFor(const std::string& trouble) {
  if (!StopReason().has_value()) bell_.Wait(kTroublePause);
  return EndedAs(v1::ATTEMPT_OUTCOME_HANDED_BACK, trouble);
}

// What it came to when it was not started.
std::optional<v1::AttemptResult> Attempt::StartCommand(const CommandOptions& prepared) {
  absl::MutexLock lock(&mutex_);
  if (stop_ != Stop::kNo) return EndedAs(v1::ATTEMPT_OUTCOME_HANDED_BACK, stop_reason_);
  CommandOptions options = prepared;
  options.lease_deadline = lease_deadline_;
  auto started = Command::Start(options);
  if (!started.ok()) {
    return EndedAs(v1::ATTEMPT_OUTCOME_FAILED, ToStd(started.status().message()));
  }
  command_ = *std::move(started);
  command_began_ = SinceBoot();
  started_ = true;
  return std::nullopt;
}

void Attempt::AdoptCommand() {
  auto command = Command::Adopt(context_->journal->FilesOf(assignment_.lease()), context_->groups);
  absl::MutexLock lock(&mutex_);
  command_ = std::move(command);
  // What was said before there was somebody to hear it.
  if (lease_deadline_ < absl::InfiniteDuration()) command_->Renew(lease_deadline_);
  if (stop_ == Stop::kTerminate) command_->Terminate();
  if (stop_ == Stop::kKill) command_->Kill();
}

v1::AttemptResult Attempt::AwaitCommand() {
  Command* command = nullptr;
  {
    absl::MutexLock lock(&mutex_);
    command = command_.get();
  }
  const CommandEnd end = command->Wait({
      .on_start =
          [this](pid_t pid) {
            {
              absl::MutexLock lock(&mutex_);
              pid_ = pid;
            }
            context_->on_change();
          },
      .on_log =
          [this] {
            log_->NoteGrowth();
            context_->on_output();
          },
  });
  NoteDuration(end);
  log_->NoteGrowth();
  if (!end.lost) log_->NoteEnd(end.log_bytes, end.ended_us);
  if (end.cause == SupervisorReport::kTold) ended_command_.stop_reason = StopReason();
  v1::AttemptResult result = ResultOf(end, ended_command_);
  absl::MutexLock lock(&mutex_);
  command_.reset();
  return result;
}

// One that was adopted may have ended while nobody waited for it.
void Attempt::NoteDuration(const CommandEnd& end) {
  if (!end.started || end.lost || command_began_ == absl::ZeroDuration()) return;
  const absl::Duration ago =
      adopted_ ? WallTime() - absl::FromUnixMicros(end.ended_us) : absl::ZeroDuration();
  const absl::Duration began_ago = SinceBoot() - command_began_;
  ran_ = std::max(began_ago - std::max(ago, absl::ZeroDuration()), absl::ZeroDuration());
}

void Attempt::ReadProgress(int64_t offset, std::string_view records) {
  absl::MutexLock lock(&mutex_);
  while (const auto record = TakeLogRecord(&records)) {
    const bool read = offset < progress_read_;
    offset += static_cast<int64_t>(sizeof(LogRecordHeader) + record->bytes.size());
    if (read || record->stream == LogStream::kNote) continue;
    progress_read_ = offset;
    ProgressReader& reader = progress_readers_[record->stream == LogStream::kStderr ? 1 : 0];
    if (auto progress = reader.Feed(record->bytes); progress.has_value()) {
      progress_.set_done(progress->done);
      progress_.set_total(progress->total);
      progress_.set_unit(progress->unit);
    }
  }
}

// The command has succeeded. Was what it read the announced version, and is what it left fit to be
// published?
void Attempt::Conclude(v1::AttemptResult* result) {
  const auto refuse = [result](v1::AttemptOutcome outcome, std::string_view message) {
    result->set_outcome(outcome);
    result->set_message(std::string(message));
    result->clear_files();
  };
  // What failed because the volume is gone says nothing about the command.
  const auto refuse_unless_gone = [&](const std::string& volume, v1::AttemptOutcome outcome,
                                      std::string_view message) {
    const std::optional<std::string> trouble = Trouble(volume);
    if (!trouble.has_value()) return refuse(outcome, message);
    refuse(v1::ATTEMPT_OUTCOME_KILLED, StrCat("its command has succeeded in vain: ", *trouble));
  };
  if (input_.has_value()) {
    const InputFinding finding = RecheckInput(*input_, CheckOptions(kRecheckMax));
    if (finding.state == InputState::kChanged) {
      refuse(v1::ATTEMPT_OUTCOME_INPUT_CHANGED, finding.message);
      result->mutable_observed_input()->set_size(finding.size);
      result->mutable_observed_input()->set_mtime_ns(finding.mtime_ns);
      return;
    }
    if (finding.state == InputState::kNotVisible) {
      return refuse_unless_gone(facts_.volume, v1::ATTEMPT_OUTCOME_INPUT_NOT_VISIBLE,
                                finding.message);
    }
  }
  if (staging_.has_value()) {
    const auto files = staging_->Collect();
    const std::string_view why = ToStd(files.status().message());
    // A disk that the command has filled has room again once its results are removed: it would be
    // filled for ever.
    if (absl::IsResourceExhausted(files.status())) {
      return refuse(v1::ATTEMPT_OUTCOME_FAILED, why);
    }
    if (!files.ok()) {
      return refuse_unless_gone(assignment_.output_volume(), v1::ATTEMPT_OUTCOME_FAILED, why);
    }
    for (const StagedFile& file : *files) {
      v1::OutputFile* output = result->add_files();
      output->set_path(file.path);
      output->set_size(file.size);
      output->set_sha256(file.sha256);
    }
  }
  if (const auto reason = StopReason(); reason.has_value()) {
    refuse(v1::ATTEMPT_OUTCOME_KILLED, *reason);
  }
}

std::optional<std::string> Attempt::StopReason() const {
  absl::MutexLock lock(&mutex_);
  if (stop_ != Stop::kNo) return stop_reason_;
  if (SinceBoot() >= lease_deadline_) return kLeaseGone;
  return std::nullopt;
}

void Attempt::Renew(absl::Duration lease_deadline) {
  absl::MutexLock lock(&mutex_);
  if (lease_deadline <= lease_deadline_) return;
  lease_deadline_ = lease_deadline;
  if (command_ != nullptr) command_->Renew(lease_deadline);
}

void Attempt::StopWith(Stop stop, std::string_view why) {
  absl::MutexLock lock(&mutex_);
  if (ended_) return;
  // Once started, it is not handed back; and only a harder order replaces one.
  if (stop == Stop::kHandBack && started_) return;
  if (stop <= stop_) return;
  stop_ = stop;
  if (stop_reason_.empty()) stop_reason_ = std::string(why);
  if (command_ != nullptr && stop == Stop::kTerminate) command_->Terminate();
  if (command_ != nullptr && stop == Stop::kKill) command_->Kill();
  bell_.Ring();
}

void Attempt::HandBack() { StopWith(Stop::kHandBack, "the executor is stopping"); }
void Attempt::Terminate(std::string_view why) { StopWith(Stop::kTerminate, why); }
void Attempt::Kill(std::string_view why) { StopWith(Stop::kKill, why); }

Attempt::View Attempt::view() const {
  absl::MutexLock lock(&mutex_);
  return {.ended = ended_, .pid = pid_, .progress = progress_};
}

v1::AttemptResult Attempt::result() const {
  absl::MutexLock lock(&mutex_);
  return result_;
}

}  // namespace closewrite::executor

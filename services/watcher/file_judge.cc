#include "services/watcher/file_judge.h"

#include <sys/stat.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "services/log/log.h"
#include "services/volume/file_system.h"
#include "services/watcher/writer_check.h"

namespace closewrite::watcher {
namespace {

// A link that has taken the place of a directory leads to nobody's file: what was below is gone.
bool IsAbsent(const absl::Status& status) {
  return absl::IsNotFound(status) || absl::IsFailedPrecondition(status);
}

// Whether a regular file is there.
bool StatFile(int root, std::string_view path, struct stat* st) {
  const absl::StatusOr<struct stat> found = StatBeneath(root, path);
  if (!found.ok() || !S_ISREG(found->st_mode)) return false;
  *st = *found;
  return true;
}

bool OnlyTimesDiffer(const ContentVersion& a, const ContentVersion& b) {
  return a.inode == b.inode && a.size == b.size && a.mtime_ns != b.mtime_ns;
}

}  // namespace

absl::Status FileJudge::TakeFailure() { return std::exchange(failure_, absl::OkStatus()); }

std::optional<FileRecord> FileJudge::Known(std::string_view path) {
  absl::StatusOr<std::optional<FileRecord>> record = batch_->Find(path);
  if (!record.ok()) {
    failure_.Update(record.status());
    return std::nullopt;
  }
  if (record->has_value() && (*record)->gone()) return std::nullopt;
  return *std::move(record);
}

void FileJudge::Put(std::string_view path, const ContentVersion& version, const Cause& cause,
                    absl::Time now) {
  if (cause.source == ChangeSource::kAudit) ++audit_found_;
  FileRecord record;
  record.path = std::string(path);
  record.version = version;
  record.kind = cause.kind;
  record.evidence = cause.evidence;
  record.source = cause.source;
  record.observed_unix_ns = absl::ToUnixNanos(now);
  batch_->Put(std::move(record));
}

void FileJudge::Consider(std::string_view path, Cause cause, absl::Time now,
                         absl::Duration backoff) {
  cause = pending_->CauseOf(path, cause);
  const absl::StatusOr<struct stat> found = StatBeneath(root_, path);
  // A file that is gone already: the event that says so follows.
  if (!found.ok()) return;
  const struct stat& st = *found;
  const std::optional<FileRecord> known = Known(path);
  if (!S_ISREG(st.st_mode)) {
    if (known.has_value()) {
      Put(path, known->version, {ChangeKind::kDelete, ChangeEvidence::kNone, cause.source}, now);
    }
    return;
  }
  const bool same = known.has_value() && known->finished() && known->version == VersionOf(st);
  // A file that was called finished because it was quiet gets better evidence by its close.
  const bool was_quiet = same && known->evidence == ChangeEvidence::kQuiet;
  // The look after a first close may have found what was renamed over it already.
  const bool was_moved = same && cause == kCausedByMove && known->kind == ChangeKind::kCloseWrite &&
                         known->evidence == ChangeEvidence::kClosed;
  const bool better = was_quiet || was_moved;
  if (same && (!better || rules_.poll_unchanged > 0)) return;
  if (rules_.poll_unchanged > 0) {
    return StillWritten(path, known.has_value(), st, kCausedByPoll, now, backoff);
  }
  const absl::StatusOr<CheckedFile> checked = Check(path);
  if (absl::IsNotFound(checked.status()) || absl::IsFailedPrecondition(checked.status())) return;
  if (!checked.ok() || checked->state == WriterState::kWritten) {
    if (!checked.ok()) {
      LogWarn("a file can't be checked; it is tried again",
              {{"path", path}, {"error", checked.status().message()}});
    }
    if (!same) StillWritten(path, known.has_value(), st, cause, now, backoff);
    return;
  }
  const bool still_same =
      known.has_value() && known->finished() && known->version == checked->version;
  if (still_same && (!better || checked->state != WriterState::kFree)) return;
  Cause said = cause;
  if (checked->state == WriterState::kUnchecked) said.evidence = ChangeEvidence::kUnchecked;
  Put(path, checked->version, said, now);
}

ContentVersion FileJudge::VersionOf(const struct stat& st) const {
  ContentVersion version = ContentVersion::Of(st);
  if (rules_.poll_unchanged > 0) version.inode = 0;
  return version;
}

absl::StatusOr<CheckedFile> FileJudge::Check(std::string_view path) const {
  return CheckWriter(root_, path, rules_.writer_check);
}

void FileJudge::StillWritten(std::string_view path, bool known, const struct stat& st,
                             const Cause& cause, absl::Time now, absl::Duration backoff) {
  const ContentVersion version = VersionOf(st);
  if (rules_.create && !known) Put(path, version, kCausedByCreation, now);
  // Past the limit of pending files the writer's own close must do, or the next look at the whole
  // volume.
  if (rules_.poll_unchanged > 0) {
    if (pending_->Waits(path, PendingReason::kQuiet)) return;
    pending_->Quiet(path, cause, version, rules_.poll_unchanged - 1, now + rules_.poll);
  } else if (rules_.quiet > absl::ZeroDuration() &&
             (cause.evidence != ChangeEvidence::kClosed || backoff > absl::ZeroDuration())) {
    pending_->Quiet(path, cause, version, 1, now + rules_.quiet);
  } else {
    pending_->Written(path, cause, now, backoff);
  }
}

void FileJudge::Modified(std::string_view path, absl::Time now) {
  // One look for all the changes until then.
  if (rules_.quiet == absl::ZeroDuration() || pending_->Waits(path, PendingReason::kQuiet)) return;
  struct stat st;
  if (!StatFile(root_, path, &st)) return;
  pending_->Quiet(path, kCausedByClose, VersionOf(st), 1, now + rules_.quiet);
}

void FileJudge::Audited(std::string_view path, absl::Time now) {
  // What the kernel had to say of it may still be in the queue.
  if (pending_->WaitsAtAll(path)) return;
  pending_->Defer(path, PendingReason::kAudit, now);
}

void FileJudge::LookNow(PendingFile file, absl::Time now) {
  if (file.reason == PendingReason::kWritten)
    return Consider(file.path, file.cause, now, file.backoff);
  const absl::StatusOr<CheckedFile> checked = Check(file.path);
  if (checked.ok() && checked->state == WriterState::kFree) {
    return Consider(file.path, file.cause, now);
  }
  const absl::Time due = file.due;
  pending_->Again(std::move(file), due);
}

void FileJudge::DueQuiet(const PendingFile& file, absl::Time now) {
  struct stat st;
  if (!StatFile(root_, file.path, &st)) return;
  const ContentVersion version = VersionOf(st);
  const std::optional<FileRecord> known = Known(file.path);
  if (known.has_value() && known->finished() && known->version == version) return;
  const bool polled = rules_.poll_unchanged > 0;
  const absl::Time again = now + (polled ? rules_.poll : rules_.quiet);
  if (version != file.version) {
    const int looks = polled ? rules_.poll_unchanged - 1 : 1;
    pending_->Quiet(file.path, file.cause, version, looks, again);
    return;
  }
  if (file.looks_left > 1) {
    PendingFile once_more = file;
    --once_more.looks_left;
    pending_->Again(std::move(once_more), again);
    return;
  }
  Cause said = file.cause;
  if (!polled) {
    const absl::StatusOr<CheckedFile> checked = Check(file.path);
    if (!checked.ok()) return;
    if (checked->version != version) return Consider(file.path, file.cause, now);
    if (checked->state != WriterState::kFree) said.evidence = ChangeEvidence::kQuiet;
  }
  Put(file.path, version, said, now);
}

void FileJudge::Created(std::string_view path, absl::Time now) {
  struct stat st;
  if (!StatFile(root_, path, &st)) return;
  if (st.st_nlink > 1) return Consider(path, kCausedByLink, now);
  const std::optional<FileRecord> known = Known(path);
  if (known.has_value() && known->version == VersionOf(st)) return;
  if (rules_.create && !known.has_value()) {
    Put(path, VersionOf(st), kCausedByCreation, now);
  }
  pending_->Defer(path, PendingReason::kLink, now + kLinkDelay);
}

void FileJudge::AttributesChanged(std::string_view path, absl::Time now) {
  // Whoever looks at it later sees the newest attributes.
  if (pending_->WaitsAtAll(path) && !pending_->Waits(path, PendingReason::kAttrib)) return;
  struct stat st;
  if (!StatFile(root_, path, &st)) return;
  const std::optional<FileRecord> known = Known(path);
  if (!known.has_value() || !known->finished() || !OnlyTimesDiffer(known->version, VersionOf(st)))
    return;
  pending_->Defer(path, PendingReason::kAttrib, now + kAttribDelay);
}

void FileJudge::ConsiderGone(std::string_view path, ChangeKind kind, ChangeSource source,
                             absl::Time now) {
  const absl::StatusOr<struct stat> found = StatBeneath(root_, path);
  // A directory or a link that has taken the name is not the file.
  if (found.ok() ? S_ISREG(found->st_mode) : !IsAbsent(found.status())) return;
  const std::optional<FileRecord> known = Known(path);
  if (!known.has_value()) return;
  pending_->Erase(path);
  Put(path, known->version, {kind, ChangeEvidence::kNone, source}, now);
}

bool FileJudge::Due(const PendingFile& file, absl::Time now, ContentVersion* version) {
  switch (file.reason) {
    case PendingReason::kWritten:
      Consider(file.path, file.cause, now, file.backoff);
      return false;
    case PendingReason::kLink:
      return DueLink(file, now, version);
    case PendingReason::kAttrib:
      return DueAttrib(file, now, version);
    case PendingReason::kQuiet:
      DueQuiet(file, now);
      return false;
    case PendingReason::kAudit:
      return true;
  }
  return false;
}

bool FileJudge::DueLink(const PendingFile& file, absl::Time now, ContentVersion* version) {
  struct stat st;
  if (!StatFile(root_, file.path, &st)) return false;
  const absl::StatusOr<CheckedFile> checked = Check(file.path);
  if (absl::IsNotFound(checked.status()) || absl::IsFailedPrecondition(checked.status())) {
    return false;
  }
  if (!checked.ok() || checked->state == WriterState::kWritten) {
    StillWritten(file.path, /*known=*/true, st, kCausedByClose, now, absl::ZeroDuration());
    return false;
  }
  *version = checked->version;
  return true;
}

bool FileJudge::DueAttrib(const PendingFile& file, absl::Time now, ContentVersion* version) {
  const std::optional<FileRecord> known = Known(file.path);
  if (!known.has_value() || !known->finished()) return false;
  const absl::StatusOr<CheckedFile> checked = Check(file.path);
  // One that has a writer sends its own close.
  if (!checked.ok() || checked->state == WriterState::kWritten) return false;
  if (!OnlyTimesDiffer(known->version, checked->version)) return false;
  if (checked->state == WriterState::kUnchecked) {
    // Without a lease nobody can prove that only times were set: rather twice than never.
    Put(file.path, checked->version,
        {ChangeKind::kCloseWrite, ChangeEvidence::kUnchecked, ChangeSource::kInotify}, now);
    return false;
  }
  *version = checked->version;
  return true;
}

void FileJudge::Confirmed(const PendingFile& file, absl::Time now) {
  const std::optional<FileRecord> known = Known(file.path);
  if (file.reason == PendingReason::kAudit) {
    ConsiderGone(file.path, ChangeKind::kDelete, ChangeSource::kAudit, now);
    return Consider(file.path, kCausedByAudit, now);
  }
  if (file.reason == PendingReason::kLink) {
    if (known.has_value() && known->finished() && known->version == file.version) return;
    return Put(file.path, file.version, kCausedByLink, now);
  }
  if (!known.has_value() || !known->finished() || !OnlyTimesDiffer(known->version, file.version))
    return;
  if (ledger_->MayBeInFlight(known->sequence)) {
    // Whether the coordinator has it decides between a correction and the first that it hears.
    PendingFile again = file;
    again.backoff = std::clamp(file.backoff * 2, kAttribDelay, kAttribDelayMax);
    const absl::Time due = now + again.backoff;
    pending_->Again(std::move(again), due);
    return;
  }
  FileRecord record = *known;
  record.version = file.version;
  const bool announced = known->sequence != 0 && known->sequence <= ledger_->acknowledged();
  if (announced) record.kind = ChangeKind::kAttrib;
  record.sequence = 0;
  batch_->Put(std::move(record));
}

}  // namespace closewrite::watcher

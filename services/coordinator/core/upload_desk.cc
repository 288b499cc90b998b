#include "services/coordinator/core/upload_desk.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "services/log/str_cat.h"
#include "services/volume/path.h"

namespace closewrite {
namespace {

std::string Clock(absl::Time time) {
  return absl::FormatTime("%H:%M UTC", time, absl::UTCTimeZone());
}

// How long the command of a job ran, the middle one of the last that have succeeded.
absl::Duration UsualDuration(const Pipeline& pipeline, StoreReader& reader) {
  const JobFilter filter{.states = {JobState::kSucceeded}, .pipeline = pipeline.name};
  std::vector<absl::Duration> durations;
  for (const Job& job : reader.ListJobs(filter, JobId{}, kUsualJobs)) {
    if (job.finished_at > job.started_at) durations.push_back(job.finished_at - job.started_at);
  }
  if (durations.empty()) return absl::ZeroDuration();
  std::sort(durations.begin(), durations.end());
  return durations[durations.size() / 2];
}

// By role: who it is, is nobody's business who only wants to upload.
std::string HoldingText(const Pipeline& pipeline, const LockClaim& holding, StoreReader& reader) {
  const std::optional<Job> job = reader.GetJob(holding.job);
  const std::string& lock = pipeline.uploads->lock;
  const std::string who = !job.has_value() ? StrCat("a program holds ", lock)
                          : job->pipeline == pipeline.name
                              ? "a file that came before is being worked on"
                              : StrCat("a job of ", job->pipeline, " holds ", lock);
  return StrCat(who, " since ", Clock(holding.held_since));
}

// Uploads of the page that somebody is busy with, other than `self`.
int UploadsBefore(const Pipeline& pipeline, StoreReader& reader, absl::Time now) {
  int before = 0;
  for (const Upload& upload : UploadsUnderWay(reader)) {
    before += upload.pipeline == pipeline.name && upload.touched_at + kUploadAlive > now;
  }
  return before;
}

// Whoever has begun many and sends none of them must not keep others out: the one that was left
// alone for longest goes. False: all of them go on.
bool MakeRoom(StoreTransaction& tx, absl::Time now) {
  const std::vector<Upload> uploads = UploadsUnderWay(tx);
  if (uploads.size() < static_cast<size_t>(kUploadsUnderWayMax)) return true;
  const Upload* oldest = nullptr;
  for (const Upload& upload : uploads) {
    const bool is_left =
        upload.state == UploadState::kReceiving && upload.touched_at + kUploadAlive < now;
    if (!is_left || (oldest != nullptr && oldest->touched_at <= upload.touched_at)) continue;
    oldest = &upload;
  }
  if (oldest == nullptr) return false;
  EraseUpload(tx, *oldest);
  return true;
}

std::string Trouble(const Pipeline& pipeline, const Fleet& fleet) {
  const Watcher* const home = fleet.HomeOf(pipeline.volume);
  if (home == nullptr) {
    return StrCat("no watcher for the folder ", pipeline.volume,
                  " is online, so a file can't be put there; it is kept until one is");
  }
  for (const VolumeReport& report : home->volumes) {
    if (report.volume == pipeline.volume && report.state == VolumeState::kLost) {
      return StrCat("the folder ", pipeline.volume,
                    " is not there on its host: ", Display(report.message));
    }
  }
  std::string missing;
  for (const auto& [id, session] : fleet.sessions) {
    if (!session.connected() || session.draining) continue;
    const std::string lacks = WhatIsMissing(session, pipeline);
    if (lacks.empty() && VolumeTrouble(session, pipeline).empty()) return "";
    if (!lacks.empty()) missing = StrCat(": none has ", lacks);
  }
  return StrCat("no executor that is online can run this", missing,
                "; files wait until there is one");
}

}  // namespace

UploadPageState StateOfPage(const Pipeline& pipeline, const Fleet& fleet, StoreReader& reader,
                            absl::Time now) {
  UploadPageState state;
  const std::string& lock = pipeline.uploads->lock;
  state.trouble = Trouble(pipeline, fleet);
  state.usual = UsualDuration(pipeline, reader);
  if (lock.empty()) {
    if (state.usual > absl::ZeroDuration()) state.done_at = now + state.usual;
    return state;
  }
  state.before = static_cast<int>(reader.CountUnfinished(pipeline.name)) +
                 UploadsBefore(pipeline, reader, now);
  const LockLine* const line = fleet.locks.Find(lock);
  if (line != nullptr) state.before += static_cast<int>(line->Waiters().size());
  const LockClaim* const holding = fleet.locks.InTheWay(lock);
  absl::Duration left = state.usual * state.before;
  if (holding != nullptr) {
    state.busy_since = holding->held_since;
    state.busy_message = HoldingText(pipeline, *holding, reader);
    left -= std::min(now - holding->held_since, state.usual);
  } else if (state.before > 0) {
    state.busy_message = "another file came before and waits for its turn";
  }
  state.busy = !state.busy_message.empty();
  if (state.usual > absl::ZeroDuration()) {
    state.done_at = now + std::max(left, absl::ZeroDuration()) + state.usual;
  }
  return state;
}

absl::Status CheckUploadName(std::string_view name) {
  const auto wrong = [&](std::string_view what) {
    return absl::InvalidArgumentError(
        StrCat("the name ", Quote(name), " ", what, "; give the file another name and try again"));
  };
  if (name.empty()) return absl::InvalidArgumentError("no file was chosen; choose one");
  if (name.size() > kUploadNameBytesMax) {
    return wrong(StrCat("has more than ", kUploadNameBytesMax, " bytes"));
  }
  if (!IsUtf8(name)) return wrong("is not UTF-8");
  for (const char c : name) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) return wrong("has a control character");
    if (c == '/' || c == '\\') return wrong("has a slash");
  }
  // What editors and network file systems call their own, and what the volume may ignore.
  if (name.front() == '.' || name.back() == '~' || name.front() == ' ' || name.back() == ' ' ||
      name.front() == '-' || name.back() == '.') {
    return wrong("begins or ends with a character that has a meaning of its own");
  }
  return absl::OkStatus();
}

absl::StatusOr<Upload> BeginUpload(StoreTransaction& tx, const Pipeline& pipeline,
                                   const Fleet& fleet, Upload upload, absl::Time now,
                                   bool* queued) {
  const UploadPolicy& policy = *pipeline.uploads;
  if (!MakeRoom(tx, now)) {
    return absl::ResourceExhaustedError(
        StrCat(kUploadsUnderWayMax, " uploads are under way already: try again later"));
  }
  const UploadPageState state = StateOfPage(pipeline, fleet, tx, now);
  *queued = state.busy;
  if (state.busy && policy.refuse) {
    return absl::FailedPreconditionError(StrCat("this page takes one file at a time, and ",
                                                state.busy_message, ": try again when it is done"));
  }
  upload.pipeline = pipeline.name;
  upload.state = UploadState::kReceiving;
  upload.volume = pipeline.volume;
  upload.path = Join(policy.folder, upload.name);
  upload.show_log = policy.show_log;
  upload.begun_at = now;
  upload.touched_at = now;
  PutUpload(tx, upload);
  return upload;
}

absl::StatusOr<Upload> SealUpload(StoreTransaction& tx, Upload upload, int64_t size,
                                  const std::string& sha256, absl::Time now) {
  if (upload.over()) return upload;
  if (upload.state == UploadState::kPublishing &&
      (upload.size != size || upload.sha256 != sha256)) {
    return absl::FailedPreconditionError("it was sealed with other content before");
  }
  upload.state = UploadState::kPublishing;
  upload.size = size;
  upload.received = size;
  upload.sha256 = sha256;
  upload.touched_at = now;
  PutUpload(tx, upload);
  return upload;
}

void FinishUpload(StoreTransaction& tx, Upload upload, absl::Time now) {
  upload.state = UploadState::kPublished;
  upload.published_at = now;
  upload.touched_at = now;
  PutUpload(tx, upload);
}

void FailUpload(StoreTransaction& tx, Upload upload, std::string message, absl::Time now) {
  upload.state = UploadState::kFailed;
  upload.message = std::move(message);
  upload.touched_at = now;
  PutUpload(tx, upload);
}

void RenameUpload(StoreTransaction& tx, Upload upload, absl::Time now) {
  ++upload.names_tried;
  if (upload.names_tried >= kUploadNamesMax) {
    return FailUpload(
        tx, upload,
        StrCat("there are ", kUploadNamesMax, " files of its name already; give it another name"),
        now);
  }
  const size_t dot = upload.name.rfind('.');
  const size_t end = dot == std::string::npos ? upload.name.size() : dot;
  const std::string name =
      StrCat(upload.name.substr(0, end), "-", upload.names_tried + 1, upload.name.substr(end));
  upload.path = Join(DirName(upload.path), name);
  upload.touched_at = now;
  PutUpload(tx, upload);
}

}  // namespace closewrite

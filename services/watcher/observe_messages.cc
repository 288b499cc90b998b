#include "services/watcher/observe_messages.h"

#include <fstream>
#include <string_view>

#include "services/config/duration.h"
#include "services/log/str_cat.h"

namespace closewrite::watcher {
namespace {

constexpr int64_t kNanosPerSecond = 1'000'000'000;

static_assert(static_cast<int>(ChangeKind::kCloseWrite) == v1::EVENT_KIND_CLOSE_WRITE);
static_assert(static_cast<int>(ChangeKind::kMovedTo) == v1::EVENT_KIND_MOVED_TO);
static_assert(static_cast<int>(ChangeKind::kCreate) == v1::EVENT_KIND_CREATE);
static_assert(static_cast<int>(ChangeKind::kDelete) == v1::EVENT_KIND_DELETE);
static_assert(static_cast<int>(ChangeKind::kMovedFrom) == v1::EVENT_KIND_MOVED_FROM);
static_assert(static_cast<int>(ChangeKind::kAttrib) == v1::EVENT_KIND_ATTRIB);
static_assert(static_cast<int>(ChangeEvidence::kNone) == v1::EVIDENCE_UNSPECIFIED);
static_assert(static_cast<int>(ChangeEvidence::kClosed) == v1::EVIDENCE_CLOSED);
static_assert(static_cast<int>(ChangeEvidence::kMovedIn) == v1::EVIDENCE_MOVED_IN);
static_assert(static_cast<int>(ChangeEvidence::kLinked) == v1::EVIDENCE_LINKED);
static_assert(static_cast<int>(ChangeEvidence::kFound) == v1::EVIDENCE_FOUND);
static_assert(static_cast<int>(ChangeEvidence::kQuiet) == v1::EVIDENCE_QUIET);
static_assert(static_cast<int>(ChangeEvidence::kUnchecked) == v1::EVIDENCE_UNCHECKED);
static_assert(static_cast<int>(ChangeSource::kInotify) == v1::EVENT_SOURCE_INOTIFY);
static_assert(static_cast<int>(ChangeSource::kRescan) == v1::EVENT_SOURCE_RESCAN);
static_assert(static_cast<int>(ChangeSource::kAudit) == v1::EVENT_SOURCE_AUDIT);
static_assert(static_cast<int>(ChangeSource::kPoll) == v1::EVENT_SOURCE_POLL);
static_assert(static_cast<int>(BackendKind::kAuto) == v1::WATCH_BACKEND_AUTO);
static_assert(static_cast<int>(BackendKind::kInotify) == v1::WATCH_BACKEND_INOTIFY);
static_assert(static_cast<int>(BackendKind::kFanotify) == v1::WATCH_BACKEND_FANOTIFY);
static_assert(static_cast<int>(BackendKind::kPoll) == v1::WATCH_BACKEND_POLL);
static_assert(static_cast<int>(EngineState::kLive) == v1::VOLUME_STATE_LIVE);
static_assert(static_cast<int>(EngineState::kScanning) == v1::VOLUME_STATE_SCANNING);
static_assert(static_cast<int>(EngineState::kDegraded) == v1::VOLUME_STATE_DEGRADED);
static_assert(static_cast<int>(EngineState::kLost) == v1::VOLUME_STATE_LOST);

void SetTime(int64_t unix_ns, google::protobuf::Timestamp* time) {
  time->set_seconds(unix_ns / kNanosPerSecond);
  time->set_nanos(static_cast<int32_t>(unix_ns % kNanosPerSecond));
}

// Of inotify(7); 0: not known.
int64_t KernelLimit(std::string_view name) {
  int64_t limit = 0;
  std::ifstream(StrCat("/proc/sys/fs/inotify/", name)) >> limit;
  return limit;
}

void SetLease(const PublishKey& key, v1::LeaseRef* lease) {
  lease->set_job_id(key.job);
  lease->set_token(key.token);
}

}  // namespace

v1::FileEvent ToProto(const PendingChange& change) {
  const FileRecord& record = change.record;
  v1::FileEvent event;
  event.set_sequence(record.sequence);
  event.set_kind(static_cast<v1::EventKind>(record.kind));
  event.set_evidence(static_cast<v1::Evidence>(record.evidence));
  event.set_source(static_cast<v1::EventSource>(record.source));
  v1::FileVersion* const file = event.mutable_file();
  file->set_volume(change.volume);
  file->set_path(record.path);
  file->set_inode(record.version.inode);
  file->set_size(record.version.size);
  file->set_mtime_ns(record.version.mtime_ns);
  SetTime(record.observed_unix_ns, event.mutable_observed_at());
  event.set_caused_by_job(record.caused_by_job);
  return event;
}

v1::VolumeStatus ToProto(const VolumeReport& report) {
  v1::VolumeStatus status;
  status.set_volume(report.name);
  status.set_root(report.root);
  status.set_volume_id(report.marker);
  status.set_state(static_cast<v1::VolumeState>(report.state));
  status.set_message(report.message);
  status.set_read_only(report.read_only);
  status.set_watched_directories(report.watched_directories);
  status.set_overflows(report.overflows);
  status.set_unacknowledged_events(report.unacknowledged);
  status.set_backend(static_cast<v1::WatchBackend>(report.backend));
  status.set_unwatched_directories(report.unwatched_directories);
  status.set_pending_files(report.pending_files);
  status.set_file_system(report.file_system);
  status.set_scans(report.scans);
  if (report.scans > 0) {
    *status.mutable_scan_duration() = closewrite::ToProto(report.scan_duration);
  }
  status.set_audit_found(report.audit_found);
  if (report.canary_seen_at != absl::InfinitePast()) {
    SetTime(absl::ToUnixNanos(report.canary_seen_at), status.mutable_canary_seen_at());
  }
  status.set_canary_misses(report.canary_misses);
  return status;
}

v1::HostHealth HealthOf(const std::vector<VolumeReport>& reports, absl::Time now) {
  v1::HostHealth health;
  SetTime(absl::ToUnixNanos(now), health.mutable_sent_at());
  for (const VolumeReport& report : reports) {
    v1::VolumeHealth* const volume = health.add_volumes();
    volume->set_volume(report.name);
    volume->set_root(report.root);
    volume->set_file_system(report.file_system);
    volume->set_free_bytes(report.free_bytes);
    volume->set_total_bytes(report.total_bytes);
    volume->set_read_only(report.read_only);
    volume->mutable_ignore()->Add(report.ignore.begin(), report.ignore.end());
    SetTime(absl::ToUnixNanos(now), volume->mutable_checked_at());
  }
  health.set_inotify_watches_max(KernelLimit("max_user_watches"));
  health.set_inotify_queue_max(KernelLimit("max_queued_events"));
  return health;
}

v1::PublishResult ToProto(const PublishOutcome& outcome) {
  v1::PublishResult result;
  SetLease(outcome.key, result.mutable_lease());
  result.set_error(outcome.error);
  return result;
}

v1::StagingDirectory ToProto(const StagingEntry& entry) {
  v1::StagingDirectory directory;
  directory.set_volume(entry.volume);
  SetLease(entry.key, directory.mutable_lease());
  return directory;
}

PublishKey FromProto(const v1::LeaseRef& lease) { return {lease.job_id(), lease.token()}; }

PublishTask FromProto(const v1::PublishOrder& order) {
  PublishTask task;
  task.volume = order.volume();
  task.key = FromProto(order.lease());
  for (const v1::OutputFile& file : order.files()) {
    task.files.push_back({file.path(), file.size(), file.sha256()});
  }
  return task;
}

StagingEntry FromProto(const v1::StagingDirectory& directory) {
  return {directory.volume(), FromProto(directory.lease())};
}

}  // namespace closewrite::watcher

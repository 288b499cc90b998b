#include "services/coordinator/convert.h"

#include <algorithm>
#include <limits>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "services/config/config.h"
#include "services/log/str_cat.h"
#include "services/transport/errors.h"
#include "services/volume/path.h"

namespace closewrite {
namespace {

constexpr int kLabelsMax = 64;
constexpr int kSlotsMax = 10000;
constexpr int kOutputsMax = 10000;
constexpr size_t kMessageBytesKept = 4096;
constexpr size_t kProblemsMax = 1000;
constexpr size_t kProblemBytesKept = 512;

absl::Status Invalid(absl::string_view field, absl::string_view what) {
  return WithField(absl::InvalidArgumentError(absl::StrCat(field, ": ", what)), ToStd(field),
                   ToStd(what));
}

absl::StatusOr<FileVersion> FileFromProto(const v1::FileVersion& file) {
  if (absl::Status s = CheckName("volume", file.volume()); !s.ok()) {
    return Invalid("file.volume", s.message());
  }
  if (absl::Status s = CheckRelativePath(file.path()); !s.ok()) {
    return Invalid("file.path", s.message());
  }
  return FileVersion{.volume = file.volume(),
                     .path = file.path(),
                     .inode = file.inode(),
                     .size = file.size(),
                     .mtime_ns = file.mtime_ns()};
}

absl::StatusOr<std::vector<OutputFile>> OutputsFromProto(const v1::AttemptResult& result) {
  if (result.files_size() > kOutputsMax) {
    return Invalid("results.files", absl::StrCat("at most ", kOutputsMax, " files a job"));
  }
  std::vector<OutputFile> outputs;
  for (const v1::OutputFile& file : result.files()) {
    if (absl::Status s = CheckRelativePath(file.path()); !s.ok()) {
      return Invalid("results.files.path", s.message());
    }
    if (IsPrivate(file.path())) {
      return Invalid("results.files.path", "nothing is published below .closewrite/");
    }
    outputs.push_back(OutputFile{file.path(), file.size(), file.sha256()});
  }
  return outputs;
}

absl::StatusOr<AttendReport::Result> ResultFromProto(const v1::AttemptResult& result) {
  absl::StatusOr<std::vector<OutputFile>> outputs = OutputsFromProto(result);
  if (!outputs.ok()) return outputs.status();
  const Outcome outcome = static_cast<Outcome>(result.outcome());
  const bool known = outcome >= Outcome::kSucceeded && outcome <= Outcome::kRefused &&
                     outcome != Outcome::kPublishFailed;
  if (!known) return Invalid("results.outcome", "an executor can't report this outcome");
  std::optional<int> exit_code;
  if (result.has_exit_code()) exit_code = result.exit_code();
  // Older executors leave it out when it is 0.
  if (outcome == Outcome::kSucceeded) exit_code = 0;
  Finished end{.token = FencingToken{result.lease().token()},
               .outcome = outcome,
               .exit_code = exit_code,
               .signal = result.signal(),
               .message = std::string(Beginning(result.message(), kMessageBytesKept)),
               .outputs = *std::move(outputs),
               .cpu = FromProto(result.cpu()),
               .max_rss_bytes = result.max_rss_bytes()};
  return AttendReport::Result{JobId{result.lease().job_id()}, std::move(end)};
}

AttendReport::Health HealthFromProto(const v1::HostHealth& health) {
  AttendReport::Health report{.sent_at = FromProto(health.sent_at())};
  for (const v1::VolumeHealth& volume : health.volumes()) {
    if (volume.problem().empty() || report.unusable_volumes.size() >= kProblemsMax) continue;
    // No pipeline can name another.
    if (!CheckName("volume", volume.volume()).ok()) continue;
    report.unusable_volumes[volume.volume()] = Beginning(volume.problem(), kProblemBytesKept);
  }
  return report;
}

}  // namespace

void SetTime(absl::Time time, google::protobuf::Timestamp* timestamp) {
  const int64_t seconds = absl::ToUnixSeconds(time);
  timestamp->set_seconds(seconds);
  timestamp->set_nanos(absl::ToInt64Nanoseconds(time - absl::FromUnixSeconds(seconds)));
}

#define CLOSEWRITE_SET_TIME(message, field, time)                           \
  if ((time) != absl::InfinitePast() && (time) != absl::InfiniteFuture()) { \
    SetTime((time), (message).mutable_##field());                           \
  }

v1::LeaseRef ToProto(const Lease& lease) {
  v1::LeaseRef proto;
  proto.set_job_id(lease.job.value);
  proto.set_token(lease.token.value);
  return proto;
}

v1::FileVersion ToProto(const FileVersion& file) {
  v1::FileVersion proto;
  proto.set_volume(file.volume);
  proto.set_path(file.path);
  proto.set_inode(file.inode);
  proto.set_size(file.size);
  proto.set_mtime_ns(file.mtime_ns);
  return proto;
}

v1::OutputFile ToProto(const OutputFile& file) {
  v1::OutputFile proto;
  proto.set_path(file.path);
  proto.set_size(file.size);
  proto.set_sha256(file.sha256);
  return proto;
}

v1::FileEvent ToProto(const FileEvent& event) {
  v1::FileEvent proto;
  proto.set_sequence(event.sequence);
  proto.set_kind(static_cast<v1::EventKind>(event.kind));
  proto.set_evidence(static_cast<v1::Evidence>(event.evidence));
  proto.set_source(static_cast<v1::EventSource>(event.source));
  *proto.mutable_file() = ToProto(event.file);
  CLOSEWRITE_SET_TIME(proto, observed_at, event.observed_at);
  proto.set_caused_by_job(event.caused_by_job);
  return proto;
}

v1::EventRecord ToProto(const EventRecord& record) {
  v1::EventRecord proto;
  proto.set_id(record.id);
  proto.set_host(record.host);
  *proto.mutable_event() = ToProto(record.event);
  CLOSEWRITE_SET_TIME(proto, received_at, record.received_at);
  return proto;
}

v1::Job ToProto(const Job& job, const Pipeline* pipeline, const Waiting& waiting,
                const Progress* progress) {
  v1::Job proto;
  proto.set_id(job.id.value);
  proto.set_pipeline(job.pipeline);
  proto.set_state(static_cast<v1::JobState>(job.state));
  if (waiting.reason != WaitingReason::kNone) {
    proto.mutable_waiting()->set_reason(static_cast<v1::WaitingReason>(waiting.reason));
    proto.mutable_waiting()->set_message(waiting.message);
  }
  if (!job.input.volume.empty()) *proto.mutable_input() = ToProto(job.input);
  proto.set_output_volume(job.output_volume);
  for (const OutputFile& file : job.outputs) *proto.add_outputs() = ToProto(file);
  proto.set_attempts(job.attempts);
  if (pipeline != nullptr) proto.set_attempts_max(pipeline->retry.attempts);
  proto.set_crashes(job.crashes);
  proto.set_token(job.token.value);
  proto.set_executor(job.executor);
  proto.set_host(job.host);
  if (job.exit_code.has_value()) proto.set_exit_code(*job.exit_code);
  proto.set_message(job.message);
  if (progress != nullptr) {
    proto.mutable_progress()->set_done(progress->done);
    proto.mutable_progress()->set_total(progress->total);
    proto.mutable_progress()->set_unit(progress->unit);
  }
  CLOSEWRITE_SET_TIME(proto, created_at, job.created_at);
  CLOSEWRITE_SET_TIME(proto, due_at, job.due_at);
  CLOSEWRITE_SET_TIME(proto, leased_at, job.leased_at);
  CLOSEWRITE_SET_TIME(proto, started_at, job.started_at);
  CLOSEWRITE_SET_TIME(proto, finished_at, job.finished_at);
  CLOSEWRITE_SET_TIME(proto, observed_at, job.observed_at);
  proto.set_caused_by_job(job.caused_by_job);
  proto.set_cancelling(job.cancelling);
  proto.set_pid(job.pid);
  proto.set_priority(job.priority);
  return proto;
}

v1::Attempt ToProto(const Attempt& attempt) {
  v1::Attempt proto;
  proto.set_token(attempt.token.value);
  proto.set_number(attempt.number);
  proto.set_executor(attempt.executor);
  proto.set_host(attempt.host);
  proto.set_pid(attempt.pid);
  proto.set_outcome(static_cast<v1::AttemptOutcome>(attempt.outcome));
  if (attempt.exit_code.has_value()) proto.set_exit_code(*attempt.exit_code);
  proto.set_signal(attempt.signal);
  proto.set_message(attempt.message);
  CLOSEWRITE_SET_TIME(proto, leased_at, attempt.leased_at);
  CLOSEWRITE_SET_TIME(proto, started_at, attempt.started_at);
  CLOSEWRITE_SET_TIME(proto, ended_at, attempt.ended_at);
  *proto.mutable_cpu() = ToProto(attempt.cpu);
  proto.set_max_rss_bytes(attempt.max_rss_bytes);
  proto.set_log_bytes(attempt.log_bytes);
  return proto;
}

v1::VolumeStatus ToProto(const VolumeReport& report) {
  v1::VolumeStatus proto;
  proto.set_volume(report.volume);
  proto.set_root(report.root);
  proto.set_volume_id(report.volume_id);
  proto.set_state(static_cast<v1::VolumeState>(report.state));
  proto.set_message(report.message);
  proto.set_read_only(report.read_only);
  proto.set_watched_directories(report.watched_directories);
  proto.set_overflows(report.overflows);
  proto.set_unacknowledged_events(report.unacknowledged_events);
  proto.set_backend(static_cast<v1::WatchBackend>(report.backend));
  proto.set_unwatched_directories(report.unwatched_directories);
  proto.set_pending_files(report.pending_files);
  proto.set_file_system(report.file_system);
  proto.set_scans(report.scans);
  if (report.scans > 0) *proto.mutable_scan_duration() = ToProto(report.scan_duration);
  proto.set_audit_found(report.audit_found);
  CLOSEWRITE_SET_TIME(proto, canary_seen_at, report.canary_seen_at);
  proto.set_canary_misses(report.canary_misses);
  return proto;
}

#undef CLOSEWRITE_SET_TIME

v1::Assignment ToProto(const Grant& grant) {
  v1::Assignment proto;
  *proto.mutable_lease() = ToProto(Lease{grant.job.id, grant.job.token});
  proto.set_pipeline(grant.job.pipeline);
  proto.set_cancelled(grant.job.cancelling);
  if (grant.job.cancelling) return proto;
  const Pipeline& pipeline = *grant.pipeline;
  proto.set_attempt(grant.job.attempts);
  for (const std::string& argument : pipeline.command) proto.add_command(argument);
  for (const auto& [name, value] : pipeline.env) (*proto.mutable_env())[name] = value;
  if (!grant.job.input.volume.empty()) *proto.mutable_input() = ToProto(grant.job.input);
  proto.set_output_volume(grant.job.output_volume);
  if (pipeline.timeout != absl::InfiniteDuration()) {
    *proto.mutable_timeout() = ToProto(pipeline.timeout);
  }
  *proto.mutable_visible_within() = ToProto(pipeline.visible_within);
  *proto.mutable_kill_after() = ToProto(pipeline.kill_after);
  proto.set_input_unchecked(!ReadsInput(pipeline));
  proto.set_event(grant.event);
  proto.set_wd(pipeline.wd);
  proto.set_run_as(pipeline.run_as);
  proto.set_secrets_from(pipeline.secrets_from);
  proto.set_nice(pipeline.nice);
  proto.set_nofile(pipeline.nofile);
  proto.set_memory_bytes(pipeline.memory_bytes);
  proto.set_cpu_millis(pipeline.cpu_millis);
  return proto;
}

v1::VolumeInterest ToProto(const std::string& volume, const Interest& interest) {
  v1::VolumeInterest proto;
  proto.set_volume(volume);
  proto.set_create(interest.create);
  if (interest.quiet > absl::ZeroDuration()) *proto.mutable_quiet() = ToProto(interest.quiet);
  return proto;
}

v1::PublishOrder ToPublishOrder(const Job& job) {
  v1::PublishOrder proto;
  *proto.mutable_lease() = ToProto(Lease{job.id, job.token});
  proto.set_volume(job.output_volume);
  for (const OutputFile& file : job.outputs) *proto.add_files() = ToProto(file);
  return proto;
}

absl::Time FromProto(const google::protobuf::Timestamp& timestamp) {
  // The ends stand for the infinite past and future in stores.
  static const absl::Time kFirst = absl::FromUnixNanos(std::numeric_limits<int64_t>::min() + 1);
  static const absl::Time kLast = absl::FromUnixNanos(std::numeric_limits<int64_t>::max() - 1);
  const absl::Time time =
      absl::FromUnixSeconds(timestamp.seconds()) + absl::Nanoseconds(timestamp.nanos());
  return std::clamp(time, kFirst, kLast);
}

Lease FromProto(const v1::LeaseRef& lease) {
  return Lease{JobId{lease.job_id()}, FencingToken{lease.token()}};
}

absl::StatusOr<FileEvent> FromProto(const v1::FileEvent& event) {
  absl::StatusOr<FileVersion> file = FileFromProto(event.file());
  if (!file.ok()) return file.status();
  if (IsPrivate(file->path)) return Invalid("events.file.path", "is one of Closewrite's own files");
  if (event.sequence() <= 0) return Invalid("events.sequence", "must be positive");
  if (event.kind() < v1::EVENT_KIND_CLOSE_WRITE || event.kind() > v1::EVENT_KIND_ATTRIB) {
    return Invalid("events.kind", "is not an event of a file");
  }
  if (event.evidence() < 0 || event.evidence() > v1::EVIDENCE_UNCHECKED) {
    return Invalid("events.evidence", "is unknown");
  }
  if (event.source() < v1::EVENT_SOURCE_INOTIFY || event.source() > v1::EVENT_SOURCE_POLL) {
    return Invalid("events.source", "is unknown");
  }
  if (event.caused_by_job() < 0) return Invalid("events.caused_by_job", "must not be negative");
  return FileEvent{.sequence = event.sequence(),
                   .kind = static_cast<EventKind>(event.kind()),
                   .evidence = static_cast<Evidence>(event.evidence()),
                   .source = static_cast<EventSource>(event.source()),
                   .file = *std::move(file),
                   .observed_at = FromProto(event.observed_at()),
                   .caused_by_job = event.caused_by_job()};
}

absl::StatusOr<VolumeReport> FromProto(const v1::VolumeStatus& status) {
  if (status.ByteSizeLong() > kVolumeStatusBytesMax) {
    return Invalid("volumes", absl::StrCat("one has more than ", kVolumeStatusBytesMax, " bytes"));
  }
  if (absl::Status s = CheckName("volume", status.volume()); !s.ok()) {
    return Invalid("volumes.volume", s.message());
  }
  return VolumeReport{
      .volume = status.volume(),
      .root = status.root(),
      .volume_id = status.volume_id(),
      // A newer watcher may know of more.
      .state = v1::VolumeState_IsValid(status.state()) ? static_cast<VolumeState>(status.state())
                                                       : VolumeState::kUnknown,
      .message = status.message(),
      .read_only = status.read_only(),
      .watched_directories = status.watched_directories(),
      .overflows = status.overflows(),
      .unacknowledged_events = status.unacknowledged_events(),
      .backend = static_cast<int>(status.backend()),
      .unwatched_directories = status.unwatched_directories(),
      .pending_files = status.pending_files(),
      .file_system = status.file_system(),
      .scans = status.scans(),
      .scan_duration = std::clamp(FromProto(status.scan_duration()), absl::ZeroDuration(),
                                  absl::Nanoseconds(std::numeric_limits<int64_t>::max())),
      .audit_found = status.audit_found(),
      .canary_seen_at =
          status.has_canary_seen_at() ? FromProto(status.canary_seen_at()) : absl::InfinitePast(),
      .canary_misses = status.canary_misses()};
}

absl::StatusOr<ExecutorHello> FromProto(const v1::ExecutorHello& hello) {
  if (absl::Status s = CheckName("executor", hello.name()); !s.ok()) {
    return Invalid("executor.name", s.message());
  }
  if (absl::Status s = CheckName("host", hello.host()); !s.ok()) {
    return Invalid("executor.host", s.message());
  }
  if (hello.slots() < 1 || hello.slots() > kSlotsMax) {
    return Invalid("executor.slots", absl::StrCat("must be 1 to ", kSlotsMax));
  }
  if (hello.ByteSizeLong() > kHelloBytesMax) {
    return Invalid("executor", absl::StrCat("has more than ", kHelloBytesMax, " bytes"));
  }
  if (hello.labels_size() > kLabelsMax) {
    return Invalid("executor.labels", absl::StrCat("at most ", kLabelsMax));
  }
  for (const auto& [volume, root] : hello.volume_roots()) {
    if (absl::Status s = CheckName("volume", volume); !s.ok()) {
      return Invalid("executor.volume_roots", s.message());
    }
  }
  for (const std::string& volume : hello.read_only_volumes()) {
    if (absl::Status s = CheckName("volume", volume); !s.ok()) {
      return Invalid("executor.read_only_volumes", s.message());
    }
  }
  ExecutorHello plain{
      .name = hello.name(),
      .host = hello.host(),
      .session = hello.session_id(),
      .labels = {hello.labels().begin(), hello.labels().end()},
      .slots = hello.slots(),
      .volume_roots = {hello.volume_roots().begin(), hello.volume_roots().end()},
      .read_only_volumes = {hello.read_only_volumes().begin(), hello.read_only_volumes().end()},
      .version = hello.version(),
      .address = hello.address()};
  return plain;
}

absl::StatusOr<AttendReport> FromProto(const v1::AttendRequest& request) {
  AttendReport report;
  report.heartbeat = request.heartbeat();
  report.draining = request.draining();
  for (const int entries : {request.running_size(), request.results_size(), request.logs_size()}) {
    if (entries <= kAttemptsPerMessageMax) continue;
    return Invalid("running, results, logs", absl::StrCat("at most ", kAttemptsPerMessageMax));
  }
  if (request.health().ByteSizeLong() > kHealthBytesMax) {
    return Invalid("health", absl::StrCat("has more than ", kHealthBytesMax, " bytes"));
  }
  if (request.has_health()) report.health = HealthFromProto(request.health());
  for (const v1::RunningAttempt& running : request.running()) {
    report.running.push_back({FromProto(running.lease()), running.pid(),
                              Progress{running.progress().done(), running.progress().total(),
                                       running.progress().unit().substr(0, kUnitBytesKept)}});
  }
  for (const v1::AttemptResult& result : request.results()) {
    absl::StatusOr<AttendReport::Result> plain = ResultFromProto(result);
    if (!plain.ok()) return plain.status();
    report.results.push_back(*std::move(plain));
  }
  for (const v1::LogChunk& chunk : request.logs()) {
    if (chunk.offset() < 0) return Invalid("logs.offset", "must not be negative");
    report.logs.push_back({FromProto(chunk.lease()), chunk.offset(), chunk.data()});
  }
  return report;
}

}  // namespace closewrite

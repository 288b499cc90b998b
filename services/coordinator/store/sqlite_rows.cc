#include "services/coordinator/store/sqlite_rows.h"

#include <cstdint>
#include <utility>

#include "absl/status/status.h"
#include "services/coordinator/store/record_codec.h"

namespace closewrite {

JobKeyKind KindOfKey(const Job& job) {
  // Only a key of which ParseJobKey gives back what the row has is found by it.
  for (const std::string* part : {&job.pipeline, &job.input.volume, &job.input.path}) {
    if (part->find('\0') != std::string::npos) return JobKeyKind::kLiteral;
  }
  const std::string of_version = JobKey(job.pipeline, job.input);
  if (job.key == of_version) return JobKeyKind::kVersion;
  if (job.event_id == 0 || job.key.size() <= of_version.size()) return JobKeyKind::kLiteral;
  const bool of_event = job.key == EventJobKey(job.pipeline, job.input, job.event_id);
  return of_event ? JobKeyKind::kEvent : JobKeyKind::kLiteral;
}

void BindJobMade(const Job& job, int64_t file_id, SqliteQuery* query) {
  const JobKeyKind kind = KindOfKey(job);
  query->BindBytes(job.pipeline)
      .BindInt(file_id)
      .BindInt(static_cast<int64_t>(job.input.inode))
      .BindInt(job.input.size)
      .BindInt(job.input.mtime_ns)
      .BindInt(job.event_id)
      .BindInt(static_cast<int64_t>(kind));
  if (kind == JobKeyKind::kLiteral) {
    query->BindBytes(job.key);
  } else {
    query->BindBytesOrNull("");
  }
  query->BindBytes(job.output_volume)
      .BindInt(job.caused_by_job)
      .BindInt(-job.priority)
      .BindTime(job.created_at)
      .BindTime(job.observed_at);
}

void BindJobEnd(const Job& job, SqliteQuery* query) {
  query->BindInt(IsFinal(job.state) ? 1 : 0)
      .BindInt(job.after.value)
      .BindTime(job.due_at)
      .BindTime(job.finished_at);
}

void BindJobLease(const Job& job, std::string_view outputs, SqliteQuery* query) {
  query->BindInt(static_cast<int64_t>(job.state))
      .BindBytes(outputs)
      .BindInt(job.attempts)
      .BindInt(job.attempts_base)
      .BindInt(job.crashes)
      .BindInt(job.token.value)
      .BindBytes(job.session)
      .BindBytes(job.executor)
      .BindBytes(job.host)
      .BindInt(EncodeExitCode(job.exit_code))
      .BindBytes(job.message)
      .BindTime(job.leased_at)
      .BindInt(job.cancelling ? 1 : 0);
}

void BindJobStart(const Job& job, SqliteQuery* query) {
  query->BindTime(job.started_at).BindInt(job.pid);
}

Job ReadJob(SqliteQuery* query) {
  Job job;
  job.id.value = query->Int();
  job.input.volume = query->Bytes();
  job.input.path = query->Bytes();
  job.pipeline = query->Bytes();
  job.input.inode = static_cast<uint64_t>(query->Int());
  job.input.size = query->Int();
  job.input.mtime_ns = query->Int();
  job.event_id = query->Int();
  const auto kind = static_cast<JobKeyKind>(query->Int());
  job.key = query->Bytes();
  if (kind == JobKeyKind::kVersion) job.key = JobKey(job.pipeline, job.input);
  if (kind == JobKeyKind::kEvent) job.key = EventJobKey(job.pipeline, job.input, job.event_id);
  job.output_volume = query->Bytes();
  job.caused_by_job = query->Int();
  job.priority = static_cast<int>(-query->Int());
  job.created_at = query->Time();
  job.observed_at = query->Time();
  job.state = static_cast<JobState>(query->Int());
  absl::StatusOr<std::vector<OutputFile>> outputs = DecodeOutputs(query->Bytes());
  if (outputs.ok()) {
    job.outputs = *std::move(outputs);
  } else {
    query->Fail(outputs.status());
  }
  job.attempts = static_cast<int>(query->Int());
  job.attempts_base = static_cast<int>(query->Int());
  job.crashes = static_cast<int>(query->Int());
  job.token.value = query->Int();
  job.session = query->Bytes();
  job.executor = query->Bytes();
  job.host = query->Bytes();
  job.exit_code = DecodeExitCode(query->Int());
  job.message = query->Bytes();
  job.after.value = query->Int();
  job.due_at = query->Time();
  job.leased_at = query->Time();
  job.finished_at = query->Time();
  job.started_at = query->Time();
  job.pid = static_cast<int>(query->Int());
  job.cancelling = query->Int() != 0;
  return job;
}

void BindAttempt(const Attempt& attempt, SqliteQuery* query) {
  query->BindInt(attempt.job.value)
      .BindInt(attempt.token.value)
      .BindInt(attempt.number)
      .BindBytes(attempt.executor)
      .BindBytes(attempt.host)
      .BindInt(attempt.pid)
      .BindInt(static_cast<int64_t>(attempt.outcome))
      .BindInt(EncodeExitCode(attempt.exit_code))
      .BindInt(attempt.signal)
      .BindBytes(attempt.message)
      .BindTime(attempt.leased_at)
      .BindTime(attempt.started_at)
      .BindTime(attempt.ended_at)
      .BindInt(absl::ToInt64Nanoseconds(attempt.cpu))
      .BindInt(attempt.max_rss_bytes);
}

Attempt ReadAttempt(SqliteQuery* query) {
  Attempt attempt;
  attempt.job.value = query->Int();
  attempt.token.value = query->Int();
  attempt.number = static_cast<int>(query->Int());
  attempt.executor = query->Bytes();
  attempt.host = query->Bytes();
  attempt.pid = static_cast<int>(query->Int());
  attempt.outcome = static_cast<Outcome>(query->Int());
  attempt.exit_code = DecodeExitCode(query->Int());
  attempt.signal = static_cast<int>(query->Int());
  attempt.message = query->Bytes();
  attempt.leased_at = query->Time();
  attempt.started_at = query->Time();
  attempt.ended_at = query->Time();
  attempt.cpu = absl::Nanoseconds(query->Int());
  attempt.max_rss_bytes = query->Int();
  attempt.log_bytes = query->Int();
  return attempt;
}

void BindEvent(const EventRecord& record, int64_t file_id, SqliteQuery* query) {
  query->BindBytes(record.host)
      .BindBytes(record.ledger_id)
      .BindInt(record.event.sequence)
      .BindInt(static_cast<int64_t>(record.event.kind))
      .BindInt(static_cast<int64_t>(record.event.evidence))
      .BindInt(static_cast<int64_t>(record.event.source))
      .BindInt(file_id)
      .BindInt(static_cast<int64_t>(record.event.file.inode))
      .BindInt(record.event.file.size)
      .BindInt(record.event.file.mtime_ns)
      .BindTime(record.event.observed_at)
      .BindTime(record.received_at)
      .BindInt(record.event.caused_by_job);
}

EventRecord ReadEvent(SqliteQuery* query) {
  EventRecord record;
  record.id = query->Int();
  record.event.file.volume = query->Bytes();
  record.event.file.path = query->Bytes();
  record.host = query->Bytes();
  record.ledger_id = query->Bytes();
  record.event.sequence = query->Int();
  record.event.kind = static_cast<EventKind>(query->Int());
  record.event.evidence = static_cast<Evidence>(query->Int());
  record.event.source = static_cast<EventSource>(query->Int());
  record.event.file.inode = static_cast<uint64_t>(query->Int());
  record.event.file.size = query->Int();
  record.event.file.mtime_ns = query->Int();
  record.event.observed_at = query->Time();
  record.received_at = query->Time();
  record.event.caused_by_job = query->Int();
  return record;
}

SessionRecord ReadSession(SqliteQuery* query) {
  SessionRecord session;
  session.id = query->Bytes();
  const absl::Status executor = DecodeHello(query->Bytes(), &session);
  if (!executor.ok()) query->Fail(executor);
  session.coordinator = query->Bytes();
  DecodeDraining(query->Int(), &session);
  session.heartbeat_at = query->Time();
  session.expires_at = query->Time();
  return session;
}

Watcher ReadWatcher(SqliteQuery* query) {
  Watcher watcher;
  watcher.host = query->Bytes();
  watcher.ledger_id = query->Bytes();
  watcher.stream = query->Int();
  watcher.coordinator = query->Bytes();
  watcher.version = query->Bytes();
  watcher.address = query->Bytes();
  watcher.heartbeat_at = query->Time();
  watcher.expires_at = query->Time();
  absl::StatusOr<std::vector<VolumeReport>> volumes = DecodeVolumes(query->Bytes());
  if (volumes.ok()) {
    watcher.volumes = *std::move(volumes);
  } else {
    query->Fail(volumes.status());
  }
  return watcher;
}

std::vector<StoredTask> ReadTasks(SqliteQuery* query) {
  std::vector<StoredTask> tasks;
  while (query->Step()) {
    StoredTask& task = tasks.emplace_back();
    task.name = query->Bytes();
    task.version = static_cast<int>(query->Int());
    task.applied_at = query->Time();
    task.definition = query->Bytes();
    task.state.started = query->Int() != 0;
    task.state.seen = query->Time();
    task.state.due_at = query->Time();
    task.state.runs = query->Int();
    task.state.failures = static_cast<int>(query->Int());
    task.state.last.value = query->Int();
  }
  return tasks;
}

}  // namespace closewrite

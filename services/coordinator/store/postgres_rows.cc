#include "services/coordinator/store/postgres_rows.h"

#include <utility>

#include "absl/status/statusor.h"
#include "services/coordinator/store/record_codec.h"
#include "services/log/str_cat.h"

namespace closewrite {
namespace {

constexpr PostgresColumn kJobColumns[] = {
    {"id", "bigint"},          {"event_id", "bigint"},      {"caused_by_job", "bigint"},
    {"token", "bigint"},       {"after_id", "bigint"},      {"input_inode", "bigint"},
    {"input_size", "bigint"},  {"input_mtime", "bigint"},   {"created_at", "bigint"},
    {"due_at", "bigint"},      {"leased_at", "bigint"},     {"started_at", "bigint"},
    {"finished_at", "bigint"}, {"observed_at", "bigint"},   {"rank", "bigint"},
    {"attempts", "bigint"},    {"attempts_base", "bigint"}, {"crashes", "bigint"},
    {"pid", "bigint"},         {"exit_code", "bigint"},     {"state", "bigint"},
    {"file", "uuid"},          {"pipeline", "bytea"},       {"key", "bytea"},
    {"input_volume", "bytea"}, {"input_path", "bytea"},     {"output_volume", "bytea"},
    {"outputs", "bytea"},      {"session", "bytea"},        {"executor", "bytea"},
    {"host", "bytea"},         {"message", "bytea"},        {"cancelling", "bigint"},
};

constexpr PostgresColumn kEventColumns[] = {
    {"id", "bigint"},          {"sequence", "bigint"},    {"caused_by_job", "bigint"},
    {"inode", "bigint"},       {"size", "bigint"},        {"mtime", "bigint"},
    {"observed_at", "bigint"}, {"received_at", "bigint"}, {"kind", "bigint"},
    {"evidence", "bigint"},    {"source", "bigint"},      {"file", "uuid"},
    {"host", "bytea"},         {"ledger_id", "bytea"},    {"volume", "bytea"},
    {"path", "bytea"},
};

constexpr PostgresColumn kAttemptColumns[] = {
    {"job_id", "bigint"},     {"token", "bigint"},     {"leased_at", "bigint"},
    {"started_at", "bigint"}, {"ended_at", "bigint"},  {"cpu", "bigint"},
    {"max_rss", "bigint"},    {"number", "bigint"},    {"pid", "bigint"},
    {"outcome", "bigint"},    {"exit_code", "bigint"}, {"signal", "bigint"},
    {"executor", "bytea"},    {"host", "bytea"},       {"message", "bytea"},
};

constexpr PostgresColumn kSessionColumns[] = {
    {"id", "bytea"},        {"heartbeat_at", "bigint"}, {"expires_at", "bigint"},
    {"draining", "bigint"}, {"coordinator", "bytea"},   {"executor", "bytea"},
};

constexpr PostgresColumn kWatcherColumns[] = {
    {"host", "bytea"},    {"heartbeat_at", "bigint"}, {"expires_at", "bigint"},
    {"stream", "bigint"}, {"ledger_id", "bytea"},     {"coordinator", "bytea"},
    {"version", "bytea"}, {"address", "bytea"},       {"volumes", "bytea"},
};

constexpr PostgresColumn kTaskColumns[] = {
    {"name", "bytea"},       {"version", "bigint"},  {"applied_at", "bigint"},
    {"seen", "bigint"},      {"due_at", "bigint"},   {"runs", "bigint"},
    {"last_job", "bigint"},  {"failures", "bigint"}, {"started", "bigint"},
    {"definition", "bytea"},
};

// The value of a decoder; its error goes into the sticky `status`.
template <class T>
T ValueOf(absl::StatusOr<T> value, absl::Status* status) {
  if (value.ok()) return *std::move(value);
  if (status->ok()) *status = value.status();
  return T();
}

}  // namespace

PostgresColumns JobColumns() { return kJobColumns; }
PostgresColumns EventColumns() { return kEventColumns; }
PostgresColumns AttemptColumns() { return kAttemptColumns; }
PostgresColumns SessionColumns() { return kSessionColumns; }
PostgresColumns WatcherColumns() { return kWatcherColumns; }
PostgresColumns TaskColumns() { return kTaskColumns; }

std::string PostgresNames(PostgresColumns columns, std::string_view prefix) {
  std::string names;
  for (const PostgresColumn& column : columns) {
    StrAppend(&names, names.empty() ? "" : ", ", prefix, column.name);
  }
  return names;
}

std::string PostgresUnnest(PostgresColumns columns) {
  std::string arrays;
  for (size_t i = 0; i < columns.size(); ++i) {
    StrAppend(&arrays, i == 0 ? "" : ", ", "$", i + 1, "::", columns[i].type, "[]");
  }
  return StrCat("unnest(", arrays, ") AS u(", PostgresNames(columns), ")");
}

std::string PostgresInsert(std::string_view table, PostgresColumns columns) {
  return StrCat("INSERT INTO ", table, "(", PostgresNames(columns), ") SELECT ",
                PostgresNames(columns, "u."), " FROM ", PostgresUnnest(columns));
}

std::string PostgresUpdate(std::string_view table, PostgresColumns columns, size_t keys) {
  std::string set;
  std::string where;
  for (size_t i = 0; i < columns.size(); ++i) {
    const char* const name = columns[i].name;
    if (i < keys) {
      StrAppend(&where, where.empty() ? "" : " AND ", "t.", name, " = u.", name);
    } else {
      StrAppend(&set, set.empty() ? "" : ", ", name, " = u.", name);
    }
  }
  return StrCat("UPDATE ", table, " AS t SET ", set, " FROM ", PostgresUnnest(columns), " WHERE ",
                where);
}

void WriteJob(const Job& job, PostgresRows* rows) {
  rows->Row()
      .Int(job.id.value)
      .Int(job.event_id)
      .Int(job.caused_by_job)
      .Int(job.token.value)
      .Int(job.after.value)
      .Int(static_cast<int64_t>(job.input.inode))
      .Int(job.input.size)
      .Int(job.input.mtime_ns)
      .Time(job.created_at)
      .Time(job.due_at)
      .Time(job.leased_at)
      .Time(job.started_at)
      .Time(job.finished_at)
      .Time(job.observed_at)
      .Int(~job.priority)
      .Int(job.attempts)
      .Int(job.attempts_base)
      .Int(job.crashes)
      .Int(job.pid)
      .Int(EncodeExitCode(job.exit_code))
      .Int(static_cast<int64_t>(job.state))
      .Hash(FileOf(job.input))
      .Bytes(job.pipeline)
      .Bytes(job.key)
      .Bytes(job.input.volume)
      .Bytes(job.input.path)
      .Bytes(job.output_volume)
      .Bytes(EncodeOutputs(job.outputs))
      .Bytes(job.session)
      .Bytes(job.executor)
      .Bytes(job.host)
      .Bytes(job.message)
      .Int(job.cancelling ? 1 : 0);
}

Job ReadJob(PostgresRow row, absl::Status* status) {
  Job job;
  job.id.value = row.Int();
  job.event_id = row.Int();
  job.caused_by_job = row.Int();
  job.token.value = row.Int();
  job.after.value = row.Int();
  job.input.inode = static_cast<uint64_t>(row.Int());
  job.input.size = row.Int();
  job.input.mtime_ns = row.Int();
  job.created_at = row.Time();
  job.due_at = row.Time();
  job.leased_at = row.Time();
  job.started_at = row.Time();
  job.finished_at = row.Time();
  job.observed_at = row.Time();
  job.priority = ~static_cast<int>(row.Int());
  job.attempts = static_cast<int>(row.Int());
  job.attempts_base = static_cast<int>(row.Int());
  job.crashes = static_cast<int>(row.Int());
  job.pid = static_cast<int>(row.Int());
  job.exit_code = DecodeExitCode(row.Int());
  job.state = static_cast<JobState>(row.Int());
  row.Hash();  // follows from the path
  job.pipeline = row.Bytes();
  job.key = row.Bytes();
  job.input.volume = row.Bytes();
  job.input.path = row.Bytes();
  job.output_volume = row.Bytes();
  job.outputs = ValueOf(DecodeOutputs(row.Bytes()), status);
  job.session = row.Bytes();
  job.executor = row.Bytes();
  job.host = row.Bytes();
  job.message = row.Bytes();
  job.cancelling = row.Int() != 0;
  return job;
}

void WriteEvent(const EventRecord& record, PostgresRows* rows) {
  const FileEvent& event = record.event;
  rows->Row()
      .Int(record.id)
      .Int(event.sequence)
      .Int(event.caused_by_job)
      .Int(static_cast<int64_t>(event.file.inode))
      .Int(event.file.size)
      .Int(event.file.mtime_ns)
      .Time(event.observed_at)
      .Time(record.received_at)
      .Int(static_cast<int64_t>(event.kind))
      .Int(static_cast<int64_t>(event.evidence))
      .Int(static_cast<int64_t>(event.source))
      .Hash(FileOf(event.file))
      .Bytes(record.host)
      .Bytes(record.ledger_id)
      .Bytes(event.file.volume)
      .Bytes(event.file.path);
}

EventRecord ReadEvent(PostgresRow row) {
  EventRecord record;
  FileEvent& event = record.event;
  record.id = row.Int();
  event.sequence = row.Int();
  event.caused_by_job = row.Int();
  event.file.inode = static_cast<uint64_t>(row.Int());
  event.file.size = row.Int();
  event.file.mtime_ns = row.Int();
  event.observed_at = row.Time();
  record.received_at = row.Time();
  event.kind = static_cast<EventKind>(row.Int());
  event.evidence = static_cast<Evidence>(row.Int());
  event.source = static_cast<EventSource>(row.Int());
  row.Hash();  // follows from the path
  record.host = row.Bytes();
  record.ledger_id = row.Bytes();
  event.file.volume = row.Bytes();
  event.file.path = row.Bytes();
  return record;
}

void WriteAttempt(const Attempt& attempt, PostgresRows* rows) {
  rows->Row()
      .Int(attempt.job.value)
      .Int(attempt.token.value)
      .Time(attempt.leased_at)
      .Time(attempt.started_at)
      .Time(attempt.ended_at)
      .Int(absl::ToInt64Nanoseconds(attempt.cpu))
      .Int(attempt.max_rss_bytes)
      .Int(attempt.number)
      .Int(attempt.pid)
      .Int(static_cast<int64_t>(attempt.outcome))
      .Int(EncodeExitCode(attempt.exit_code))
      .Int(attempt.signal)
      .Bytes(attempt.executor)
      .Bytes(attempt.host)
      .Bytes(attempt.message);
}

Attempt ReadAttempt(PostgresRow row) {
  Attempt attempt;
  attempt.job.value = row.Int();
  attempt.token.value = row.Int();
  attempt.leased_at = row.Time();
  attempt.started_at = row.Time();
  attempt.ended_at = row.Time();
  attempt.cpu = absl::Nanoseconds(row.Int());
  attempt.max_rss_bytes = row.Int();
  attempt.number = static_cast<int>(row.Int());
  attempt.pid = static_cast<int>(row.Int());
  attempt.outcome = static_cast<Outcome>(row.Int());
  attempt.exit_code = DecodeExitCode(row.Int());
  attempt.signal = static_cast<int>(row.Int());
  attempt.executor = row.Bytes();
  attempt.host = row.Bytes();
  attempt.message = row.Bytes();
  attempt.log_bytes = row.Int();
  return attempt;
}

void WriteSession(const SessionRecord& session, PostgresRows* rows) {
  rows->Row()
      .Bytes(session.id)
      .Time(session.heartbeat_at)
      .Time(session.expires_at)
      .Int(EncodeDraining(session))
      .Bytes(session.coordinator)
      .Bytes(EncodeHello(session));
}

SessionRecord ReadSession(PostgresRow row, absl::Status* status) {
  SessionRecord session;
  session.id = row.Bytes();
  session.heartbeat_at = row.Time();
  session.expires_at = row.Time();
  DecodeDraining(row.Int(), &session);
  session.coordinator = row.Bytes();
  const absl::Status hello = DecodeHello(row.Bytes(), &session);
  if (!hello.ok() && status->ok()) *status = hello;
  return session;
}

void WriteWatcher(const Watcher& watcher, PostgresRows* rows) {
  rows->Row()
      .Bytes(watcher.host)
      .Time(watcher.heartbeat_at)
      .Time(watcher.expires_at)
      .Int(watcher.stream)
      .Bytes(watcher.ledger_id)
      .Bytes(watcher.coordinator)
      .Bytes(watcher.version)
      .Bytes(watcher.address)
      .Bytes(EncodeVolumes(watcher.volumes));
}

Watcher ReadWatcher(PostgresRow row, absl::Status* status) {
  Watcher watcher;
  watcher.host = row.Bytes();
  watcher.heartbeat_at = row.Time();
  watcher.expires_at = row.Time();
  watcher.stream = row.Int();
  watcher.ledger_id = row.Bytes();
  watcher.coordinator = row.Bytes();
  watcher.version = row.Bytes();
  watcher.address = row.Bytes();
  watcher.volumes = ValueOf(DecodeVolumes(row.Bytes()), status);
  return watcher;
}

void WriteTask(const StoredTask& task, PostgresRows* rows) {
  rows->Row()
      .Bytes(task.name)
      .Int(task.version)
      .Time(task.applied_at)
      .Time(task.state.seen)
      .Time(task.state.due_at)
      .Int(task.state.runs)
      .Int(task.state.last.value)
      .Int(task.state.failures)
      .Int(task.state.started ? 1 : 0)
      .Bytes(task.definition);
}

std::vector<StoredTask> ReadTasks(const PostgresResult& result) {
  std::vector<StoredTask> tasks;
  for (int i = 0; i < result.rows(); ++i) {
    PostgresRow row(result, i);
    StoredTask& task = tasks.emplace_back();
    task.name = row.Bytes();
    task.version = static_cast<int>(row.Int());
    task.applied_at = row.Time();
    task.state.seen = row.Time();
    task.state.due_at = row.Time();
    task.state.runs = row.Int();
    task.state.last.value = row.Int();
    task.state.failures = static_cast<int>(row.Int());
    task.state.started = row.Int() != 0;
    task.definition = row.Bytes();
  }
  return tasks;
}

std::vector<Job> ReadJobs(const PostgresResult& result, absl::Status* status) {
  std::vector<Job> jobs;
  jobs.reserve(result.rows());
  for (int i = 0; i < result.rows(); ++i) jobs.push_back(ReadJob(PostgresRow(result, i), status));
  if (!status->ok()) jobs.clear();
  return jobs;
}

std::vector<EventRecord> ReadEvents(const PostgresResult& result) {
  std::vector<EventRecord> events;
  events.reserve(result.rows());
  for (int i = 0; i < result.rows(); ++i) events.push_back(ReadEvent(PostgresRow(result, i)));
  return events;
}

const std::string& InsertLogRowsSql() {
  static constexpr PostgresColumn kColumns[] = {{"job_id", "bigint"}, {"token", "bigint"},
                                                {"start", "bigint"},  {"format", "bigint"},
                                                {"bytes", "bigint"},  {"data", "bytea"}};
  static const std::string* const sql =
      new std::string(PostgresInsert("closewrite.log_chunks", kColumns));
  return *sql;
}

void WriteLogRow(const Lease& lease, const LogRow& row, PostgresRows* rows) {
  rows->Row().Int(lease.job.value).Int(lease.token.value).Int(row.offset);
  rows->Int(static_cast<int64_t>(row.format)).Int(row.bytes).Bytes(row.data);
}

}  // namespace closewrite

#include "services/coordinator/core/monitor_book.h"

#include <algorithm>

#include "absl/strings/str_join.h"
#include "services/log/str_cat.h"

namespace closewrite {
namespace {

bool IsOpen(const Execution& execution) { return execution.state == ExecutionState::kStart; }

// The newest ones of a job that have not ended.
std::vector<Execution> OpenOnes(StoreReader& reader, const std::string& job) {
  std::vector<Execution> open = reader.ListExecutions({.job = job}, {}, kOpenExecutionsMax);
  std::erase_if(open, [](const Execution& execution) { return !IsOpen(execution); });
  return open;
}

absl::Status NoneOpen(const std::string& job) {
  return absl::NotFoundError(StrCat("no execution of ", job, " is open; `closewrite ",
                                    "execution start ", job, "` begins one"));
}

absl::Status SeveralOpen(const std::string& job, const std::vector<Execution>& open) {
  return absl::FailedPreconditionError(StrCat(
      open.size(), " executions of ", job, " are open, name one by --id: ",
      absl::StrJoin(open, ", ",
                    [](std::string* text, const Execution& each) { text->append(each.id); })));
}

}  // namespace

absl::StatusOr<MonitorBook::Meant> MonitorBook::Resolve(StoreReader& reader,
                                                        const Reporter& reporter) {
  Meant meant{.job = reporter.job, .execution = reporter.execution};
  if (!reporter.attempt.has_value()) {
    if (!meant.job.empty()) return meant;
    return absl::InvalidArgumentError("name the job");
  }
  const Lease& lease = *reporter.attempt;
  const std::optional<Job> job = reader.GetJob(lease.job);
  if (!job.has_value()) {
    return absl::NotFoundError(StrCat("there is no job ", lease.job.value));
  }
  if (job->state != JobState::kRunning || job->token != lease.token) {
    return absl::AbortedError(StrCat("the attempt of job ", lease.job.value, " with token ",
                                     lease.token.value,
                                     " is over: what it reports counts no more"));
  }
  const std::string name = ExecutionJobName(*job);
  if (!meant.job.empty() && meant.job != name) return meant;
  meant.job = name;
  const Execution own{
      .id = ExecutionId(lease, job->leased_at), .job = name, .started_at = job->leased_at};
  if (meant.execution.empty()) meant.execution = own.id;
  if (meant.execution == own.id) meant.own = own;
  return meant;
}

absl::StatusOr<Execution> MonitorBook::Start(StoreTransaction& tx, const Reporter& reporter,
                                             absl::Time now) {
  const absl::StatusOr<Meant> meant = Resolve(tx, reporter);
  if (!meant.ok()) return meant.status();
  if (meant->own.has_value()) return *meant->own;
  const Execution execution{.id = reporter.new_id, .job = meant->job, .started_at = now};
  tx.PutExecution(execution);
  Append(tx, ExecutionPoint(execution.id, execution.job, ExecutionState::kStart, now));
  return execution;
}

absl::StatusOr<Execution> MonitorBook::End(StoreTransaction& tx, const Reporter& reporter,
                                           ExecutionState state, absl::Time now) {
  const absl::StatusOr<Meant> meant = Resolve(tx, reporter);
  if (!meant.ok()) return meant.status();
  if (meant->own.has_value()) return *meant->own;
  std::string id = meant->execution;
  if (id.empty()) {
    const std::vector<Execution> open = OpenOnes(tx, meant->job);
    if (open.empty()) return NoneOpen(meant->job);
    if (open.size() > 1) return SeveralOpen(meant->job, open);
    id = open.front().id;
  }
  std::optional<Execution> execution = tx.FindExecution(id);
  if (!execution.has_value() || execution->job != meant->job) {
    return absl::NotFoundError(StrCat("there is no execution ", id, " of ", meant->job));
  }
  if (!IsOpen(*execution)) {
    return absl::FailedPreconditionError(
        StrCat("execution ", id, " of ", meant->job,
               " has ended already: ", ExecutionStateName(execution->state)));
  }
  execution->state = state;
  execution->ended_at = now;
  tx.PutExecution(*execution);
  Append(tx, ExecutionPoint(id, execution->job, state, now));
  return *execution;
}

std::string MonitorBook::AnyOpen(StoreReader& reader, const Meant& meant,
                                 const Reporter& reporter) {
  if (!meant.execution.empty()) return meant.execution;
  const std::vector<Execution> open = OpenOnes(reader, meant.job);
  return open.empty() ? reporter.new_id : open.front().id;
}

absl::StatusOr<Load> MonitorBook::LogLoad(StoreTransaction& tx, const Reporter& reporter, Load load,
                                          absl::Time now) {
  const absl::StatusOr<Meant> meant = Resolve(tx, reporter);
  if (!meant.ok()) return meant.status();
  load.job = meant->job;
  load.execution = AnyOpen(tx, *meant, reporter);
  load.at = now;
  const Increment next{load.job, load.type, load.datasource, load.increment, now};
  const std::optional<Increment> mark = tx.FindIncrement(next.key());
  // Who has found nothing new may say so.
  const bool rises = !mark.has_value() || load.increment > mark->value ||
                     (load.increment == mark->value && load.records == 0);
  if (!rises) {
    return absl::FailedPreconditionError(
        StrCat("increment ", load.increment, " of ", load.datasource, " is not above ", mark->value,
               ", which job ", load.job, " has logged before; nothing was ", "logged"));
  }
  if (!mark.has_value() || mark->value != load.increment) tx.PutIncrement(next);
  tx.AppendLoad(load);
  Append(tx, {.measurement = "task",
              .tags = {{"id", load.execution},
                       {"job", load.job},
                       {"type", load.type},
                       {"datasource", load.datasource}},
              .fields = {{"records", load.records}, {"increment", load.increment}},
              .time = now});
  return load;
}

absl::StatusOr<IncrementKey> MonitorBook::KeyOf(StoreReader& reader, const Reporter& reporter,
                                                const std::string& type,
                                                const std::string& datasource) {
  const absl::StatusOr<Meant> meant = Resolve(reader, reporter);
  if (!meant.ok()) return meant.status();
  return IncrementKey{meant->job, type, datasource};
}

std::vector<Increment> MonitorBook::Import(StoreTransaction& tx,
                                           const std::vector<Increment>& increments) {
  std::vector<Increment> taken;
  for (const Increment& increment : increments) {
    const std::optional<Increment> mark = tx.FindIncrement(increment.key());
    if (mark.has_value() && mark->value >= increment.value) continue;
    tx.PutIncrement(increment);
    taken.push_back(increment);
  }
  return taken;
}

absl::Status MonitorBook::LogModel(StoreTransaction& tx, const Reporter& reporter,
                                   const ModelReport& report, absl::Time now) {
  if (!points_) {
    return absl::FailedPreconditionError(
        "models are told to InfluxDB alone, and the coordinator's configuration names none");
  }
  const absl::StatusOr<Meant> meant = Resolve(tx, reporter);
  if (!meant.ok()) return meant.status();
  Point point{.measurement = "model",
              .tags = report.tags,
              .fields = {{"records", report.records}, {"value", report.value}},
              .time = now};
  point.tags.emplace_back("type", "performance");
  point.tags.emplace_back("id", AnyOpen(tx, *meant, reporter));
  point.tags.emplace_back("job", meant->job);
  Append(tx, point);
  return absl::OkStatus();
}

bool MonitorBook::Forget(StoreTransaction& tx, absl::Time before) {
  const int64_t loads = tx.PruneLoads(before, kForgottenReportsMax);
  const int64_t executions = tx.PruneExecutions(before, kForgottenReportsMax);
  return loads >= kForgottenReportsMax || executions >= kForgottenReportsMax;
}

void MonitorBook::Append(StoreTransaction& tx, const Point& point) const {
  if (points_) tx.AppendPoints(1, EncodePoint(point));
}

}  // namespace closewrite

#include "services/cli/job_output.h"

#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_join.h"
#include "services/cli/file_argument.h"
#include "services/cli/time_text.h"
#include "services/log/str_cat.h"

namespace closewrite::cli {
namespace {

std::string InputText(const v1::Job& job) {
  return job.has_input() ? VolumePathText(job.input().volume(), job.input().path()) : "";
}

std::string CreatedText(Invocation& invocation, const v1::Job& job) {
  if (!job.has_created_at()) return "";
  const absl::Time created = ToTime(job.created_at());
  return invocation.console().out_terminal ? AgeText(invocation.now() - created) : Rfc3339(created);
}

std::string AttemptsText(const v1::Job& job) {
  return StrCat(job.attempts(), "/", job.attempts_max());
}

// From the start of the command to the end, or to now.
std::string TookText(bool started, const google::protobuf::Timestamp& start, bool ended,
                     const google::protobuf::Timestamp& end, absl::Time now) {
  if (!started) return "";
  return DurationText((ended ? ToTime(end) : now) - ToTime(start));
}

std::vector<Column> JobColumns(Invocation& invocation, bool live) {
  const std::string age = invocation.console().out_terminal ? "AGE" : "CREATED";
  const auto room = [live](int width) { return live ? width : 0; };
  std::vector<Column> columns = {{"ID", true, room(6)},
                                 {"PIPELINE", false, room(12)},
                                 {"STATE", false, room(10)},
                                 {"INPUT", false, room(28)},
                                 {"ATTEMPTS"},
                                 {"HOST", false, room(8)},
                                 {age, false, room(4)}};
  if (invocation.wide()) {
    for (const char* heading :
         {"SIZE", "MADE BY", "EXECUTOR", "TOKEN", "EXIT", "TOOK", "FINISHED", "TO"}) {
      columns.push_back({heading});
    }
  }
  columns.push_back({.heading = "WHY", .wraps = true});
  return columns;
}

std::vector<Cell> JobCells(Invocation& invocation, const v1::Job& job) {
  std::vector<Cell> cells = {{StrCat(job.id())},
                             {job.pipeline()},
                             StateCell(job),
                             {InputText(job)},
                             {AttemptsText(job)},
                             {job.host()},
                             {CreatedText(invocation, job)}};
  if (invocation.wide()) {
    cells.emplace_back(job.has_input() ? StrCat(job.input().size()) : "");
    cells.emplace_back(job.caused_by_job() == 0 ? "" : StrCat("job ", job.caused_by_job()));
    cells.emplace_back(job.executor());
    cells.emplace_back(StrCat(job.token()));
    cells.emplace_back(job.has_exit_code() ? StrCat(job.exit_code()) : "");
    cells.emplace_back(TookText(job.has_started_at(), job.started_at(), job.has_finished_at(),
                                job.finished_at(), invocation.now()));
    cells.emplace_back(invocation.When(job.has_finished_at(), job.finished_at()));
    cells.emplace_back(job.output_volume());
  }
  cells.emplace_back(WhyText(job));
  return cells;
}

// One `name  value` line; nothing for an empty value.
void PrintFact(Invocation& invocation, std::string_view name, const std::string& value,
               Color color = Color::kNone) {
  if (value.empty()) return;
  std::string text = Printable(value);
  if (invocation.style().color) text = Paint(text, color);
  invocation.out() << name << std::string(name.size() < 10 ? 10 - name.size() : 0, ' ') << "  "
                   << text << "\n";
}

void PrintFacts(Invocation& invocation, const v1::Job& job) {
  const Cell state = StateCell(job);
  PrintFact(invocation, "job", StrCat(job.id()));
  PrintFact(invocation, "pipeline", job.pipeline());
  PrintFact(invocation, "state", state.text, state.color);
  PrintFact(invocation, "why", WhyText(job));
  if (job.has_input()) {
    PrintFact(
        invocation, "input",
        StrCat(InputText(job), "  ", BytesText(job.input().size()), "  written ",
               Rfc3339(absl::FromUnixNanos(job.input().mtime_ns())),
               job.caused_by_job() == 0 ? "" : StrCat("  made by job ", job.caused_by_job())));
  }
  for (const v1::OutputFile& file : job.outputs()) {
    PrintFact(invocation, job.state() == v1::JOB_STATE_SUCCEEDED ? "published" : "output",
              StrCat(VolumePathText(job.output_volume(), file.path()), "  ", BytesText(file.size()),
                     "  sha256 ", absl::BytesToHexString(file.sha256())));
  }
  std::string attempts = StrCat(job.attempts(), " of ", job.attempts_max());
  if (job.crashes() > 0) StrAppend(&attempts, ", and ", job.crashes(), " lost with their executor");
  PrintFact(invocation, "attempts", attempts);
  if (job.progress().total() > 0) {
    PrintFact(
        invocation, "progress",
        StrCat(job.progress().done(), "/", job.progress().total(), " ", job.progress().unit()));
  }
  PrintFact(invocation, "created", invocation.When(job.has_created_at(), job.created_at()));
  if (!IsFinal(job)) {
    PrintFact(invocation, "due", job.has_due_at() ? Rfc3339(ToTime(job.due_at())) : "");
  }
  PrintFact(invocation, "started", invocation.When(job.has_started_at(), job.started_at()));
  PrintFact(invocation, "finished", invocation.When(job.has_finished_at(), job.finished_at()));
}

Cell OutcomeCell(v1::AttemptOutcome outcome) {
  if (outcome == v1::ATTEMPT_OUTCOME_UNSPECIFIED) return {"running", Color::kCyan};
  const Color color = outcome == v1::ATTEMPT_OUTCOME_SUCCEEDED     ? Color::kGreen
                      : outcome == v1::ATTEMPT_OUTCOME_HANDED_BACK ? Color::kNone
                                                                   : Color::kRed;
  return {EnumName(*v1::AttemptOutcome_descriptor(), outcome), color};
}

void PrintAttempts(Invocation& invocation, const v1::GetJobResponse& story) {
  if (story.attempts().empty()) return;
  invocation.out() << "\n";
  Table table({{"ATTEMPT", true},
               {"TOKEN", true},
               {"HOST"},
               {"OUTCOME"},
               {"EXIT"},
               {"STARTED"},
               {"TOOK"},
               {"CPU"},
               {"RSS"},
               {"LOG"},
               {.heading = "MESSAGE", .wraps = true}});
  for (const v1::Attempt& attempt : story.attempts()) {
    std::string exit = attempt.has_exit_code() ? StrCat(attempt.exit_code()) : "";
    if (attempt.signal() != 0) exit = StrCat("signal ", attempt.signal());
    table.Add({{attempt.number() == 0 ? "-" : StrCat(attempt.number())},
               {StrCat(attempt.token())},
               {attempt.executor().empty() ? attempt.host() : attempt.executor()},
               OutcomeCell(attempt.outcome()),
               {exit},
               {invocation.When(attempt.has_started_at(), attempt.started_at())},
               {TookText(attempt.has_started_at(), attempt.started_at(), attempt.has_ended_at(),
                         attempt.ended_at(), invocation.now())},
               {attempt.has_cpu() ? DurationText(ToDuration(attempt.cpu())) : ""},
               {attempt.max_rss_bytes() > 0 ? BytesText(attempt.max_rss_bytes()) : ""},
               {BytesText(attempt.log_bytes())},
               {attempt.message()}});
  }
  table.Print(invocation.out(), invocation.style());
}

}  // namespace

bool IsFinal(const v1::Job& job) {
  return job.state() == v1::JOB_STATE_SUCCEEDED || job.state() == v1::JOB_STATE_FAILED ||
         job.state() == v1::JOB_STATE_CANCELLED;
}

Cell StateCell(const v1::Job& job) {
  const v1::JobState state = job.state();
  if (job.cancelling()) return {"cancelling", Color::kDim};
  Color color = Color::kNone;
  if (state == v1::JOB_STATE_RUNNING || state == v1::JOB_STATE_PUBLISHING) color = Color::kCyan;
  if (state == v1::JOB_STATE_SUCCEEDED) color = Color::kGreen;
  if (state == v1::JOB_STATE_RETRYING) color = Color::kYellow;
  if (state == v1::JOB_STATE_FAILED) color = Color::kRed;
  if (state == v1::JOB_STATE_CANCELLED) color = Color::kDim;
  return {EnumName(*v1::JobState_descriptor(), state), color};
}

std::string WhyText(const v1::Job& job) {
  if (!job.waiting().message().empty()) return job.waiting().message();
  if (job.waiting().reason() != v1::WAITING_REASON_UNSPECIFIED) {
    return EnumName(*v1::WaitingReason_descriptor(), job.waiting().reason());
  }
  return job.message();
}

std::string JobIdsText(const std::vector<int64_t>& job_ids) { return absl::StrJoin(job_ids, " "); }

JobPrinter::JobPrinter(Invocation& invocation, Format fallback, bool live)
    : invocation_(invocation),
      format_(invocation.format(fallback)),
      table_(JobColumns(invocation, live)) {}

void JobPrinter::Add(const v1::Job& job) {
  if (format_ == Format::kJson) {
    invocation_.out() << JsonLine(ToJson(job));
  } else if (format_ == Format::kName) {
    invocation_.out() << job.id() << "\n";
  } else {
    table_.Add(JobCells(invocation_, job));
    if (++rows_ >= kTableRowsMax) Flush();
  }
}

void JobPrinter::Flush() {
  const bool table = format_ == Format::kTable || format_ == Format::kWide;
  if (table) table_.Print(invocation_.out(), invocation_.style());
  rows_ = 0;
  invocation_.out() << std::flush;
}

void PrintJobs(Invocation& invocation, const std::vector<v1::Job>& jobs, Format fallback) {
  JobPrinter printer(invocation, fallback);
  for (const v1::Job& job : jobs) printer.Add(job);
  printer.Flush();
}

void PrintJob(Invocation& invocation, const v1::GetJobResponse& story) {
  switch (invocation.format()) {
    case Format::kJson:
      return invocation.PrintJson(ToJson(story));
    case Format::kName:
      invocation.out() << story.job().id() << "\n";
      return;
    case Format::kTable:
    case Format::kWide:
    case Format::kCsv:
      PrintFacts(invocation, story.job());
      PrintAttempts(invocation, story);
  }
}

}  // namespace closewrite::cli

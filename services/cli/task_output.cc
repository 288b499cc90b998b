#include "services/cli/task_output.h"

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_join.h"
#include "services/cli/job_output.h"
#include "services/cli/time_text.h"
#include "services/log/str_cat.h"

namespace closewrite::cli {
namespace {

Cell RunningCell(const v1::TaskStatus& task) {
  if (task.started() && task.crash_loop()) return {"crash loop", Color::kRed};
  if (task.has_last_run() && !IsFinal(task.last_run())) {
    Cell cell = StateCell(task.last_run());
    const v1::Progress& progress = task.last_run().progress();
    if (RunsNow(task) && progress.total() > 0) {
      StrAppend(&cell.text, " ", progress.done(), "/", progress.total());
    }
    return cell;
  }
  return task.started() ? Cell("started", Color::kCyan) : Cell("no", Color::kDim);
}

// The command's exit code, or how else it came to its end.
Cell ExitCell(const v1::Job& run) {
  if (run.state() == v1::JOB_STATE_SUCCEEDED) return {"0"};
  return run.exit_code() != 0 ? Cell(StrCat(run.exit_code()), Color::kRed) : StateCell(run);
}

std::string SpanText(const google::protobuf::Duration& span) {
  return DurationText(ToDuration(span));
}

// As one would write it in a shell.
std::string Quoted(const std::string& argument) {
  const bool plain = !argument.empty() && std::all_of(argument.begin(), argument.end(), [](char c) {
    return absl::ascii_isalnum(static_cast<unsigned char>(c)) ||
           std::string_view("-_=+,./:@%").find(c) != std::string_view::npos;
  });
  if (plain) return argument;
  std::string quoted = "'";
  for (const char c : argument) quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return quoted + "'";
}

std::vector<std::pair<std::string, std::string>> RunFacts(const v1::Run& run) {
  std::string command;
  for (const std::string& argument : run.command()) {
    StrAppend(&command, command.empty() ? "" : " ", Quoted(argument));
  }
  std::string env;
  for (const auto& [name, value] : run.env()) {
    StrAppend(&env, env.empty() ? "" : " ", name, "=", Quoted(value));
  }
  std::vector<std::pair<std::string, std::string>> facts = {
      {"command", command},
      {"wd", run.wd()},
      {"env", env},
      {"secrets", run.secrets_from()},
      {"run as", run.run_as()},
      {"labels", absl::StrJoin(run.labels(), " ")},
      {"nice", run.nice() == 0 ? "" : StrCat(run.nice())},
      {"memory", run.limits().memory()},
      {"cpu", run.limits().cpu() == 0 ? "" : StrCat(run.limits().cpu())},
      {"open files", run.limits().nofile() == 0 ? "" : StrCat(run.limits().nofile())}};
  if (run.has_timeout()) facts.emplace_back("timeout", SpanText(run.timeout()));
  if (run.has_kill_after()) facts.emplace_back("kill after", SpanText(run.kill_after()));
  return facts;
}

}  // namespace

bool RunsNow(const v1::TaskStatus& task) {
  return task.has_last_run() && task.last_run().state() == v1::JOB_STATE_RUNNING;
}

std::string PeriodText(const v1::Task& task) {
  if (!task.cron().empty()) return task.cron();
  return task.period();
}

void PrintTasks(Invocation& invocation, const std::vector<v1::TaskStatus>& tasks) {
  if (invocation.json()) {
    for (const v1::TaskStatus& task : tasks) invocation.PrintJson(ToJson(task));
    return;
  }
  Table table({{"NAME"},
               {"RUNNING"},
               {"FOREVER"},
               {"PERIOD"},
               {"LAST RUN"},
               {"EXIT", true},
               {"NEXT RUN"},
               {"HOST"},
               {"PID", true}});
  for (const v1::TaskStatus& task : tasks) {
    const v1::Job& last = task.last_run();
    const bool ended = task.has_last_run() && IsFinal(last);
    table.Add(
        {{task.task().name()},
         RunningCell(task),
         {task.task().forever() ? "yes" : ""},
         {PeriodText(task.task())},
         {last.has_started_at() ? invocation.When(true, last.started_at())
                                : invocation.When(ended, last.finished_at())},
         ended ? ExitCell(last) : Cell(""),
         {task.started() && task.next_runs_size() > 0 ? Rfc3339(ToTime(task.next_runs(0))) : ""},
         {RunsNow(task) ? last.host() : ""},
         {RunsNow(task) && last.pid() != 0 ? StrCat(last.pid()) : ""}});
  }
  table.Print(invocation.out(), invocation.style());
}

void PrintTask(Invocation& invocation, const v1::TaskStatus& task) {
  const auto fact = [&](std::string_view name, const std::string& value) {
    if (value.empty()) return;
    invocation.out() << name << std::string(12 - name.size(), ' ') << value << "\n";
  };
  const v1::Task& definition = task.task();
  fact("name", definition.name());
  for (const auto& [name, value] : RunFacts(definition.run())) fact(name, value);
  fact("started", task.started() ? "yes" : "no");
  if (definition.forever()) {
    fact("forever", StrCat("restart ", EnumName(*v1::Restart_descriptor(), definition.restart())));
  }
  if (!PeriodText(definition).empty()) {
    fact("period",
         StrCat(PeriodText(definition), definition.period().empty() ? "" : ", from ",
                definition.period().empty() ? "" : definition.start(), " ", definition.tz()));
  }
  fact("overlap", EnumName(*v1::Overlap_descriptor(), definition.overlap()));
  fact("catch up", EnumName(*v1::CatchUp_descriptor(), definition.catch_up()));
  if (definition.has_jitter()) fact("jitter", SpanText(definition.jitter()));
  fact("locks", absl::StrJoin(definition.locks(), " "));
  fact("runs", StrCat(task.runs()));
  if (task.failures() > 0) {
    fact("failures",
         StrCat(task.failures(), " in a row", task.crash_loop() ? ": it crashes in a loop" : ""));
  }
  if (task.has_last_run()) {
    const v1::Job& last = task.last_run();
    fact("last run", StrCat("job ", last.id(), ", ", StateCell(last).text,
                            WhyText(last).empty() ? "" : ": ", WhyText(last)));
  }
  for (int i = 0; i < task.next_runs_size(); ++i) {
    const std::string name = i > 0 ? "" : task.started() ? "next runs" : "if started";
    invocation.out() << name << std::string(12 - name.size(), ' ')
                     << Rfc3339(ToTime(task.next_runs(i))) << "\n";
  }
}

void PrintRuns(Invocation& invocation, const std::vector<v1::Job>& runs) {
  if (invocation.format_given() && invocation.format() != Format::kTable) {
    return PrintJobs(invocation, runs, Format::kTable);
  }
  Table table({{"JOB", true},
               {"STATE"},
               {"DUE"},
               {"STARTED"},
               {"TOOK", true},
               {"EXIT", true},
               {"HOST"},
               {.heading = "WHY", .wraps = true}});
  for (const v1::Job& run : runs) {
    const bool ended = run.has_finished_at();
    table.Add({{StrCat(run.id())},
               StateCell(run),
               {invocation.When(run.has_observed_at(), run.observed_at())},
               {invocation.When(run.has_started_at(), run.started_at())},
               {run.has_started_at() && ended
                    ? DurationText(ToTime(run.finished_at()) - ToTime(run.started_at()))
                    : ""},
               ended ? ExitCell(run) : Cell(""),
               {run.host()},
               {WhyText(run)}});
  }
  table.Print(invocation.out(), invocation.style());
}

}  // namespace closewrite::cli

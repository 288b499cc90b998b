#include "services/cli/task_commands.h"

#include <istream>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_join.h"
#include "services/cli/job_output.h"
#include "services/cli/job_wait.h"
#include "services/cli/log_follow.h"
#include "services/cli/time_text.h"
#include "services/cli/yaml_argument.h"
#include "services/log/str_cat.h"

namespace closewrite::cli {
namespace {

constexpr size_t kNamesPerCallMax = 1000;

struct NamesOptions {
  std::vector<std::string> names;
  bool all = false;
  bool by_hand_too = true;  // with `all`: those as well that have no time of their own
};

struct RunOptions {
  std::string name;
  bool wait = false;
};

struct LogsOptions {
  std::string name;
  std::optional<int64_t> run;
  int64_t tail = 0;
  bool follow = false;
};

struct ApplyOptions {
  std::string file;
  bool dry_run = false;
};

absl::StatusOr<v1::TaskStatus> GetTask(Invocation& invocation, const std::string& name) {
  v1::GetTaskRequest request;
  request.set_name(name);
  v1::GetTaskResponse response;
  Client& client = invocation.client();
  const absl::Status status = client.Call([&](grpc::ClientContext* context) {
    return client.tasks().GetTask(context, request, &response);
  });
  if (!status.ok()) return status;
  return std::move(*response.mutable_task());
}

absl::StatusOr<std::vector<v1::TaskStatus>> GetTasks(Invocation& invocation) {
  std::vector<v1::TaskStatus> tasks;
  Client& client = invocation.client();
  PageLoop pages;
  const absl::Status status = pages.Run<v1::ListTasksRequest, v1::ListTasksResponse>(
      client, {},
      [&](auto* context, const auto& request, auto* response) {
        return client.tasks().ListTasks(context, request, response);
      },
      [&](const v1::ListTasksResponse& response) {
        tasks.insert(tasks.end(), response.tasks().begin(), response.tasks().end());
        return response.tasks_size();
      });
  if (!status.ok()) return status;
  return tasks;
}

bool Runs(const v1::TaskStatus& task) {
  return task.has_last_run() && task.last_run().state() == v1::JOB_STATE_RUNNING;
}

std::string PeriodText(const v1::Task& task) {
  if (!task.cron().empty()) return task.cron();
  return task.period();
}

Cell RunningCell(const v1::TaskStatus& task) {
  if (task.started() && task.crash_loop()) return {"crash loop", Color::kRed};
  if (task.has_last_run() && !IsFinal(task.last_run())) {
    Cell cell = StateCell(task.last_run());
    const v1::Progress& progress = task.last_run().progress();
    if (Runs(task) && progress.total() > 0) {
      StrAppend(&cell.text, " ", progress.done(), "/", progress.total());
    }
    return cell;
  }
  return task.started() ? Cell("started", Color::kCyan) : Cell("no", Color::kDim);
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
         {invocation.When(last.has_started_at(), last.started_at())},
         {ended && last.has_started_at() ? StrCat(last.exit_code()) : ""},
         {task.started() && task.next_runs_size() > 0 ? Rfc3339(ToTime(task.next_runs(0))) : ""},
         {Runs(task) ? last.host() : ""},
         {Runs(task) && last.pid() != 0 ? StrCat(last.pid()) : ""}});
  }
  table.Print(invocation.out(), invocation.style());
}

absl::StatusOr<int> List(Invocation& invocation, bool running) {
  absl::StatusOr<std::vector<v1::TaskStatus>> tasks = GetTasks(invocation);
  if (!tasks.ok()) return tasks.status();
  if (running) std::erase_if(*tasks, [](const v1::TaskStatus& task) { return !Runs(task); });
  PrintTasks(invocation, *tasks);
  return kExitOk;
}

void PrintFacts(Invocation& invocation, const v1::TaskStatus& task) {
  const auto fact = [&](std::string_view name, const std::string& value) {
    if (value.empty()) return;
    invocation.out() << name << std::string(12 - name.size(), ' ') << value << "\n";
  };
  const v1::Task& definition = task.task();
  fact("name", definition.name());
  fact("command", absl::StrJoin(definition.run().command(), " "));
  fact("wd", definition.run().wd());
  fact("started", task.started() ? "yes" : "no");
  if (definition.forever()) {
    fact("forever", StrCat("restart ", EnumName(*v1::Restart_descriptor(), definition.restart())));
  }
  if (!PeriodText(definition).empty()) {
    fact("period",
         StrCat(PeriodText(definition), ", from ", definition.start(), " ", definition.tz()));
  }
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

absl::StatusOr<int> Show(Invocation& invocation, const std::string& name) {
  const absl::StatusOr<v1::TaskStatus> task = GetTask(invocation, name);
  if (!task.ok()) return task.status();
  if (invocation.json()) {
    invocation.PrintJson(ToJson(*task));
  } else {
    PrintFacts(invocation, *task);
  }
  return kExitOk;
}

// Calls `change` for at most kNamesPerCallMax names at a time, and prints the tasks.
template <class Request, class Response, class Change>
absl::StatusOr<int> ChangeTasks(Invocation& invocation, const NamesOptions& options,
                                Change change) {
  if (options.all != options.names.empty()) return UsageError("name tasks, or say --all");
  std::vector<std::string> names = options.names;
  if (options.all) {
    const absl::StatusOr<std::vector<v1::TaskStatus>> tasks = GetTasks(invocation);
    if (!tasks.ok()) return tasks.status();
    for (const v1::TaskStatus& task : *tasks) {
      const bool by_hand = !task.task().forever() && PeriodText(task.task()).empty();
      if (!by_hand || options.by_hand_too) names.push_back(task.task().name());
    }
  }
  std::vector<v1::TaskStatus> changed;
  for (size_t from = 0; from < names.size(); from += kNamesPerCallMax) {
    Request request;
    request.set_request_id(NewRequestId());
    const size_t end = std::min(names.size(), from + kNamesPerCallMax);
    for (size_t i = from; i < end; ++i) request.add_names(names[i]);
    Response response;
    const absl::Status status = invocation.client().Call(
        [&](grpc::ClientContext* context) { return change(context, request, &response); });
    if (!status.ok()) return status;
    changed.insert(changed.end(), response.tasks().begin(), response.tasks().end());
  }
  PrintTasks(invocation, changed);
  return kExitOk;
}

absl::StatusOr<int> RunNow(Invocation& invocation, const RunOptions& options) {
  v1::RunTaskRequest request;
  request.set_request_id(NewRequestId());
  request.set_name(options.name);
  v1::RunTaskResponse response;
  Client& client = invocation.client();
  const absl::Status status = client.Call([&](grpc::ClientContext* context) {
    return client.tasks().RunTask(context, request, &response);
  });
  if (!status.ok()) return status;
  PrintJobs(invocation, {response.job()}, Format::kName);
  if (!options.wait) return kExitOk;
  return WaitForJobs(invocation, {response.job().id()},
                     {.print_results = false, .may_cancel = true});
}

// What the jobs of a task name as their pipeline.
std::string RunsOf(const std::string& task) { return StrCat("task/", task); }

// Its runs, the newest first.
absl::StatusOr<std::vector<v1::Job>> GetRuns(Invocation& invocation, const std::string& name,
                                             int64_t limit) {
  v1::ListJobsRequest request;
  request.mutable_filter()->set_pipeline(RunsOf(name));
  std::vector<v1::Job> runs;
  Client& client = invocation.client();
  PageLoop pages{.limit = limit};
  const absl::Status status = pages.Run<v1::ListJobsRequest, v1::ListJobsResponse>(
      client, request,
      [&](auto* context, const auto& page, auto* response) {
        return client.jobs().ListJobs(context, page, response);
      },
      [&](const v1::ListJobsResponse& response) {
        runs.insert(runs.end(), response.jobs().begin(), response.jobs().end());
        return response.jobs_size();
      });
  if (!status.ok()) return status;
  return runs;
}

absl::StatusOr<int> History(Invocation& invocation, const std::string& name, int64_t limit) {
  if (const auto task = GetTask(invocation, name); !task.ok()) return task.status();
  const absl::StatusOr<std::vector<v1::Job>> runs = GetRuns(invocation, name, limit);
  if (!runs.ok()) return runs.status();
  PrintJobs(invocation, *runs, Format::kTable);
  return kExitOk;
}

absl::StatusOr<bool> IsRunOf(Invocation& invocation, int64_t job, const std::string& task) {
  v1::GetJobRequest request;
  request.set_job_id(job);
  v1::GetJobResponse response;
  Client& client = invocation.client();
  const absl::Status status = client.Call([&](grpc::ClientContext* context) {
    return client.jobs().GetJob(context, request, &response);
  });
  if (absl::IsNotFound(status)) return false;
  if (!status.ok()) return status;
  return response.job().pipeline() == RunsOf(task);
}

// Of the newest run, or of the one that is named by its job.
absl::StatusOr<int> Logs(Invocation& invocation, const LogsOptions& options) {
  if (invocation.format_given()) return UsageError("logs are bytes; -o does not go with them");
  if (options.tail < 0) return UsageError("--tail: use 0 for the whole log, or a positive number");
  const absl::StatusOr<v1::TaskStatus> task = GetTask(invocation, options.name);
  if (!task.ok()) return task.status();
  int64_t job = task->last_run().id();
  if (options.run.has_value()) {
    const absl::StatusOr<bool> is_run = IsRunOf(invocation, *options.run, options.name);
    if (!is_run.ok()) return is_run.status();
    job = *is_run ? *options.run : 0;
  }
  if (job == 0) {
    return absl::NotFoundError(
        StrCat("task ", options.name, " has no ",
               options.run.has_value() ? StrCat("run ", *options.run) : "run",
               "; `closewrite task history ", options.name, "` lists those there are"));
  }
  const absl::Status status =
      CopyLog(invocation, {.job_id = job, .tail_lines = options.tail, .follow = options.follow},
              invocation.out());
  if (!status.ok()) return status;
  return kExitOk;
}

absl::StatusOr<int> Apply(Invocation& invocation, const ApplyOptions& options) {
  v1::TaskFile file;
  if (absl::Status s = ReadYamlArgument(invocation, options.file, &file); !s.ok()) return s;
  if (file.tasks().empty()) {
    return UsageError(StrCat(options.file, " defines no tasks; it wants a list under `tasks:`"));
  }
  v1::ApplyTasksRequest request;
  request.set_request_id(NewRequestId());
  *request.mutable_tasks() = file.tasks();
  request.set_dry_run(options.dry_run);
  v1::ApplyTasksResponse response;
  Client& client = invocation.client();
  const absl::Status status = client.Call([&](grpc::ClientContext* context) {
    return client.tasks().ApplyTasks(context, request, &response);
  });
  if (!status.ok()) return status;
  for (int i = 0; i < response.tasks_size() && i < response.effects_size(); ++i) {
    const std::string effect = EnumName(*v1::ApplyEffect_descriptor(), response.effects(i));
    if (invocation.json()) {
      invocation.PrintJson(
          {{"effect", effect}, {"dry_run", options.dry_run}, {"task", ToJson(response.tasks(i))}});
    } else {
      invocation.out() << response.tasks(i).task().name() << " " << effect
                       << (options.dry_run ? " (dry run)" : "") << "\n";
    }
  }
  return kExitOk;
}

absl::StatusOr<int> Remove(Invocation& invocation, const std::string& name) {
  v1::RemoveTaskRequest request;
  request.set_request_id(NewRequestId());
  request.set_name(name);
  v1::RemoveTaskResponse response;
  Client& client = invocation.client();
  const absl::Status status = client.Call([&](grpc::ClientContext* context) {
    return client.tasks().RemoveTask(context, request, &response);
  });
  if (!status.ok()) return status;
  if (invocation.json()) {
    invocation.PrintJson({{"name", name}, {"effect", "removed"}});
  } else {
    invocation.out() << name << " removed\n";
  }
  return kExitOk;
}

Command NamesCommand(bool start) {
  Command command{start ? "task start" : "task stop", "NAME... | --all",
                  start ? "Run tasks from now on, when they are due or for ever."
                        : "Cancel the runs of tasks, and make no more."};
  command.declare = [start](CLI::App& app) -> Action {
    auto options = std::make_shared<NamesOptions>();
    options->by_hand_too = !start;
    app.add_option("NAME", options->names, "Names of tasks");
    app.add_flag("--all", options->all,
                 start ? "All that have a schedule or run for ever" : "All tasks");
    return [options, start](Invocation& invocation) -> absl::StatusOr<int> {
      if (start) {
        return ChangeTasks<v1::StartTasksRequest, v1::StartTasksResponse>(
            invocation, *options, [&](auto* context, const auto& request, auto* response) {
              return invocation.client().tasks().StartTasks(context, request, response);
            });
      }
      return ChangeTasks<v1::StopTasksRequest, v1::StopTasksResponse>(
          invocation, *options, [&](auto* context, const auto& request, auto* response) {
            return invocation.client().tasks().StopTasks(context, request, response);
          });
    };
  };
  return command;
}

Command ListCommand() {
  Command command{"task list", "[--running]", "List tasks, what they do and when they run next."};
  command.declare = [](CLI::App& app) -> Action {
    auto running = std::make_shared<bool>(false);
    app.add_flag("--running", *running, "Only those that run now");
    return [running](Invocation& invocation) { return List(invocation, *running); };
  };
  return command;
}

// A command about one task.
Command OneCommand(const char* name, const char* summary,
                   absl::StatusOr<int> (*run)(Invocation&, const std::string&)) {
  Command command{name, "NAME", summary};
  command.declare = [run](CLI::App& app) -> Action {
    auto task = std::make_shared<std::string>();
    app.add_option("NAME", *task, "Name of the task")->required();
    return [run, task](Invocation& invocation) { return run(invocation, *task); };
  };
  return command;
}

Command RunCommand() {
  Command command{"task run", "NAME [--wait]",
                  "Run a task once, now, whether it is started or not."};
  command.names = true;
  command.declare = [](CLI::App& app) -> Action {
    auto options = std::make_shared<RunOptions>();
    app.add_option("NAME", options->name, "Name of the task")->required();
    app.add_flag("--wait", options->wait, "Wait for its end; exit with the command's own code");
    return [options](Invocation& invocation) { return RunNow(invocation, *options); };
  };
  return command;
}

Command HistoryCommand() {
  Command command{"task history", "NAME [--limit N]", "List the runs of a task, newest first."};
  command.names = true;
  command.declare = [](CLI::App& app) -> Action {
    auto name = std::make_shared<std::string>();
    auto limit = std::make_shared<int64_t>(100);
    app.add_option("NAME", *name, "Name of the task")->required();
    app.add_option("-n,--limit", *limit, "At most this many; 0: all")->capture_default_str();
    return [name, limit](Invocation& invocation) { return History(invocation, *name, *limit); };
  };
  return command;
}

Command LogsCommand() {
  Command command{"task logs", "NAME [-f] [--run JOB] [--tail N]",
                  "Print the log of a task's newest run, or of an earlier one."};
  command.examples = "closewrite task logs feed --tail 50 -f\n";
  command.declare = [](CLI::App& app) -> Action {
    auto options = std::make_shared<LogsOptions>();
    app.add_option("NAME", options->name, "Name of the task")->required();
    app.add_flag("-f,--follow", options->follow, "Go on until the run has ended");
    app.add_option("--run", options->run, "Number of the run's job, as `task history` lists them");
    app.add_option("--tail", options->tail, "Only the last so many lines; 0: all");
    return [options](Invocation& invocation) { return Logs(invocation, *options); };
  };
  return command;
}

Command ApplyCommand() {
  Command command{"task apply", "-f FILE [--dry-run]",
                  "Register tasks, or change those of the same name; all or none."};
  command.examples = "closewrite task apply -f tasks.yaml --dry-run\n";
  command.declare = [](CLI::App& app) -> Action {
    auto options = std::make_shared<ApplyOptions>();
    app.add_option("-f,--file", options->file, "YAML file; - is stdin")->required();
    app.add_flag("--dry-run", options->dry_run, "Check only, and say what would change");
    return [options](Invocation& invocation) { return Apply(invocation, *options); };
  };
  return command;
}

}  // namespace

std::vector<Command> TaskCommands() {
  return {TaskAddCommand(),
          ApplyCommand(),
          NamesCommand(true),
          NamesCommand(false),
          ListCommand(),
          OneCommand("task show", "Show one task and when it runs next.", Show),
          RunCommand(),
          HistoryCommand(),
          LogsCommand(),
          OneCommand("task remove", "Stop a task and forget it; its finished runs stay.", Remove)};
}

}  // namespace closewrite::cli

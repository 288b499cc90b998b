#include "services/cli/task_commands.h"

#include <istream>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "services/cli/job_output.h"
#include "services/cli/job_wait.h"
#include "services/cli/task_calls.h"
#include "services/cli/task_logs_command.h"
#include "services/cli/task_output.h"
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

struct ApplyOptions {
  std::string file;
  bool dry_run = false;
};

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

absl::StatusOr<int> List(Invocation& invocation, bool running) {
  absl::StatusOr<std::vector<v1::TaskStatus>> tasks = GetTasks(invocation);
  if (!tasks.ok()) return tasks.status();
  if (running) std::erase_if(*tasks, [](const v1::TaskStatus& task) { return !RunsNow(task); });
  PrintTasks(invocation, *tasks);
  return kExitOk;
}

absl::StatusOr<int> Show(Invocation& invocation, const std::string& name) {
  const absl::StatusOr<v1::TaskStatus> task = GetTask(invocation, name);
  if (!task.ok()) return task.status();
  if (invocation.json()) {
    invocation.PrintJson(ToJson(*task));
  } else {
    PrintTask(invocation, *task);
  }
  return kExitOk;
}

// Calls `change` for at most kNamesPerCallMax names at a time, and prints the tasks.
template <class Request, class Response, class Change>
absl::StatusOr<int> ChangeTasks(Invocation& invocation, const NamesOptions& options,
                                Change change) {
  if (options.all != options.names.empty())
    return UsageError("name tasks, or say --all, and not both");
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
  PrintRuns(invocation, *runs);
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
  invocation.Warn(response.warnings());
  return kExitOk;
}

absl::StatusOr<int> Remove(Invocation& invocation, const std::vector<std::string>& names) {
  for (const std::string& name : names) {
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

Command ShowCommand() {
  Command command{"task show", "NAME", "Show one task and when it runs next."};
  command.declare = [](CLI::App& app) -> Action {
    auto name = std::make_shared<std::string>();
    app.add_option("NAME", *name, "Name of the task")->required();
    return [name](Invocation& invocation) { return Show(invocation, *name); };
  };
  return command;
}

Command RemoveCommand() {
  Command command{"task remove", "NAME...",
                  "Stop tasks and forget them; their finished runs stay."};
  command.declare = [](CLI::App& app) -> Action {
    auto names = std::make_shared<std::vector<std::string>>();
    app.add_option("NAME", *names, "Names of tasks")->required();
    return [names](Invocation& invocation) { return Remove(invocation, *names); };
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
  return {TaskAddCommand(),  ApplyCommand(), NamesCommand(true), NamesCommand(false),
          ListCommand(),     ShowCommand(),  RunCommand(),       HistoryCommand(),
          TaskLogsCommand(), RemoveCommand()};
}

}  // namespace closewrite::cli

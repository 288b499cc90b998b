// task add: one task from the command line.
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_replace.h"
#include "services/cli/task_commands.h"
#include "services/config/config.h"
#include "services/config/duration.h"
#include "services/log/str_cat.h"

namespace closewrite::cli {
namespace {

struct AddOptions {
  std::string name;
  std::string script;
  std::string interpreter;
  std::vector<std::string> arguments;
  std::vector<std::string> command;
  std::string wd;
  std::vector<std::string> env;
  std::string secrets_from;
  std::string run_as;
  int nice = 0;
  std::string memory;
  double cpu = 0;
  int64_t nofile = 0;
  bool forever = false;
  std::string restart;
  std::string period;
  std::string cron;
  std::string start;
  std::string tz;
  std::string jitter;
  std::string overlap;
  std::string catch_up;
  std::vector<std::string> labels;
  std::string timeout;
  std::string kill_after;
  std::vector<std::string> locks;
  int retry = 1;
  std::string backoff;
  int priority = 0;
  bool if_absent = false;
};

// What runs a script by its name's end; "" for one that runs itself.
std::string InterpreterOf(const std::string& script) {
  if (absl::EndsWithIgnoreCase(script, ".r")) return "Rscript";
  if (absl::EndsWith(script, ".py")) return "python3";
  if (absl::EndsWith(script, ".sh")) return "sh";
  return "";
}

absl::Status SetCommand(const AddOptions& options, v1::Run* run) {
  if (options.script.empty() == options.command.empty()) {
    return UsageError("say either --script PATH, or -- and the command: what is to be run?");
  }
  if (!options.command.empty()) {
    if (!options.interpreter.empty() || !options.arguments.empty()) {
      return UsageError("--interpreter and --arg go with --script, not with a command");
    }
    for (const std::string& word : options.command) run->add_command(word);
    return absl::OkStatus();
  }
  if (options.script.front() != '/') {
    return UsageError(StrCat("--script: ", options.script,
                             " is relative, and executors run anywhere: give an absolute path of "
                             "their hosts"));
  }
  const std::string interpreter =
      options.interpreter.empty() ? InterpreterOf(options.script) : options.interpreter;
  if (!interpreter.empty()) run->add_command(interpreter);
  run->add_command(options.script);
  for (const std::string& argument : options.arguments) run->add_command(argument);
  return absl::OkStatus();
}

absl::Status SetDuration(const char* option, const std::string& text,
                         google::protobuf::Duration* to) {
  const absl::StatusOr<absl::Duration> duration = ParseDuration(text);
  if (!duration.ok()) return UsageError(StrCat(option, ": ", duration.status().message()));
  *to = ToProto(*duration);
  return absl::OkStatus();
}

// `on-failure` for ON_FAILURE.
template <class Enum>
absl::Status SetEnum(const char* option, const google::protobuf::EnumDescriptor& type,
                     const std::string& text, Enum* to) {
  std::string words;
  const std::string wanted = absl::StrReplaceAll(text, {{"_", "-"}});
  for (int i = 1; i < type.value_count(); ++i) {
    std::string word = EnumName(type, type.value(i)->number());
    for (char& each : word) each = each == '_' ? '-' : each;
    if (word == wanted) {
      *to = static_cast<Enum>(type.value(i)->number());
      return absl::OkStatus();
    }
    StrAppend(&words, words.empty() ? "" : ", ", word);
  }
  return UsageError(StrCat(option, ": ", text, " is unknown; use one of ", words));
}

absl::Status SetSurroundings(const AddOptions& options, v1::Run* run) {
  run->set_wd(options.wd);
  run->set_secrets_from(options.secrets_from);
  run->set_run_as(options.run_as);
  run->set_nice(options.nice);
  if (options.cpu != 0 || options.nofile != 0 || !options.memory.empty()) {
    run->mutable_limits()->set_memory(options.memory);
    run->mutable_limits()->set_cpu(options.cpu);
    run->mutable_limits()->set_nofile(options.nofile);
  }
  for (const std::string& label : options.labels) run->add_labels(label);
  for (const std::string& pair : options.env) {
    const size_t at = pair.find('=');
    if (at == std::string::npos || at == 0) {
      return UsageError(StrCat("--env: ", pair, " is no NAME=value"));
    }
    (*run->mutable_env())[pair.substr(0, at)] = pair.substr(at + 1);
  }
  absl::Status status;
  if (!options.timeout.empty()) {
    status = SetDuration("--timeout", options.timeout, run->mutable_timeout());
  }
  if (status.ok() && !options.kill_after.empty()) {
    status = SetDuration("--kill-after", options.kill_after, run->mutable_kill_after());
  }
  return status;
}

absl::Status SetTimes(const AddOptions& options, v1::Task* task) {
  task->set_forever(options.forever);
  task->set_period(options.period);
  task->set_cron(options.cron);
  task->set_start(options.start);
  task->set_tz(options.tz);
  absl::Status status;
  if (!options.restart.empty()) {
    v1::Restart restart = v1::RESTART_UNSPECIFIED;
    status = SetEnum("--restart", *v1::Restart_descriptor(), options.restart, &restart);
    task->set_restart(restart);
  }
  if (status.ok() && !options.overlap.empty()) {
    v1::Overlap overlap = v1::OVERLAP_UNSPECIFIED;
    status = SetEnum("--overlap", *v1::Overlap_descriptor(), options.overlap, &overlap);
    task->set_overlap(overlap);
  }
  if (status.ok() && !options.catch_up.empty()) {
    v1::CatchUp catch_up = v1::CATCH_UP_UNSPECIFIED;
    status = SetEnum("--catch-up", *v1::CatchUp_descriptor(), options.catch_up, &catch_up);
    task->set_catch_up(catch_up);
  }
  if (status.ok() && !options.jitter.empty()) {
    status = SetDuration("--jitter", options.jitter, task->mutable_jitter());
  }
  return status;
}

absl::StatusOr<v1::Task> TaskOf(const AddOptions& options) {
  v1::Task task;
  task.set_name(options.name);
  if (absl::Status s = SetCommand(options, task.mutable_run()); !s.ok()) return s;
  if (absl::Status s = SetSurroundings(options, task.mutable_run()); !s.ok()) return s;
  if (absl::Status s = SetTimes(options, &task); !s.ok()) return s;
  for (const std::string& lock : options.locks) task.add_locks(lock);
  task.set_priority(options.priority);
  if (options.retry < 1) return UsageError("--retry: give the number of attempts, 1 or more");
  if (options.retry > 1) task.mutable_retry()->set_attempts(options.retry);
  if (!options.backoff.empty()) {
    const absl::Status s =
        SetDuration("--backoff", options.backoff, task.mutable_retry()->mutable_backoff());
    if (!s.ok()) return s;
  }
  return task;
}

absl::StatusOr<int> Add(Invocation& invocation, const AddOptions& options) {
  absl::StatusOr<v1::Task> task = TaskOf(options);
  if (!task.ok()) return task.status();
  v1::ApplyTasksRequest request;
  request.set_request_id(NewRequestId());
  request.set_must_be_new(true);
  *request.add_tasks() = *std::move(task);
  v1::ApplyTasksResponse response;
  Client& client = invocation.client();
  const absl::Status status = client.Call([&](grpc::ClientContext* context) {
    return client.tasks().ApplyTasks(context, request, &response);
  });
  if (absl::IsAlreadyExists(status)) {
    invocation.err() << "Skipping " << options.name << ": a task of that name exists\n";
    return options.if_absent ? kExitOk : kExitExists;
  }
  if (!status.ok()) return status;
  invocation.Warn(response.warnings());
  if (invocation.json()) {
    invocation.PrintJson({{"effect", "created"}, {"task", ToJson(response.tasks(0))}});
  } else {
    invocation.out() << options.name << " created\n";
    invocation.Note(StrCat("start it by: closewrite task start ", options.name));
  }
  return kExitOk;
}

void DeclareCommand(CLI::App& app, AddOptions* options) {
  app.add_option("NAME", options->name, "Name of the task")->required();
  app.add_option("--script", options->script, "Script to run: its path on the executors' hosts");
  app.add_option("--interpreter", options->interpreter,
                 "What runs the script; by default Rscript, python3 or sh for .R, .py and .sh");
  app.add_option("--arg", options->arguments, "Argument of the script; may be repeated")
      ->allow_extra_args(false)
      ->take_all();
  app.add_option("COMMAND", options->command, "After --: a command in place of a script");
  app.add_option("--wd", options->wd, "Working directory; an empty one of its own by default");
  app.add_option("-e,--env", options->env, "NAME=value; may be repeated")
      ->allow_extra_args(false)
      ->take_all();
  app.add_option("--secrets-from", options->secrets_from,
                 "File with NAME=value lines on the executor's host");
  app.add_option("--run-as", options->run_as, "User of the executor's host");
  app.add_option("--nice", options->nice, "0 to 19");
  app.add_option("--memory", options->memory, "Limit of all its processes together, such as 2GiB");
  app.add_option("--cpu", options->cpu, "Limit of all its processes together, such as 1.5");
  app.add_option("--nofile", options->nofile, "Limit of open files of each process");
  app.add_option("--label,--labels", options->labels,
                 "Label that the executor must have; may be repeated")
      ->allow_extra_args(false)
      ->take_all();
  app.add_option("--timeout", options->timeout, "A run is killed after this long");
  app.add_option("--kill-after", options->kill_after, "Between SIGTERM and SIGKILL; 5s");
}

void DeclareTimes(CLI::App& app, AddOptions* options) {
  app.add_flag("--forever", options->forever, "Run again whenever it ends");
  app.add_option("--restart", options->restart, "With --forever: always, on-failure or never");
  const CLI::Validator some(
      [](std::string& text) {
        return text.empty() ? std::string("is empty; leave it out for a task that is run by hand")
                            : "";
      },
      "");
  app.add_option("--period", options->period, "\"2 min\", \"1 hour\", \"day\"")->check(some);
  app.add_option("--cron", options->cron, "\"50 12 * * 1-5\"")->check(some);
  app.add_option("--start", options->start,
                 "\"2027-02-27 12:50\": first time of a period; not due before");
  app.add_option("--tz", options->tz, "Time zone, such as America/New_York; UTC");
  app.add_option("--jitter", options->jitter, "Be late by a part of this, always the same");
  app.add_option("--overlap", options->overlap,
                 "When a run is due while another is there: skip, queue or replace");
  app.add_option("--catch-up", options->catch_up, "Times that were missed: none, latest or all");
  app.add_option("--lock", options->locks, "Lock to hold meanwhile; may be repeated")
      ->allow_extra_args(false)
      ->take_all();
  app.add_option("--retry", options->retry, "Attempts of a run; 1");
  app.add_option("--backoff", options->backoff,
                 "Pause before the next attempt, or the restart; 1s");
  app.add_option("--priority", options->priority, "Larger runs first; -1000 to 1000");
  app.add_flag("--if-absent", options->if_absent, "Exit with 0 when a task of that name exists");
}

}  // namespace

Command TaskAddCommand() {
  Command command{"task add",
                  "NAME (--script PATH | -- COMMAND...) [--forever | --period P | --cron C]",
                  "Register a task; it is started by `task start`."};
  command.examples =
      "closewrite task add feed --script /opt/feed.R --env SOURCE=a --forever\n"
      "closewrite task add daily --script /opt/daily.R --period day --start '2027-02-27 12:50' "
      "--tz America/New_York\n"
      "closewrite task add weekdays --cron '50 12 * * 1-5' -- /usr/bin/make -C /srv/report\n";
  command.declare = [](CLI::App& app) -> Action {
    auto options = std::make_shared<AddOptions>();
    DeclareCommand(app, options.get());
    DeclareTimes(app, options.get());
    return [options](Invocation& invocation) { return Add(invocation, *options); };
  };
  return command;
}

}  // namespace closewrite::cli

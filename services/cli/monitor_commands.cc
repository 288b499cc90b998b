#include "services/cli/monitor_commands.h"

#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/numbers.h"
#include "services/cli/increment_import.h"
#include "services/cli/job_filter.h"
#include "services/cli/records.h"
#include "services/cli/report_command.h"
#include "services/cli/time_text.h"
#include "services/config/duration.h"
#include "services/log/str_cat.h"

namespace closewrite::cli {
namespace {

constexpr int32_t kListedDefault = 1000;

// Sets who reports: the attempt whose command we run in, and what the user has named.
template <class Request>
absl::Status SetReporter(Invocation& invocation, const std::string& job, Request* request) {
  request->set_job(job);
  const std::string job_id = invocation.console().environment("CLOSEWRITE_JOB");
  const std::string token = invocation.console().environment("CLOSEWRITE_TOKEN");
  if (job_id.empty() || token.empty()) {
    if (!job.empty()) return absl::OkStatus();
    return UsageError("whose? Give --job NAME; a command that Closewrite runs need not");
  }
  int64_t id = 0;
  int64_t number = 0;
  if (!absl::SimpleAtoi(job_id, &id) || !absl::SimpleAtoi(token, &number)) {
    return UsageError("CLOSEWRITE_JOB and CLOSEWRITE_TOKEN are not what an executor sets");
  }
  request->mutable_attempt()->set_job_id(id);
  request->mutable_attempt()->set_token(number);
  return absl::OkStatus();
}

struct ExecutionOptions {
  std::string job;
  std::string id;
  v1::ExecutionState state = v1::EXECUTION_STATE_START;
};

void PrintExecution(Invocation& invocation, const v1::Execution& execution) {
  if (invocation.json()) return invocation.PrintJson(ToJson(execution));
  invocation.out() << Printable(execution.id()) << "\n";
}

absl::StatusOr<int> StartExecution(Invocation& invocation, const ExecutionOptions& options) {
  v1::StartExecutionRequest request;
  request.set_request_id(NewRequestId());
  if (absl::Status s = SetReporter(invocation, options.job, &request); !s.ok()) return s;
  v1::StartExecutionResponse response;
  Client& client = invocation.client();
  const absl::Status status = client.Call([&](grpc::ClientContext* context) {
    return client.monitor().StartExecution(context, request, &response);
  });
  if (!status.ok()) return status;
  PrintExecution(invocation, response.execution());
  return kExitOk;
}

absl::StatusOr<int> EndExecution(Invocation& invocation, const ExecutionOptions& options) {
  v1::EndExecutionRequest request;
  request.set_request_id(NewRequestId());
  request.set_id(options.id);
  request.set_state(options.state);
  if (absl::Status s = SetReporter(invocation, options.job, &request); !s.ok()) return s;
  v1::EndExecutionResponse response;
  Client& client = invocation.client();
  const absl::Status status = client.Call([&](grpc::ClientContext* context) {
    return client.monitor().EndExecution(context, request, &response);
  });
  if (!status.ok()) return status;
  const v1::Execution& execution = response.execution();
  if (execution.job_id() != 0 && options.state == v1::EXECUTION_STATE_ERROR) {
    invocation.Note(StrCat("this is an attempt of job ", execution.job_id(),
                           ": that it failed is told by its exit code"));
  }
  PrintExecution(invocation, execution);
  return kExitOk;
}

struct ListOptions {
  std::string job;
  std::string datasource;
  std::string since = "7d";
  int32_t limit = kListedDefault;
};

template <class Request>
absl::Status SetRange(Invocation& invocation, const ListOptions& options, Request* request) {
  const auto since = ParseSince(options.since, invocation.now(), absl::LocalTimeZone());
  if (!since.ok()) return since.status();
  *request->mutable_since() = ToProto(*since);
  request->set_limit(options.limit);
  request->set_job(options.job);
  return absl::OkStatus();
}

absl::StatusOr<int> ListExecutions(Invocation& invocation, const ListOptions& options) {
  v1::ListExecutionsRequest request;
  if (absl::Status s = SetRange(invocation, options, &request); !s.ok()) return s;
  v1::ListExecutionsResponse response;
  Client& client = invocation.client();
  const absl::Status status = client.Call([&](grpc::ClientContext* context) {
    return client.monitor().ListExecutions(context, request, &response);
  });
  if (!status.ok()) return status;
  Records records(invocation, {"STARTED", "ENDED", "STATE", "JOB", "ID"});
  for (const v1::Execution& each : response.executions()) {
    records.Add(each,
                {records.When(each.has_started_at(), each.started_at()),
                 records.When(each.has_ended_at(), each.ended_at()),
                 EnumName(*v1::ExecutionState_descriptor(), each.state()), each.job(), each.id()});
  }
  records.Print();
  return kExitOk;
}

struct IncrementOptions {
  std::string datasource;
  std::string job;
  std::string type = "load";
  std::string execution;
  // As the user wrote them: CLI11 takes what is too large for the largest number.
  std::string fallback;
  std::string records;
  std::string increment;
};

absl::StatusOr<int64_t> Whole(std::string_view option, const std::string& text) {
  int64_t number = 0;
  if (absl::SimpleAtoi(text, &number)) return number;
  return UsageError(StrCat(option, " ", text, ": use a whole number of 64 bits"));
}

absl::StatusOr<int> ReadIncrement(Invocation& invocation, const IncrementOptions& options) {
  std::optional<int64_t> fallback;
  if (!options.fallback.empty()) {
    const absl::StatusOr<int64_t> number = Whole("--default", options.fallback);
    if (!number.ok()) return number.status();
    fallback = *number;
  }
  v1::GetIncrementRequest request;
  request.set_type(options.type);
  request.set_datasource(options.datasource);
  if (absl::Status s = SetReporter(invocation, options.job, &request); !s.ok()) return s;
  v1::GetIncrementResponse response;
  Client& client = invocation.client();
  const absl::Status status = client.Call([&](grpc::ClientContext* context) {
    return client.monitor().GetIncrement(context, request, &response);
  });
  if (absl::IsNotFound(status) && fallback.has_value()) {
    response.mutable_increment()->set_job(options.job);
    response.mutable_increment()->set_type(options.type);
    response.mutable_increment()->set_datasource(options.datasource);
    response.mutable_increment()->set_increment(*fallback);
  } else if (absl::IsNotFound(status)) {
    return absl::NotFoundError(
        StrCat(ToStd(status.message()), "; --default NUMBER is printed then"));
  } else if (!status.ok()) {
    return status;
  }
  if (invocation.json()) {
    invocation.PrintJson(ToJson(response.increment()));
  } else {
    invocation.out() << response.increment().increment() << "\n";
  }
  return kExitOk;
}

absl::StatusOr<int> LogIncrement(Invocation& invocation, const IncrementOptions& options) {
  const absl::StatusOr<int64_t> records = Whole("--records", options.records);
  if (!records.ok()) return records.status();
  const absl::StatusOr<int64_t> increment = Whole("--increment", options.increment);
  if (!increment.ok()) return increment.status();
  v1::LogLoadRequest request;
  request.set_request_id(NewRequestId());
  request.set_type(options.type);
  request.set_datasource(options.datasource);
  request.set_execution(options.execution);
  request.set_records(*records);
  request.set_increment(*increment);
  if (absl::Status s = SetReporter(invocation, options.job, &request); !s.ok()) return s;
  v1::LogLoadResponse response;
  Client& client = invocation.client();
  const absl::Status status = client.Call([&](grpc::ClientContext* context) {
    return client.monitor().LogLoad(context, request, &response);
  });
  if (!status.ok()) return status;
  if (invocation.json()) invocation.PrintJson(ToJson(response.load()));
  return kExitOk;
}

absl::StatusOr<int> ListIncrements(Invocation& invocation, const std::string& job) {
  v1::ListIncrementsRequest request;
  request.set_job(job);
  Records records(invocation, {"JOB", "TYPE", "DATASOURCE", "INCREMENT", "LOGGED"});
  Client& client = invocation.client();
  PageLoop pages;
  const absl::Status status = pages.Run<v1::ListIncrementsRequest, v1::ListIncrementsResponse>(
      client, request,
      [&](auto* context, const auto& page, auto* response) {
        return client.monitor().ListIncrements(context, page, response);
      },
      [&](const v1::ListIncrementsResponse& response) {
        for (const v1::Increment& each : response.increments()) {
          records.Add(each, {each.job(), each.type(), each.datasource(), StrCat(each.increment()),
                             records.When(each.has_at(), each.at())});
        }
        return response.increments_size();
      });
  if (!status.ok()) return status;
  records.Print();
  return kExitOk;
}

absl::StatusOr<int> ListLoads(Invocation& invocation, const ListOptions& options) {
  v1::ListLoadsRequest request;
  if (absl::Status s = SetRange(invocation, options, &request); !s.ok()) return s;
  request.set_datasource(options.datasource);
  v1::ListLoadsResponse response;
  Client& client = invocation.client();
  const absl::Status status = client.Call([&](grpc::ClientContext* context) {
    return client.monitor().ListLoads(context, request, &response);
  });
  if (!status.ok()) return status;
  Records records(invocation,
                  {"LOGGED", "JOB", "TYPE", "DATASOURCE", "RECORDS", "INCREMENT", "EXECUTION"});
  for (const v1::Load& each : response.loads()) {
    records.Add(each,
                {records.When(each.has_at(), each.at()), each.job(), each.type(), each.datasource(),
                 StrCat(each.records()), StrCat(each.increment()), each.execution()});
  }
  records.Print();
  return kExitOk;
}

absl::StatusOr<int> LogModel(Invocation& invocation, const v1::LogModelRequest& options) {
  v1::LogModelRequest request = options;
  request.set_request_id(NewRequestId());
  if (absl::Status s = SetReporter(invocation, options.job(), &request); !s.ok()) return s;
  v1::LogModelResponse response;
  Client& client = invocation.client();
  const absl::Status status = client.Call([&](grpc::ClientContext* context) {
    return client.monitor().LogModel(context, request, &response);
  });
  if (!status.ok()) return status;
  return kExitOk;
}

Command ExecutionCommand(const std::string& noun, const std::string& verb,
                         const std::string& summary, v1::ExecutionState state) {
  const bool start = state == v1::EXECUTION_STATE_START;
  Command command{StrCat(noun, " ", verb), start ? "NAME" : "NAME [--id ID]", summary};
  command.examples = start ? StrCat("id=$(closewrite ", noun, " start nightly-load)\n")
                           : StrCat("closewrite ", noun, " ", verb, " nightly-load --id \"$id\"\n");
  command.declare = [start, state](CLI::App& app) -> Action {
    auto options = std::make_shared<ExecutionOptions>();
    options->state = state;
    app.add_option("NAME", options->job, "The script's name in charts and lists")->required();
    if (!start) {
      app.add_option("--id", options->id, "Which one; needed when several of NAME are open");
    }
    return [options, start](Invocation& invocation) {
      return start ? StartExecution(invocation, *options) : EndExecution(invocation, *options);
    };
  };
  return command;
}

void DeclareRange(CLI::App& app, ListOptions* options) {
  app.add_option("--since", options->since, "Only since then: 7d, 2026-11-26 or RFC 3339")
      ->capture_default_str();
  app.add_option("-n,--limit", options->limit, "At most this many, 10000 at most")
      ->capture_default_str();
}

Command ExecutionListCommand() {
  Command command{"execution list", "[NAME] [--since TIME] [--limit N]",
                  "List executions, newest first: attempts, and what scripts have reported."};
  command.csv = true;
  command.examples = "closewrite execution list nightly-load --since 30d -o csv\n";
  command.declare = [](CLI::App& app) -> Action {
    auto options = std::make_shared<ListOptions>();
    app.add_option("NAME", options->job, "Only of this script, pipeline or task");
    DeclareRange(app, options.get());
    return [options](Invocation& invocation) { return ListExecutions(invocation, *options); };
  };
  return command;
}

void DeclareIncrement(CLI::App& app, IncrementOptions* options) {
  app.add_option("DATASOURCE", options->datasource, "What is loaded, such as a table")->required();
  app.add_option("--job", options->job,
                 "Name of the script; by default the pipeline or task whose command this is");
  app.add_option("--type", options->type, "Kind of work")->capture_default_str();
}

Command IncrementReadCommand() {
  Command command{"increment read", "DATASOURCE [--default N] [--job J] [--type T]",
                  "Print the high-water mark of a data source: how far it was loaded."};
  command.examples = "from=$(closewrite increment read sales --default 0)\n";
  command.declare = [](CLI::App& app) -> Action {
    auto options = std::make_shared<IncrementOptions>();
    DeclareIncrement(app, options.get());
    app.add_option("--default", options->fallback, "What is printed when nothing was loaded yet");
    return [options](Invocation& invocation) { return ReadIncrement(invocation, *options); };
  };
  return command;
}

Command IncrementLogCommand() {
  Command command{"increment log",
                  "DATASOURCE --records N --increment N [--job J] [--type T] [--execution ID]",
                  "Report a load, and raise the mark. A mark that does not rise is refused, unless "
                  "no records were loaded."};
  command.examples = "closewrite increment log sales --records 1000 --increment 100001\n";
  command.declare = [](CLI::App& app) -> Action {
    auto options = std::make_shared<IncrementOptions>();
    DeclareIncrement(app, options.get());
    app.add_option("--records", options->records, "How many were loaded")->required();
    app.add_option("--increment", options->increment, "The highest mark among them")->required();
    app.add_option("--execution", options->execution,
                   "Which it belongs to; by default the open one of the job");
    return [options](Invocation& invocation) { return LogIncrement(invocation, *options); };
  };
  return command;
}

Command IncrementListCommand() {
  Command command{"increment list", "[--job J]", "List all marks."};
  command.csv = true;
  command.declare = [](CLI::App& app) -> Action {
    auto job = std::make_shared<std::string>();
    app.add_option("--job", *job, "Only of this script, pipeline or task");
    return [job](Invocation& invocation) { return ListIncrements(invocation, *job); };
  };
  return command;
}

Command IncrementHistoryCommand() {
  Command command{"increment history", "[DATASOURCE] [--job J] [--since TIME] [--limit N]",
                  "List loads, newest first."};
  command.csv = true;
  command.declare = [](CLI::App& app) -> Action {
    auto options = std::make_shared<ListOptions>();
    app.add_option("DATASOURCE", options->datasource, "Only of this data source");
    app.add_option("--job", options->job, "Only of this script, pipeline or task");
    DeclareRange(app, options.get());
    return [options](Invocation& invocation) { return ListLoads(invocation, *options); };
  };
  return command;
}

Command ModelLogCommand() {
  Command command{"model log",
                  "--dataset D --target T --test true|false --algorithm A --metric M --records N "
                  "--value X [--group G] [--job J] [--execution ID]",
                  "Report to InfluxDB how well a model does."};
  command.examples =
      "closewrite model log --dataset sessions --target conversion --test true \\\n"
      "  --algorithm glm --metric mape --records 5000 --value 0.12\n";
  command.declare = [](CLI::App& app) -> Action {
    auto request = std::make_shared<v1::LogModelRequest>();
    const auto tag = [&](const char* name, std::string* value, const char* help) {
      app.add_option(name, *value, help)->required();
    };
    tag("--dataset", request->mutable_dataset(), "What it was made of");
    tag("--target", request->mutable_target(), "What it explains");
    tag("--test", request->mutable_test(), "Whether it was measured on test data");
    tag("--algorithm", request->mutable_algorithm(), "The method");
    tag("--metric", request->mutable_metric(), "What was measured, such as mape");
    app.add_option("--group", *request->mutable_group(), "The segment of the data");
    app.add_option("--job", *request->mutable_job(), "As in `increment log`");
    app.add_option("--execution", *request->mutable_execution(), "As in `increment log`");
    auto numbers = std::make_shared<std::pair<int64_t, double>>();
    app.add_option("--records", numbers->first, "Size of the sample")->required();
    app.add_option("--value", numbers->second, "The measured value")->required();
    return [request, numbers](Invocation& invocation) {
      request->set_records(numbers->first);
      request->set_value(numbers->second);
      return LogModel(invocation, *request);
    };
  };
  return command;
}

}  // namespace

std::vector<Command> MonitorCommands() {
  std::vector<Command> commands;
  for (const std::string noun : {"execution", "job-log"}) {
    const std::string same = noun == "execution" ? "" : "The same as `execution`: ";
    commands.push_back(
        ExecutionCommand(noun, "start",
                         same + "Report that a script begins which Closewrite does not run; "
                                "prints the execution's id.",
                         v1::EXECUTION_STATE_START));
    commands.push_back(ExecutionCommand(noun, "end", same + "Report that it ended well.",
                                        v1::EXECUTION_STATE_END));
    commands.push_back(ExecutionCommand(noun, "error", same + "Report that it failed.",
                                        v1::EXECUTION_STATE_ERROR));
    if (noun == "execution") commands.push_back(ExecutionListCommand());
  }
  for (const Command& command :
       {IncrementReadCommand(), IncrementLogCommand(), IncrementListCommand(),
        IncrementHistoryCommand(), IncrementImportCommand(), ModelLogCommand(), ReportCommand()}) {
    commands.push_back(command);
  }
  return commands;
}

}  // namespace closewrite::cli

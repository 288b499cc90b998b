#include "services/cli/pipeline_commands.h"

#include <memory>
#include <string>
#include <utility>

#include "absl/strings/str_join.h"
#include "services/cli/file_argument.h"
#include "services/cli/yaml_argument.h"
#include "services/log/str_cat.h"

namespace closewrite::cli {
namespace {

struct ApplyOptions {
  std::string file;
  bool dry_run = false;
};

struct TestOptions {
  std::string file;
  std::vector<std::string> paths;
};

struct DeleteOptions {
  std::string name;
  bool cancel_jobs = false;
};

absl::StatusOr<v1::PipelineFile> ReadPipelines(Invocation& invocation, const std::string& file) {
  v1::PipelineFile pipelines;
  if (absl::Status s = ReadYamlArgument(invocation, file, &pipelines); !s.ok()) return s;
  if (pipelines.pipelines().empty()) {
    return UsageError(StrCat(file, " defines no pipelines; it wants a list under `pipelines:`"));
  }
  return pipelines;
}

absl::StatusOr<int> Apply(Invocation& invocation, const ApplyOptions& options) {
  const auto file = ReadPipelines(invocation, options.file);
  if (!file.ok()) return file.status();
  v1::ApplyPipelinesRequest request;
  request.set_request_id(NewRequestId());
  *request.mutable_pipelines() = file->pipelines();
  request.set_dry_run(options.dry_run);
  v1::ApplyPipelinesResponse response;
  Client& client = invocation.client();
  const absl::Status status = client.Call([&](grpc::ClientContext* context) {
    return client.pipelines().ApplyPipelines(context, request, &response);
  });
  if (!status.ok()) return status;
  for (int i = 0; i < response.pipelines_size() && i < response.effects_size(); ++i) {
    const std::string effect = EnumName(*v1::ApplyEffect_descriptor(), response.effects(i));
    const v1::PipelineStatus& pipeline = response.pipelines(i);
    if (invocation.json()) {
      invocation.PrintJson(
          {{"effect", effect}, {"dry_run", options.dry_run}, {"pipeline", ToJson(pipeline)}});
    } else {
      invocation.out() << pipeline.pipeline().name() << " " << effect
                       << (options.dry_run ? " (dry run)" : "") << "\n";
    }
  }
  invocation.Warn(response.warnings());
  return kExitOk;
}

void PrintPipelines(Invocation& invocation, const std::vector<v1::PipelineStatus>& pipelines) {
  std::vector<Column> columns = {{"NAME"}, {"VERSION", true}, {"JOBS", true}, {"APPLIED"},
                                 {"FROM"}, {"MATCH"},         {"WHEN"},       {"TO"}};
  if (invocation.wide()) {
    for (const char* heading : {"PRIORITY", "LABELS", "LOCKS", "ATTEMPTS"}) {
      columns.push_back({heading});
    }
  }
  columns.push_back({"COMMAND"});
  Table table(std::move(columns));
  for (const v1::PipelineStatus& status : pipelines) {
    const v1::Pipeline& pipeline = status.pipeline();
    std::vector<Cell> cells = {{pipeline.name()},
                               {StrCat(status.version())},
                               {StrCat(status.unfinished_jobs())},
                               {invocation.When(status.has_applied_at(), status.applied_at())},
                               {pipeline.on().volume()},
                               {absl::StrJoin(pipeline.on().match(), " ")},
                               {EnumName(*v1::When_descriptor(), pipeline.on().when())},
                               {pipeline.publish().volume()}};
    if (invocation.wide()) {
      cells.emplace_back(StrCat(pipeline.priority()));
      cells.emplace_back(absl::StrJoin(pipeline.run().labels(), ","));
      cells.emplace_back(absl::StrJoin(pipeline.locks(), ","));
      cells.emplace_back(StrCat(pipeline.retry().attempts()));
    }
    cells.emplace_back(absl::StrJoin(pipeline.run().command(), " "));
    table.Add(std::move(cells));
  }
  table.Print(invocation.out(), invocation.style());
}

absl::StatusOr<int> List(Invocation& invocation) {
  std::vector<v1::PipelineStatus> pipelines;
  Client& client = invocation.client();
  PageLoop pages;
  const absl::Status status = pages.Run<v1::ListPipelinesRequest, v1::ListPipelinesResponse>(
      client, {},
      [&](auto* context, const auto& request, auto* response) {
        return client.pipelines().ListPipelines(context, request, response);
      },
      [&](const v1::ListPipelinesResponse& response) {
        pipelines.insert(pipelines.end(), response.pipelines().begin(), response.pipelines().end());
        return response.pipelines_size();
      });
  if (!status.ok()) return status;
  if (invocation.json()) {
    for (const auto& pipeline : pipelines) invocation.PrintJson(ToJson(pipeline));
  } else {
    PrintPipelines(invocation, pipelines);
  }
  return kExitOk;
}

absl::StatusOr<int> Delete(Invocation& invocation, const DeleteOptions& options) {
  v1::DeletePipelineRequest request;
  request.set_request_id(NewRequestId());
  request.set_name(options.name);
  request.set_cancel_jobs(options.cancel_jobs);
  v1::DeletePipelineResponse response;
  Client& client = invocation.client();
  const absl::Status status = client.Call([&](grpc::ClientContext* context) {
    return client.pipelines().DeletePipeline(context, request, &response);
  });
  if (!status.ok()) return status;
  if (invocation.json()) {
    invocation.PrintJson({{"name", options.name},
                          {"effect", "deleted"},
                          {"cancelled_jobs", response.cancelled_jobs()}});
    return kExitOk;
  }
  invocation.out() << options.name << " deleted";
  if (response.cancelled_jobs() > 0) {
    invocation.out() << ", " << response.cancelled_jobs() << " jobs cancelled";
  }
  invocation.out() << "\n";
  return kExitOk;
}

absl::StatusOr<int> Test(Invocation& invocation, const TestOptions& options) {
  v1::TestPipelinesRequest request;
  if (!options.file.empty()) {
    const auto file = ReadPipelines(invocation, options.file);
    if (!file.ok()) return file.status();
    *request.mutable_pipelines() = file->pipelines();
  }
  FileArguments arguments(&invocation);
  for (const std::string& path : options.paths) {
    auto file = arguments.Map(path);
    if (!file.ok()) return file.status();
    *request.add_files() = *std::move(file);
  }
  v1::TestPipelinesResponse response;
  Client& client = invocation.client();
  const absl::Status status = client.Call([&](grpc::ClientContext* context) {
    return client.pipelines().TestPipelines(context, request, &response);
  });
  if (!status.ok()) return status;
  Table table({{"FILE"}, {"PIPELINE"}, {"TAKES"}, {.heading = "WHY", .wraps = true}});
  for (const v1::PipelineVerdict& verdict : response.verdicts()) {
    if (invocation.json()) {
      invocation.PrintJson(ToJson(verdict));
      continue;
    }
    table.Add({{VolumePathText(verdict.file().volume(), verdict.file().path())},
               {verdict.pipeline()},
               verdict.matches() ? Cell("yes", Color::kGreen) : Cell("no", Color::kYellow),
               {verdict.message()}});
  }
  if (!invocation.json()) table.Print(invocation.out(), invocation.style());
  invocation.Warn(response.warnings());
  if (response.verdicts().empty()) {
    invocation.Note("there are no pipelines; `closewrite pipeline apply -f FILE` makes some");
  }
  return kExitOk;
}

Command ApplyCommand() {
  Command command{"pipeline apply", "-f FILE [--dry-run]",
                  "Create pipelines, or replace those of the same name; all or none."};
  command.examples = "closewrite pipeline apply -f pipelines.yaml --dry-run\n";
  command.declare = [](CLI::App& app) -> Action {
    auto options = std::make_shared<ApplyOptions>();
    app.add_option("-f,--file", options->file, "YAML file; - is stdin")->required();
    app.add_flag("--dry-run", options->dry_run, "Check only, and say what would change");
    return [options](Invocation& invocation) { return Apply(invocation, *options); };
  };
  return command;
}

Command DeleteCommand() {
  Command command{"pipeline delete", "NAME [--cancel-jobs]", "Delete a pipeline."};
  command.declare = [](CLI::App& app) -> Action {
    auto options = std::make_shared<DeleteOptions>();
    app.add_option("NAME", options->name, "Name of the pipeline")->required();
    app.add_flag("--cancel-jobs", options->cancel_jobs, "Cancel its unfinished jobs");
    return [options](Invocation& invocation) { return Delete(invocation, *options); };
  };
  return command;
}

Command TestCommand() {
  Command command{"pipeline test", "[-f FILE] PATH...",
                  "Say which pipelines would take files, which need not exist."};
  command.examples = "closewrite pipeline test -f pipelines.yaml unenriched:2026/a.csv\n";
  command.declare = [](CLI::App& app) -> Action {
    auto options = std::make_shared<TestOptions>();
    app.add_option("PATH", options->paths, "volume:relative/path, or a path on this host")
        ->required();
    app.add_option("-f,--file", options->file,
                   "YAML file to try in place of what is applied; - is stdin");
    return [options](Invocation& invocation) { return Test(invocation, *options); };
  };
  return command;
}

}  // namespace

std::vector<Command> PipelineCommands() {
  Command list{"pipeline list", "", "List pipelines."};
  list.declare = [](CLI::App&) -> Action { return List; };
  return {ApplyCommand(), list, DeleteCommand(), TestCommand()};
}

}  // namespace closewrite::cli

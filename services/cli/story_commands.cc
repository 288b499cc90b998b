#include "services/cli/story_commands.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/numbers.h"
#include "services/cli/file_argument.h"
#include "services/cli/job_output.h"
#include "services/cli/log_print.h"
#include "services/cli/time_text.h"
#include "services/log/str_cat.h"

namespace closewrite::cli {
namespace {

// ECMA-48, SGR: what Paint adds ends it.
constexpr std::string_view kBold = "\x1b[1m";

struct LogsOptions {
  int64_t job_id = 0;
  std::optional<int64_t> attempt;
  LogFlags flags;
};

// The token of the attempt that the user has named: by its token, or by its number, or by its token
// where it has no number.
absl::StatusOr<int64_t> FindToken(Invocation& invocation, const LogsOptions& options) {
  const int64_t job_id = options.job_id;
  const int64_t attempt = options.attempt.value_or(0);
  const int64_t token = options.flags.token.value_or(attempt);
  v1::GetJobRequest request;
  request.set_job_id(job_id);
  v1::GetJobResponse response;
  Client& client = invocation.client();
  const absl::Status status = client.Call([&](grpc::ClientContext* context) {
    return client.jobs().GetJob(context, request, &response);
  });
  if (!status.ok()) return status;
  std::string known;
  for (const v1::Attempt& each : response.attempts()) {
    if (each.number() == attempt && attempt > 0) return each.token();
    StrAppend(&known, known.empty() ? "" : ", ", each.number(), " (token ", each.token(), ")");
  }
  for (const v1::Attempt& each : response.attempts()) {
    if (each.token() == token) return token;
  }
  return absl::NotFoundError(StrCat(
      "job ", job_id, options.flags.token.has_value() ? " has no token " : " has no attempt ",
      token, "; it has ", known.empty() ? "none yet" : known));
}

absl::StatusOr<int> Logs(Invocation& invocation, const LogsOptions& options) {
  absl::StatusOr<LogOptions> log = MakeLogOptions(invocation, options.flags);
  if (!log.ok()) return log.status();
  log->job_id = options.job_id;
  if (options.attempt.has_value() || options.flags.token.has_value()) {
    const auto token = FindToken(invocation, options);
    if (!token.ok()) return token.status();
    log->token = *token;
  }
  const absl::Status status = PrintLog(invocation, *log, options.flags.timestamps);
  if (options.flags.follow && absl::IsDeadlineExceeded(status)) {
    invocation.Note(StrCat("job ", options.job_id, " goes on; its log was followed for ",
                           invocation.options().timeout));
    return kExitTimedOut;
  }
  if (!status.ok()) return status;
  return kExitOk;
}

// How the verdict should make one feel: by the newest job, if there is one.
Color VerdictColor(const v1::ExplainResponse& story) {
  const v1::Job* newest = nullptr;
  for (const v1::GetJobResponse& each : story.jobs()) {
    if (newest == nullptr || each.job().id() > newest->id()) newest = &each.job();
  }
  if (newest == nullptr) return Color::kYellow;
  if (newest->state() == v1::JOB_STATE_FAILED) return Color::kRed;
  return newest->state() == v1::JOB_STATE_SUCCEEDED ? Color::kGreen : Color::kYellow;
}

// What it comes down to and what can be done, then what happened.
void PrintStory(Invocation& invocation, const v1::ExplainResponse& story) {
  bool verdict = false;
  for (const v1::StoryLine& line : story.lines()) {
    const std::string text = Printable(line.text());
    if (line.topic() == "ADVICE") {
      invocation.out() << "  -> " << text << "\n";
    } else if (line.topic() == "VERDICT" && invocation.style().color) {
      invocation.out() << kBold << Paint(text, VerdictColor(story)) << "\n";
    } else if (line.topic() == "VERDICT") {
      invocation.out() << text << "\n";
    }
    verdict = verdict || line.topic() == "VERDICT" || line.topic() == "ADVICE";
  }
  if (verdict) invocation.out() << "\n";
  // A story is read by comparing times, so they stay exact on a terminal too.
  const size_t time_width = Rfc3339(absl::UnixEpoch()).size();
  for (const v1::StoryLine& line : story.lines()) {
    if (line.topic() == "VERDICT" || line.topic() == "ADVICE") continue;
    // What a command said has no times of its own; it stands below its attempt.
    const std::string no_time = line.topic() == "LOG" ? "" : "now";
    const std::string time = line.has_at() ? Rfc3339(ToTime(line.at())) : no_time;
    invocation.out() << time << std::string(time_width - std::min(time_width, time.size()) + 2, ' ')
                     << Printable(line.text()) << "\n";
  }
}

absl::StatusOr<int> Explain(Invocation& invocation, const std::string& what) {
  v1::ExplainRequest request;
  int64_t job_id = 0;
  if (absl::SimpleAtoi(what, &job_id)) {
    request.set_job_id(job_id);
  } else {
    auto file = FileArguments(&invocation).Map(what);
    if (!file.ok()) return file.status();
    *request.mutable_file() = *std::move(file);
  }
  v1::ExplainResponse response;
  Client& client = invocation.client();
  const absl::Status status = client.Call([&](grpc::ClientContext* context) {
    return client.jobs().Explain(context, request, &response);
  });
  if (!status.ok()) return status;
  if (invocation.json()) {
    invocation.PrintJson(ToJson(response));
    return kExitOk;
  }
  PrintStory(invocation, response);
  return kExitOk;
}

Command LogsCommand() {
  Command command{"logs",
                  "[-f] JOB [--attempt N|--token N] [--tail N] [--stdout|--stderr] [--timestamps]",
                  "Print the log of a job's newest attempt."};
  command.examples =
      "closewrite logs -f 41 --tail 50\n"
      "closewrite logs 41 --attempt 1 --stderr      # of the run that broke\n"
      "closewrite logs 41 -o json                   # a line of JSON for each line of the log\n";
  command.declare = [](CLI::App& app) -> Action {
    auto options = std::make_shared<LogsOptions>();
    app.add_option("JOB", options->job_id, "Number of the job")->required();
    CLI::Option* attempt = app.add_option("--attempt", options->attempt,
                                          "Number of the attempt; see `closewrite job`");
    DeclareLogFlags(app, "Go on until the job is finished, through later attempts",
                    "Its token, which those have as well that were lost and have no number",
                    &options->flags);
    app.get_option("--token")->excludes(attempt);
    return [options](Invocation& invocation) { return Logs(invocation, *options); };
  };
  return command;
}

Command ExplainCommand() {
  Command command{"explain", "FILE|JOB", "Tell the whole story of a file or a job."};
  command.examples =
      "closewrite explain 41\n"
      "closewrite explain /srv/unenriched/a.csv\n"
      "closewrite explain ./41        # a file whose name is a number\n";
  command.declare = [](CLI::App& app) -> Action {
    auto what = std::make_shared<std::string>();
    app.add_option("WHAT", *what, "Number of a job, volume:path, or a path on this host")
        ->required();
    return [what](Invocation& invocation) { return Explain(invocation, *what); };
  };
  return command;
}

}  // namespace

std::vector<Command> StoryCommands() { return {LogsCommand(), ExplainCommand()}; }

}  // namespace closewrite::cli

#include "services/cli/report_command.h"

#include <algorithm>
#include <memory>
#include <string>
#include <utility>

#include "services/cli/fleet_calls.h"
#include "services/cli/job_filter.h"
#include "services/cli/json.h"
#include "services/cli/new_file.h"
#include "services/cli/report_page.h"
#include "services/cli/time_text.h"
#include "services/config/duration.h"
#include "services/log/str_cat.h"
#include "services/version/version.h"

namespace closewrite::cli {
namespace {

// A coordinator looks at millions of jobs for it.
constexpr absl::Duration kPatience = absl::Minutes(10);

struct ReportOptions {
  std::string file = "-";
  bool force = false;
  std::string since;
  std::string until;
  std::string bucket;
};

absl::StatusOr<v1::GetReportRequest> RequestOf(const ReportOptions& options, absl::Time now) {
  v1::GetReportRequest request;
  if (!options.since.empty()) {
    const auto since = ParseTimeOption("--since", options.since, now, absl::LocalTimeZone());
    if (!since.ok()) return since.status();
    *request.mutable_since() = ToProto(*since);
  }
  if (!options.until.empty()) {
    const auto until = ParseTimeOption("--until", options.until, now, absl::LocalTimeZone());
    if (!until.ok()) return until.status();
    *request.mutable_until() = ToProto(*until);
  }
  if (!options.bucket.empty()) {
    const auto bucket = ParseDuration(options.bucket);
    if (!bucket.ok()) return UsageError(StrCat("--bucket: ", bucket.status().message()));
    *request.mutable_bucket() = ToProto(*bucket);
  }
  return request;
}

absl::Status AskReport(Invocation& invocation, const v1::GetReportRequest& request,
                       v1::GetReportResponse* response) {
  Client& client = invocation.client();
  const absl::Time until = std::min(invocation.deadline(), invocation.now() + kPatience);
  return client.CallUntil(until, [&](grpc::ClientContext* context) {
    return client.monitor().GetReport(context, request, response);
  });
}

absl::StatusOr<std::string> PageOf(Invocation& invocation, v1::GetReportResponse report) {
  ReportPage page;
  page.coordinator = invocation.coordinator();
  page.version = std::string(kVersion);
  page.report = std::move(report);
  Client& client = invocation.client();
  absl::Status status = client.Call([&](grpc::ClientContext* context) {
    return client.fleet().GetOverview(context, {}, &page.overview);
  });
  if (status.ok()) status = ListExecutors(invocation, &page.executors);
  if (!status.ok()) return status;
  return DrawReportPage(page);
}

absl::StatusOr<int> MakeReport(Invocation& invocation, const ReportOptions& options) {
  const Format format = invocation.format(Format::kHtml);
  if (format != Format::kHtml && format != Format::kJson) {
    return UsageError("report: use -o html or -o json");
  }
  const bool to_stdout = options.file == "-";
  if (to_stdout && invocation.console().out_terminal && !invocation.format_given()) {
    return UsageError("a report is a page for a browser: name a file, such as report.html");
  }
  const auto request = RequestOf(options, invocation.now());
  if (!request.ok()) return request.status();
  std::unique_ptr<NewFile> file;
  if (!to_stdout) {
    // A web server may be to show it.
    auto made = NewFile::Make(options.file, options.force, Readers::kAll);
    if (!made.ok()) return made.status();
    file = *std::move(made);
  }
  v1::GetReportResponse report;
  if (absl::Status s = AskReport(invocation, *request, &report); !s.ok()) return s;
  absl::StatusOr<std::string> text =
      format == Format::kJson ? JsonLine(ToJson(report)) : PageOf(invocation, report);
  if (!text.ok()) return text.status();
  if (to_stdout) {
    invocation.out() << *text << std::flush;
    return kExitOk;
  }
  if (absl::Status s = file->Write(*text); !s.ok()) return s;
  if (absl::Status s = file->Publish(); !s.ok()) return s;
  invocation.Note(StrCat(options.file, " has the report of ", Rfc3339(ToTime(report.since())),
                         " to ", Rfc3339(ToTime(report.until()))));
  return kExitOk;
}

}  // namespace

Command ReportCommand() {
  Command command{"report", "[FILE] [--since TIME] [--until TIME] [--bucket TIME] [--force]",
                  "Write a page about a period: throughput, durations, failures, increments. It "
                  "is one HTML file without scripts that opens anywhere."};
  command.html = true;
  command.examples =
      "closewrite report /srv/www/closewrite.html --force      # from a cron job\n"
      "closewrite report november.html --since 2026-11-01 --until 2026-12-01 --bucket 1d\n"
      "closewrite report -o json --since 24h | jq '.pipelines[] | {name, failed: .jobs.failed}'\n";
  command.declare = [](CLI::App& app) -> Action {
    auto options = std::make_shared<ReportOptions>();
    app.add_option("FILE", options->file, "Where to; - is stdout")->capture_default_str();
    app.add_option("--since", options->since,
                   "From then on: 7d, 2026-11-26 or RFC 3339; 7 days before its end by default");
    app.add_option("--until", options->until, "Up to then; now by default");
    app.add_option("--bucket", options->bucket,
                   "Width of its bars, such as 1h; chosen by the period's length by default");
    app.add_flag("--force", options->force, "Replace FILE if it exists");
    return [options](Invocation& invocation) { return MakeReport(invocation, *options); };
  };
  return command;
}

}  // namespace closewrite::cli

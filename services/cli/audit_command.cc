#include "services/cli/audit_command.h"

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "services/cli/job_filter.h"
#include "services/config/duration.h"
#include "services/log/str_cat.h"

namespace closewrite::cli {
namespace {

struct AuditOptions {
  std::string since;
  std::string until;
  std::string name;
  std::string method;
  int64_t limit = 100;
};

absl::StatusOr<v1::ListAuditEntriesRequest> RequestOf(const AuditOptions& options, absl::Time now) {
  if (options.limit < 0) return UsageError("--limit: use 0 for no limit, or a positive number");
  v1::ListAuditEntriesRequest request;
  request.set_name(options.name);
  request.set_method(options.method);
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
  return request;
}

// `operator alice`; `portal: bob` for who signed in there; `anybody 10.0.0.3:5555` without a name.
std::string Who(const v1::AuditEntry& entry) {
  if (!entry.user().empty()) return StrCat(entry.role(), ": ", entry.user());
  return StrCat(entry.role(), " ", entry.name().empty() ? entry.peer() : entry.name());
}

std::vector<Column> AuditColumns(bool wide) {
  std::vector<Column> columns = {{"AT"}, {"WHO"}, {"CALL"}};
  if (wide) {
    columns.push_back({"REQUEST ID"});
    columns.push_back({"PEER"});
  }
  columns.push_back({"SUBJECT"});
  return columns;
}

void AddRow(const Invocation& invocation, const v1::AuditEntry& entry, Table* table) {
  std::vector<Cell> cells = {
      {invocation.When(entry.has_at(), entry.at())}, {Who(entry)}, {entry.method()}};
  if (invocation.wide()) {
    cells.emplace_back(entry.request_id());
    cells.emplace_back(entry.peer());
  }
  cells.emplace_back(entry.subject());
  table->Add(std::move(cells));
}

absl::StatusOr<int> ListAudit(Invocation& invocation, const AuditOptions& options) {
  const auto request = RequestOf(options, invocation.now());
  if (!request.ok()) return request.status();
  Table table(AuditColumns(invocation.wide()));
  Client& client = invocation.client();
  PageLoop pages{.limit = options.limit};
  int64_t listed = 0;
  const absl::Status status = pages.Run<v1::ListAuditEntriesRequest, v1::ListAuditEntriesResponse>(
      client, *request,
      [&](auto* context, const auto& page, auto* response) {
        return client.audit().ListAuditEntries(context, page, response);
      },
      [&](const v1::ListAuditEntriesResponse& response) {
        for (const v1::AuditEntry& entry : response.entries()) {
          if (invocation.json()) {
            invocation.PrintJson(ToJson(entry));
          } else {
            AddRow(invocation, entry, &table);
          }
        }
        listed += response.entries_size();
        return response.entries_size();
      });
  if (!status.ok()) return status;
  if (!invocation.json()) table.Print(invocation.out(), invocation.style());
  if (pages.more) {
    invocation.Note(
        StrCat("there are older ones; --limit ", 2 * options.limit, " lists more, --limit 0 all"));
  }
  if (listed == 0) invocation.Note("nothing was changed");
  return kExitOk;
}

}  // namespace

Command AuditCommand() {
  Command command{"audit", "[--since TIME] [--until TIME] [--name N] [--method M] [--limit N]",
                  "List who changed what, newest first."};
  command.examples =
      "closewrite audit --since 7d --name alice\n"
      "closewrite audit --method CancelJobs -o wide\n"
      "closewrite audit --limit 0 -o json > audit.jsonl\n";
  command.declare = [](CLI::App& app) -> Action {
    auto options = std::make_shared<AuditOptions>();
    app.add_option("--since", options->since, "Only from then on: 7d, 2026-11-26 or RFC 3339");
    app.add_option("--until", options->until, "Only before then");
    app.add_option("--name", options->name, "Only of this name, or of this user of the portal");
    app.add_option("--method", options->method,
                   "Only of this call, such as CancelJobs or JobService.CancelJobs");
    app.add_option("-n,--limit", options->limit, "At most this many; 0: all")
        ->capture_default_str();
    return [options](Invocation& invocation) { return ListAudit(invocation, *options); };
  };
  return command;
}

}  // namespace closewrite::cli

#include "services/cli/fleet_commands.h"

#include <algorithm>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>

#include "absl/strings/str_join.h"
#include "services/cli/backup_command.h"
#include "services/cli/doctor_command.h"
#include "services/cli/fleet_calls.h"
#include "services/cli/fleet_cells.h"
#include "services/cli/time_text.h"
#include "services/cli/top_command.h"
#include "services/log/str_cat.h"
#include "services/version/version.h"

namespace closewrite::cli {
namespace {

// `version` is asked when something is wrong; it does not make one wait for a coordinator that is
// away.
constexpr std::string_view kVersionConnectTimeout = "1s";
// How often `drain --wait` looks.
constexpr absl::Duration kDrainPoll = absl::Milliseconds(200);

// `in=/srv/in out=/srv/out`, sorted.
template <class Map>
std::string RootsText(const Map& roots) {
  const std::map<std::string, std::string> sorted(roots.begin(), roots.end());
  return absl::StrJoin(sorted, " ", absl::PairFormatter("="));
}

Table ExecutorTable(Invocation& invocation, const std::vector<v1::ExecutorStatus>& executors) {
  std::vector<Column> columns = {{"NAME"},   {"HOST"}, {"STATE"},  {"BUSY"},
                                 {"LABELS"}, {"SEEN"}, {"VOLUMES"}};
  if (invocation.wide()) {
    for (const char* heading : {"VERSION", "ADDRESS", "SESSION", "EXPIRES"}) {
      columns.push_back({heading});
    }
  }
  Table table(std::move(columns));
  for (const v1::ExecutorStatus& executor : executors) {
    std::vector<Cell> cells = {
        {executor.name()},
        {executor.host()},
        PresenceCell(executor.connected(), executor.draining()),
        {StrCat(executor.leases(), "/", executor.slots())},
        {absl::StrJoin(executor.labels(), ",")},
        {invocation.When(executor.has_heartbeat_at(), executor.heartbeat_at())},
        {RootsText(executor.volume_roots())}};
    if (invocation.wide()) {
      cells.emplace_back(executor.version());
      cells.emplace_back(executor.address());
      cells.emplace_back(executor.session_id());
      cells.emplace_back(executor.has_expires_at() ? Rfc3339(ToTime(executor.expires_at())) : "");
    }
    table.Add(std::move(cells));
  }
  return table;
}

absl::StatusOr<int> Executors(Invocation& invocation) {
  std::vector<v1::ExecutorStatus> executors;
  if (absl::Status s = ListExecutors(invocation, &executors); !s.ok()) return s;
  if (invocation.json()) {
    for (const auto& executor : executors) invocation.PrintJson(ToJson(executor));
    return kExitOk;
  }
  ExecutorTable(invocation, executors).Print(invocation.out(), invocation.style());
  return kExitOk;
}

// Until none of them has a session.
absl::Status AwaitEnds(Invocation& invocation, const v1::DrainExecutorsResponse& told) {
  std::set<std::string> left;
  for (const v1::ExecutorStatus& executor : told.executors()) left.insert(executor.session_id());
  while (!left.empty()) {
    if (invocation.now() >= invocation.deadline()) {
      return absl::DeadlineExceededError(
          StrCat(left.size(), left.size() == 1 ? " executor still has" : " executors still have",
                 " commands; draining goes on"));
    }
    invocation.console().interrupts->Wait(kDrainPoll);
    if (invocation.console().interrupts->Pending()) return absl::CancelledError("interrupted");
    std::vector<v1::ExecutorStatus> executors;
    if (absl::Status s = ListExecutors(invocation, &executors); !s.ok()) return s;
    std::set<std::string> there;
    for (const v1::ExecutorStatus& executor : executors) {
      if (left.contains(executor.session_id())) there.insert(executor.session_id());
    }
    left = std::move(there);
  }
  return absl::OkStatus();
}

absl::StatusOr<int> Drain(Invocation& invocation, const std::vector<std::string>& names,
                          bool wait) {
  v1::DrainExecutorsRequest request;
  request.set_request_id(NewRequestId());
  for (const std::string& name : names) request.add_names(name);
  v1::DrainExecutorsResponse response;
  Client& client = invocation.client();
  absl::Status status = client.Call([&](grpc::ClientContext* context) {
    return client.fleet().DrainExecutors(context, request, &response);
  });
  if (!status.ok()) return status;
  for (const v1::ExecutorStatus& executor : response.executors()) {
    if (invocation.json()) {
      invocation.PrintJson(ToJson(executor));
    } else {
      invocation.out() << Printable(executor.name()) << " draining, " << executor.leases()
                       << " running\n";
    }
  }
  if (wait) status = AwaitEnds(invocation, response);
  if (wait && absl::IsDeadlineExceeded(status)) {
    invocation.Note(ToStd(status.message()));
    return kExitTimedOut;
  }
  if (!status.ok()) return status;
  return kExitOk;
}

// `12`, and where some are not watched `12 (3 not)`.
std::string DirectoriesText(const v1::VolumeStatus& volume) {
  std::string text = StrCat(volume.watched_directories());
  if (volume.unwatched_directories() > 0) {
    StrAppend(&text, " (", volume.unwatched_directories(), " not)");
  }
  return text;
}

// How long ago the canary's event came, and how many never did.
std::string CanaryText(Invocation& invocation, const v1::VolumeStatus& volume) {
  std::string text = invocation.When(volume.has_canary_seen_at(), volume.canary_seen_at());
  if (volume.canary_misses() > 0) {
    StrAppend(&text, text.empty() ? "" : " ", "(", volume.canary_misses(), " missed)");
  }
  return text;
}

// What is asked for only now and then.
std::vector<Cell> WideVolumeCells(Invocation& invocation, const v1::VolumeStatus& volume) {
  return {{volume.file_system()},
          {StrCat(volume.pending_files())},
          {StrCat(volume.scans())},
          {volume.has_scan_duration() ? DurationText(ToDuration(volume.scan_duration())) : ""},
          {StrCat(volume.audit_found())},
          {CanaryText(invocation, volume)}};
}

std::vector<Column> WatcherColumns(bool wide) {
  std::vector<Column> columns = {{"HOST"}, {"STATE"},      {"VOLUME"},        {"IS"},
                                 {"BY"},   {"DIRS", true}, {"WAITING", true}, {"OVERFLOWS", true},
                                 {"SEEN"}, {"ROOT"}};
  if (wide) {
    for (Column& column : std::vector<Column>{{"FS"},
                                              {"PENDING", true},
                                              {"SCANS", true},
                                              {"TOOK", true},
                                              {"AUDIT FOUND", true},
                                              {"CANARY"},
                                              {"VERSION"},
                                              {"ADDRESS"}}) {
      columns.push_back(std::move(column));
    }
  }
  columns.push_back({.heading = "WHY", .wraps = true});
  return columns;
}

// A row a volume; a watcher without any has one of its own.
Table WatcherTable(Invocation& invocation, const std::vector<v1::WatcherStatus>& watchers) {
  Table table(WatcherColumns(invocation.wide()));
  for (const v1::WatcherStatus& watcher : watchers) {
    const v1::VolumeStatus none;
    const int rows = std::max(1, watcher.volumes_size());
    for (int i = 0; i < rows; ++i) {
      const bool some = i < watcher.volumes_size();
      const v1::VolumeStatus& volume = some ? watcher.volumes(i) : none;
      std::vector<Cell> cells = {
          {watcher.host()},
          PresenceCell(watcher.connected(), false),
          {volume.volume()},
          // What it said last says nothing about now.
          watcher.connected() ? VolumeStateCell(volume.state()) : Cell(some ? "unknown" : ""),
          {EnumName(*v1::WatchBackend_descriptor(), volume.backend())},
          {some ? DirectoriesText(volume) : ""},
          {some ? StrCat(volume.unacknowledged_events()) : ""},
          {some ? StrCat(volume.overflows()) : ""},
          {invocation.When(watcher.has_heartbeat_at(), watcher.heartbeat_at())},
          {StrCat(volume.root(), volume.read_only() ? " (read-only)" : "")}};
      if (invocation.wide()) {
        for (Cell& cell :
             some ? WideVolumeCells(invocation, volume) : std::vector<Cell>(6, Cell(""))) {
          cells.push_back(std::move(cell));
        }
        cells.emplace_back(watcher.version());
        cells.emplace_back(watcher.address());
      }
      cells.emplace_back(volume.message());
      table.Add(std::move(cells));
    }
  }
  return table;
}

absl::StatusOr<int> Watchers(Invocation& invocation) {
  std::vector<v1::WatcherStatus> watchers;
  const absl::Status status = ListWatchers(invocation, &watchers);
  if (!status.ok()) return status;
  if (invocation.json()) {
    for (const auto& watcher : watchers) invocation.PrintJson(ToJson(watcher));
    return kExitOk;
  }
  WatcherTable(invocation, watchers).Print(invocation.out(), invocation.style());
  return kExitOk;
}

absl::StatusOr<int> Version(Invocation& invocation, bool client_only) {
  int code = kExitOk;
  Json json = {{"client", std::string(kVersion)}};
  if (!invocation.json()) invocation.out() << "client       " << kVersion << "\n";
  if (!client_only) {
    v1::GetVersionResponse response;
    Client& client = invocation.client();
    const absl::Status status = client.Call([&](grpc::ClientContext* context) {
      return client.fleet().GetVersion(context, {}, &response);
    });
    if (absl::IsCancelled(status)) return status;
    if (!status.ok()) {
      invocation.Note(ToStd(status.message()));
      code = ExitCode(status);
    }
    json["coordinator"] = status.ok() ? ToJson(response) : Json(nullptr);
    if (!invocation.json() && status.ok()) {
      const std::string up =
          response.has_started_at()
              ? StrCat(", up ", AgeText(invocation.now() - ToTime(response.started_at())))
              : "";
      invocation.out() << "coordinator  " << Printable(response.version()) << "  at "
                       << Printable(invocation.coordinator()) << up
                       << (response.durability().empty() ? "" : ", ")
                       << Printable(response.durability()) << "\n";
    }
  }
  if (invocation.json()) invocation.PrintJson(json);
  return code;
}

}  // namespace

std::vector<Command> FleetCommands() {
  Command executors{"executors", "", "List executors: where commands run."};
  executors.declare = [](CLI::App&) -> Action { return Executors; };
  Command watchers{"watchers", "", "List watchers and the volumes that they guard."};
  watchers.declare = [](CLI::App&) -> Action { return Watchers; };
  Command drain{"drain", "NAME|HOST... [--wait]",
                "Tell executors to take nothing more and to end when their commands have."};
  drain.examples = "closewrite drain vm-c --wait\n";
  drain.declare = [](CLI::App& app) -> Action {
    auto names = std::make_shared<std::vector<std::string>>();
    auto wait = std::make_shared<bool>(false);
    app.add_option("NAME", *names, "An executor, or a host: all executors there")->required();
    app.add_flag("--wait", *wait, "Wait until they have ended");
    return [names, wait](Invocation& invocation) { return Drain(invocation, *names, *wait); };
  };
  Command version{"version", "[--client]",
                  "Print the versions of this program and the coordinator."};
  version.connect_timeout = kVersionConnectTimeout;
  version.declare = [](CLI::App& app) -> Action {
    auto client_only = std::make_shared<bool>(false);
    app.add_flag("--client", *client_only, "Of this program alone; asks nobody");
    return [client_only](Invocation& invocation) { return Version(invocation, *client_only); };
  };
  return {executors, watchers, drain, TopCommand(), DoctorCommand(), BackupCommand(), version};
}

}  // namespace closewrite::cli

#include "services/cli/doctor_command.h"

#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/strip.h"
#include "services/cli/doctor_checks.h"
#include "services/cli/fleet_calls.h"
#include "services/config/duration.h"
#include "services/log/str_cat.h"
#include "services/version/version.h"

namespace closewrite::cli {
namespace {

// A coordinator that is away is what one wants to hear of, not to wait for.
constexpr std::string_view kDoctorConnectTimeout = "3s";
// How long the live test of a volume may take; of one that is polled it takes its turn.
constexpr absl::Duration kFlushMax = absl::Seconds(1);
constexpr absl::Duration kSlowFlushMax = absl::Seconds(10);
// How much longer its answer may take.
constexpr absl::Duration kAnswerMax = absl::Seconds(2);
// Volumes that are tested live, one after the other.
constexpr size_t kFlushedVolumesMax = 200;

absl::Status Flush(Invocation& invocation, FlushTest* test) {
  const absl::Duration most = test->slow_by_nature ? kSlowFlushMax : kFlushMax;
  v1::FlushEventsRequest request;
  request.set_volume(test->volume);
  *request.mutable_timeout() = ToProto(most);
  v1::FlushEventsResponse response;
  Client& client = invocation.client();
  const absl::Time begin = invocation.now();
  test->status = client.CallUntil(begin + most + kAnswerMax, [&](grpc::ClientContext* context) {
    return client.events().FlushEvents(context, request, &response);
  });
  test->took = invocation.now() - begin;
  return absl::IsCancelled(test->status) ? test->status : absl::OkStatus();
}

absl::Status FlushAll(Invocation& invocation, FleetFacts* facts) {
  for (const v1::WatcherStatus& watcher : facts->watchers) {
    if (!watcher.connected()) continue;
    for (const v1::VolumeStatus& volume : watcher.volumes()) {
      if (volume.state() == v1::VOLUME_STATE_LOST) continue;
      if (facts->flushes.size() == kFlushedVolumesMax) {
        invocation.Note(StrCat("only the first ", kFlushedVolumesMax, " volumes are tested live"));
        return absl::OkStatus();
      }
      FlushTest& test = facts->flushes.emplace_back();
      test.host = watcher.host();
      test.volume = volume.volume();
      test.slow_by_nature =
          volume.backend() == v1::WATCH_BACKEND_POLL || volume.state() == v1::VOLUME_STATE_SCANNING;
      if (absl::Status s = Flush(invocation, &test); !s.ok()) return s;
    }
  }
  return absl::OkStatus();
}

absl::Status Collect(Invocation& invocation, FleetFacts* facts) {
  Client& client = invocation.client();
  absl::Status status = client.Call([&](grpc::ClientContext* context) {
    return client.fleet().GetVersion(context, {}, &facts->version);
  });
  if (status.ok()) status = ListWatchers(invocation, &facts->watchers);
  if (status.ok()) status = ListExecutors(invocation, &facts->executors);
  if (status.ok()) status = ListPipelines(invocation, &facts->pipelines);
  if (status.ok()) status = FlushAll(invocation, facts);
  return status;
}

Color ColorOf(Level level) {
  if (level == Level::kFail) return Color::kRed;
  if (level == Level::kWarn) return Color::kYellow;
  return level == Level::kOk ? Color::kGreen : Color::kNone;
}

void PrintFinding(Invocation& invocation, const Finding& finding, int host_width) {
  const bool bad = finding.level == Level::kFail || finding.level == Level::kWarn;
  std::string level = LevelName(finding.level);
  if (bad) std::transform(level.begin(), level.end(), level.begin(), ::toupper);
  const std::string after(level.size() < 4 ? 4 - level.size() : 0, ' ');
  const std::string host = Printable(finding.host.empty() ? "-" : finding.host);
  const int blanks = std::max(0, host_width - TextWidth(host));
  if (invocation.style().color) level = Paint(level, ColorOf(finding.level));
  invocation.out() << level << after << "  " << host << std::string(blanks, ' ') << "  "
                   << Printable(finding.subject) << ": " << Printable(finding.message) << "\n";
  if (!finding.cure.empty()) invocation.out() << "     -> " << Printable(finding.cure) << "\n";
}

Json FindingJson(const Finding& finding) {
  const auto text = [](const std::string& value) { return value.empty() ? Json() : Json(value); };
  return {{"level", LevelName(finding.level)}, {"host", text(finding.host)},
          {"subject", finding.subject},        {"check", finding.check},
          {"message", finding.message},        {"cure", text(finding.cure)}};
}

int Report(Invocation& invocation, const std::vector<Finding>& findings) {
  int64_t fails = 0;
  int64_t warns = 0;
  int host_width = 1;
  for (const Finding& finding : findings) {
    fails += finding.level == Level::kFail ? 1 : 0;
    warns += finding.level == Level::kWarn ? 1 : 0;
    host_width = std::max(host_width, TextWidth(Printable(finding.host)));
  }
  for (const Finding& finding : findings) {
    if (invocation.json()) {
      invocation.PrintJson(FindingJson(finding));
    } else {
      PrintFinding(invocation, finding, host_width);
    }
  }
  const bool well = fails + warns == 0;
  if (!invocation.json()) {
    const std::string summary = well ? "all is well"
                                     : StrCat(fails, fails == 1 ? " failure, " : " failures, ",
                                              warns, warns == 1 ? " warning" : " warnings");
    invocation.out() << summary << std::endl;
  }
  return well ? kExitOk : kExitRefused;
}

absl::StatusOr<int> Doctor(Invocation& invocation) {
  FleetFacts facts;
  facts.coordinator = invocation.coordinator();
  facts.our_version = std::string(kVersion);
  const absl::Status status = Collect(invocation, &facts);
  if (absl::IsCancelled(status)) return status;
  if (!status.ok()) {
    return Report(invocation,
                  {{Level::kFail, "", "coordinator", "reachable",
                    std::string(absl::StripPrefix(status.message(), "coordinator ")),
                    "start closewrite-coordinator there, or name another by --coordinator"}});
  }
  facts.now = invocation.now();
  return Report(invocation, CheckFleet(facts));
}

}  // namespace

Command DoctorCommand() {
  Command command{"doctor", "", "Check coordinator, watchers, executors and pipelines."};
  command.examples =
      "closewrite doctor\n"
      "closewrite doctor -o json | jq -r 'select(.level == \"fail\") | .cure'\n";
  command.connect_timeout = kDoctorConnectTimeout;
  command.declare = [](CLI::App&) -> Action { return Doctor; };
  return command;
}

}  // namespace closewrite::cli

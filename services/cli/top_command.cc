#include "services/cli/top_command.h"

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "services/cli/screen.h"
#include "services/cli/top_screen.h"
#include "services/config/duration.h"
#include "services/log/str_cat.h"

namespace closewrite::cli {
namespace {

constexpr int kServicesMax = 1000;  // watchers, executors
constexpr int kRunningMax = 20;
constexpr int kFailedMax = 5;
// Within this a coordinator answers, or is shown as lost.
constexpr absl::Duration kAnswerMax = absl::Seconds(2);
constexpr absl::Duration kIntervalMin = absl::Milliseconds(100);
// How often Ctrl-C is looked for while no key comes.
constexpr absl::Duration kKeyPoll = absl::Milliseconds(100);
// ECMA-48: to the upper left corner; the rest of the line, of the screen.
constexpr std::string_view kHome = "\x1b[H";
constexpr std::string_view kEraseLine = "\x1b[K";
constexpr std::string_view kEraseBelow = "\x1b[J";

struct TopOptions {
  std::string interval = "1s";
  bool once = false;
};

class Top {
 public:
  Top(Invocation& invocation, absl::Duration interval)
      : invocation_(invocation), interval_(interval) {
    snapshot_.coordinator = invocation.coordinator();
  }

  absl::StatusOr<int> Once() {
    if (absl::Status s = Collect(/*patient=*/true); !s.ok()) return s;
    if (invocation_.json()) {
      invocation_.PrintJson(TopJson(snapshot_));
      return kExitOk;
    }
    const Console& console = invocation_.console();
    const int columns = console.out_terminal ? console.out_width : 1 << 20;
    for (const std::string& line : RenderTop(snapshot_, {columns, 0}, invocation_.style().color)) {
      invocation_.out() << line << "\n";
    }
    return kExitOk;
  }

  absl::StatusOr<int> Live() {
    // A wrong address is told as usual, before the screen is taken.
    if (absl::Status s = Collect(/*patient=*/true); !s.ok()) return s;
    const std::unique_ptr<Screen> screen = invocation_.console().take_screen();
    for (;;) {
      Draw(screen->size());
      if (!invocation_.out().good()) return kExitOk;
      const absl::Time next = invocation_.now() + interval_;
      if (AwaitQuit(std::min(next, invocation_.deadline()))) return kExitOk;
      if (invocation_.now() >= invocation_.deadline()) return kExitTimedOut;
      const absl::Status status = Collect(/*patient=*/false);
      if (absl::IsCancelled(status)) {
        invocation_.console().interrupts->Acknowledge();
        return kExitOk;
      }
      const bool lost = absl::IsUnavailable(status) || absl::IsDeadlineExceeded(status);
      if (!status.ok() && !lost) return status;
      if (!lost) snapshot_.lost_since.reset();
      if (lost && !snapshot_.lost_since.has_value()) snapshot_.lost_since = answered_at_;
    }
  }

 private:
  // `patient`: looks for the coordinator as all commands do.
  absl::Status Ask(bool patient, absl::FunctionRef<grpc::Status(grpc::ClientContext*)> call) {
    Client& client = invocation_.client();
    return patient ? client.Call(call) : client.CallUntil(invocation_.now() + kAnswerMax, call);
  }

  absl::Status ListJobs(bool patient, v1::JobState state, int jobs_max,
                        std::vector<v1::Job>* jobs) {
    v1::ListJobsRequest request;
    request.mutable_filter()->add_states(state);
    request.set_page_size(jobs_max);
    v1::ListJobsResponse response;
    Client& client = invocation_.client();
    const absl::Status status = Ask(patient, [&](grpc::ClientContext* context) {
      return client.jobs().ListJobs(context, request, &response);
    });
    jobs->assign(response.jobs().begin(), response.jobs().end());
    return status;
  }

  // All or nothing: of a coordinator that is lost meanwhile the snapshot before stays.
  absl::Status Collect(bool patient) {
    TopSnapshot fresh;
    fresh.coordinator = snapshot_.coordinator;
    Client& client = invocation_.client();
    absl::Status status = Ask(patient, [&](grpc::ClientContext* context) {
      return client.fleet().GetVersion(context, {}, &fresh.version);
    });
    if (status.ok()) {
      status = Ask(patient, [&](grpc::ClientContext* context) {
        return client.fleet().GetOverview(context, {}, &fresh.overview);
      });
    }
    v1::ListWatchersRequest watchers_request;
    watchers_request.set_page_size(kServicesMax);
    v1::ListWatchersResponse watchers;
    if (status.ok()) {
      status = Ask(patient, [&](grpc::ClientContext* context) {
        return client.fleet().ListWatchers(context, watchers_request, &watchers);
      });
    }
    v1::ListExecutorsRequest request;
    request.set_page_size(kServicesMax);
    v1::ListExecutorsResponse executors;
    if (status.ok()) {
      status = Ask(patient, [&](grpc::ClientContext* context) {
        return client.fleet().ListExecutors(context, request, &executors);
      });
    }
    if (status.ok()) {
      status = ListJobs(patient, v1::JOB_STATE_RUNNING, kRunningMax, &fresh.running);
    }
    if (status.ok()) status = ListJobs(patient, v1::JOB_STATE_FAILED, kFailedMax, &fresh.failed);
    snapshot_.now = invocation_.now();
    if (!status.ok()) return status;
    fresh.watchers.assign(watchers.watchers().begin(), watchers.watchers().end());
    fresh.executors.assign(executors.executors().begin(), executors.executors().end());
    fresh.rates = RatesBetween(snapshot_.overview, fresh.overview);
    fresh.now = answered_at_ = snapshot_.now;
    snapshot_ = std::move(fresh);
    return status;
  }

  void Draw(ScreenSize size) {
    std::string picture(kHome);
    const std::vector<std::string> lines = RenderTop(snapshot_, size, invocation_.style().color);
    for (size_t i = 0; i < lines.size(); ++i) {
      StrAppend(&picture, i == 0 ? "" : "\r\n", lines[i], kEraseLine);
    }
    invocation_.out() << picture << kEraseBelow << std::flush;
  }

  // False when it is `until`.
  bool AwaitQuit(absl::Time until) {
    Console& console = invocation_.console();
    for (;;) {
      if (console.interrupts->Pending()) {
        console.interrupts->Acknowledge();
        return true;
      }
      const absl::Duration left = until - invocation_.now();
      if (left <= absl::ZeroDuration()) return false;
      if (!console.await_input(std::min(left, kKeyPoll))) continue;
      const int key = console.in->get();
      if (key == 'q' || key == 'Q' || key == std::istream::traits_type::eof()) return true;
    }
  }

  Invocation& invocation_;
  const absl::Duration interval_;
  TopSnapshot snapshot_;
  absl::Time answered_at_;
};

absl::StatusOr<int> ShowTop(Invocation& invocation, const TopOptions& options) {
  const auto interval = ParseDuration(options.interval);
  if (!interval.ok()) return UsageError(StrCat("--interval: ", interval.status().message()));
  if (*interval < kIntervalMin) {
    return UsageError(StrCat("--interval: at least ", absl::FormatDuration(kIntervalMin)));
  }
  const Console& console = invocation.console();
  const bool live = !options.once && !invocation.json() && console.in_terminal &&
                    console.out_terminal && console.environment("TERM") != "dumb";
  Top top(invocation, *interval);
  return live ? top.Live() : top.Once();
}

}  // namespace

Command TopCommand() {
  Command command{"top", "[--interval TIME] [--once]",
                  "Show what goes on: queues, watchers, executors, commands, locks, failures."};
  command.examples =
      "closewrite top --interval 2s      # q leaves\n"
      "closewrite top -o json | jq .overview.counts\n";
  command.declare = [](CLI::App& app) -> Action {
    auto options = std::make_shared<TopOptions>();
    app.add_option("--interval", options->interval, "How often it is drawn again")
        ->capture_default_str();
    app.add_flag("--once", options->once, "Print it once, as off a terminal");
    return [options](Invocation& invocation) { return ShowTop(invocation, *options); };
  };
  return command;
}

}  // namespace closewrite::cli

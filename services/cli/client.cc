#include "services/cli/client.h"

#include <algorithm>
#include <optional>
#include <vector>

#include "absl/random/random.h"
#include "absl/strings/ascii.h"
#include "absl/strings/strip.h"
#include "services/config/uuid.h"
#include "services/log/str_cat.h"

namespace closewrite::cli {
namespace {

constexpr absl::Duration kBackoffMin = absl::Milliseconds(100);
constexpr absl::Duration kBackoffMax = absl::Seconds(2);
constexpr int kBackoffDoublingsMax = 10;
// How often a wait for the connection looks whether the user has pressed Ctrl-C.
constexpr absl::Duration kConnectPoll = absl::Milliseconds(100);

// Full jitter between half and all of a pause that doubles.
absl::Duration Backoff(int failures, absl::BitGen& random) {
  const int doublings = std::min(failures, kBackoffDoublingsMax);
  const absl::Duration longest = std::min(kBackoffMax, kBackoffMin * (1 << doublings));
  return longest * absl::Uniform(random, 0.5, 1.0);
}

// Something is there, and does not understand what we say.
bool IsHungUp(const std::string& problem) {
  return problem == "socket closed" || problem == "connection reset by peer" ||
         problem == "broken pipe";
}

}  // namespace

std::string NewRequestId() { return NewUuid(); }

std::string ConnectionProblem(std::string_view message) {
  const size_t colon = message.rfind(": ");
  if (colon != std::string_view::npos) message.remove_prefix(colon + 2);
  std::string problem(absl::StripSuffix(ToAbsl(message), "."));
  // `Connection refused`, but not `GOAWAY received`.
  if (problem.size() > 1 && absl::ascii_islower(problem[1])) {
    problem[0] = absl::ascii_tolower(problem[0]);
  }
  return problem.empty() ? "no answer" : problem;
}

Client::Client(Options options)
    : options_(std::move(options)), coordinators_(options_.coordinator, options_.credentials) {
  TakeChannel();
}

void Client::TakeChannel() {
  std::shared_ptr<grpc::Channel> channel = coordinators_.Get();
  if (channel == channel_) return;
  channel_ = std::move(channel);
  jobs_ = v1::JobService::NewStub(channel_);
  pipelines_ = v1::PipelineService::NewStub(channel_);
  tasks_ = v1::TaskService::NewStub(channel_);
  events_ = v1::EventService::NewStub(channel_);
  fleet_ = v1::FleetService::NewStub(channel_);
  monitor_ = v1::MonitorService::NewStub(channel_);
  alerts_ = v1::AlertService::NewStub(channel_);
  audit_ = v1::AuditService::NewStub(channel_);
  store_ = v1::StoreService::NewStub(channel_);
  locks_ = v1::LockService::NewStub(channel_);
}

absl::Status Client::Call(absl::FunctionRef<grpc::Status(grpc::ClientContext*)> call) {
  const Limits limits = {absl::InfiniteFuture(), options_.call_timeout, options_.connect_timeout};
  const absl::Status status = Repeat(limits, [&](grpc::ClientContext* context, bool* /*heard*/) {
    return FromGrpc(call(context));
  });
  if (!absl::IsDeadlineExceeded(status)) return status;
  return absl::DeadlineExceededError(
      StrCat("coordinator ", options_.coordinator, " did not answer within ",
             absl::FormatDuration(options_.call_timeout), "; --timeout gives it longer"));
}

absl::Status Client::CallUntil(absl::Time deadline,
                               absl::FunctionRef<grpc::Status(grpc::ClientContext*)> call) {
  const Limits limits = {deadline, absl::InfiniteDuration(), options_.connect_timeout};
  return Repeat(limits, [&](grpc::ClientContext* context, bool* /*heard*/) {
    return FromGrpc(call(context));
  });
}

absl::Status Client::Repeat(const Limits& limits, Try try_once) {
  absl::BitGen random;
  std::optional<absl::Time> lost_at;
  bool noticed = false;
  for (int failures = 0;; ++failures) {
    const absl::Time begun = options_.clock->Now();
    bool heard = false;
    TakeChannel();
    absl::Status status =
        WaitForChannel(std::min(limits.deadline, begun + options_.connect_timeout));
    if (status.ok()) {
      grpc::ClientContext context;
      const absl::Time deadline = std::min(limits.deadline, options_.clock->Now() + limits.one_try);
      if (deadline != absl::InfiniteFuture()) context.set_deadline(absl::ToChronoTime(deadline));
      Interrupts::Scope scope(options_.interrupts, [&] { context.TryCancel(); });
      status = try_once(&context, &heard);
      heard_ = heard_ || status.ok();
      if (status.ok()) return status;
    }
    if (options_.interrupts->Pending()) return absl::CancelledError("interrupted");
    if (absl::IsUnimplemented(status)) return NoCoordinator();
    const absl::Time now = options_.clock->Now();
    if (now >= limits.deadline) return absl::DeadlineExceededError("the time is up");
    // One that gives a reason is an answer: the coordinator itself was reached.
    if (!absl::IsUnavailable(status) || !Reason(status).empty()) return status;
    if (heard) {
      heard_ = true;
      noticed = false;
      failures = 0;
    }
    const absl::Duration patience = heard_ ? limits.patience : options_.connect_timeout;
    if (heard || !lost_at.has_value()) lost_at = heard ? now : begun;
    if (now - *lost_at >= patience) return Unreachable(status, *lost_at, absl::ZeroDuration());
    if (!noticed && now - *lost_at >= options_.connect_timeout) {
      noticed = true;
      options_.on_notice(std::string(Unreachable(status, *lost_at, patience).message()));
    }
    const absl::Time until = std::min(limits.deadline, *lost_at + patience);
    Pause(std::min(Backoff(failures, random), until - now));
  }
}

// A channel that could not connect tries again only while somebody waits for it to.
void Client::Pause(absl::Duration pause) {
  const absl::Time until = options_.clock->Now() + pause;
  while (channel_->GetState(/*try_to_connect=*/true) == GRPC_CHANNEL_TRANSIENT_FAILURE) {
    const absl::Time now = options_.clock->Now();
    if (now >= until || options_.interrupts->Pending()) return;
    channel_->WaitForStateChange(GRPC_CHANNEL_TRANSIENT_FAILURE,
                                 absl::ToChronoTime(std::min(until, now + kConnectPoll)));
  }
  const absl::Duration left = until - options_.clock->Now();
  if (left > absl::ZeroDuration()) options_.interrupts->Wait(left);
}

// A call on a channel that is still connecting would hang on a host that swallows packets, without
// telling that from a slow answer.
absl::Status Client::WaitForChannel(absl::Time until) {
  for (;;) {
    const grpc_connectivity_state state = channel_->GetState(/*try_to_connect=*/true);
    // The call itself tells best why the connection failed.
    if (state == GRPC_CHANNEL_READY || state == GRPC_CHANNEL_TRANSIENT_FAILURE) {
      return absl::OkStatus();
    }
    const absl::Time now = options_.clock->Now();
    if (options_.interrupts->Pending()) return absl::CancelledError("interrupted");
    if (now >= until) return absl::UnavailableError("no answer");
    channel_->WaitForStateChange(state, absl::ToChronoTime(std::min(until, now + kConnectPoll)));
  }
}

absl::Status Client::Unreachable(const absl::Status& status, absl::Time since,
                                 absl::Duration patience) const {
  const std::string problem = ConnectionProblem(ToStd(status.message()));
  std::string text =
      StrCat("coordinator ", options_.coordinator, " can't be reached since ",
             absl::FormatTime("%H:%M:%S", since, absl::LocalTimeZone()), " (", problem, "): ");
  if (patience == absl::InfiniteDuration()) {
    StrAppend(&text, "still trying");
  } else if (patience > absl::ZeroDuration()) {
    StrAppend(&text, "still trying, for ", absl::FormatDuration(patience), " at most");
  } else if (options_.credentials == nullptr && IsHungUp(problem)) {
    StrAppend(&text, "does it serve TLS? Then name certificates by --tls or CLOSEWRITE_TLS. ",
              WhoSaidSo());
  } else {
    StrAppend(&text, "is closewrite-coordinator running there? ", WhoSaidSo());
  }
  return absl::UnavailableError(text);
}

// Watchers and executors serve gRPC, too.
absl::Status Client::NoCoordinator() const {
  return absl::UnimplementedError(StrCat("what serves at ", options_.coordinator,
                                         " does not know this call: it is no coordinator, or ",
                                         "one of an older version. ", WhoSaidSo()));
}

std::string Client::WhoSaidSo() const {
  const std::string cure = "et --coordinator or CLOSEWRITE_COORDINATOR.";
  if (options_.coordinator_from.empty()) return StrCat("S", cure);
  return StrCat("The address comes from ", options_.coordinator_from, "; s", cure);
}

}  // namespace closewrite::cli

#include "services/cli/lock/rate_commands.h"

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "services/cli/interrupts.h"
#include "services/cli/lock/alarm.h"
#include "services/cli/lock/lock_options.h"
#include "services/cli/time_text.h"
#include "services/clock/clock.h"
#include "services/config/duration.h"
#include "services/log/str_cat.h"

namespace closewrite::cli {
namespace {

constexpr int64_t kLimitMax = 1'000'000;
constexpr absl::Duration kPeriodMin = absl::Milliseconds(1);
constexpr absl::Duration kPeriodMax = absl::Hours(24 * 366);
// What is waited for in silence; of longer waits people want to know.
constexpr absl::Duration kSilentMax = absl::Seconds(2);

struct RateOptions {
  std::string name;
  int64_t calls = 1;
  std::string wait;
  int64_t limit = 0;
  std::string per;
};

// With neither --limit nor --per the rate is left as it is: false.
absl::StatusOr<bool> CheckRate(const RateOptions& options, absl::Duration* per) {
  if (options.limit == 0 && options.per.empty()) return false;
  if (options.limit < 1 || options.limit > kLimitMax || options.per.empty()) {
    return UsageError("a rate is --limit 100 --per 1m: 1 to 1000000 calls in 1ms to 366d");
  }
  const auto duration = ParseDuration(options.per);
  if (!duration.ok()) return UsageError(StrCat("--per: ", ToStd(duration.status().message())));
  if (*duration < kPeriodMin || *duration > kPeriodMax) {
    return UsageError(StrCat("--per ", options.per, ": use 1ms to 366d"));
  }
  *per = *duration;
  return true;
}

absl::Status SleepUntil(Invocation& invocation, absl::Duration until) {
  Alarm alarm;
  Interrupts::Scope scope(invocation.console().interrupts, [&] { alarm.Ring(); });
  while (SinceBoot() < until) {
    if (invocation.console().interrupts->Pending()) return absl::CancelledError("interrupted");
    alarm.Wait(until);
  }
  return absl::OkStatus();
}

absl::StatusOr<int> Take(Invocation& invocation, const RateOptions& options) {
  if (absl::Status s = CheckName("rate", options.name); !s.ok()) return s;
  if (options.calls < 1) return UsageError(StrCat("--n ", options.calls, ": use 1 or more"));
  v1::TakeRateRequest request;
  absl::Duration per;
  const auto defines = CheckRate(options, &per);
  if (!defines.ok()) return defines.status();
  if (*defines) {
    request.set_limit(options.limit);
    *request.mutable_per() = ToProto(per);
  }
  request.set_request_id(NewRequestId());
  request.set_rate(options.name);
  request.set_calls(options.calls);
  const auto deadline = WaitDeadline(invocation, options.wait);
  if (!deadline.ok()) return deadline.status();
  if (*deadline != absl::InfiniteFuture()) {
    // The clock has gone on since the deadline was worked out.
    *request.mutable_wait_max() =
        ToProto(std::max(*deadline - invocation.now(), absl::ZeroDuration()));
  }
  v1::TakeRateResponse response;
  Client& client = invocation.client();
  absl::Status status = client.Call([&](grpc::ClientContext* context) {
    return client.locks().TakeRate(context, request, &response);
  });
  if (absl::IsResourceExhausted(status)) {
    invocation.Note(ToStd(status.message()));
    return kExitBusy;
  }
  if (!status.ok()) return status;
  const absl::Duration wait = ToDuration(response.wait());
  if (wait > kSilentMax) {
    invocation.Note(StrCat("rate ", options.name, ": waiting for ", DurationText(wait)));
  }
  status = SleepUntil(invocation, SinceBoot() + wait);
  if (!status.ok()) return status;
  return kExitOk;
}

// `100 per 1m`.
std::string RateText(const v1::Rate& rate) {
  return StrCat(rate.limit(), " per ", absl::FormatDuration(ToDuration(rate.per())));
}

// `in 36s` for people at a terminal, a time for all else.
std::string FullText(Invocation& invocation, const v1::RateStatus& rate) {
  const absl::Time full_at = ToTime(rate.full_at());
  if (!rate.has_full_at() || full_at <= invocation.now()) return "now";
  return invocation.console().out_terminal ? StrCat("in ", AgeText(full_at - invocation.now()))
                                           : Rfc3339(full_at);
}

absl::StatusOr<int> List(Invocation& invocation) {
  v1::ListRatesResponse response;
  Client& client = invocation.client();
  const absl::Status status = client.Call([&](grpc::ClientContext* context) {
    return client.locks().ListRates(context, {}, &response);
  });
  if (!status.ok()) return status;
  Table table({{"RATE"}, {"LIMIT"}, {"AVAILABLE", true}, {"FULL"}});
  for (const v1::RateStatus& each : response.rates()) {
    if (invocation.format() == Format::kName) {
      invocation.out() << each.rate().name() << "\n";
    } else if (invocation.json()) {
      invocation.PrintJson(ToJson(each));
    }
    table.Add({{each.rate().name()},
               {RateText(each.rate())},
               {StrCat(each.available())},
               {FullText(invocation, each)}});
  }
  if (invocation.format() == Format::kTable || invocation.wide()) {
    table.Print(invocation.out(), invocation.style());
  }
  return kExitOk;
}

absl::StatusOr<int> Set(Invocation& invocation, const RateOptions& options) {
  if (absl::Status s = CheckName("rate", options.name); !s.ok()) return s;
  absl::Duration per;
  const auto defines = CheckRate(options, &per);
  if (!defines.ok()) return defines.status();
  v1::SetRateRequest request;
  request.set_request_id(NewRequestId());
  request.mutable_rate()->set_name(options.name);
  request.mutable_rate()->set_limit(options.limit);
  *request.mutable_rate()->mutable_per() = ToProto(per);
  v1::SetRateResponse response;
  Client& client = invocation.client();
  const absl::Status status = client.Call([&](grpc::ClientContext* context) {
    return client.locks().SetRate(context, request, &response);
  });
  if (!status.ok()) return status;
  return kExitOk;
}

void DeclareRate(CLI::App& app, RateOptions* options, const char* help, bool required) {
  app.add_option("--limit", options->limit, help)->required(required);
  app.add_option("--per", options->per, "In so long: 1s, 1m, 1d ...")->required(required);
}

Command TakeCommand() {
  Command command{"rate take", "NAME [--n N] [--wait TIME] [--limit N --per TIME]",
                  "Wait until calls may be made that the whole fleet shares. Exits with 0 when "
                  "they may, 75 when that would take longer than --wait: then nothing was taken."};
  command.examples_first = true;
  command.examples =
      "closewrite rate take api-x --limit 100 --per 1m && curl https://api.example.org/x\n"
      "closewrite rate take api-x --n 10 --wait 10m\n";
  command.declare = [](CLI::App& app) -> Action {
    auto options = std::make_shared<RateOptions>();
    app.add_option("NAME", options->name, "The rate: 1 to 63 of a-z A-Z 0-9 . _ -")->required();
    app.add_option("-n,--n", options->calls, "How many calls")->capture_default_str();
    app.add_option("-w,--wait", options->wait,
                   "No longer than 30s, 10m ...; by default as long "
                   "as it takes");
    DeclareRate(app, options.get(),
                "Calls; defines a rate that is not there yet, and of one that is it must be true",
                false);
    return [options](Invocation& invocation) { return Take(invocation, *options); };
  };
  return command;
}

Command ListCommand() {
  Command command{"rate list", "", "List rates, and what is left of each just now."};
  command.names = true;
  command.examples_first = true;
  command.examples = "closewrite rate list\n";
  command.declare = [](CLI::App&) -> Action { return List; };
  return command;
}

Command SetCommand() {
  Command command{"rate set", "NAME --limit N --per TIME", "Define a rate, or change it."};
  command.examples_first = true;
  command.examples = "closewrite rate set api-x --limit 100 --per 1m\n";
  command.declare = [](CLI::App& app) -> Action {
    auto options = std::make_shared<RateOptions>();
    app.add_option("NAME", options->name, "The rate: 1 to 63 of a-z A-Z 0-9 . _ -")->required();
    DeclareRate(app, options.get(), "Calls: 1 to 1000000", true);
    return [options](Invocation& invocation) { return Set(invocation, *options); };
  };
  return command;
}

}  // namespace

std::vector<Command> RateCommands() { return {TakeCommand(), ListCommand(), SetCommand()}; }

}  // namespace closewrite::cli

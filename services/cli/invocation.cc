#include "services/cli/invocation.h"

#include <unistd.h>

#include <utility>

#include "services/cli/time_text.h"
#include "services/config/config.h"
#include "services/log/str_cat.h"
#include "services/transport/errors.h"

namespace closewrite::cli {
namespace {

constexpr std::string_view kCoordinatorDefault = "127.0.0.1:7400";
constexpr std::string_view kConnectTimeoutDefault = "10s";
constexpr std::string_view kUsageReason = "USAGE";
// A narrower table would lose more than it wins.
constexpr int kTableWidthMin = 40;

absl::StatusOr<absl::Duration> DurationOption(std::string_view name, std::string_view text) {
  auto duration = ParseDuration(text);
  if (duration.ok()) return duration;
  return UsageError(StrCat(name, ": ", duration.status().message()));
}

absl::StatusOr<std::optional<Format>> FormatOption(std::string_view text) {
  if (text.empty()) return std::optional<Format>();
  if (text == "table") return Format::kTable;
  if (text == "wide") return Format::kWide;
  if (text == "json") return Format::kJson;
  if (text == "name") return Format::kName;
  return UsageError(StrCat("-o ", text, ": use table, wide, json or name"));
}

absl::StatusOr<bool> ColorOption(std::string_view text, const Console& console) {
  if (text == "always") return true;
  if (text == "never") return false;
  if (text != "auto") {
    return UsageError(StrCat("--color ", text, ": use auto, always or never"));
  }
  return console.out_terminal && console.environment("NO_COLOR").empty() &&
         console.environment("TERM") != "dumb";
}

}  // namespace

absl::Status UsageError(std::string_view message) {
  return WithReason(absl::InvalidArgumentError(ToAbsl(message)), kUsageReason);
}

int ExitCode(const absl::Status& status) {
  if (status.ok()) return kExitOk;
  if (Reason(status) == kUsageReason) return kExitUsage;
  switch (status.code()) {
    case absl::StatusCode::kCancelled:
      return kExitInterrupted;
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kNotFound:
    case absl::StatusCode::kAlreadyExists:
    case absl::StatusCode::kFailedPrecondition:
    case absl::StatusCode::kOutOfRange:
    case absl::StatusCode::kPermissionDenied:
    case absl::StatusCode::kUnauthenticated:
    case absl::StatusCode::kResourceExhausted:
    case absl::StatusCode::kAborted:
      return kExitRefused;
    default:
      return kExitOurs;
  }
}

absl::StatusOr<std::unique_ptr<Invocation>> Invocation::Make(Console* console,
                                                             const GlobalOptions& options) {
  auto invocation = std::unique_ptr<Invocation>(new Invocation(console, options));
  invocation->coordinator_ = options.coordinator;
  if (invocation->coordinator_.empty()) {
    invocation->coordinator_ = console->environment("CLOSEWRITE_COORDINATOR");
  }
  if (invocation->coordinator_.empty()) invocation->coordinator_ = kCoordinatorDefault;
  const auto format = FormatOption(options.output);
  if (!format.ok()) return format.status();
  invocation->format_ = *format;
  const auto color = ColorOption(options.color, *console);
  if (!color.ok()) return color.status();
  invocation->color_ = *color;
  const auto connect = DurationOption("--connect-timeout", options.connect_timeout.empty()
                                                               ? kConnectTimeoutDefault
                                                               : options.connect_timeout);
  if (!connect.ok()) return connect.status();
  invocation->connect_timeout_ = *connect;
  if (!options.timeout.empty()) {
    const auto timeout = DurationOption("--timeout", options.timeout);
    if (!timeout.ok()) return timeout.status();
    invocation->timeout_ = *timeout;
    invocation->deadline_ = console->clock->Now() + *timeout;
  }
  return invocation;
}

std::string Invocation::host() const {
  if (!options_.host.empty()) return options_.host;
  std::string host = console_->environment("CLOSEWRITE_HOST");
  if (!host.empty()) return host;
  char name[256] = {};
  return gethostname(name, sizeof(name) - 1) == 0 ? name : "";
}

Client& Invocation::client() {
  if (client_ == nullptr) {
    Client::Options options;
    options.coordinator = coordinator_;
    if (timeout_.has_value()) options.call_timeout = *timeout_;
    options.connect_timeout = connect_timeout_;
    options.clock = console_->clock;
    options.interrupts = console_->interrupts;
    options.on_notice = [this](const std::string& text) { Note(text); };
    client_ = std::make_unique<Client>(std::move(options));
  }
  return *client_;
}

Style Invocation::style() const {
  Style style{.color = color_};
  if (console_->out_terminal && !wide() && console_->out_width >= kTableWidthMin) {
    style.width_max = console_->out_width;
  }
  return style;
}

std::string Invocation::When(bool is_set, const google::protobuf::Timestamp& time) const {
  return is_set ? WhenText(ToTime(time), now(), console_->out_terminal) : "";
}

void Invocation::Note(std::string_view text) {
  err() << "closewrite: " << Printable(text) << std::endl;
}

void Invocation::PrintJson(const Json& json) { out() << JsonLine(json) << std::flush; }

}  // namespace closewrite::cli

#include "services/cli/invocation.h"

#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_split.h"
#include "services/cli/credentials.h"
#include "services/cli/time_text.h"
#include "services/config/config.h"
#include "services/log/str_cat.h"
#include "services/transport/address.h"

namespace closewrite::cli {
namespace {

// A narrower table would lose more than it wins.
constexpr int kTableWidthMin = 40;

absl::StatusOr<absl::Duration> DurationOption(std::string_view name, std::string_view text) {
  auto duration = ParseDuration(text);
  if (duration.ok()) return duration;
  return UsageError(StrCat(name, ": ", duration.status().message()));
}

absl::Status CheckCoordinator(const Setting& coordinator) {
  for (const absl::string_view address : absl::StrSplit(coordinator.value, ',')) {
    const absl::StatusOr<HostPort> parsed =
        ParseHostPort(coordinator.from, ToStd(absl::StripAsciiWhitespace(address)));
    if (!parsed.ok()) return UsageError(ToStd(parsed.status().message()));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::optional<Format>> FormatOption(std::string_view text) {
  if (text.empty()) return std::optional<Format>();
  if (text == "table") return Format::kTable;
  if (text == "wide") return Format::kWide;
  if (text == "json") return Format::kJson;
  if (text == "name") return Format::kName;
  if (text == "csv") return Format::kCsv;
  if (text == "html") return Format::kHtml;
  return UsageError(StrCat("-o ", text, ": use table, wide, json, name, csv or html"));
}

absl::StatusOr<bool> ColorOption(const Setting& color, const Console& console) {
  if (color.value == "always") return true;
  if (color.value == "never") return false;
  if (color.value == "auto") return console.out_terminal;
  return UsageError(StrCat("--color ", color.value, ": use auto, always or never"));
}

}  // namespace

absl::StatusOr<std::unique_ptr<Invocation>> Invocation::Make(Console* console,
                                                             const GlobalOptions& options,
                                                             bool local) {
  auto invocation = std::unique_ptr<Invocation>(new Invocation(console, options));
  auto settings = ResolveSettings(options, *console, !local);
  if (!settings.ok()) return settings.status();
  invocation->settings_ = *std::move(settings);
  if (!local) {
    if (absl::Status s = CheckCoordinator(invocation->settings_.coordinator); !s.ok()) return s;
    auto credentials = MakeCredentials(invocation->settings_, *console);
    if (!credentials.ok()) return credentials.status();
    invocation->credentials_ = *std::move(credentials);
  }
  const auto format = FormatOption(options.output);
  if (!format.ok()) return format.status();
  invocation->format_ = *format;
  const auto color = ColorOption(invocation->settings_.color, *console);
  if (!color.ok()) return color.status();
  invocation->color_ = *color;
  const auto connect =
      DurationOption("--connect-timeout", invocation->settings_.connect_timeout.value);
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

Client& Invocation::client() {
  if (client_ == nullptr) {
    Client::Options options;
    options.coordinator = coordinator();
    options.credentials = credentials_;
    // What was written in this very command needs no explanation.
    if (settings_.coordinator.from != "--coordinator") {
      options.coordinator_from = settings_.coordinator.from;
    }
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

void Invocation::Warn(const google::protobuf::RepeatedPtrField<std::string>& warnings) {
  for (const std::string& warning : warnings) Note(StrCat("warning: ", warning));
}

void Invocation::PrintJson(const Json& json) { out() << JsonLine(json) << std::flush; }

}  // namespace closewrite::cli

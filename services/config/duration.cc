#include "services/config/duration.h"

#include <algorithm>
#include <optional>
#include <string>

#include "absl/strings/numbers.h"
#include "services/log/str_cat.h"
#include "services/volume/path.h"

namespace closewrite {
namespace {

// google.protobuf.Duration ends at about 10,000 years.
constexpr int64_t kDurationSecondsMax = 315'576'000'000;
constexpr std::string_view kDurationRule =
    "write a number and a unit, such as 100ms, 2s, 5m, 1h, 2d";

// Digits with at most one point, as a multiple of `unit`. Digits past the ninth after the point are
// below a nanosecond for all units up to a second, and are dropped.
std::optional<absl::Duration> Multiple(std::string_view digits, absl::Duration unit) {
  const size_t point = std::min(digits.find('.'), digits.size());
  const std::string_view whole = digits.substr(0, point);
  std::string_view fraction = point < digits.size() ? digits.substr(point + 1) : "";
  if (digits.empty() || digits == "." || fraction.find('.') != std::string_view::npos) return {};
  fraction = fraction.substr(0, 9);
  int64_t count = 0;
  int64_t part = 0;
  if (!whole.empty() && !absl::SimpleAtoi(ToAbsl(whole), &count)) return {};
  if (!fraction.empty() && !absl::SimpleAtoi(ToAbsl(fraction), &part)) return {};
  int64_t scale = 1;
  for (size_t i = 0; i < fraction.size(); ++i) scale *= 10;
  return count * unit + part * unit / scale;
}

std::optional<absl::Duration> Unit(std::string_view name) {
  if (name == "ns") return absl::Nanoseconds(1);
  if (name == "us") return absl::Microseconds(1);
  if (name == "ms") return absl::Milliseconds(1);
  if (name == "s") return absl::Seconds(1);
  if (name == "m" || name == "min") return absl::Minutes(1);
  if (name == "h") return absl::Hours(1);
  if (name == "d") return absl::Hours(24);
  return {};
}

}  // namespace

absl::StatusOr<absl::Duration> ParseDuration(std::string_view text) {
  const auto refuse = [&](std::string_view why) {
    return absl::InvalidArgumentError(
        StrCat(Quote(text), " is not a duration", why, "; ", kDurationRule));
  };
  if (text == "0") return absl::ZeroDuration();
  if (!text.empty() && text[0] == '-') return refuse(" that can be waited for: it is negative");
  absl::Duration sum;
  std::string_view rest = text;
  if (rest.empty()) return refuse("");
  while (!rest.empty()) {
    const size_t digits = std::min(rest.find_first_not_of("0123456789."), rest.size());
    const size_t end = std::min(rest.find_first_of("0123456789.", digits), rest.size());
    if (digits == rest.size()) return refuse(": it has no unit");
    const auto unit = Unit(rest.substr(digits, end - digits));
    if (!unit) return refuse(StrCat(": unit ", Quote(rest.substr(digits, end - digits))));
    const auto part = Multiple(rest.substr(0, digits), *unit);
    if (!part) return refuse("");
    sum += *part;
    rest.remove_prefix(end);
  }
  if (sum > absl::Seconds(kDurationSecondsMax)) return refuse(": it is over 10,000 years");
  return sum;
}

absl::Duration FromProto(const google::protobuf::Duration& duration) {
  return absl::Seconds(duration.seconds()) + absl::Nanoseconds(duration.nanos());
}

google::protobuf::Timestamp ToProto(absl::Time time) {
  const int64_t seconds = absl::ToUnixSeconds(time);
  google::protobuf::Timestamp timestamp;
  timestamp.set_seconds(seconds);
  timestamp.set_nanos(
      static_cast<int32_t>(absl::ToInt64Nanoseconds(time - absl::FromUnixSeconds(seconds))));
  return timestamp;
}

google::protobuf::Duration ToProto(absl::Duration duration) {
  const absl::Duration max = absl::Seconds(kDurationSecondsMax);
  duration = std::clamp(duration, -max, max);
  google::protobuf::Duration proto;
  absl::Duration rest;
  proto.set_seconds(absl::IDivDuration(duration, absl::Seconds(1), &rest));
  proto.set_nanos(static_cast<int32_t>(absl::ToInt64Nanoseconds(rest)));
  return proto;
}

}  // namespace closewrite

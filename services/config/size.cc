#include "services/config/size.h"

#include <algorithm>
#include <optional>
#include <string>

#include "absl/strings/numbers.h"
#include "services/log/str_cat.h"
#include "services/volume/path.h"

namespace closewrite {
namespace {

// Larger than any disk, and its products are exact in a double.
constexpr double kBytesMax = double{int64_t{1} << 52};

std::optional<double> Unit(std::string_view name) {
  if (name == "B") return 1;
  double size = 1;
  for (const char letter : {'k', 'M', 'G', 'T'}) {
    size *= 1024;
    const std::string binary = StrCat(std::string(1, letter == 'k' ? 'K' : letter), "iB");
    if (name == binary) return size;
  }
  size = 1;
  for (const char letter : {'k', 'M', 'G', 'T'}) {
    size *= 1000;
    if (name == StrCat(std::string(1, letter), "B")) return size;
  }
  return {};
}

}  // namespace

absl::StatusOr<int64_t> ParseSize(std::string_view text) {
  const size_t digits = std::min(text.find_first_not_of("0123456789."), text.size());
  const std::optional<double> unit = Unit(text.substr(digits));
  double count = 0;
  if (digits == 0 || !unit.has_value() ||
      !absl::SimpleAtod(ToAbsl(text.substr(0, digits)), &count) || count * *unit > kBytesMax) {
    return absl::InvalidArgumentError(StrCat(
        Quote(text), " is not a size; write a number and a unit, such as 64MiB, 10GiB, 1TB"));
  }
  return static_cast<int64_t>(count * *unit);
}

}  // namespace closewrite

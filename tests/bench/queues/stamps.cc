#include "tests/bench/queues/stamps.h"

#include <algorithm>

#include "absl/strings/numbers.h"
#include "absl/strings/str_format.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "services/clock/clock.h"

namespace closewrite {
namespace {

// So many names, and so many makers, do not meet.
constexpr int kNumberBits = 40;
constexpr int kSeedBits = 20;

// splitmix64: a number for each number, in no order.
uint64_t Scattered(uint64_t number) {
  number += 0x9e3779b97f4a7c15;
  number = (number ^ (number >> 30)) * 0xbf58476d1ce4e5b9;
  number = (number ^ (number >> 27)) * 0x94d049bb133111eb;
  return number ^ (number >> 31);
}

double Microseconds(int64_t ns) { return static_cast<double>(ns) / 1000; }

}  // namespace

int64_t StampNow() { return absl::ToInt64Nanoseconds(SinceBoot()); }

std::string StampedNames::Next(int64_t stamp) {
  ++number_;
  const uint64_t digits =
      ordered_ ? (seed_ << kNumberBits) + number_ : Scattered(seed_ ^ (number_ << kSeedBits));
  std::string name = absl::StrFormat("in/%016x-%d-%d", digits, stamp, number_);
  if (name.size() < bytes_) name.append(bytes_ - name.size(), '.');
  return name;
}

std::optional<int64_t> StampIn(std::string_view name) {
  const size_t begin = name.find('-');
  if (begin == std::string_view::npos) return std::nullopt;
  const size_t end = name.find('-', begin + 1);
  if (end == std::string_view::npos) return std::nullopt;
  int64_t stamp = 0;
  const absl::string_view digits(name.data() + begin + 1, end - begin - 1);
  if (!absl::SimpleAtoi(digits, &stamp)) return std::nullopt;
  return stamp;
}

nlohmann::json Latencies::Summary() {
  nlohmann::json summary = {{"count", ns_.size()}};
  if (ns_.empty()) return summary;
  std::sort(ns_.begin(), ns_.end());
  summary["p50_us"] = Microseconds(ns_[(ns_.size() - 1) / 2]);
  summary["p99_us"] = Microseconds(ns_[(ns_.size() * 99 + 99) / 100 - 1]);
  summary["max_us"] = Microseconds(ns_.back());
  return summary;
}

}  // namespace closewrite

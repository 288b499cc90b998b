// Latencies of a benchmark's client, and names of files that carry when they were made.
#ifndef TESTS_BENCH_QUEUES_STAMPS_H_
#define TESTS_BENCH_QUEUES_STAMPS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "nlohmann/json.hpp"

namespace closewrite {

// Nanoseconds of the clock that all processes of a machine share (CLOCK_BOOTTIME).
int64_t StampNow();

// Makes names of files, each once: `in/<16 hexadecimal digits>-<stamp>-<number>` and dots up to a
// length. The digits are in no order, as names of uploads are in none, so that no index is filled
// at its end alone; unless they are asked to be. Not thread-safe.
class StampedNames {
 public:
  // Names of two makers with different seeds differ.
  StampedNames(uint64_t seed, size_t bytes, bool ordered = false)
      : seed_(seed), bytes_(bytes), ordered_(ordered) {}
  std::string Next(int64_t stamp);

 private:
  const uint64_t seed_;
  const size_t bytes_;
  const bool ordered_;
  uint64_t number_ = 0;
};

// The stamp in a name; nothing if it is not of StampedNames.
std::optional<int64_t> StampIn(std::string_view name);

// Durations in nanoseconds. Not thread-safe.
class Latencies {
 public:
  void Add(int64_t ns) { ns_.push_back(ns); }
  void Take(const Latencies& other) { ns_.insert(ns_.end(), other.ns_.begin(), other.ns_.end()); }
  // {"count", "p50_us", "p99_us", "max_us"}; the last three only of one or more.
  nlohmann::json Summary();

 private:
  std::vector<int64_t> ns_;
};

}  // namespace closewrite

#endif  // TESTS_BENCH_QUEUES_STAMPS_H_

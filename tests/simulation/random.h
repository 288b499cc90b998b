// The one source of chance of a simulation.
#ifndef TESTS_SIMULATION_RANDOM_H_
#define TESTS_SIMULATION_RANDOM_H_

#include <cstdint>

#include "absl/time/time.h"

namespace closewrite::simulation {

// SplitMix64: the same numbers for the same seed, everywhere. Not thread-safe.
class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed) {}

  uint64_t Next() { return Mix(state_ += 0x9e3779b97f4a7c15); }

  // The same number always for the same input; spreads what is alike.
  static uint64_t Mix(uint64_t x) {
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
    x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
    return x ^ (x >> 31);
  }

  // In [0, n); n > 0.
  uint64_t Below(uint64_t n) { return Next() % n; }
  // In [low, high].
  int64_t Between(int64_t low, int64_t high) {
    return low + static_cast<int64_t>(Below(static_cast<uint64_t>(high - low + 1)));
  }
  absl::Duration Between(absl::Duration low, absl::Duration high) {
    return absl::Nanoseconds(
        Between(absl::ToInt64Nanoseconds(low), absl::ToInt64Nanoseconds(high)));
  }
  // In [0, 1).
  double Fraction() { return static_cast<double>(Next() >> 11) * 0x1.0p-53; }
  bool Chance(double probability) { return Fraction() < probability; }
  // A pause between events that come `per_second` times a second, at random.
  absl::Duration Pause(double per_second) {
    return absl::Seconds((Fraction() + Fraction()) / per_second);
  }

  template <class Container>
  auto& Pick(Container& container) {
    return container[Below(container.size())];
  }

 private:
  uint64_t state_;
};

}  // namespace closewrite::simulation

#endif  // TESTS_SIMULATION_RANDOM_H_

// Time, order and chance of a simulation.
#ifndef TESTS_SIMULATION_WORLD_H_
#define TESTS_SIMULATION_WORLD_H_

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/time/time.h"
#include "tests/simulation/random.h"
#include "tests/simulation/trace.h"

namespace closewrite::simulation {

class World;

// A process or a machine, which can crash, start again, and freeze. What a life has planned does
// not happen in the next one; what is planned for a frozen one waits.
class Part {
 public:
  Part(World* world, std::string name) : world_(*world), name_(std::move(name)) {}
  Part(const Part&) = delete;

  const std::string& name() const { return name_; }
  bool up() const { return up_; }
  // A number for each life.
  int64_t life() const { return life_; }

  void Start() { up_ = true, ++life_, frozen_until_ns_ = 0; }
  void Crash() { up_ = false, ++life_, frozen_until_ns_ = 0; }
  void FreezeUntil(absl::Duration until) {
    frozen_until_ns_ = std::max(frozen_until_ns_, absl::ToInt64Nanoseconds(until));
  }
  int64_t frozen_until_ns() const { return frozen_until_ns_; }

  // Does `action` after `delay`, if this life lasts so long.
  void After(absl::Duration delay, absl::AnyInvocable<void()> action);

 private:
  World& world_;
  const std::string name_;
  bool up_ = false;
  int64_t life_ = 0;
  int64_t frozen_until_ns_ = 0;
};

// A promise that was broken.
struct Failure {
  std::string check;  // its short name
  std::string message;
  absl::Duration at;
};

// The queue of events: everything that happens is one, and what is due at the same time happens in
// the order in which it was planned. Not thread-safe.
class World {
 public:
  using Action = absl::AnyInvocable<void()>;

  World(uint64_t seed, bool keep_trace) : random_(seed), trace_(keep_trace) {}

  // Since the start. It is what CLOCK_BOOTTIME says on all machines.
  absl::Duration now() const { return absl::Nanoseconds(now_ns_); }
  // The store's clock. Neither ever jumps.
  absl::Time time() const { return absl::FromUnixSeconds(kStartUnixSeconds) + now(); }
  Random& random() { return random_; }

  // Plans something; `part` may be nullptr.
  void After(absl::Duration delay, Part* part, Action action);
  // Lets the next event happen; false when there is none.
  bool Step();
  int64_t steps() const { return steps_; }

  void Note(std::string_view who, std::string_view format,
            std::initializer_list<int64_t> numbers = {}, std::string_view detail = {}) {
    trace_.Add(now_ns_, who, format, numbers, detail);
  }
  const Trace& trace() const { return trace_; }

  // Only the first one is kept: what follows may be its consequence.
  void Fail(std::string_view check, std::string message);
  const std::optional<Failure>& failure() const { return failure_; }

 private:
  static constexpr int64_t kStartUnixSeconds = 1'800'000'000;

  struct Planned {
    int64_t at_ns;
    int64_t number;
    uint32_t slot;
  };
  struct Slot {
    Action action;
    Part* part = nullptr;
    int64_t life = 0;
  };
  // The earliest is on top of the heap.
  static bool Later(const Planned& a, const Planned& b) {
    return a.at_ns != b.at_ns ? a.at_ns > b.at_ns : a.number > b.number;
  }
  void Push(int64_t at_ns, uint32_t slot);

  int64_t now_ns_ = 0;
  int64_t planned_ = 0;
  int64_t steps_ = 0;
  std::vector<Planned> heap_;
  std::vector<Slot> slots_;
  std::vector<uint32_t> free_slots_;
  Random random_;
  Trace trace_;
  std::optional<Failure> failure_;
};

}  // namespace closewrite::simulation

#endif  // TESTS_SIMULATION_WORLD_H_

// What happened in a simulation.
#ifndef TESTS_SIMULATION_TRACE_H_
#define TESTS_SIMULATION_TRACE_H_

#include <cstdint>
#include <deque>
#include <initializer_list>
#include <string>
#include <string_view>

namespace closewrite::simulation {

// Lines that are kept; of more the oldest are dropped.
inline constexpr size_t kTraceLinesMax = 1'000'000;

// Every line goes into the hash, which tells whether two runs were the same; its text is made only
// when it is wanted. Not thread-safe.
class Trace {
 public:
  explicit Trace(bool keep_text) : keep_text_(keep_text) {}

  // In `format`, $0 to $9 stand for the numbers and $d for the detail.
  void Add(int64_t at_ns, std::string_view who, std::string_view format,
           std::initializer_list<int64_t> numbers, std::string_view detail);

  uint64_t hash() const { return hash_; }
  const std::deque<std::string>& lines() const { return lines_; }

 private:
  void Mix(uint64_t value);
  void Mix(std::string_view text);

  const bool keep_text_;
  uint64_t hash_ = 0;
  std::deque<std::string> lines_;
};

}  // namespace closewrite::simulation

#endif  // TESTS_SIMULATION_TRACE_H_

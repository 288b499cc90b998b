// What became of a misdeed.
#ifndef TESTS_HOSTILE_FINDINGS_H_
#define TESTS_HOSTILE_FINDINGS_H_

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "nlohmann/json.hpp"

namespace closewrite::hostile {

// Tries whose answers are told one by one; the others are only counted, see Count.
inline constexpr size_t kTriesToldMax = 2000;

// Says no for a reason that the API knows. Neither that nobody is there any more (UNAVAILABLE), nor
// that nothing was heard (DEADLINE_EXCEEDED), nor a defect (INTERNAL, UNKNOWN).
bool IsRefusal(const absl::Status& status);

// Not thread-safe.
class Findings {
 public:
  // One try and its answer; `good` when the coordinator did as it should.
  void Add(std::string_view what, const absl::Status& answer, bool good);
  // Many tries of a kind.
  void Count(std::string_view what, const std::map<absl::StatusCode, int64_t>& answers, bool good);
  // A figure, for people.
  void Number(std::string_view what, int64_t number);

  // Something was tried, and all of it ended well.
  bool good() const { return good_ && (!tries_.empty() || !counts_.empty()); }

  // One line of JSON.
  std::string Line(std::string_view misdeed) const;

 private:
  bool good_ = true;
  nlohmann::json tries_ = nlohmann::json::array();
  nlohmann::json counts_ = nlohmann::json::array();
  nlohmann::json numbers_ = nlohmann::json::object();
};

}  // namespace closewrite::hostile

#endif  // TESTS_HOSTILE_FINDINGS_H_

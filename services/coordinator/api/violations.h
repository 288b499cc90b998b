// Collects everything that is wrong with a request, so that the caller hears it all at once.
#ifndef SERVICES_COORDINATOR_API_VIOLATIONS_H_
#define SERVICES_COORDINATOR_API_VIOLATIONS_H_

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"

namespace closewrite {

// Wrong fields that one answer names.
inline constexpr size_t kViolationsMax = 50;

// Not thread-safe.
class Violations {
 public:
  // `field` is the path to the field in the request, such as `pipelines[0].run.command`;
  // `description` says what is wrong and what would be right.
  void Add(std::string_view field, std::string_view description);
  // Adds the message of a status that is not OK.
  void AddUnlessOk(std::string_view field, const absl::Status& status);

  bool empty() const { return violations_.empty(); }
  // OK when nothing was added, otherwise INVALID_ARGUMENT with google.rpc.BadRequest.
  absl::Status ToStatus() const;

 private:
  std::vector<std::pair<std::string, std::string>> violations_;
};

// INVALID_ARGUMENT about one field.
absl::Status WrongField(std::string_view field, std::string_view description);

}  // namespace closewrite

#endif  // SERVICES_COORDINATOR_API_VIOLATIONS_H_

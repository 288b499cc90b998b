#include "services/coordinator/api/violations.h"

#include "services/log/str_cat.h"
#include "services/transport/errors.h"

namespace closewrite {

void Violations::Add(std::string_view field, std::string_view description) {
  if (violations_.size() < kViolationsMax) violations_.emplace_back(field, description);
}

void Violations::AddUnlessOk(std::string_view field, const absl::Status& status) {
  if (!status.ok()) Add(field, ToStd(status.message()));
}

absl::Status Violations::ToStatus() const {
  if (violations_.empty()) return absl::OkStatus();
  std::string message;
  for (const auto& [field, description] : violations_) {
    StrAppend(&message, message.empty() ? "" : "; ", field, ": ", description);
  }
  absl::Status status = absl::InvalidArgumentError(message);
  for (const auto& [field, description] : violations_) {
    status = WithField(status, field, description);
  }
  return status;
}

absl::Status WrongField(std::string_view field, std::string_view description) {
  Violations violations;
  violations.Add(field, description);
  return violations.ToStatus();
}

}  // namespace closewrite

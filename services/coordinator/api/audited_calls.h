// Which calls the audit has: the one place where that is decided.
#ifndef SERVICES_COORDINATOR_API_AUDITED_CALLS_H_
#define SERVICES_COORDINATOR_API_AUDITED_CALLS_H_

#include <string_view>

#include "absl/status/statusor.h"
#include "absl/types/span.h"

namespace closewrite {

// Such as JobService.CancelJobs.
struct CallName {
  std::string_view service;  // without its package
  std::string_view method;
  bool operator==(const CallName&) const = default;
};

// A call that changes something and is left out.
struct UnauditedCall {
  CallName call;
  std::string_view why;  // for people: "it ..."
};

// Every call with a `request_id` stands in one of the two; a method's name is enough to find one.
absl::Span<const CallName> AuditedCalls();
absl::Span<const UnauditedCall> UnauditedCalls();

// Null when the audit does not have the method.
const CallName* FindAuditedCall(std::string_view method);

// What somebody asks for: a name of AuditedCalls, with or without its service; the service is empty
// then. INVALID_ARGUMENT: the audit has no such call; says why, or what may be meant.
absl::StatusOr<CallName> ParseAuditedCall(std::string_view text);

}  // namespace closewrite

#endif  // SERVICES_COORDINATOR_API_AUDITED_CALLS_H_

#include "services/cli/exit_code.h"

#include "services/log/str_cat.h"
#include "services/transport/errors.h"

namespace closewrite::cli {
namespace {

constexpr std::string_view kUsageReason = "USAGE";

}  // namespace

absl::Status UsageError(std::string_view message) {
  return WithReason(absl::InvalidArgumentError(ToAbsl(message)), kUsageReason);
}

int ExitCode(const absl::Status& status) {
  if (status.ok()) return kExitOk;
  if (Reason(status) == kUsageReason) return kExitUsage;
  switch (status.code()) {
    case absl::StatusCode::kCancelled:
      return kExitInterrupted;
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kNotFound:
    case absl::StatusCode::kAlreadyExists:
    case absl::StatusCode::kFailedPrecondition:
    case absl::StatusCode::kOutOfRange:
    case absl::StatusCode::kPermissionDenied:
    case absl::StatusCode::kUnauthenticated:
    case absl::StatusCode::kResourceExhausted:
    case absl::StatusCode::kAborted:
      return kExitRefused;
    default:
      return kExitOurs;
  }
}

}  // namespace closewrite::cli

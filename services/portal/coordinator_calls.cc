#include "services/portal/coordinator_calls.h"

#include "services/log/str_cat.h"
#include "services/volume/path.h"

namespace closewrite::portal {

std::string Sentence(const absl::Status& status) {
  const std::string message = Display(ToStd(status.message()));
  const bool away =
      (absl::IsUnavailable(status) && Reason(status).empty()) || absl::IsDeadlineExceeded(status);
  if (away) {
    return "The coordinator does not answer just now. Nothing is lost; try again in a moment.";
  }
  return message;
}

int HttpStatusOf(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kOk:
      return 200;
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kOutOfRange:
      return 422;
    case absl::StatusCode::kNotFound:
      return 404;
    case absl::StatusCode::kFailedPrecondition:
    case absl::StatusCode::kAborted:
    case absl::StatusCode::kAlreadyExists:
      return 409;
    case absl::StatusCode::kPermissionDenied:
      return 403;
    case absl::StatusCode::kUnimplemented:
      return 501;
    case absl::StatusCode::kResourceExhausted:
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kDeadlineExceeded:
      return 503;
    default:
      return 500;
  }
}

}  // namespace closewrite::portal

#include "services/cli/flush_wait.h"

#include <algorithm>

#include "services/config/config.h"
#include "services/log/str_cat.h"
#include "services/transport/errors.h"

namespace closewrite::cli {
namespace {

// What one call of the API takes.
constexpr absl::Duration kWatcherCallMax = absl::Minutes(10);
// How often a watcher that is away is looked for.
constexpr absl::Duration kAwayPause = absl::Milliseconds(300);
// ErrorInfo reason of UNAVAILABLE when it is the watcher that is away, not the coordinator.
constexpr std::string_view kWatcherAway = "WATCHER_NOT_CONNECTED";

}  // namespace

absl::Status FlushVolume(Invocation& invocation, const std::string& volume, absl::Time deadline) {
  Client& client = invocation.client();
  v1::FlushEventsRequest request;
  request.set_volume(volume);
  bool noted = false;
  for (;;) {
    const absl::Duration left = deadline - invocation.now();
    if (left <= absl::ZeroDuration()) return absl::DeadlineExceededError("the time is up");
    *request.mutable_timeout() = ToProto(std::min(left, kWatcherCallMax));
    v1::FlushEventsResponse response;
    const absl::Status status = client.CallUntil(deadline, [&](grpc::ClientContext* context) {
      return client.events().FlushEvents(context, request, &response);
    });
    if (absl::IsDeadlineExceeded(status) && invocation.now() < deadline) continue;
    if (!absl::IsUnavailable(status) || Reason(status) != kWatcherAway) return status;
    if (invocation.now() + kAwayPause >= deadline) {
      return absl::DeadlineExceededError(status.message());
    }
    if (!noted) invocation.Note(StrCat(ToStd(status.message()), "; waiting for it"));
    noted = true;
    invocation.console().interrupts->Wait(kAwayPause);
    if (invocation.console().interrupts->Pending()) return absl::CancelledError("interrupted");
  }
}

}  // namespace closewrite::cli

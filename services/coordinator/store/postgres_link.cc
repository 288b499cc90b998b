#include "services/coordinator/store/postgres_link.h"

#include <algorithm>

#include "services/clock/clock.h"

namespace closewrite {

absl::StatusOr<PostgresConnection*> PostgresLink::Connected() {
  if (connected()) return connection_.get();
  Drop();
  const absl::Duration patience = failed_at_ + wait_ - SinceBoot();
  if (wait_ > absl::ZeroDuration() && patience > absl::ZeroDuration()) {
    closing_.WaitForNotificationWithTimeout(patience);
  }
  absl::StatusOr<std::unique_ptr<PostgresConnection>> connection =
      PostgresConnection::Connect(url_);
  absl::Status status = connection.status();
  if (status.ok() && on_connect_ != nullptr) status = on_connect_(connection->get());
  if (!status.ok()) {
    wait_ = std::clamp(wait_ * 2, kWaitMin, kWaitMax);
    failed_at_ = SinceBoot();
    return status;
  }
  wait_ = absl::ZeroDuration();
  connection_ = *std::move(connection);
  return connection_.get();
}

}  // namespace closewrite

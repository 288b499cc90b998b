// A connection that is made when it is needed, and made again after it broke.
#ifndef SERVICES_COORDINATOR_STORE_POSTGRES_LINK_H_
#define SERVICES_COORDINATOR_STORE_POSTGRES_LINK_H_

#include <functional>
#include <memory>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/notification.h"
#include "absl/time/time.h"
#include "services/coordinator/store/postgres_connection.h"
#include "services/coordinator/store/postgres_url.h"

namespace closewrite {

// Not thread-safe: its owner guards it.
class PostgresLink {
 public:
  // After a failure the next attempt waits so long, and longer after each further one.
  static constexpr absl::Duration kWaitMin = absl::Milliseconds(20);
  static constexpr absl::Duration kWaitMax = absl::Seconds(1);

  // Both must outlive it; nothing is waited for after `closing`.
  PostgresLink(const PostgresUrl* url, const absl::Notification* closing)
      : url_(*url), closing_(*closing) {}

  // Run on every new connection before it is used; an error counts as one of connecting.
  void OnConnect(std::function<absl::Status(PostgresConnection*)> fn) {
    on_connect_ = std::move(fn);
  }

  // The connection; one attempt to make it when there is none that works. UNAVAILABLE and others:
  // it failed.
  absl::StatusOr<PostgresConnection*> Connected();
  bool connected() const { return connection_ != nullptr && !connection_->broken(); }
  PostgresConnection* connection() { return connection_.get(); }
  void Drop() { connection_ = nullptr; }

 private:
  const PostgresUrl& url_;
  const absl::Notification& closing_;
  std::function<absl::Status(PostgresConnection*)> on_connect_;
  std::unique_ptr<PostgresConnection> connection_;
  absl::Duration wait_;  // zero: the last attempt succeeded
  absl::Duration failed_at_;
};

}  // namespace closewrite

#endif  // SERVICES_COORDINATOR_STORE_POSTGRES_LINK_H_

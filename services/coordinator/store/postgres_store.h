// The store in a PostgreSQL database, which several coordinators share.
#ifndef SERVICES_COORDINATOR_STORE_POSTGRES_STORE_H_
#define SERVICES_COORDINATOR_STORE_POSTGRES_STORE_H_

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/base/call_once.h"
#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "services/coordinator/core/presence.h"
#include "services/coordinator/core/store.h"
#include "services/coordinator/store/postgres_link.h"
#include "services/coordinator/store/postgres_listener.h"
#include "services/coordinator/store/postgres_url.h"
#include "services/coordinator/store/postgres_writer.h"

namespace closewrite {

// Thread-safe. One connection writes, kReaders read, and one listens. Each is made anew when it
// broke; a Write that was cut off by that is ABORTED or UNAVAILABLE, and then nothing of it is
// left, or it is OK, and then all of it is there.
class PostgresStore final : public Store {
 public:
  static constexpr int kReaders = 2;

  // Connects, and makes the schema `closewrite` in the database or brings it up to date. `url` is
  // described in postgres_url.h; `id` is this coordinator's, and nobody else's.
  //
  // INVALID_ARGUMENT: the URL. UNAVAILABLE: no connection. FAILED_PRECONDITION: the server is too
  // old, a newer coordinator made the schema, or the role lacks a right. All messages name the
  // database, without a password, and say what to do.
  static absl::StatusOr<std::unique_ptr<PostgresStore>> Open(const std::string& url,
                                                             const CoordinatorId& id);
  ~PostgresStore() override;

  absl::Status Write(absl::FunctionRef<absl::Status(StoreTransaction&)> fn) override
      ABSL_LOCKS_EXCLUDED(write_mutex_);
  absl::Status Read(absl::FunctionRef<absl::Status(StoreReader&)> fn) override
      ABSL_LOCKS_EXCLUDED(read_mutex_);
  std::string Durability() const override { return durability_; }

  bool shared() const override { return true; }
  void Notify(std::string_view notice) override;
  void Listen(std::function<void(std::string_view notice)> fn) override;
  void EndSoon() override;

 private:
  PostgresStore(PostgresUrl url, const CoordinatorId& id, std::string durability);
  absl::Status ReadBy(PostgresLink* link, absl::FunctionRef<absl::Status(StoreReader&)> fn);

  const PostgresUrl url_;
  const std::string durability_;
  absl::once_flag closed_;
  absl::Notification closing_;
  absl::Mutex write_mutex_;
  PostgresWriter writer_ ABSL_GUARDED_BY(write_mutex_);
  absl::Mutex read_mutex_;
  std::vector<std::unique_ptr<PostgresLink>> idle_readers_ ABSL_GUARDED_BY(read_mutex_);
  std::unique_ptr<PostgresListener> listener_;  // null without notifications
};

}  // namespace closewrite

#endif  // SERVICES_COORDINATOR_STORE_POSTGRES_STORE_H_

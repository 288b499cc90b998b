// Tells other coordinators of a PostgreSQL store that something changed, and hears of it from them:
// LISTEN and NOTIFY, on a connection and a thread of their own.
#ifndef SERVICES_COORDINATOR_STORE_POSTGRES_LISTENER_H_
#define SERVICES_COORDINATOR_STORE_POSTGRES_LISTENER_H_

#include <functional>
#include <set>
#include <string>
#include <string_view>
#include <thread>  // NOLINT: one thread that waits for the socket
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "absl/time/time.h"
#include "services/coordinator/core/presence.h"
#include "services/coordinator/store/postgres_connection.h"
#include "services/coordinator/store/postgres_link.h"
#include "services/coordinator/store/postgres_url.h"

namespace closewrite {

// A notification takes a lock that all databases of a server share while its transaction commits.
// So it is sent outside of the transactions that change something, and what is told within
// kIntervalMin is sent as one. Thread-safe.
class PostgresListener {
 public:
  static constexpr absl::Duration kIntervalMin = absl::Milliseconds(5);
  // Different notices that wait to be sent; more of them become "something may have been lost".
  static constexpr size_t kNoticesMax = 256;

  // `url` must outlive it. Starts nothing.
  PostgresListener(const PostgresUrl* url, CoordinatorId id);
  ~PostgresListener();

  // See Store::Listen. Returns when it listens, or the first attempt to has failed. Null ends it.
  // Not to be called by `fn`.
  void Listen(std::function<void(std::string_view)> fn)
      ABSL_LOCKS_EXCLUDED(mutex_, listener_mutex_);
  // See Store::Notify.
  void Notify(std::string_view notice) ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  void Start() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Wake();
  void Run();
  // Serves one connection until it breaks or all ends.
  absl::Status Serve(PostgresConnection* connection);
  // Waits for the socket, for Wake, or until `at` (since boot).
  void Wait(int socket, absl::Duration at);
  absl::Status Send(PostgresConnection* connection);
  void Dispatch(PostgresConnection* connection);
  void Tell(std::string_view notice);

  const CoordinatorId id_;
  const int wake_fd_;
  absl::Notification closing_;
  absl::Notification tried_;  // to connect
  PostgresLink link_;         // of the thread
  absl::Duration sent_at_;    // of the thread, since boot
  // Held while the listener is called, so that nobody is called any more once Listen has returned.
  absl::Mutex listener_mutex_;
  std::function<void(std::string_view)> listener_ ABSL_GUARDED_BY(listener_mutex_);
  absl::Mutex mutex_;
  // In the order in which they were told.
  std::vector<std::string> pending_ ABSL_GUARDED_BY(mutex_);
  bool overflowed_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace closewrite

#endif  // SERVICES_COORDINATOR_STORE_POSTGRES_LISTENER_H_

// The one connection of a store that writes.
#ifndef SERVICES_COORDINATOR_STORE_POSTGRES_WRITER_H_
#define SERVICES_COORDINATOR_STORE_POSTGRES_WRITER_H_

#include <cstdint>
#include <optional>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/synchronization/notification.h"
#include "absl/time/time.h"
#include "services/coordinator/core/presence.h"
#include "services/coordinator/core/store.h"
#include "services/coordinator/store/postgres_connection.h"
#include "services/coordinator/store/postgres_link.h"
#include "services/coordinator/store/postgres_memory.h"
#include "services/coordinator/store/postgres_transaction.h"

namespace closewrite {

// A connection that breaks during COMMIT leaves it open whether the commit happened. So every
// coordinator has a row that counts its commits, in the same transactions; and each of its
// connections takes that row over by raising its epoch, after which no transaction of an earlier
// connection can commit any more. What the row says then is final.
//
// Not thread-safe: its owner guards it.
class PostgresWriter {
 public:
  // How long it tries to find out whether a commit happened.
  static constexpr absl::Duration kInDoubtMax = absl::Seconds(30);
  // Rows of coordinators that were not seen for so long are removed.
  static constexpr absl::Duration kUnseenMax = absl::Hours(24 * 7);

  // The first and the last must outlive it.
  PostgresWriter(const PostgresUrl* url, CoordinatorId id, const absl::Notification* closing);
  // Removes the coordinator's row, if the database can be reached just now.
  ~PostgresWriter();

  // Connects, or says why it can't.
  absl::Status Open() { return link_.Connected().status(); }
  // See Store::Write.
  absl::Status Write(absl::FunctionRef<absl::Status(StoreTransaction&)> fn);

 private:
  // Ends what an earlier connection has left, and takes the coordinator's row over.
  absl::Status TakeOver(PostgresConnection* connection);
  absl::Status Run(PostgresTransaction* transaction,
                   absl::FunctionRef<absl::Status(StoreTransaction&)> fn);
  absl::Status Commit(PostgresTransaction* transaction);
  // OK when commit `number` happened, although its connection broke.
  absl::Status Resolve(int64_t number);
  void RollBack();

  const CoordinatorId id_;
  const absl::Notification& closing_;
  PostgresLink link_;
  PostgresMemory memory_;
  int64_t epoch_ = 0;    // of the coordinator's row, since link_ is connected
  int64_t commits_ = 0;  // that happened
  // Two that had to give way to each other, and come again at once, would do so again and again.
  bool alone_ = false;  // the next transaction comes after one that gave way
  // The transaction that was begun last.
  std::optional<PostgresTransaction::Backend> backend_;
};

}  // namespace closewrite

#endif  // SERVICES_COORDINATOR_STORE_POSTGRES_WRITER_H_

// A thin layer over libpq (https://www.postgresql.org/docs/15/libpq.html): a connection that runs
// batches of statements in one round trip each, with prepared statements.
#ifndef SERVICES_COORDINATOR_STORE_POSTGRES_CONNECTION_H_
#define SERVICES_COORDINATOR_STORE_POSTGRES_CONNECTION_H_

#include <postgresql/libpq-fe.h>

#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "services/coordinator/store/postgres_url.h"
#include "services/coordinator/store/postgres_wire.h"

namespace closewrite {

// One statement of a batch. The text must outlive the call.
struct PostgresQuery {
  std::string_view sql;
  PostgresParams params = {};
  // Whether to keep it prepared; false for texts that are made up for one use.
  bool keep = true;
};

// Not thread-safe: its owner guards it.
//
// Errors: ABORTED: a deadlock, a lock that was waited for too long, a key that somebody else took
// meanwhile; the same transaction may succeed. RESOURCE_EXHAUSTED: the disk is full. UNAVAILABLE:
// the server can't be reached, stops, starts, or takes no writes. FAILED_PRECONDITION: a right is
// missing, or a pooler stands between that can't do what was asked of it. DATA_LOSS: damage.
// INTERNAL: a defect of ours.
class PostgresConnection {
 public:
  // Different statements that are kept; all their texts are constants of this folder, so reaching
  // it is a defect.
  static constexpr size_t kStatementsMax = 256;
  // Kept plans are made anew after so long and so many batches, because tables grow.
  static constexpr absl::Duration kPlansKeptMin = absl::Seconds(1);
  static constexpr int kPlannedBatchesMin = 200;
  // How long the server may be silent within a batch before it counts as gone. Longer than what a
  // statement may wait for a lock (kLockWaitMax).
  static constexpr absl::Duration kSilenceMax = absl::Seconds(60);
  static constexpr absl::Duration kLockWaitMax = absl::Seconds(10);
  // The server ends a transaction whose client does nothing for so long, so that a coordinator that
  // was stopped in the middle of one does not hold the others up.
  static constexpr absl::Duration kIdleInTransactionMax = absl::Seconds(20);

  static absl::StatusOr<std::unique_ptr<PostgresConnection>> Connect(const PostgresUrl& url);
  ~PostgresConnection() = default;
  PostgresConnection(const PostgresConnection&) = delete;
  PostgresConnection& operator=(const PostgresConnection&) = delete;

  // Runs all in order, in one round trip; one result each. After the first error the rest is not
  // run, and an open transaction can only be rolled back.
  absl::StatusOr<std::vector<PostgresResult>> Run(const std::vector<PostgresQuery>& batch);
  // A statement whose rows do not matter.
  absl::Status Execute(std::string_view sql);

  // Whether it can't be used any more: connect anew.
  bool broken() const { return broken_; }
  // The SQLSTATE of the last error; "" when there was none or it was not the server's.
  const std::string& error_state() const { return error_state_; }
  bool in_transaction() const { return PQtransactionStatus(connection_.get()) != PQTRANS_IDLE; }
  // What has to be run at the beginning of every transaction: nothing, unless transactions of one
  // connection may run on different ones of the server.
  std::vector<PostgresQuery> TransactionSettings() const;

  // For LISTEN. The socket changes only with the connection. `Consume` reads what has arrived
  // without waiting; UNAVAILABLE when the connection broke. Then the payloads, oldest first.
  int socket() const { return PQsocket(connection_.get()); }
  absl::Status Consume();
  std::vector<std::string> TakeNotices();

 private:
  using Handle = std::unique_ptr<PGconn, decltype(&PQfinish)>;
  // What the server owes: an answer about a prepared statement, the results of one, or the mark
  // that ends the batch.
  struct Owed {
    enum Kind { kPrepared, kResult, kEnd } kind;
    std::string_view sql;
  };

  PostgresConnection(Handle connection, std::string name, bool keeps_state)
      : connection_(std::move(connection)), name_(std::move(name)), keeps_state_(keeps_state) {}

  absl::StatusOr<std::vector<PostgresResult>> RunNow(const std::vector<PostgresQuery>& batch);
  absl::Status Send(const std::vector<PostgresQuery>& batch, std::deque<Owed>* owed);
  bool SendOne(const PostgresQuery& query, std::deque<Owed>* owed);
  // Waits until libpq has a result without blocking.
  absl::Status Await();
  absl::StatusOr<std::vector<PostgresResult>> Receive(std::deque<Owed> owed);
  // Notes what a result means; the error that it is, if it is one.
  absl::Status Take(PostgresResult result, const Owed& owed, std::vector<PostgresResult>* results);
  absl::Status ErrorOf(const PGresult* result, std::string_view sql);
  // The connection can't be used any more.
  absl::Status Break(std::string_view what);

  const Handle connection_;
  const std::string name_;
  const bool keeps_state_;
  bool broken_ = false;
  // By text: the server's name for it. Those that are on their way have no entry yet.
  std::unordered_map<std::string, std::string> prepared_;
  int64_t names_ = 0;
  absl::Duration planned_at_;  // since boot
  int planned_batches_ = 0;
  std::string error_state_;
};

}  // namespace closewrite

#endif  // SERVICES_COORDINATOR_STORE_POSTGRES_CONNECTION_H_

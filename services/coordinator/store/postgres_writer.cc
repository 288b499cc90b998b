#include "services/coordinator/store/postgres_writer.h"

#include <utility>
#include <vector>

#include "services/clock/clock.h"
#include "services/log/log.h"

namespace closewrite {
namespace {

constexpr char kNowNs[] = "(extract(epoch FROM clock_timestamp()) * 1000000)::bigint * 1000";

// A transaction that is still open belongs to a connection that is gone. It is known by its start,
// because its process may serve somebody else by now.
constexpr char kTerminate[] =
    "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE pid = $1::bigint"
    " AND (extract(epoch FROM xact_start) * 1000000)::bigint = $2::bigint"
    " AND pid <> pg_backend_pid()";

const std::string& TakeOverSql() {
  static const std::string* const sql = new std::string(
      StrCat("INSERT INTO closewrite.coordinators AS t (id, epoch, commits, seen_at)"
             " VALUES ($1::bytea, 1, 0, ",
             kNowNs,
             ") ON CONFLICT (id) DO UPDATE SET epoch = t.epoch + 1, seen_at = excluded.seen_at"
             " RETURNING epoch, commits"));
  return *sql;
}

const std::string& RemoveUnseenSql() {
  static const std::string* const sql = new std::string(
      StrCat("DELETE FROM closewrite.coordinators WHERE seen_at < ", kNowNs, " - $1::bigint"));
  return *sql;
}

constexpr char kRemove[] =
    "DELETE FROM closewrite.coordinators WHERE id = $1::bytea AND epoch = $2::bigint";

// Fails with a division by zero when another connection has taken the row over.
constexpr char kFence[] =
    "WITH mine AS (UPDATE closewrite.coordinators SET commits = $3::bigint, seen_at = $4::bigint"
    " WHERE id = $1::bytea AND epoch = $2::bigint RETURNING 1) SELECT 1 / count(*) FROM mine";
constexpr char kFencedState[] = "22012";

constexpr char kCommit[] = "COMMIT";

}  // namespace

PostgresWriter::PostgresWriter(const PostgresUrl* url, CoordinatorId id,
                               const absl::Notification* closing)
    : id_(std::move(id)), closing_(*closing), link_(url, closing) {
  link_.OnConnect([this](PostgresConnection* connection) { return TakeOver(connection); });
}

PostgresWriter::~PostgresWriter() {
  if (!link_.connected()) return;
  const absl::Status removed =
      link_.connection()
          ->Run({{.sql = kRemove, .params = PostgresParams().Bytes(id_).Int(epoch_)}})
          .status();
  if (!removed.ok()) LogWarn("the store was not left cleanly", {{"error", removed.ToString()}});
}

absl::Status PostgresWriter::TakeOver(PostgresConnection* connection) {
  if (backend_.has_value()) {
    // Only so that nobody waits for its locks: the epoch alone keeps it from committing. So it does
    // not matter whether it can be done.
    const absl::Status ended =
        connection
            ->Run({{.sql = kTerminate,
                    .params = PostgresParams().Int(backend_->pid).Int(backend_->began_at_us)}})
            .status();
    if (!ended.ok()) LogWarn("an old transaction was not ended", {{"error", ended.ToString()}});
    if (connection->broken()) return ended;
  } else {
    const absl::Status removed =
        connection
            ->Run({{.sql = RemoveUnseenSql(),
                    .params = PostgresParams().Int(absl::ToInt64Nanoseconds(kUnseenMax))}})
            .status();
    if (!removed.ok()) return removed;
  }
  absl::StatusOr<std::vector<PostgresResult>> results =
      connection->Run({{.sql = TakeOverSql(), .params = PostgresParams().Bytes(id_)}});
  if (!results.ok()) return results.status();
  PostgresRow row(results->front(), 0);
  epoch_ = row.Int();
  commits_ = row.Int();
  backend_.reset();
  return absl::OkStatus();
}

void PostgresWriter::RollBack() {
  if (!link_.connected()) return;
  const absl::Status status = link_.connection()->Run({{.sql = "ROLLBACK"}}).status();
  if (status.ok()) return;
  LogError("rollback failed", {{"error", status.ToString()}});
  link_.Drop();
}

absl::Status PostgresWriter::Write(absl::FunctionRef<absl::Status(StoreTransaction&)> fn) {
  // A connection that broke while nothing was done is replaced at once.
  constexpr int kAttempts = 2;
  absl::Status begun;
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    absl::StatusOr<PostgresConnection*> connection = link_.Connected();
    if (!connection.ok()) return connection.status();
    PostgresTransaction transaction(*connection, &memory_);
    begun = transaction.Begin(alone_);
    if (begun.ok()) {
      const absl::Status written = Run(&transaction, fn);
      alone_ = absl::IsAborted(written);
      return written;
    }
    RollBack();
    if (link_.connected()) return begun;
  }
  return begun;
}

absl::Status PostgresWriter::Run(PostgresTransaction* transaction,
                                 absl::FunctionRef<absl::Status(StoreTransaction&)> fn) {
  backend_ = transaction->backend();
  absl::Status status = fn(*transaction);
  // What `fn` says after a failed step may only be its consequence.
  if (!transaction->status().ok()) status = transaction->status();
  if (status.ok() && transaction->wrote()) return Commit(transaction);
  // Rolled back when nothing was written, too: a commit would be synced for the sake of its locks.
  RollBack();
  return status;
}

absl::Status PostgresWriter::Commit(PostgresTransaction* transaction) {
  const int64_t number = commits_ + 1;
  std::vector<PostgresQuery> batch = transaction->TakeWrites();
  batch.push_back({.sql = kFence,
                   .params = PostgresParams().Bytes(id_).Int(epoch_).Int(number).Time(
                       transaction->Now(absl::Time()))});
  batch.push_back({.sql = kCommit});
  absl::StatusOr<std::vector<PostgresResult>> results = link_.connection()->Run(batch);
  if (results.ok() && results->back().command() == kCommit) {
    commits_ = number;
    return absl::OkStatus();
  }
  absl::Status status = results.status();
  if (status.ok()) status = absl::InternalError("the database did not commit");
  if (!link_.connected()) return Resolve(number);
  // The server refused a statement, so it did not come to the commit.
  const bool fenced = link_.connection()->error_state() == kFencedState;
  RollBack();
  // The row was removed, or somebody goes by our id.
  if (fenced) link_.Drop();
  return status;
}

absl::Status PostgresWriter::Resolve(int64_t number) {
  const absl::Duration give_up_at = SinceBoot() + kInDoubtMax;
  for (;;) {
    const absl::Status status = link_.Connected().status();
    if (status.ok() && commits_ == number) return absl::OkStatus();
    if (status.ok()) {
      return absl::AbortedError("the connection to the store broke before the commit");
    }
    const bool ends = closing_.HasBeenNotified();
    if (!ends && SinceBoot() < give_up_at) continue;
    return absl::UnavailableError(StrCat("it is not known whether the last commit happened",
                                         ends ? ", and there is no time to find out" : "", ": ",
                                         status.message()));
  }
}

}  // namespace closewrite

#include "services/coordinator/store/postgres_connection.h"

#include <errno.h>
#include <poll.h>
#include <string.h>

#include <algorithm>

#include "absl/memory/memory.h"
#include "absl/strings/ascii.h"
#include "services/clock/clock.h"
#include "services/log/str_cat.h"

namespace closewrite {
namespace {

// Our statements are written so that an index serves them in the right order, and the planner must
// not think better of it while a table is small or its statistics are old. The last argument says
// whether it holds for the transaction or for the connection.
#define CLOSEWRITE_SETTINGS(local)                                                       \
  "SELECT set_config('enable_seqscan', 'off', " local                                    \
  "), set_config('enable_bitmapscan', 'off', " local                                     \
  "), set_config('enable_hashjoin', 'off', " local                                       \
  "), set_config('enable_mergejoin', 'off', " local "), set_config('jit', 'off', " local \
  "), set_config('plan_cache_mode', 'force_generic_plan', " local                        \
  "), set_config('lock_timeout', '10s', " local                                          \
  "), set_config('idle_in_transaction_session_timeout', '20s', " local                   \
  "), set_config('statement_timeout', '50s', " local ")"
static_assert(PostgresConnection::kLockWaitMax == absl::Seconds(10));
static_assert(PostgresConnection::kIdleInTransactionMax == absl::Seconds(20));
static_assert(PostgresConnection::kSilenceMax > absl::Seconds(50));

constexpr char kConnectionSettings[] = CLOSEWRITE_SETTINGS("false");
constexpr char kTransactionSettings[] = CLOSEWRITE_SETTINGS("true");

constexpr int kBinary = 1;
// What an error quotes of the statement that failed.
constexpr size_t kQuotedBytesMax = 100;

std::string_view Field(const PGresult* result, int code) {
  const char* const field = PQresultErrorField(result, code);
  return field == nullptr ? "" : field;
}

// By SQLSTATE (https://www.postgresql.org/docs/15/errcodes-appendix.html).
absl::StatusCode CodeOf(std::string_view state) {
  static constexpr std::pair<const char*, absl::StatusCode> kByPrefix[] = {
      {"40001", absl::StatusCode::kAborted},             // serialization
      {"40P01", absl::StatusCode::kAborted},             // deadlock
      {"55P03", absl::StatusCode::kAborted},             // lock_timeout
      {"23505", absl::StatusCode::kAborted},             // a unique key that appeared meanwhile
      {"22012", absl::StatusCode::kAborted},             // see kFence in postgres_store.cc
      {"53100", absl::StatusCode::kResourceExhausted},   // disk full
      {"42501", absl::StatusCode::kFailedPrecondition},  // a right is missing
      {"26000", absl::StatusCode::kFailedPrecondition},  // no such prepared statement
      {"42P05", absl::StatusCode::kFailedPrecondition},  // prepared by somebody else
      {"XX001", absl::StatusCode::kDataLoss},            // damaged data
      {"XX002", absl::StatusCode::kDataLoss},            // damaged index
      {"08", absl::StatusCode::kUnavailable},            // connection
      {"25006", absl::StatusCode::kUnavailable},         // takes no writes (any more)
      {"25P03", absl::StatusCode::kUnavailable},         // idle in a transaction for too long
      {"53", absl::StatusCode::kUnavailable},            // memory, connections
      {"57", absl::StatusCode::kUnavailable},            // shutdown, crash, cancelled
      {"58", absl::StatusCode::kUnavailable},            // I/O
  };
  for (const auto& [prefix, code] : kByPrefix) {
    if (state.starts_with(prefix)) return code;
  }
  return absl::StatusCode::kInternal;
}

std::string_view CureOf(std::string_view state) {
  if (state == "53100") return "; the database's disk is full: free some space, nothing was lost";
  if (state == "42501") return "; grant the role what the documentation lists";
  if (state == "26000" || state == "42P05") {
    return "; a pooler of transactions stands between: add notifications=off to the store's URL";
  }
  return "";
}

}  // namespace

absl::StatusOr<std::unique_ptr<PostgresConnection>> PostgresConnection::Connect(
    const PostgresUrl& url) {
  std::vector<const char*> keywords;
  std::vector<const char*> values;
  for (const auto& [keyword, value] : url.parameters) {
    keywords.push_back(keyword.c_str());
    values.push_back(value.c_str());
  }
  keywords.push_back(nullptr);
  values.push_back(nullptr);
  Handle handle(PQconnectdbParams(keywords.data(), values.data(), /*expand_dbname=*/0), &PQfinish);
  if (handle == nullptr) return absl::UnavailableError("no memory to connect to the database");
  if (PQstatus(handle.get()) != CONNECTION_OK || PQsetnonblocking(handle.get(), 1) != 0 ||
      PQenterPipelineMode(handle.get()) != 1) {
    return absl::UnavailableError(
        StrCat("cannot connect to the store ", url.name, ": ",
               absl::StripAsciiWhitespace(PQerrorMessage(handle.get())),
               "; check that PostgreSQL runs there and that the role and the database exist"));
  }
  auto connection =
      absl::WrapUnique(new PostgresConnection(std::move(handle), url.name, url.notifications));
  if (url.notifications) {
    const absl::Status set = connection->Execute(kConnectionSettings);
    if (!set.ok()) return set;
  }
  return connection;
}

std::vector<PostgresQuery> PostgresConnection::TransactionSettings() const {
  if (keeps_state_) return {};
  return {{kTransactionSettings}};
}

absl::Status PostgresConnection::Break(std::string_view what) {
  broken_ = true;
  return absl::UnavailableError(
      StrCat("store ", name_, ": ", what, " ",
             absl::StripAsciiWhitespace(PQerrorMessage(connection_.get())),
             "; it is connected to again by itself"));
}

absl::Status PostgresConnection::ErrorOf(const PGresult* result, std::string_view sql) {
  const std::string_view state = Field(result, PG_DIAG_SQLSTATE);
  error_state_ = std::string(state);
  const std::string_view severity = Field(result, PG_DIAG_SEVERITY_NONLOCALIZED);
  // Without an SQLSTATE it is libpq itself that says so.
  if (state.empty() || severity == "FATAL" || severity == "PANIC" || state == "25006" ||
      PQstatus(connection_.get()) != CONNECTION_OK) {
    broken_ = true;
  }
  const absl::StatusCode code = state.empty() ? absl::StatusCode::kUnavailable : CodeOf(state);
  std::string message = StrCat("store ", name_, ": ");
  if (state.empty()) {
    StrAppend(&message, absl::StripAsciiWhitespace(PQresultErrorMessage(result)));
  } else {
    StrAppend(&message, Field(result, PG_DIAG_MESSAGE_PRIMARY), " (", state, ")", CureOf(state));
  }
  if (code == absl::StatusCode::kInternal) {
    StrAppend(&message, " in ", sql.substr(0, kQuotedBytesMax));
  }
  return absl::Status(code, message);
}

bool PostgresConnection::SendOne(const PostgresQuery& query, std::deque<Owed>* owed) {
  const std::vector<std::string>& params = query.params.values();
  std::vector<const char*> values;
  std::vector<int> lengths;
  for (const std::string& param : params) {
    values.push_back(param.data());
    lengths.push_back(static_cast<int>(param.size()));
  }
  const std::vector<int> formats(params.size(), kBinary);
  const int count = static_cast<int>(params.size());
  PGconn* const connection = connection_.get();
  const std::string sql(query.sql);
  if (!keeps_state_ || !query.keep || prepared_.size() >= kStatementsMax) {
    owed->push_back({Owed::kResult, query.sql});
    return PQsendQueryParams(connection, sql.c_str(), count, nullptr, values.data(), lengths.data(),
                             formats.data(), kBinary) == 1;
  }
  std::string& name = prepared_[sql];
  if (name.empty()) {
    name = StrCat("s", ++names_);
    owed->push_back({Owed::kPrepared, query.sql});
    if (PQsendPrepare(connection, name.c_str(), sql.c_str(), 0, nullptr) != 1) return false;
  }
  owed->push_back({Owed::kResult, query.sql});
  return PQsendQueryPrepared(connection, name.c_str(), count, values.data(), lengths.data(),
                             formats.data(), kBinary) == 1;
}

absl::Status PostgresConnection::Send(const std::vector<PostgresQuery>& batch,
                                      std::deque<Owed>* owed) {
  for (const PostgresQuery& query : batch) {
    if (!SendOne(query, owed)) return Break("cannot send:");
  }
  owed->push_back({Owed::kEnd, ""});
  if (PQpipelineSync(connection_.get()) != 1) return Break("cannot send:");
  return absl::OkStatus();
}

absl::Status PostgresConnection::Await() {
  for (;;) {
    const int unsent = PQflush(connection_.get());
    if (unsent < 0) {
      // What the server said before it closed the connection may have arrived.
      if (PQconsumeInput(connection_.get()) != 1) return Break("the connection broke:");
    }
    if (PQisBusy(connection_.get()) == 0) return absl::OkStatus();
    pollfd fd = {PQsocket(connection_.get()), POLLIN, 0};
    if (unsent > 0) fd.events |= POLLOUT;
    const int ready = poll(&fd, 1, static_cast<int>(absl::ToInt64Milliseconds(kSilenceMax)));
    if (ready == 0) return Break("the server is silent.");
    if (ready < 0 && errno != EINTR) return Break(strerror(errno));
    if (ready > 0 && (fd.revents & ~POLLOUT) != 0 && PQconsumeInput(connection_.get()) != 1) {
      return Break("the connection broke:");
    }
  }
}

absl::Status PostgresConnection::Take(PostgresResult result, const Owed& owed,
                                      std::vector<PostgresResult>* results) {
  switch (PQresultStatus(result.get())) {
    case PGRES_COMMAND_OK:
    case PGRES_TUPLES_OK:
      if (owed.kind == Owed::kResult) results->push_back(std::move(result));
      return absl::OkStatus();
    case PGRES_PIPELINE_ABORTED:
      // An earlier one failed; what was to be prepared was not.
      if (owed.kind == Owed::kPrepared) prepared_.erase(std::string(owed.sql));
      return absl::OkStatus();
    default:
      if (owed.kind == Owed::kPrepared) prepared_.erase(std::string(owed.sql));
      return ErrorOf(result.get(), owed.sql);
  }
}

absl::StatusOr<std::vector<PostgresResult>> PostgresConnection::Receive(std::deque<Owed> owed) {
  std::vector<PostgresResult> results;
  absl::Status first_error;
  while (!owed.empty()) {
    if (absl::Status status = Await(); !status.ok()) {
      // The error that closed the connection says more than that it is closed.
      return first_error.ok() ? status : first_error;
    }
    PGresult* const next = PQgetResult(connection_.get());
    if (next == nullptr) {
      // The end of one statement's results.
      if (PQstatus(connection_.get()) != CONNECTION_OK) {
        const absl::Status status = Break("the connection broke:");
        return first_error.ok() ? status : first_error;
      }
      if (owed.front().kind != Owed::kEnd) owed.pop_front();
      continue;
    }
    PostgresResult result(next);
    if (PQresultStatus(next) == PGRES_PIPELINE_SYNC) {
      owed.clear();
      break;
    }
    const absl::Status status = Take(std::move(result), owed.front(), &results);
    if (!status.ok() && first_error.ok()) first_error = status;
  }
  if (!first_error.ok()) return first_error;
  return results;
}

absl::StatusOr<std::vector<PostgresResult>> PostgresConnection::Run(
    const std::vector<PostgresQuery>& batch) {
  if (keeps_state_ && ++planned_batches_ >= kPlannedBatchesMin && !in_transaction() &&
      SinceBoot() - planned_at_ >= kPlansKeptMin) {
    planned_batches_ = 0;
    planned_at_ = SinceBoot();
    const absl::Status discarded = RunNow({{.sql = "DISCARD PLANS"}}).status();
    if (!discarded.ok()) return discarded;
  }
  return RunNow(batch);
}

absl::StatusOr<std::vector<PostgresResult>> PostgresConnection::RunNow(
    const std::vector<PostgresQuery>& batch) {
  if (broken_) return absl::UnavailableError(StrCat("store ", name_, " is not connected"));
  std::deque<Owed> owed;
  if (absl::Status status = Send(batch, &owed); !status.ok()) return status;
  absl::StatusOr<std::vector<PostgresResult>> results = Receive(std::move(owed));
  if (results.ok() && results->size() != batch.size()) {
    return Break("it gave fewer results than were asked for.");
  }
  return results;
}

absl::Status PostgresConnection::Execute(std::string_view sql) {
  return Run({{.sql = sql, .keep = false}}).status();
}

absl::Status PostgresConnection::Consume() {
  if (PQconsumeInput(connection_.get()) != 1) return Break("the connection broke:");
  return absl::OkStatus();
}

std::vector<std::string> PostgresConnection::TakeNotices() {
  std::vector<std::string> payloads;
  const auto next = [this] {
    return std::unique_ptr<PGnotify, decltype(&PQfreemem)>(PQnotifies(connection_.get()),
                                                           &PQfreemem);
  };
  for (auto notice = next(); notice != nullptr; notice = next()) {
    payloads.emplace_back(notice->extra);
  }
  return payloads;
}

}  // namespace closewrite

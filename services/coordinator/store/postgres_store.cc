#include "services/coordinator/store/postgres_store.h"

#include <utility>

#include "absl/memory/memory.h"
#include "services/coordinator/store/postgres_reader.h"
#include "services/coordinator/store/postgres_schema.h"
#include "services/log/log.h"

namespace closewrite {
namespace {

constexpr int64_t kServerVersionMin = 150000;
constexpr char kServer[] =
    "SELECT current_setting('server_version_num')::bigint,"
    " convert_to(split_part(current_setting('server_version'), ' ', 1), 'UTF8'),"
    " convert_to(current_setting('synchronous_commit'), 'UTF8'),"
    " convert_to(current_setting('fsync'), 'UTF8')";

// Checks the server; says how durable its commits are.
absl::StatusOr<std::string> CheckServer(PostgresConnection* connection) {
  absl::StatusOr<std::vector<PostgresResult>> results = connection->Run({{.sql = kServer}});
  if (!results.ok()) return results.status();
  PostgresRow row(results->front(), 0);
  const int64_t number = row.Int();
  const std::string version = row.Bytes();
  if (number < kServerVersionMin) {
    return absl::FailedPreconditionError(
        StrCat("the server is PostgreSQL ", version, "; version 15 or newer is needed"));
  }
  const std::string synchronous_commit = row.Bytes();
  return StrCat("postgresql ", version, ", synchronous_commit=", synchronous_commit,
                ", fsync=", row.Bytes());
}

absl::Status WithName(const PostgresUrl& url, const absl::Status& status) {
  if (status.ok() || status.message().find(url.name) != absl::string_view::npos) return status;
  return absl::Status(status.code(), StrCat("store ", url.name, ": ", status.message()));
}

}  // namespace

PostgresStore::PostgresStore(PostgresUrl url, const CoordinatorId& id, std::string durability)
    : url_(std::move(url)), durability_(std::move(durability)), writer_(&url_, id, &closing_) {
  for (int i = 0; i < kReaders; ++i) {
    idle_readers_.push_back(std::make_unique<PostgresLink>(&url_, &closing_));
  }
  if (url_.notifications) listener_ = std::make_unique<PostgresListener>(&url_, id);
}

PostgresStore::~PostgresStore() { EndSoon(); }

void PostgresStore::EndSoon() {
  absl::call_once(closed_, [this] { closing_.Notify(); });
}

absl::StatusOr<std::unique_ptr<PostgresStore>> PostgresStore::Open(const std::string& url,
                                                                   const CoordinatorId& id) {
  absl::StatusOr<PostgresUrl> parsed = ParsePostgresUrl(url);
  if (!parsed.ok()) return parsed.status();
  absl::StatusOr<std::unique_ptr<PostgresConnection>> connection =
      PostgresConnection::Connect(*parsed);
  if (!connection.ok()) return WithName(*parsed, connection.status());
  absl::StatusOr<std::string> durability = CheckServer(connection->get());
  absl::Status status = durability.status();
  if (status.ok()) status = MigratePostgresSchema(connection->get());
  if (!status.ok()) return WithName(*parsed, status);
  auto store = absl::WrapUnique(new PostgresStore(*parsed, id, *std::move(durability)));
  absl::MutexLock lock(&store->write_mutex_);
  if (status = store->writer_.Open(); !status.ok()) return WithName(*parsed, status);
  return store;
}

absl::Status PostgresStore::Write(absl::FunctionRef<absl::Status(StoreTransaction&)> fn) {
  absl::MutexLock lock(&write_mutex_);
  return writer_.Write(fn);
}

absl::Status PostgresStore::Read(absl::FunctionRef<absl::Status(StoreReader&)> fn) {
  const auto some_idle = [this] {
    read_mutex_.AssertHeld();
    return !idle_readers_.empty();
  };
  std::unique_ptr<PostgresLink> link;
  {
    absl::MutexLock lock(&read_mutex_);
    read_mutex_.Await(absl::Condition(&some_idle));
    link = std::move(idle_readers_.back());
    idle_readers_.pop_back();
  }
  const absl::Status status = ReadBy(link.get(), fn);
  absl::MutexLock lock(&read_mutex_);
  idle_readers_.push_back(std::move(link));
  return status;
}

absl::Status PostgresStore::ReadBy(PostgresLink* link,
                                   absl::FunctionRef<absl::Status(StoreReader&)> fn) {
  // A connection that broke while nothing was read is replaced at once.
  constexpr int kAttempts = 2;
  absl::Status status;
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    absl::StatusOr<PostgresConnection*> connection = link->Connected();
    if (!connection.ok()) return connection.status();
    PostgresReader reader(*connection);
    status = reader.Begin();
    const bool begun = status.ok();
    if (begun) status = fn(reader);
    if (!reader.status().ok()) status = reader.status();
    // The snapshot must not stay open: it keeps vacuum from its work.
    if (link->connected() && !(*connection)->Run({{.sql = "ROLLBACK"}}).ok()) link->Drop();
    if (begun || link->connected()) return status;
  }
  return status;
}

void PostgresStore::Notify(std::string_view notice) {
  if (listener_ != nullptr) listener_->Notify(notice);
}

void PostgresStore::Listen(std::function<void(std::string_view notice)> fn) {
  if (listener_ != nullptr) listener_->Listen(std::move(fn));
}

}  // namespace closewrite

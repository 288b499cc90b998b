// The PostgreSQL store does what every store must do; each case in a database of its own.
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>

#include "services/coordinator/store/postgres_server.h"
#include "services/coordinator/store/postgres_store.h"
#include "services/coordinator/store/store_contract.h"

namespace closewrite {
namespace {

class PostgresUnderTest final : public StoreUnderTest {
 public:
  PostgresUnderTest(PostgresServer* server, const std::string& parameters)
      : server_(*server),
        database_(server->NewDatabase()),
        url_(server->Url(database_) + parameters) {
    Reopen();
  }
  ~PostgresUnderTest() override {
    store_ = nullptr;
    server_.DropDatabase(database_);
  }
  Store* store() override { return store_.get(); }
  bool durable() const override { return true; }
  void Reopen() override {
    store_ = nullptr;
    absl::StatusOr<std::unique_ptr<PostgresStore>> store = PostgresStore::Open(url_, "coordinator");
    EXPECT_TRUE(store.ok()) << store.status();
    if (store.ok()) store_ = *std::move(store);
  }

 private:
  PostgresServer& server_;
  const std::string database_;
  const std::string url_;
  std::unique_ptr<PostgresStore> store_;
};

std::unique_ptr<StoreUnderTest> Make(const std::string& parameters) {
  PostgresServer* const server = PostgresServer::Get();
  if (server == nullptr) return nullptr;
  return std::make_unique<PostgresUnderTest>(server, parameters);
}

INSTANTIATE_TEST_SUITE_P(Postgres, StoreContract,
                         testing::Values(StoreCase{"Connections", [] { return Make(""); }},
                                         // As behind a pooler of transactions.
                                         StoreCase{"Transactions",
                                                   [] { return Make("&notifications=off"); }}),
                         StoreCaseName);

}  // namespace
}  // namespace closewrite

// Two stores on one database, as two coordinators have them, for tests.
#ifndef SERVICES_COORDINATOR_STORE_POSTGRES_FLEET_FIXTURE_H_
#define SERVICES_COORDINATOR_STORE_POSTGRES_FLEET_FIXTURE_H_

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <thread>  // NOLINT: other coordinators
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "services/coordinator/store/postgres_server.h"
#include "services/coordinator/store/postgres_store.h"
#include "services/coordinator/store/store_samples.h"

namespace closewrite {

// How often something is looked at that must come.
constexpr int kLooksMax = 1000000;

class PostgresFleetTest : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    server_ = PostgresServer::Get();
    ASSERT_NE(server_, nullptr);
    database_ = server_->NewDatabase();
    a_ = Open("a");
    b_ = Open("b");
    ASSERT_NE(a_, nullptr);
    ASSERT_NE(b_, nullptr);
  }

  std::unique_ptr<PostgresStore> Open(const std::string& id) {
    absl::StatusOr<std::unique_ptr<PostgresStore>> store =
        PostgresStore::Open(absl::StrCat(server_->Url(database_), GetParam()), id);
    EXPECT_TRUE(store.ok()) << store.status();
    return store.ok() ? *std::move(store) : nullptr;
  }

  static absl::Status TryWrite(Store* store, absl::FunctionRef<void(StoreTransaction&)> fn) {
    return store->Write([&](StoreTransaction& t) {
      fn(t);
      return absl::OkStatus();
    });
  }
  static void Write(Store* store, absl::FunctionRef<void(StoreTransaction&)> fn) {
    const absl::Status status = TryWrite(store, fn);
    EXPECT_TRUE(status.ok()) << status;
  }
  static JobId Insert(Store* store, const Job& job) {
    JobId id;
    Write(store, [&](StoreTransaction& t) { id = t.InsertJob(job); });
    return id;
  }
  // Returns when some transaction of the database waits for a lock.
  void AwaitWaiter() {
    for (int look = 0; look < kLooksMax; ++look) {
      absl::StatusOr<PostgresResult> waiters =
          server_->Run(database_,
                       "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
                       " AND wait_event_type = 'Lock'");
      ASSERT_TRUE(waiters.ok()) << waiters.status();
      if (PostgresRow(*waiters, 0).Int() > 0) return;
    }
    FAIL() << "nobody waits";
  }

  PostgresServer* server_ = nullptr;
  std::string database_;
  std::unique_ptr<PostgresStore> a_;
  std::unique_ptr<PostgresStore> b_;
};

}  // namespace closewrite

#endif  // SERVICES_COORDINATOR_STORE_POSTGRES_FLEET_FIXTURE_H_

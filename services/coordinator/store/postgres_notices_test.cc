// What stores on one PostgreSQL database tell each other.
#include "services/coordinator/store/postgres_fleet_fixture.h"

namespace closewrite {
namespace {

// What a store was told, and the way to wait for it.
class Ear {
 public:
  std::function<void(std::string_view)> Fn() {
    return [this](std::string_view notice) {
      absl::MutexLock lock(&mutex_);
      heard_.emplace_back(notice);
    };
  }
  void Await(const std::string& notice) {
    const auto there = [&] {
      mutex_.AssertHeld();
      return std::find(heard_.begin(), heard_.end(), notice) != heard_.end();
    };
    absl::MutexLock lock(&mutex_);
    mutex_.Await(absl::Condition(&there));
  }
  std::vector<std::string> Take() {
    absl::MutexLock lock(&mutex_);
    return std::exchange(heard_, {});
  }

 private:
  absl::Mutex mutex_;
  std::vector<std::string> heard_;
};

class PostgresNoticesTest : public PostgresFleetTest {
 protected:
  // The stores use the ears until they are gone.
  void TearDown() override {
    a_ = nullptr;
    b_ = nullptr;
  }
  Ear of_a_;
  Ear of_b_;
};

INSTANTIATE_TEST_SUITE_P(Urls, PostgresNoticesTest, testing::Values(""));

TEST_P(PostgresNoticesTest, OthersHearWhatIsTold) {
  a_->Listen(of_a_.Fn());
  b_->Listen(of_b_.Fn());
  const std::string bytes = AllBytes() + std::string("\0/", 2);
  a_->Notify(bytes);
  of_b_.Await(bytes);
  b_->Notify("back");
  of_a_.Await("back");
  // What A told before is heard by nobody but B.
  EXPECT_EQ(of_a_.Take(), std::vector<std::string>{"back"});
  EXPECT_EQ(of_b_.Take(), std::vector<std::string>{bytes});
}

TEST_P(PostgresNoticesTest, WhatIsToldAgainBecomesOne) {
  b_->Listen(of_b_.Fn());
  for (int i = 0; i < 10000; ++i) a_->Notify("again");
  a_->Notify("last");
  of_b_.Await("last");
  EXPECT_LT(of_b_.Take().size(), 5000u);
}

TEST_P(PostgresNoticesTest, TooManyBecomeSomethingMayBeLost) {
  b_->Listen(of_b_.Fn());
  for (int i = 0; i < 100000; ++i) a_->Notify(absl::StrCat(i));
  of_b_.Await("");
}

TEST_P(PostgresNoticesTest, BrokenConnectionIsMadeAgainAndToldOf) {
  a_->Listen(of_a_.Fn());
  b_->Listen(of_b_.Fn());
  ASSERT_TRUE(server_
                  ->Run(database_,
                        "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity"
                        " WHERE datname = current_database() AND pid <> pg_backend_pid()")
                  .ok());
  of_a_.Await("");
  of_b_.Await("");
  a_->Notify("after");
  of_b_.Await("after");
  Insert(a_.get(), SmallJob("x"));
  Write(b_.get(), [&](StoreTransaction& t) { EXPECT_TRUE(t.FindJobByKey("x").has_value()); });
}

}  // namespace
}  // namespace closewrite

#include "services/coordinator/store/fake_store.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <string_view>

#include "services/coordinator/store/store_contract.h"

namespace closewrite {
namespace {

class FakeUnderTest final : public StoreUnderTest {
 public:
  Store* store() override { return store_.get(); }
  bool durable() const override { return false; }
  void Reopen() override { store_ = std::make_unique<FakeStore>(); }

 private:
  std::unique_ptr<FakeStore> store_ = std::make_unique<FakeStore>();
};

INSTANTIATE_TEST_SUITE_P(Fake, StoreContract,
                         testing::Values(StoreCase{
                             "Memory", [] { return std::make_unique<FakeUnderTest>(); }}),
                         StoreCaseName);

absl::Status InsertJob(Store* store, const std::string& key) {
  return store->Write([&](StoreTransaction& t) {
    t.InsertJob(SmallJob(key));
    return absl::OkStatus();
  });
}

int64_t Count(Store* store) {
  int64_t count = -1;
  EXPECT_TRUE(store
                  ->Read([&](StoreReader& r) {
                    count = r.CountUnfinished("p");
                    return absl::OkStatus();
                  })
                  .ok());
  return count;
}

TEST(FakeStoreTest, FailsTheNextCommitOnce) {
  FakeStore store;
  ASSERT_TRUE(InsertJob(&store, "a").ok());
  const absl::Status full = absl::ResourceExhaustedError("full");
  store.FailNextCommit(full);
  EXPECT_EQ(InsertJob(&store, "b"), full);
  EXPECT_EQ(Count(&store), 1);
  EXPECT_TRUE(InsertJob(&store, "b").ok());
  EXPECT_EQ(Count(&store), 2);
}

TEST(FakeStoreTest, CommitThatIsToFailWaitsForAFunctionThatSucceeds) {
  FakeStore store;
  const absl::Status full = absl::ResourceExhaustedError("full");
  store.FailNextCommit(full);
  const absl::Status aborted = absl::AbortedError("no");
  EXPECT_EQ(store.Write([&](StoreTransaction&) { return aborted; }), aborted);
  EXPECT_EQ(InsertJob(&store, "a"), full);
}

TEST(FakeStoreTest, CountsCommitsThatChangedSomething) {
  FakeStore store;
  EXPECT_TRUE(store.Write([](StoreTransaction&) { return absl::OkStatus(); }).ok());
  EXPECT_EQ(store.commits(), 0);
  ASSERT_TRUE(InsertJob(&store, "a").ok());
  EXPECT_FALSE(InsertJob(&store, "a").ok());
  EXPECT_EQ(store.commits(), 1);
}

TEST(FakeStoreTest, EveryoneWhoListensHearsNotices) {
  FakeStore store(/*shared=*/true);
  EXPECT_TRUE(store.shared());
  EXPECT_FALSE(FakeStore().shared());
  std::string heard;
  for (const char* name : {"a", "b"}) {
    store.Listen([&heard, name](std::string_view notice) {
      heard.append(name).append(":").append(notice).append(" ");
    });
  }
  store.Notify("jobs");
  EXPECT_EQ(heard, "a:jobs b:jobs ");
}

}  // namespace
}  // namespace closewrite

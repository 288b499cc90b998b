#include "services/coordinator/core/rate_book.h"

#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "services/coordinator/store/fake_store.h"

namespace closewrite {
namespace {

constexpr Rate kTwoPerTenSeconds{.limit = 2, .period = absl::Seconds(10)};

class RateBookTest : public ::testing::Test {
 protected:
  absl::Status Take(const RateRequest& request) {
    absl::Status taken;
    Run([&](StoreTransaction& tx) { taken = TakeRate(tx, request, now_, &wait_); });
    return taken;
  }
  absl::Duration JobWaits() {
    absl::Time at;
    Run([&](StoreTransaction& tx) { at = TakeRateForJob(tx, "r", kTwoPerTenSeconds, now_); });
    return at - now_;
  }
  void Run(const std::function<void(StoreTransaction&)>& step) {
    const absl::Status status = store_.Write([&](StoreTransaction& tx) {
      step(tx);
      return absl::OkStatus();
    });
    EXPECT_TRUE(status.ok()) << status;
  }

  FakeStore store_;
  absl::Time now_ = absl::FromUnixSeconds(1'800'000'000);
  absl::Duration wait_;
};

TEST_F(RateBookTest, OneThatIsNotDefinedIsRefusedAndOneThatIsAnotherToo) {
  EXPECT_TRUE(absl::IsNotFound(Take({.name = "r"})));
  EXPECT_TRUE(Take({.name = "r", .expected = kTwoPerTenSeconds}).ok());
  EXPECT_TRUE(Take({.name = "r", .expected = kTwoPerTenSeconds}).ok());
  EXPECT_TRUE(absl::IsFailedPrecondition(
      Take({.name = "r", .expected = Rate{.limit = 3, .period = absl::Seconds(10)}})));
}

// A program that takes the calls of the next hour leaves the job the first one after it asked.
TEST_F(RateBookTest, AJobsTurnIsKept) {
  EXPECT_TRUE(Take({.name = "r", .calls = 2, .expected = kTwoPerTenSeconds}).ok());
  EXPECT_EQ(JobWaits(), absl::Seconds(5));
  for (int i = 1; i <= 4; ++i) {
    EXPECT_TRUE(Take({.name = "r"}).ok());
    EXPECT_EQ(wait_, absl::Seconds(5 + 5 * i));
  }
  now_ += absl::Seconds(4);
  EXPECT_EQ(JobWaits(), absl::Seconds(1));
  now_ += absl::Seconds(1);
  EXPECT_EQ(JobWaits(), absl::ZeroDuration());
  // The next job stands behind those four.
  EXPECT_EQ(JobWaits(), absl::Seconds(25));
}

TEST_F(RateBookTest, WhatWasTakenStaysTakenWhenItChanges) {
  EXPECT_TRUE(Take({.name = "r", .calls = 2, .expected = kTwoPerTenSeconds}).ok());
  Run([&](StoreTransaction& tx) {
    EXPECT_TRUE(DefineRate(tx, "r", {.limit = 10, .period = absl::Seconds(10)}, now_).ok());
    const std::vector<StoredRate> rates = ListRates(tx);
    ASSERT_EQ(rates.size(), 1u);
    EXPECT_EQ(Available(rates[0].rate, rates[0].bucket, now_), 8);
  });
}

TEST_F(RateBookTest, ThereAreNoMoreThanSoMany) {
  Run([&](StoreTransaction& tx) {
    for (int64_t i = 0; i < kRatesMax; ++i) {
      EXPECT_TRUE(DefineRate(tx, absl::StrCat("r", i), kTwoPerTenSeconds, now_).ok());
    }
    EXPECT_TRUE(absl::IsResourceExhausted(DefineRate(tx, "more", kTwoPerTenSeconds, now_)));
    EXPECT_TRUE(DefineRate(tx, "r0", kTwoPerTenSeconds, now_).ok());
  });
}

}  // namespace
}  // namespace closewrite

// How long the audit is kept.
#include "services/coordinator/core/audit.h"

#include <gtest/gtest.h>

#include "services/coordinator/core/engine.h"
#include "services/coordinator/store/fake_store.h"

namespace closewrite {
namespace {

Engine MakeEngine(absl::Duration audit_retention) {
  return Engine({.retention = absl::Hours(1),
                 .audit_retention = audit_retention,
                 .random = [] { return 0.0; },
                 .new_session_id = [] { return SessionId("s"); },
                 .decode_pipeline = [](std::string_view) { return Pipeline{}; },
                 .decode_task = [](std::string_view) { return Task{}; }});
}

class AuditRetentionTest : public testing::Test {
 protected:
  int64_t Count() {
    int64_t count = 0;
    EXPECT_TRUE(store_
                    .Read([&](StoreReader& reader) {
                      count = static_cast<int64_t>(reader.ListAudit({}, {}, 100'000).size());
                      return absl::OkStatus();
                    })
                    .ok());
    return count;
  }
  void Append(int entries, absl::Time at) {
    EXPECT_TRUE(store_
                    .Write([&](StoreTransaction& tx) {
                      for (int i = 0; i < entries; ++i) tx.AppendAudit({.at = at});
                      return absl::OkStatus();
                    })
                    .ok());
  }
  // Returns when the engine wants to be called again.
  absl::Time Tick(Engine* engine, absl::Time now) {
    absl::Time next;
    EXPECT_TRUE(store_
                    .Write([&](StoreTransaction& tx) {
                      next = engine->Tick(tx, now);
                      return absl::OkStatus();
                    })
                    .ok());
    return next;
  }

  const absl::Time start_ = absl::FromUnixSeconds(1'800'000'000);
  FakeStore store_;
};

TEST_F(AuditRetentionTest, WhatIsOlderIsForgottenInSteps) {
  constexpr int kOld = 2500;
  Append(kOld, start_ - absl::Hours(49));
  Append(2, start_ - absl::Hours(47));
  Engine engine = MakeEngine(absl::Hours(48));
  absl::Time now = start_;
  std::vector<int64_t> left;
  for (int i = 0; i < 4; ++i) {
    now = Tick(&engine, now);
    left.push_back(Count());
  }
  EXPECT_EQ(left, (std::vector<int64_t>{1502, 502, 2, 2}));
}

// `retention` is about jobs and events alone.
TEST_F(AuditRetentionTest, WithoutAnEndItIsKept) {
  Append(3, start_ - absl::Hours(10'000));
  Engine engine = MakeEngine(absl::InfiniteDuration());
  Tick(&engine, start_);
  Tick(&engine, start_ + absl::Hours(2));
  EXPECT_EQ(Count(), 3);
}

}  // namespace
}  // namespace closewrite

#include "services/coordinator/core/alert_rules.h"

#include "gtest/gtest.h"

namespace closewrite {
namespace {

const absl::Time kNow = absl::FromUnixSeconds(1795344900);  // 2026-11-22 10:55:00 UTC

class AlertRulesTest : public testing::Test {
 protected:
  AlertRulesTest() {
    facts_.owner = "enrich";
    facts_.registered_at = kNow - absl::Hours(1);
  }
  std::vector<Trouble> Find() { return FindTroubles(policy_, facts_, kNow); }
  // The only one's message; "" when there is none.
  std::string Message() {
    const std::vector<Trouble> troubles = Find();
    EXPECT_LE(troubles.size(), 1u);
    return troubles.empty() ? "" : troubles[0].message;
  }

  AlertPolicy policy_;
  AlertFacts facts_;
};

TEST_F(AlertRulesTest, NobodyWantsToKnow) {
  facts_.failed = {{JobId{1}, kNow}};
  facts_.running = {JobId{1}, kNow - absl::Hours(100), ""};
  facts_.executors = {{"vm-c", kNow - absl::Hours(1), "vm-c"}};
  facts_.overflows = {{"in", kNow}};
  EXPECT_TRUE(Find().empty());
  EXPECT_FALSE(policy_.any());
}

TEST_F(AlertRulesTest, NoSuccessCountsFromTheRegistration) {
  policy_.no_success_within = absl::Hours(1);
  EXPECT_EQ(Message(), "");
  facts_.registered_at -= absl::Seconds(1);
  EXPECT_EQ(Message(),
            "no job of pipeline enrich has succeeded within 1h: none since it was registered at "
            "2026-11-22 09:54:59 UTC");
  facts_.stopped = true;
  facts_.owner = "task/load";
  EXPECT_EQ(Message(),
            "no job of task load has succeeded within 1h: none since it was registered at "
            "2026-11-22 09:54:59 UTC; the task is stopped");
}

TEST_F(AlertRulesTest, NoSuccessCountsFromTheLastOne) {
  policy_.no_success_within = absl::Minutes(30);
  facts_.succeeded_at = kNow - absl::Minutes(30);
  EXPECT_EQ(Message(), "");
  facts_.succeeded_at -= absl::Seconds(1);
  EXPECT_EQ(Message(),
            "no job of pipeline enrich has succeeded within 30m: the last was at 2026-11-22 "
            "10:24:59 UTC");
}

TEST_F(AlertRulesTest, FailuresCountWithinTheirTime) {
  policy_.failed = {2, absl::Hours(1)};
  facts_.failed = {{JobId{9}, kNow}, {JobId{7}, kNow - absl::Hours(1)}};
  EXPECT_EQ(Message(), "");  // one of them is an hour old
  facts_.failed = {{JobId{9}, kNow}, {JobId{7}, kNow - absl::Minutes(59)}};
  EXPECT_EQ(Message(), "2 jobs of pipeline enrich have failed within 1h: 9, 7");
  policy_.failed.count = 1;
  facts_.failed.pop_back();
  EXPECT_EQ(Message(), "1 job of pipeline enrich has failed within 1h: 9");
}

TEST_F(AlertRulesTest, WhatTakesTooLong) {
  policy_.running_longer_than = absl::Hours(2);
  facts_.running = {JobId{7}, kNow - absl::Hours(2), ""};
  EXPECT_EQ(Message(), "");
  facts_.running->since -= absl::Minutes(1);
  EXPECT_EQ(Message(), "job 7 of pipeline enrich has been running for 2h1m, longer than 2h");
  facts_.running.reset();
  policy_.waiting_longer_than = absl::Seconds(30);
  facts_.waiting = {JobId{8}, kNow - absl::Seconds(31), "no executor with label internet"};
  EXPECT_EQ(Message(),
            "job 8 of pipeline enrich has been waiting for 31s, longer than 30s: no executor with "
            "label internet");
}

TEST_F(AlertRulesTest, WhoIsStartedAgainIsNotLost) {
  policy_.executor_lost = policy_.watcher_lost = true;
  facts_.executors = {{"vm-c-1", kNow - kAwayMax + absl::Seconds(1), "vm-c"}};
  facts_.volumes = {{"in", kNow - kAwayMax + absl::Seconds(1), "vm-b"}};
  ASSERT_EQ(Find().size(), 2u);
  for (const Trouble& trouble : Find()) EXPECT_TRUE(trouble.in_doubt);
  facts_.executors[0].since = facts_.volumes[0].since = kNow - kAwayMax;
  const std::vector<Trouble> troubles = Find();
  ASSERT_EQ(troubles.size(), 2u);
  EXPECT_FALSE(troubles[0].in_doubt || troubles[1].in_doubt);
  EXPECT_EQ(troubles[0].key, (IncidentKey{"enrich", AlertRule::kExecutorLost, "vm-c-1"}));
  EXPECT_EQ(troubles[0].message,
            "executor vm-c-1 on vm-c, which could run pipeline enrich, was lost at 2026-11-22 "
            "10:54:45 UTC");
  EXPECT_EQ(troubles[1].key, (IncidentKey{"enrich", AlertRule::kWatcherLost, "in"}));
  EXPECT_EQ(troubles[1].message,
            "the watcher of volume in of pipeline enrich on vm-b has not been connected since "
            "2026-11-22 10:54:45 UTC");
}

TEST_F(AlertRulesTest, AnOverflowIsOverAfterAWhile) {
  policy_.overflow = true;
  facts_.overflows = {{"in", kNow - kOverflowCalm}};
  EXPECT_EQ(Message(), "");
  facts_.overflows[0].at += absl::Seconds(1);
  EXPECT_EQ(Message(),
            "the kernel dropped events of volume in of pipeline enrich at 2026-11-22 10:45:01 UTC; "
            "a scan makes up for them");
}

}  // namespace
}  // namespace closewrite

#include "services/cli/interrupts.h"

#include <thread>

#include "gtest/gtest.h"

namespace closewrite::cli {
namespace {

TEST(Interrupts, CountsEachOne) {
  Interrupts interrupts;
  EXPECT_FALSE(interrupts.Pending());
  interrupts.Notify();
  interrupts.Notify();
  interrupts.Acknowledge();
  EXPECT_TRUE(interrupts.Pending());
  interrupts.Acknowledge();
  EXPECT_FALSE(interrupts.Pending());
  interrupts.Acknowledge();
  EXPECT_FALSE(interrupts.Wait(absl::ZeroDuration()));
}

TEST(Interrupts, SaysWhichSignalItWas) {
  Interrupts interrupts;
  interrupts.Notify(SIGTERM);
  interrupts.Notify();
  EXPECT_EQ(interrupts.Acknowledge(), SIGTERM);
  EXPECT_EQ(interrupts.Acknowledge(), SIGINT);
  EXPECT_EQ(interrupts.Acknowledge(), 0);
}

TEST(Interrupts, AreOfAllKindsAsLongAsSomebodyWantsIt) {
  Interrupts interrupts;
  EXPECT_FALSE(interrupts.of_all_kinds());
  {
    Interrupts::OfAllKinds all(&interrupts);
    EXPECT_TRUE(interrupts.of_all_kinds());
  }
  EXPECT_FALSE(interrupts.of_all_kinds());
}

TEST(Interrupts, WakesWhoWaits) {
  Interrupts interrupts;
  std::thread user([&] { interrupts.Notify(); });
  EXPECT_TRUE(interrupts.Wait(absl::Seconds(30)));
  user.join();
}

TEST(Interrupts, CallsTheHookOfTheScopeOnly) {
  Interrupts interrupts;
  int calls = 0;
  {
    Interrupts::Scope scope(&interrupts, [&] { ++calls; });
    interrupts.Notify();
    EXPECT_EQ(calls, 1);
  }
  interrupts.Notify();
  EXPECT_EQ(calls, 1);
}

TEST(Interrupts, CallsTheHooksOfNestedScopes) {
  Interrupts interrupts;
  int outer_calls = 0;
  int inner_calls = 0;
  Interrupts::Scope outer(&interrupts, [&] { ++outer_calls; });
  {
    Interrupts::Scope inner(&interrupts, [&] { ++inner_calls; });
    interrupts.Notify();
  }
  interrupts.Notify();
  EXPECT_EQ(outer_calls, 2);
  EXPECT_EQ(inner_calls, 1);
}

TEST(Interrupts, CallsTheHookAtOnceWhenOneIsPending) {
  Interrupts interrupts;
  interrupts.Notify();
  int calls = 0;
  Interrupts::Scope scope(&interrupts, [&] { ++calls; });
  EXPECT_EQ(calls, 1);
}

}  // namespace
}  // namespace closewrite::cli

// Whatever happens, a command and all that it has started is dead before anybody else may have the
// lock: the fake coordinator gives it away as soon as the session has ended, and no sooner.
#include <signal.h>

#include <atomic>
#include <vector>

#include "absl/strings/match.h"
#include "services/cli/lock/lock_process.h"

namespace closewrite::cli {
namespace {

// The third of it that is left for late kills is longer than a loaded machine is late.
constexpr absl::Duration kTtl = absl::Seconds(9);

// Ignores whatever can be ignored, and has left its group, its session and its parent.
constexpr char kStubborn[] = R"(
trap '' TERM INT HUP
setsid sh -c 'echo daemon $$; while :; do sleep 1; done' &
(setsid sh -c 'echo orphan $$; while :; do sleep 1; done' &)
echo command $$
while :; do sleep 1; done
)";

class LockSafetyTest : public LockProcessTest {
 protected:
  LockSafetyTest() { locks_.SetTtl(kTtl); }

  void StartStubborn() {
    process_.Start({"lock", "run", "api", "--", "sh", "-c", kStubborn});
    for (const char* name : {"command", "daemon", "orphan"}) {
      tree_.push_back(process_.AwaitProcess(name));
    }
  }

  bool TreeIsDead() const {
    for (const WatchedProcess& process : tree_) {
      if (!process.IsDead()) return false;
    }
    return true;
  }

  LockProcess process_{coordinator_.address()};
  std::vector<WatchedProcess> tree_;
};

TEST_F(LockSafetyTest, TheNetworkIsGone) {
  StartStubborn();
  locks_.SetRenewalStatus(absl::UnavailableError("no route to host"));
  EXPECT_TRUE(process_.AwaitErr("lock api is lost: it could not be renewed (no route to host)"));
  EXPECT_EQ(process_.Wait(), 125);
  EXPECT_TRUE(TreeIsDead());
}

TEST_F(LockSafetyTest, WhoEndsWhenToldIsNotKilled) {
  process_.Start({"lock", "run", "api", "--", "sh", "-c",
                  "trap 'echo told; exit 0' TERM; echo ready; while :; do sleep 0.1; done"});
  EXPECT_TRUE(process_.AwaitOut("ready"));
  locks_.SetRenewalStatus(absl::UnavailableError("no route to host"));
  EXPECT_EQ(process_.Wait(), 125);
  EXPECT_TRUE(absl::EndsWith(process_.out(), "told\n")) << process_.out();
}

TEST_F(LockSafetyTest, ItIsKilledItself) {
  StartStubborn();
  process_.Signal(SIGKILL);
  EXPECT_EQ(process_.Wait(), -1);
  EXPECT_TRUE(locks_.AwaitFree("api"));
  EXPECT_TRUE(TreeIsDead());
}

TEST_F(LockSafetyTest, ItIsFrozen) {
  StartStubborn();
  process_.Signal(SIGSTOP);
  EXPECT_TRUE(locks_.AwaitFree("api"));
  EXPECT_TRUE(TreeIsDead());
  process_.Signal(SIGCONT);
  EXPECT_EQ(process_.Wait(), 125);
  EXPECT_TRUE(absl::StrContains(process_.err(), "lock api is lost")) << process_.err();
}

TEST_F(LockSafetyTest, ItsKeeperIsKilled) {
  StartStubborn();
  const WatchedProcess keeper(process_.keeper());
  kill(process_.keeper(), SIGKILL);
  EXPECT_TRUE(locks_.AwaitFree("api"));
  EXPECT_TRUE(keeper.IsDead());
  EXPECT_TRUE(TreeIsDead());
  EXPECT_EQ(process_.Wait(), 125);
}

TEST_F(LockSafetyTest, ItsKeeperIsFrozenAndTheNetworkIsGone) {
  StartStubborn();
  const WatchedProcess keeper(process_.keeper());
  kill(process_.keeper(), SIGSTOP);
  locks_.SetRenewalStatus(absl::UnavailableError("no route to host"));
  EXPECT_EQ(process_.Wait(), 125);
  EXPECT_TRUE(keeper.IsDead());
  EXPECT_TRUE(TreeIsDead());
}

TEST_F(LockSafetyTest, AnOperatorTakesItAway) {
  StartStubborn();
  locks_.Break("api");
  EXPECT_TRUE(process_.AwaitErr("lock api is lost: it was taken away; the command is told to end"));
  EXPECT_EQ(process_.Wait(), 125);
  EXPECT_TRUE(TreeIsDead());
}

TEST_F(LockSafetyTest, ItsSessionHasEnded) {
  StartStubborn();
  locks_.EndSessions();
  EXPECT_TRUE(process_.AwaitErr("lock api is lost: its session has ended"));
  EXPECT_EQ(process_.Wait(), 125);
  EXPECT_TRUE(TreeIsDead());
}

TEST_F(LockSafetyTest, WhatWasLeftBehindIsDeadBeforeTheLockIsFree) {
  process_.Start({"lock", "run", "api", "--", "sh", "-c",
                  "trap '' TERM; setsid sh -c 'echo daemon $$; exec sleep 1000' & read line; "
                  "exit 4"});
  const WatchedProcess daemon = process_.AwaitProcess("daemon");
  std::atomic<int> dead_releases = 0;
  std::atomic<int> releases = 0;
  locks_.SetOnRelease([&] {
    ++releases;
    dead_releases += daemon.IsDead() ? 1 : 0;
  });
  process_.Write("\n");
  EXPECT_EQ(process_.Wait(), 4);
  EXPECT_EQ(releases, 1);
  EXPECT_EQ(dead_releases, 1);
  locks_.SetOnRelease(nullptr);
}

TEST_F(LockSafetyTest, AGrantOfLongAgoStartsNothing) {
  OccupyLock("api");
  locks_.SetTtl(absl::Seconds(1));
  process_.Start({"lock", "run", "api", "--wait", "4s", "--", "sh", "-c", "echo ran"});
  EXPECT_TRUE(process_.AwaitErr("held by somebody"));
  locks_.SetRenewalStatus(absl::UnavailableError("no route to host"));
  process_.Signal(SIGSTOP);  // as a machine that sleeps, with an answer on its way
  locks_.Free("api");
  EXPECT_NE(locks_.AwaitHolder("api"), "");
  EXPECT_TRUE(locks_.AwaitFree("api"));
  process_.Signal(SIGCONT);
  EXPECT_EQ(process_.Wait(), 124);
  EXPECT_EQ(process_.out(), "");
}

TEST_F(LockSafetyTest, RenewalsKeepItForLongerThanASessionLives) {
  locks_.SetTtl(absl::Seconds(3));
  process_.Start({"lock", "run", "api", "--", "sh", "-c", "echo command $$; read line"});
  const WatchedProcess command = process_.AwaitProcess("command");
  EXPECT_TRUE(locks_.AwaitRenewals(6));
  EXPECT_EQ(locks_.lock("api").holders_size(), 1);
  EXPECT_FALSE(command.IsDead());
  process_.Write("\n");
  EXPECT_EQ(process_.Wait(), 0);
}

}  // namespace
}  // namespace closewrite::cli

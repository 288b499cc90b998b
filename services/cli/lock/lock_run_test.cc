// `lock run` in real processes: what a command meets, and when it is let run.
#include <signal.h>

#include "absl/strings/match.h"
#include "services/cli/lock/lock_process.h"

namespace closewrite::cli {
namespace {

class LockRunTest : public LockProcessTest {
 protected:
  std::vector<std::string> Shell(const std::string& script, std::vector<std::string> options = {}) {
    std::vector<std::string> words = {"lock", "run", "api"};
    words.insert(words.end(), options.begin(), options.end());
    words.insert(words.end(), {"--", "sh", "-c", script});
    return words;
  }

  LockProcess process_{coordinator_.address()};
};

TEST_F(LockRunTest, TheCommandHasItsStreamsItsExitCodeAndItsEnvironment) {
  process_.SetEnvironment("GREETING", "hello");
  process_.Start(
      Shell("cat; echo $GREETING $CLOSEWRITE_LOCK $CLOSEWRITE_TOKEN "
            "$CLOSEWRITE_LOCK_TOKEN; echo oops >&2; exit 7"));
  process_.Write("in\n");
  process_.CloseInput();
  EXPECT_EQ(process_.Wait(), 7);
  EXPECT_EQ(process_.out(), "in\nhello api 1 1\n");
  EXPECT_EQ(process_.err(), "oops\n");
  EXPECT_TRUE(locks_.lock("api").holders().empty());
}

TEST_F(LockRunTest, WithinAJobTheTokenIsTheAttempts) {
  process_.SetEnvironment("CLOSEWRITE_JOB", "41");
  process_.SetEnvironment("CLOSEWRITE_TOKEN", "99");
  process_.Start(Shell("echo $CLOSEWRITE_TOKEN $CLOSEWRITE_LOCK_TOKEN"));
  EXPECT_EQ(process_.Wait(), 0);
  EXPECT_EQ(process_.out(), "99 1\n");
}

TEST_F(LockRunTest, TheClaimSaysWhoItIs) {
  process_.Start(Shell("read line; exit 0", {"--priority", "5", "--capacity", "2"}));
  EXPECT_TRUE(absl::StartsWith(locks_.AwaitHolder("api"), "sh -c read line"));
  const v1::Lock lock = locks_.lock("api");
  EXPECT_EQ(lock.capacity(), 2);
  ASSERT_EQ(lock.holders_size(), 1);
  EXPECT_EQ(lock.holders(0).priority(), 5);
  EXPECT_EQ(lock.holders(0).program().host(), "vm-b");
  EXPECT_EQ(lock.holders(0).program().pid(), process_.pid());
  EXPECT_FALSE(lock.holders(0).program().user().empty());
  process_.Write("\n");
  EXPECT_EQ(process_.Wait(), 0);
}

TEST_F(LockRunTest, ASignalsExitCodeIsThatOfShells) {
  process_.Start(Shell("kill -9 $$"));
  EXPECT_EQ(process_.Wait(), 137);
}

TEST_F(LockRunTest, WhatIsNotThereCannotBeRun) {
  process_.Start({"lock", "run", "api", "--", "no-such-program", "x"});
  EXPECT_EQ(process_.Wait(), 127);
  EXPECT_EQ(process_.err(),
            "closewrite: no-such-program can't be run: No such file or directory\n");
  EXPECT_TRUE(locks_.lock("api").holders().empty());
}

TEST_F(LockRunTest, NorCanADirectory) {
  process_.Start({"lock", "run", "api", "--", "/"});
  EXPECT_EQ(process_.Wait(), 126);
}

TEST_F(LockRunTest, BusyAndNobodyWantsToWait) {
  OccupyLock("api");
  process_.Start(Shell("echo ran", {"--no-wait"}));
  EXPECT_EQ(process_.Wait(), 75);
  EXPECT_EQ(process_.out(), "");
  EXPECT_EQ(process_.err(), "closewrite: lock api held by somebody, next\n");
  EXPECT_TRUE(locks_.lock("api").waiters().empty());
}

TEST_F(LockRunTest, TheTimeToWaitIsOver) {
  OccupyLock("api");
  process_.Start(Shell("echo ran", {"--wait", "200ms"}));
  EXPECT_EQ(process_.Wait(), 124);
  EXPECT_EQ(process_.out(), "");
  EXPECT_TRUE(absl::StrContains(process_.err(), "gave up waiting for lock api")) << process_.err();
  EXPECT_TRUE(locks_.lock("api").waiters().empty());
}

TEST_F(LockRunTest, WaitsAsLongAsItTakesAndSaysWhy) {
  OccupyLock("api");
  locks_.SetTtl(absl::Seconds(3));
  process_.Start(Shell("echo ran"));
  EXPECT_TRUE(process_.AwaitErr("closewrite: lock api held by somebody, next\n"));
  // Who waits is kept in line by renewals, for longer than a session lives by itself.
  EXPECT_TRUE(locks_.AwaitRenewals(5));
  EXPECT_EQ(locks_.lock("api").waiters_size(), 1);
  EXPECT_EQ(process_.out(), "");
  locks_.Free("api");
  EXPECT_EQ(process_.Wait(), 0);
  EXPECT_EQ(process_.out(), "ran\n");
}

TEST_F(LockRunTest, RefusedByTheCoordinator) {
  locks_.SetAcquireStatus(absl::FailedPreconditionError("lock api has capacity 2"));
  process_.Start(Shell("echo ran"));
  EXPECT_EQ(process_.Wait(), 125);
  EXPECT_EQ(process_.out(), "");
  EXPECT_EQ(process_.err(), "closewrite: lock api has capacity 2\n");
}

TEST_F(LockRunTest, TooManyClaimsAreNoReasonToTryForEver) {
  locks_.SetAcquireStatus(absl::ResourceExhaustedError("too many claims"));
  process_.Start(Shell("echo ran"));
  EXPECT_EQ(process_.Wait(), 125);
}

TEST_F(LockRunTest, NobodyAnswers) {
  coordinator_.Stop();
  process_.Start(Shell("echo ran", {"--connect-timeout", "200ms"}));
  EXPECT_EQ(process_.Wait(), 125);
  EXPECT_EQ(process_.out(), "");
  EXPECT_TRUE(absl::StrContains(process_.err(), "can't be reached")) << process_.err();
}

TEST_F(LockRunTest, CtrlCWhileItWaitsGivesThePlaceBack) {
  OccupyLock("api");
  process_.Start(Shell("echo ran"));
  EXPECT_NE(locks_.AwaitWaiter("api"), "");
  EXPECT_TRUE(process_.AwaitErr("held by somebody"));
  process_.SignalGroup(SIGINT);
  EXPECT_EQ(process_.Wait(), 130);
  EXPECT_TRUE(locks_.lock("api").waiters().empty());
}

TEST_F(LockRunTest, SoDoesSigterm) {
  OccupyLock("api");
  process_.Start(Shell("echo ran"));
  EXPECT_TRUE(process_.AwaitErr("held by somebody"));
  process_.Signal(SIGTERM);
  EXPECT_EQ(process_.Wait(), 143);
  EXPECT_TRUE(locks_.lock("api").waiters().empty());
}

TEST_F(LockRunTest, ThePlaceInLineIsAskedForAgain) {
  OccupyLock("api");
  locks_.SetTtl(absl::Seconds(1));
  process_.Start(Shell("echo ran"));
  EXPECT_TRUE(process_.AwaitErr("held by somebody"));
  process_.Signal(SIGSTOP);  // as a machine that sleeps
  v1::Lock lock;
  while (!(lock = locks_.lock("api")).waiters().empty()) {
  }
  process_.Signal(SIGCONT);
  EXPECT_NE(locks_.AwaitWaiter("api"), "");
  locks_.Free("api");
  EXPECT_EQ(process_.Wait(), 0);
  EXPECT_EQ(process_.out(), "ran\n");
}

TEST_F(LockRunTest, AClaimThatWasTakenAwayIsNot) {
  OccupyLock("api");
  process_.Start(Shell("echo ran"));
  EXPECT_TRUE(process_.AwaitErr("held by somebody"));
  locks_.Break("api");
  EXPECT_EQ(process_.Wait(), 125);
  EXPECT_EQ(process_.out(), "");
}

TEST_F(LockRunTest, ACoordinatorThatComesBackIsNotNoticed) {
  process_.Start(Shell("echo started; read line; exit 3"));
  EXPECT_TRUE(process_.AwaitOut("started"));
  coordinator_.Stop();
  coordinator_.Start();
  EXPECT_TRUE(locks_.AwaitRenewals(1));
  process_.Write("\n");
  EXPECT_EQ(process_.Wait(), 3);
  EXPECT_TRUE(locks_.lock("api").holders().empty());
}

TEST_F(LockRunTest, NorIsItByThoseThatWait) {
  OccupyLock("api");
  process_.Start(Shell("echo ran"));
  EXPECT_TRUE(process_.AwaitErr("held by somebody"));
  coordinator_.Stop();
  coordinator_.Start();
  coordinator_.AwaitStreams(2);
  locks_.Free("api");
  EXPECT_EQ(process_.Wait(), 0);
}

constexpr char kCountSignals[] =
    "n=0; trap 'n=$((n+1))' TERM INT; echo ready; while [ $n = 0 ]; do sleep 0.05; done; "
    "sleep 1; echo got $n; exit 5";

TEST_F(LockRunTest, ASignalForItAloneReachesTheCommand) {
  for (const int number : {SIGTERM, SIGINT}) {
    LockProcess process(coordinator_.address());
    process.Start(Shell(kCountSignals));
    EXPECT_TRUE(process.AwaitOut("ready"));
    process.Signal(number);
    EXPECT_EQ(process.Wait(), 5);
    EXPECT_EQ(process.out(), "ready\ngot 1\n");
  }
}

TEST_F(LockRunTest, OneForItsGroupIsNotDoubled) {
  for (const int number : {SIGTERM, SIGINT}) {
    LockProcess process(coordinator_.address());
    process.Start(Shell(kCountSignals));
    EXPECT_TRUE(process.AwaitOut("ready"));
    process.SignalGroup(number);
    EXPECT_EQ(process.Wait(), 5);
    EXPECT_EQ(process.out(), "ready\ngot 1\n");
  }
}

TEST_F(LockRunTest, TheCommandStandsBehindTwoDashes) {
  process_.Start({"lock", "run", "api", "echo", "ran"});
  EXPECT_EQ(process_.Wait(), 2);
  EXPECT_TRUE(absl::StrContains(process_.err(), "put `--` before the command")) << process_.err();
}

TEST_F(LockRunTest, ThereMustBeACommand) {
  process_.Start({"lock", "run", "api", "--"});
  EXPECT_EQ(process_.Wait(), 2);
  EXPECT_TRUE(absl::StrContains(process_.err(), "say what to run")) << process_.err();
}

}  // namespace
}  // namespace closewrite::cli

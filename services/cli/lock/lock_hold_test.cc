// `lock hold` in real processes, with the shell that it is for.
#include <signal.h>

#include "absl/strings/match.h"
#include "services/cli/lock/lock_process.h"

namespace closewrite::cli {
namespace {

class LockHoldTest : public LockProcessTest {
 protected:
  LockProcess process_{coordinator_.address()};
};

TEST_F(LockHoldTest, HoldsUntilStdinEnds) {
  process_.Start({"lock", "hold", "api"});
  EXPECT_TRUE(process_.AwaitOut("held api token 1\n"));
  process_.Write("what it says does not matter\n");
  EXPECT_TRUE(absl::StartsWith(locks_.AwaitHolder("api"), "lock hold of "));
  process_.CloseInput();
  EXPECT_EQ(process_.Wait(), 0);
  EXPECT_EQ(process_.out(), "held api token 1\n");
  EXPECT_TRUE(locks_.lock("api").holders().empty());
}

TEST_F(LockHoldTest, HoldsUntilASignalComes) {
  for (const int number : {SIGTERM, SIGINT, SIGHUP}) {
    LockProcess process(coordinator_.address());
    process.Start({"lock", "hold", "api"});
    EXPECT_TRUE(process.AwaitOut("held api token "));
    process.Signal(number);
    EXPECT_EQ(process.Wait(), 0);
    EXPECT_TRUE(locks_.lock("api").holders().empty());
  }
}

TEST_F(LockHoldTest, IsBusyOrTooLate) {
  OccupyLock("api");
  process_.Start({"lock", "hold", "api", "--no-wait"});
  EXPECT_EQ(process_.Wait(), 75);
  LockProcess waiting(coordinator_.address());
  waiting.Start({"lock", "hold", "api", "--wait", "200ms"});
  EXPECT_EQ(waiting.Wait(), 124);
  EXPECT_EQ(waiting.out(), "");
}

TEST_F(LockHoldTest, SaysThatItWasTakenAway) {
  locks_.SetTtl(absl::Seconds(3));
  process_.Start({"lock", "hold", "api"});
  EXPECT_TRUE(process_.AwaitOut("held"));
  locks_.Break("api");
  EXPECT_EQ(process_.Wait(), 125);
  EXPECT_EQ(process_.err(), "closewrite: lock api is lost: it was taken away\n");
}

TEST_F(LockHoldTest, EndsBeforeItsLeaseDoes) {
  locks_.SetTtl(absl::Seconds(9));
  process_.Start({"lock", "hold", "api"});
  EXPECT_TRUE(process_.AwaitOut("held"));
  locks_.SetRenewalStatus(absl::UnavailableError("no route to host"));
  EXPECT_TRUE(process_.AwaitErr("could not be renewed (no route to host)"));
  EXPECT_EQ(process_.Wait(), 125);
}

TEST_F(LockHoldTest, WouldNotHoldWithoutStdin) {
  process_.Start({"lock", "hold", "api"}, /*null_input=*/true);
  EXPECT_EQ(process_.Wait(), 2);
  EXPECT_TRUE(absl::StrContains(process_.err(), "stdin has ended already")) << process_.err();
  EXPECT_TRUE(locks_.lock("api").holders().empty());
}

// As docs/locks.md has it, but for the line that makes the test wait.
constexpr char kScript[] = R"(
coproc LOCK { "$CLOSEWRITE" lock hold api --wait 10m; }
lock_pid=$LOCK_PID lock_in=${LOCK[1]}
read -r _ _ _ token <&"${LOCK[0]}" || { wait "$lock_pid"; exit; }
still_held() { kill -0 "$lock_pid" 2>/dev/null; }
echo "token $token"
still_held && echo "held"
read -r line
while [ "$line" = lost ] && still_held; do sleep 0.05; done
still_held || { wait "$lock_pid"; code=$?; echo "lost $code"; exit "$code"; }
exec {lock_in}>&-
wait "$lock_pid"
echo "given back $?"
)";

TEST_F(LockHoldTest, AScriptGivesItBack) {
  process_.SetEnvironment("CLOSEWRITE", ClosewriteProgram());
  process_.StartProgram({"bash", "-c", kScript});
  EXPECT_TRUE(process_.AwaitOut("token 1\nheld\n"));
  EXPECT_EQ(locks_.lock("api").holders_size(), 1);
  process_.Write("\n");
  EXPECT_EQ(process_.Wait(), 0);
  EXPECT_TRUE(absl::EndsWith(process_.out(), "given back 0\n")) << process_.out();
  EXPECT_TRUE(locks_.lock("api").holders().empty());
}

TEST_F(LockHoldTest, AScriptLearnsThatItWasTakenAway) {
  locks_.SetTtl(absl::Seconds(3));
  process_.SetEnvironment("CLOSEWRITE", ClosewriteProgram());
  process_.StartProgram({"bash", "-c", kScript});
  EXPECT_TRUE(process_.AwaitOut("held\n"));
  locks_.Break("api");
  process_.Write("lost\n");
  EXPECT_EQ(process_.Wait(), 125);
  EXPECT_TRUE(absl::EndsWith(process_.out(), "lost 125\n")) << process_.out();
  EXPECT_TRUE(absl::StrContains(process_.err(), "lock api is lost")) << process_.err();
}

TEST_F(LockHoldTest, AScriptThatIsKilledHoldsNothing) {
  process_.SetEnvironment("CLOSEWRITE", ClosewriteProgram());
  process_.StartProgram({"bash", "-c", kScript});
  EXPECT_TRUE(process_.AwaitOut("held\n"));
  process_.Signal(SIGKILL);
  EXPECT_TRUE(locks_.AwaitFree("api"));
}

}  // namespace
}  // namespace closewrite::cli

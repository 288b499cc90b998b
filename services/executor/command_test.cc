#include "services/executor/command.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <sstream>
#include <thread>

#include "gtest/gtest.h"
#include "services/clock/clock.h"
#include "services/executor/command_fixture.h"
#include "services/executor/process_group.h"

namespace closewrite::executor {
namespace {

TEST_F(CommandTest, RunsWithItsArgumentsEnvironmentAndDirectory) {
  const CommandEnd end =
      Run(Options({"sh", "-c", "printf '%s|%s|' \"$1\" \"$GREETING\"; pwd; cat; echo e >&2; exit 3",
                   "sh", "-a b\n\"$(touch x)\" \xff"}));
  EXPECT_TRUE(end.started);
  EXPECT_GT(pid_, 0);
  EXPECT_EQ(end.cause, SupervisorReport::kByItself);
  EXPECT_EQ(DescribeWaitStatus(end.wait_status), "exit code 3");
  EXPECT_EQ(OutputOf(LogStream::kStdout),
            "-a b\n\"$(touch x)\" \xff|hello  'world'\n|" + directory_ + "\n");
  EXPECT_EQ(OutputOf(LogStream::kStderr), "e\n");
  EXPECT_GT(end.max_rss_bytes, 0);
  EXPECT_GT(end.cpu, absl::ZeroDuration());
}

TEST_F(CommandTest, SaysWhenThereIsNoProgram) {
  const CommandEnd end = Run(Options({"no-such-program"}));
  EXPECT_FALSE(end.started);
  EXPECT_FALSE(end.lost);
  EXPECT_EQ(end.error, ENOENT);
}

TEST_F(CommandTest, RefusesTooLongArguments) {
  EXPECT_EQ(Command::Start(Options({"true", std::string(1 << 20, 'x')})).status().code(),
            absl::StatusCode::kInvalidArgument);
}

TEST_F(CommandTest, LargeOutputIsComplete) {
  const CommandEnd end = Run(Shell("head -c 3000000 /dev/zero"));
  EXPECT_EQ(end.wait_status, 0);
  EXPECT_EQ(output_.size(), 3000000);
}

TEST_F(CommandTest, SignalsAreAtTheirDefaults) {
  Run(Shell("grep -E 'SigBlk|SigIgn' /proc/self/status | cut -f 2"));
  uint64_t blocked = 1;
  uint64_t ignored = 1;
  std::istringstream(output_) >> std::hex >> blocked >> ignored;
  EXPECT_EQ(blocked, 0);
  EXPECT_EQ(ignored & 0x7fffffff, 0);  // 32 and 33 are the C library's own
}

TEST_F(CommandTest, NoFilesButTheThreeAreOpen) {
  Run(Shell("ls /proc/self/fd | wc -l"));
  EXPECT_EQ(output_, "4\n");  // ls itself opens the directory
}

TEST_F(CommandTest, BackgroundChildrenAreDeadAtTheEnd) {
  const CommandEnd end = Run(Shell("sleep 1000 & echo $!"));
  EXPECT_EQ(end.wait_status, 0);
  ASSERT_GT(PidInOutput(), 0);
  EXPECT_TRUE(IsDead(PidInOutput()));
}

TEST_F(CommandTest, SoAreThoseInASessionOfTheirOwn) {
  const CommandEnd end =
      Run(Shell("setsid sh -c 'echo $$; echo $$ > pid; exec sleep 1000' & "
                "while ! test -s pid; do :; done; exit 0"));
  EXPECT_EQ(end.wait_status, 0);
  ASSERT_GT(PidInOutput(), 0);
  EXPECT_TRUE(IsDead(PidInOutput()));
}

TEST_F(CommandTest, TimeoutTermsThenKills) {
  CommandOptions options =
      Shell("trap 'echo asked' TERM; echo ready; while :; do sleep 0.01; done");
  options.timeout = absl::Seconds(1);
  options.kill_after = absl::Milliseconds(100);
  const CommandEnd end = Run(options);
  EXPECT_EQ(end.cause, SupervisorReport::kTimeout);
  EXPECT_EQ(DescribeWaitStatus(end.wait_status), "ended by signal 9 (SIGKILL)");
  EXPECT_NE(output_.find("asked"), std::string::npos);
}

TEST_F(CommandTest, TerminateLetsItCleanUp) {
  auto command =
      Command::Start(Shell("trap 'echo bye; exit 4' TERM; echo ready; sleep 1000 & wait"));
  ASSERT_TRUE(command.ok());
  const CommandEnd end = Watch(command->get(), [&] { (*command)->Terminate(); });
  EXPECT_EQ(end.cause, SupervisorReport::kTold);
  EXPECT_EQ(DescribeWaitStatus(end.wait_status), "exit code 4");
  EXPECT_EQ(output_, "ready\nbye\n");
}

TEST_F(CommandTest, KillKillsEvenTheStopped) {
  auto command = Command::Start(Shell("echo ready; kill -STOP $$"));
  ASSERT_TRUE(command.ok());
  const CommandEnd end = Watch(command->get(), [&] { (*command)->Kill(); });
  EXPECT_EQ(end.cause, SupervisorReport::kTold);
  EXPECT_EQ(DescribeWaitStatus(end.wait_status), "ended by signal 9 (SIGKILL)");
}

TEST_F(CommandTest, DestructionKills) {
  auto command = Command::Start(Shell("echo $$; exec sleep 1000"));
  ASSERT_TRUE(command.ok());
  command->reset();  // would wait for ever otherwise
}

TEST_F(CommandTest, LeaseEndsItUnlessRenewed) {
  CommandOptions options = Shell("echo ready; sleep 1000");
  options.lease_deadline = SinceBoot() + absl::Seconds(2);
  auto command = Command::Start(options);
  ASSERT_TRUE(command.ok());
  const absl::Duration renewed = options.lease_deadline + absl::Milliseconds(500);
  const CommandEnd end = Watch(command->get(), [&] { (*command)->Renew(renewed); });
  EXPECT_EQ(end.cause, SupervisorReport::kLease);
  EXPECT_GE(SinceBoot(), renewed);
  EXPECT_EQ(DescribeWaitStatus(end.wait_status), "ended by signal 9 (SIGKILL)");
}

TEST_F(CommandTest, ADeadLeaseStartsNothing) {
  CommandOptions options = Shell("touch started");
  options.lease_deadline = SinceBoot() - absl::Milliseconds(1);
  const CommandEnd end = Run(options);
  EXPECT_FALSE(end.started);
  EXPECT_EQ(end.cause, SupervisorReport::kLease);
  EXPECT_NE(access((directory_ + "/started").c_str(), F_OK), 0);
}

TEST_F(CommandTest, AKilledSupervisorIsNoticedAndItsCommandDies) {
  auto command = Command::Start(Shell("echo $PPID; exec sleep 1000"));
  ASSERT_TRUE(command.ok());
  const CommandEnd end = Watch(command->get(), [&] { kill(PidInOutput(), SIGKILL); });
  EXPECT_TRUE(end.lost);
  EXPECT_TRUE(Eventually([&] { return IsDead(pid_); }));
}

TEST_F(CommandTest, WhenItIsNotToOutliveItsExecutorItDiesWithIt) {
  CommandOptions options = Shell("trap '' TERM; sleep 1000 & setsid sleep 1000 & echo $$; wait");
  options.outlive = false;
  const pid_t executor = ForkExecutor(options);
  const pid_t pid = AwaitPidInOutput();
  EXPECT_TRUE(files_.Lives());
  KillExecutor(executor);
  EXPECT_TRUE(Eventually([&] { return !files_.Lives(); }));
  EXPECT_TRUE(IsDead(pid));
  EXPECT_EQ(EndOf(*files_.ReadState()).cause, SupervisorReport::kTold);
}

TEST_F(CommandTest, DiesAtItsLeasesEndWhileTheExecutorIsFrozen) {
  CommandOptions options = Shell("echo $$; sleep 1000");
  options.lease_deadline = SinceBoot() + absl::Seconds(2);
  const pid_t executor = ForkExecutor(options);
  const pid_t pid = AwaitPidInOutput();
  kill(executor, SIGSTOP);
  EXPECT_TRUE(Eventually([&] { return IsDead(pid); }));
  EXPECT_GE(SinceBoot(), options.lease_deadline);
  kill(executor, SIGCONT);
  int status = 0;
  waitpid(executor, &status, 0);
  EXPECT_EQ(status, 0);
}

TEST_F(CommandTest, DiesAtItsLeasesEndWhileThereIsNoExecutor) {
  CommandOptions options = Shell("echo $$; setsid sleep 1000");
  options.lease_deadline = SinceBoot() + absl::Seconds(2);
  const pid_t executor = ForkExecutor(options);
  const pid_t pid = AwaitPidInOutput();
  KillExecutor(executor);
  EXPECT_TRUE(Eventually([&] { return !files_.Lives(); }));
  EXPECT_TRUE(IsDead(pid));
  EXPECT_GE(SinceBoot(), options.lease_deadline);
  const CommandEnd end = Watch(Command::Adopt(files_).get());
  EXPECT_EQ(end.cause, SupervisorReport::kLease);
  EXPECT_TRUE(end.started);
}

TEST_F(CommandTest, IsAdoptedAsItRuns) {
  ASSERT_EQ(mkfifo((directory_ + "/go").c_str(), 0600), 0);
  CommandOptions options = Shell("echo $$; read line < go; echo $line $$; exit 3");
  options.lease_deadline = SinceBoot() + absl::Seconds(3);
  const pid_t executor = ForkExecutor(options);
  const pid_t pid = AwaitPidInOutput();
  KillExecutor(executor);
  const auto command = Command::Adopt(files_);
  command->Renew(SinceBoot() + kLong);
  std::ofstream(directory_ + "/go") << "on\n";
  const CommandEnd end = Watch(command.get());
  EXPECT_EQ(pid_, pid);
  EXPECT_EQ(output_, std::to_string(pid) + "\non " + std::to_string(pid) + "\n");
  EXPECT_TRUE(end.started);
  EXPECT_EQ(DescribeWaitStatus(end.wait_status), "exit code 3");
  EXPECT_EQ(end.log_bytes, static_cast<int64_t>(output_.size()));
}

TEST_F(CommandTest, AnAdoptedOneIsRenewedAndObeys) {
  CommandOptions options = Shell("echo $$; sleep 1000");
  options.lease_deadline = SinceBoot() + absl::Seconds(2);
  const pid_t executor = ForkExecutor(options);
  AwaitPidInOutput();
  KillExecutor(executor);
  auto command = Command::Adopt(files_);
  command->Renew(SinceBoot() + kLong);
  EXPECT_TRUE(Eventually([&] {
    return files_.ReadState()->lease_ns > absl::ToInt64Nanoseconds(options.lease_deadline);
  }));
  command->Kill();
  EXPECT_EQ(Watch(command.get()).cause, SupervisorReport::kTold);
}

TEST_F(CommandTest, AnEndThatNobodyHeardIsToldToTheNext) {
  ASSERT_EQ(mkfifo((directory_ + "/go").c_str(), 0600), 0);
  const pid_t executor = ForkExecutor(Shell("echo $$; cat go; echo last >&2; exit 4"));
  AwaitPidInOutput();
  KillExecutor(executor);
  std::ofstream(directory_ + "/go") << "";
  EXPECT_TRUE(Eventually([&] { return !files_.Lives(); }));
  for (int times = 0; times < 2; ++times) {
    const CommandEnd end = Watch(Command::Adopt(files_).get());
    EXPECT_TRUE(end.started);
    EXPECT_EQ(DescribeWaitStatus(end.wait_status), "exit code 4");
    EXPECT_EQ(OutputOf(LogStream::kStderr), "last\n");
  }
}

// Of which the kernel has killed the leader alone.
TEST_F(CommandTest, TheGroupOfAKilledSupervisorIsKilledByWhoAdoptsIt) {
  const pid_t executor = ForkExecutor(Shell("sleep 1000 & echo $!; wait"));
  const pid_t left_behind = AwaitPidInOutput();
  KillExecutor(executor);
  kill(files_.ReadState()->supervisor, SIGKILL);
  EXPECT_TRUE(Eventually([&] { return !files_.Lives(); }));
  EXPECT_FALSE(IsDead(left_behind));
  EXPECT_TRUE(Watch(Command::Adopt(files_).get()).lost);
  EXPECT_TRUE(IsDead(left_behind));
}

TEST_F(CommandTest, ANumberThatIsAnothersByNowIsNotKilled) {
  const pid_t executor = ForkExecutor(Shell("echo $$; exec sleep 1000"));
  const pid_t pid = AwaitPidInOutput();
  SupervisorState state = *files_.ReadState();
  state.command_ticks += 1;  // as if it had begun at another time
  EXPECT_TRUE(KillGroup(state));
  state.command_ticks -= 1;
  state.supervisor += 1;
  EXPECT_TRUE(KillGroup(state));
  state.supervisor -= 1;
  state.boot[0] ^= 1;
  EXPECT_TRUE(KillGroup(state));
  EXPECT_FALSE(IsDead(pid));
  state.boot[0] ^= 1;
  EXPECT_TRUE(KillGroup(state));
  EXPECT_TRUE(IsDead(pid));
  KillExecutor(executor);
}

TEST_F(CommandTest, TheSocketIsOpenToItsUserAlone) {
  const pid_t executor = ForkExecutor(Shell("echo $$; exec sleep 1000"));
  AwaitPidInOutput();
  struct stat st = {};
  ASSERT_EQ(stat((directory_ + "/attempts/1-1.socket").c_str(), &st), 0);
  EXPECT_EQ(st.st_mode & 0777, 0600u);
  KillExecutor(executor);
  Command::Adopt(files_).reset();
}

TEST_F(CommandTest, OneThatClosesItsOutputRunsOn) {
  ASSERT_EQ(mkfifo((directory_ + "/go").c_str(), 0600), 0);
  auto command = Command::Start(Shell("exec >&-; echo still >&2; read line < go; exit 5"));
  ASSERT_TRUE(command.ok()) << command.status();
  const CommandEnd end =
      Watch(command->get(), [&] { std::ofstream(directory_ + "/go") << "go\n"; });
  EXPECT_EQ(output_, "still\n");
  EXPECT_EQ(DescribeWaitStatus(end.wait_status), "exit code 5");
}

TEST_F(CommandTest, BytesOfAnyKindComeThrough) {
  Run(
      Shell("for i in 0 1 2 3; do for j in 0 1 2 3 4 5 6 7; do for k in 0 1 2 3 4 5 6 7; do "
            "printf \"\\\\$i$j$k\"; done; done; done"));
  std::string all;
  for (int byte = 0; byte < 256; ++byte) all += static_cast<char>(byte);
  EXPECT_EQ(output_, all);
}

// A supervisor that ended with an order unread reset the connection, and its last report, which was
// there to be read, was taken for its death: a command that had succeeded counted as failed.
TEST_F(CommandTest, AnOrderThatComesWhileTheCommandEndsTakesNothingAway) {
  for (int round = 0; round < 50; ++round) {
    auto command = Command::Start(Options({"true"}));
    ASSERT_TRUE(command.ok()) << command.status();
    std::atomic<bool> over = false;
    std::thread renewals([&] {
      while (!over) (*command)->Renew(SinceBoot() + kLong);
    });
    const CommandEnd end = Watch(command->get());
    over = true;
    renewals.join();
    ASSERT_FALSE(end.lost) << "round " << round;
    EXPECT_EQ(end.wait_status, 0);
  }
}

}  // namespace
}  // namespace closewrite::executor

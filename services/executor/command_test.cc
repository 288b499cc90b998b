#include "services/executor/command.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <thread>

#include "gtest/gtest.h"
#include "services/clock/clock.h"
#include "services/executor/supervisor_image.h"

namespace closewrite::executor {
namespace {

constexpr absl::Duration kLong = absl::Minutes(10);

// Processes die outside of our sight: the only way is to look.
bool Eventually(const std::function<bool()>& condition) {
  const absl::Duration deadline = SinceBoot() + absl::Seconds(20);
  while (!condition()) {
    if (SinceBoot() > deadline) return false;
    poll(nullptr, 0, 5);
  }
  return true;
}

// Dead, or a zombie that somebody else has to reap.
bool IsDead(pid_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
  std::string text((std::istreambuf_iterator<char>(file)), {});
  const size_t name_end = text.rfind(')');
  return name_end == std::string::npos || text[name_end + 2] == 'Z' || text[name_end + 2] == 'X';
}

class CommandTest : public testing::Test {
 protected:
  CommandTest() : image_(*OpenSupervisorImage()) {
    std::string name = testing::TempDir() + "/command.XXXXXX";
    char* real = realpath(mkdtemp(name.data()), nullptr);
    directory_ = real;
    free(real);
  }

  CommandOptions Options(std::vector<std::string> arguments) {
    CommandOptions options;
    options.supervisor_image = image_.get();
    options.arguments = std::move(arguments);
    options.environment = {"PATH=/usr/bin:/bin", "GREETING=hello  'world'\n"};
    options.directory = directory_;
    options.lease_deadline = SinceBoot() + kLong;
    options.kill_after = absl::Seconds(20);
    return options;
  }

  CommandOptions Shell(const std::string& script) { return Options({"sh", "-c", script}); }

  CommandEnd Run(const CommandOptions& options) {
    auto command = Command::Start(options);
    EXPECT_TRUE(command.ok()) << command.status();
    return Watch(command->get());
  }

  CommandEnd Watch(Command* command, const std::function<void()>& on_output = nullptr) {
    return command->Wait({.on_start = [this](pid_t pid) { pid_ = pid; },
                          .on_output =
                              [this, on_output](std::string_view bytes) {
                                output_.append(bytes);
                                if (on_output) on_output();
                              }});
  }

  // The number in the command's output, once the line is complete.
  pid_t PidInOutput() const {
    return output_.find('\n') == std::string::npos ? 0 : std::atoi(output_.c_str());
  }

  Fd image_;
  std::string directory_;
  std::string output_;
  pid_t pid_ = 0;
};

TEST_F(CommandTest, RunsWithItsArgumentsEnvironmentAndDirectory) {
  const CommandEnd end =
      Run(Options({"sh", "-c", "printf '%s|%s|' \"$1\" \"$GREETING\"; pwd; cat; echo e >&2; exit 3",
                   "sh", "-a b\n\"$(touch x)\" \xff"}));
  EXPECT_TRUE(end.started);
  EXPECT_GT(pid_, 0);
  EXPECT_EQ(end.cause, SupervisorReport::kByItself);
  EXPECT_EQ(DescribeWaitStatus(end.wait_status), "exit code 3");
  EXPECT_EQ(output_, "-a b\n\"$(touch x)\" \xff|hello  'world'\n|" + directory_ + "\n" + "e\n");
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

// A process that starts a command and then is killed or frozen, as an executor may be. Writes the
// command's number into `file`.
pid_t ForkExecutor(const CommandOptions& options, const std::string& file) {
  const pid_t executor = fork();
  if (executor != 0) return executor;
  auto command = Command::Start(options);
  (*command)->Wait({.on_start = [&](pid_t pid) {
    std::ofstream(file + ".part") << pid << "\n";
    rename((file + ".part").c_str(), file.c_str());
  }});
  _exit(0);
}

pid_t WaitForPid(const std::string& file) {
  EXPECT_TRUE(Eventually([&] { return access(file.c_str(), F_OK) == 0; }));
  pid_t pid = 0;
  std::ifstream(file) >> pid;
  return pid;
}

TEST_F(CommandTest, DiesWithItsExecutorAndFreesTheLockAfterThat) {
  const std::string lock = directory_ + "/lock";
  CommandOptions options = Shell("trap '' TERM; sleep 1000 & setsid sleep 1000 & wait");
  const std::string file = directory_ + "/pid";
  pid_t executor = 0;
  {
    Fd held(open(lock.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
    ASSERT_EQ(flock(held.get(), LOCK_EX | LOCK_NB), 0);
    options.lock = held.get();
    executor = ForkExecutor(options, file);
  }
  const pid_t pid = WaitForPid(file);
  Fd again(open(lock.c_str(), O_RDWR | O_CLOEXEC));
  EXPECT_NE(flock(again.get(), LOCK_EX | LOCK_NB), 0);
  kill(executor, SIGKILL);
  waitpid(executor, nullptr, 0);
  EXPECT_TRUE(Eventually([&] { return flock(again.get(), LOCK_EX | LOCK_NB) == 0; }));
  EXPECT_TRUE(IsDead(pid));
}

TEST_F(CommandTest, DiesAtItsLeasesEndWhileTheExecutorIsFrozen) {
  const std::string file = directory_ + "/pid";
  CommandOptions options = Shell("sleep 1000");
  options.lease_deadline = SinceBoot() + absl::Seconds(2);
  const pid_t executor = ForkExecutor(options, file);
  const pid_t pid = WaitForPid(file);
  kill(executor, SIGSTOP);
  EXPECT_TRUE(Eventually([&] { return IsDead(pid); }));
  EXPECT_GE(SinceBoot(), options.lease_deadline);
  kill(executor, SIGCONT);
  int status = 0;
  waitpid(executor, &status, 0);
  EXPECT_EQ(status, 0);
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

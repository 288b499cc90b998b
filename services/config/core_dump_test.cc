#include "services/config/core_dump.h"

#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <functional>
#include <string>

#include "gtest/gtest.h"

namespace closewrite {
namespace {

constexpr uid_t kNobody = 65534;

int StatusOf(pid_t child) {
  int status = 0;
  waitpid(child, &status, 0);
  return status;
}

// How a process ends that does this and then aborts, with leave to leave a core file.
int AbortAfter(const std::function<void()>& act) {
  const std::string folder = testing::TempDir();
  const pid_t child = fork();
  if (child != 0) return StatusOf(child);
  rlimit limit = {};
  getrlimit(RLIMIT_CORE, &limit);
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_CORE, &limit);
  signal(SIGABRT, SIG_DFL);
  if (chdir(folder.c_str()) == 0) act();
  abort();
}

// A user without rights, as whom a program has just been executed: root is not held off by
// anything.
void BecomeOrdinary() {
  if (geteuid() == 0 && (setgroups(0, nullptr) != 0 || setgid(kNobody) != 0 || setuid(kNobody))) {
    _exit(125);
  }
  prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
}

// Whether another process of the same user can read the environment of one that did this.
bool IsOpenAfter(const std::function<void()>& act) {
  int ready[2];
  EXPECT_EQ(pipe2(ready, O_CLOEXEC), 0);
  const pid_t child = fork();
  if (child == 0) {
    BecomeOrdinary();
    act();
    close(ready[1]);
    for (;;) pause();
  }
  close(ready[1]);
  char none = 0;
  EXPECT_EQ(read(ready[0], &none, 1), 0);  // it is ready
  close(ready[0]);
  const std::string environment = "/proc/" + std::to_string(child) + "/environ";
  const pid_t reader = fork();
  if (reader == 0) {
    BecomeOrdinary();
    _exit(open(environment.c_str(), O_RDONLY) >= 0 ? 0 : 1);
  }
  const int status = StatusOf(reader);
  kill(child, SIGKILL);
  StatusOf(child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) <= 1);
  return status == 0;
}

TEST(CoreDumpTest, NoneIsLeft) {
  const int status = AbortAfter(ForbidCoreDumps);
  EXPECT_TRUE(WIFSIGNALED(status));
  EXPECT_EQ(WTERMSIG(status), SIGABRT);
  EXPECT_FALSE(WCOREDUMP(status));
  if (!WCOREDUMP(AbortAfter([] {}))) GTEST_SKIP() << "no process leaves core files here";
}

TEST(CoreDumpTest, OthersOfItsUserCannotLookIntoIt) {
  EXPECT_TRUE(IsOpenAfter([] {}));
  EXPECT_FALSE(IsOpenAfter(ForbidCoreDumps));
}

TEST(CoreDumpTest, ProgramsThatItExecutesAreAsAlways) {
  const pid_t child = fork();
  if (child == 0) {
    BecomeOrdinary();
    ForbidCoreDumps();
    // Which a program that may not be looked at could not read without root's rights.
    execl("/bin/sh", "sh", "-c", "cat /proc/self/environ > /dev/null", nullptr);
    _exit(125);
  }
  EXPECT_EQ(StatusOf(child), 0);
}

}  // namespace
}  // namespace closewrite

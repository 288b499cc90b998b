#include "services/cli/lock/lock_process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>

#include "absl/strings/match.h"
#include "services/cli/lock/process_tree.h"
#include "services/clock/clock.h"
#include "services/log/str_cat.h"

namespace closewrite::cli {
namespace {

constexpr char kProgram[] = "services/cli/closewrite";
constexpr absl::Duration kAwaitMax = absl::Seconds(60);
constexpr int kPollMs = 5;

std::string ReadFile(const std::string& path) {
  std::ifstream stream(path, std::ios::binary);
  std::string text;
  std::getline(stream, text, '\0');
  return text;
}

bool Eventually(const std::function<bool()>& condition) {
  const absl::Duration end = SinceBoot() + kAwaitMax;
  while (!condition()) {
    if (SinceBoot() > end) return false;
    poll(nullptr, 0, kPollMs);
  }
  return true;
}

}  // namespace

std::string ClosewriteProgram() { return std::filesystem::absolute(kProgram).native(); }

WatchedProcess::WatchedProcess(pid_t pid)
    : file_(static_cast<int>(syscall(SYS_pidfd_open, pid, 0))) {
  EXPECT_GE(file_, 0) << "process " << pid << " is gone already";
}

WatchedProcess::~WatchedProcess() {
  if (file_ >= 0) close(file_);
}

bool WatchedProcess::AwaitDeath() const {
  return EndsWithin(static_cast<int>(absl::ToInt64Milliseconds(kAwaitMax)));
}

// A zombie counts: it does nothing any more.
bool WatchedProcess::EndsWithin(int time_max_ms) const {
  pollfd file = {file_, POLLIN, 0};
  return poll(&file, 1, time_max_ms) == 1;
}

LockProcess::LockProcess(std::string coordinator) {
  std::string name = testing::TempDir() + "/lock.XXXXXX";
  folder_ = mkdtemp(name.data());
  SetEnvironment("CLOSEWRITE_COORDINATOR", coordinator);
  SetEnvironment("CLOSEWRITE_CONFIG", folder_ + "/config.yaml");
  SetEnvironment("CLOSEWRITE_HOST", "vm-b");
  // The last two are of the sanitizer that it may be built with: see tests/tsan.
  for (const char* name : {"PATH", "LD_PRELOAD", "TSAN_OPTIONS"}) {
    if (const char* value = std::getenv(name)) SetEnvironment(name, value);
  }
}

LockProcess::~LockProcess() {
  CloseInput();
  if (pid_ != 0) {
    SignalGroup(SIGCONT);
    SignalGroup(SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
  std::filesystem::remove_all(folder_);
}

void LockProcess::SetEnvironment(const std::string& name, const std::string& value) {
  environment_.push_back(StrCat(name, "=", value));
}

void LockProcess::Start(const std::vector<std::string>& arguments, bool null_input) {
  std::vector<std::string> argv = {ClosewriteProgram()};
  argv.insert(argv.end(), arguments.begin(), arguments.end());
  StartProgram(std::move(argv), null_input);
}

void LockProcess::StartProgram(std::vector<std::string> argv, bool null_input) {
  int input[2];
  ASSERT_EQ(pipe2(input, O_CLOEXEC), 0);
  input_ = input[1];
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, input[0], STDIN_FILENO);
  if (null_input) {
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  }
  const std::string out = folder_ + "/out";
  const std::string err = folder_ + "/err";
  const int flags = O_WRONLY | O_CREAT | O_APPEND;
  posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, out.c_str(), flags, 0600);
  posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, err.c_str(), flags, 0600);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);
  std::vector<char*> words;
  for (std::string& word : argv) words.push_back(word.data());
  words.push_back(nullptr);
  std::vector<char*> variables;
  for (std::string& variable : environment_) variables.push_back(variable.data());
  variables.push_back(nullptr);
  EXPECT_EQ(posix_spawnp(&pid_, words[0], &actions, &attributes, words.data(), variables.data()),
            0);
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  close(input[0]);
}

pid_t LockProcess::keeper() const {
  const std::vector<pid_t> children = ChildrenOf(pid_);
  EXPECT_EQ(children.size(), 1u);
  return children.empty() ? 0 : children.front();
}

// Never 0 or -1, which are all processes that there are.
void LockProcess::Signal(int number) const {
  ASSERT_GT(pid_, 1);
  kill(pid_, number);
}

void LockProcess::SignalGroup(int number) const {
  ASSERT_GT(pid_, 1);
  kill(-pid_, number);
}

void LockProcess::Write(const std::string& text) const {
  EXPECT_EQ(write(input_, text.data(), text.size()), static_cast<ssize_t>(text.size()));
}

void LockProcess::CloseInput() {
  if (input_ >= 0) close(std::exchange(input_, -1));
}

std::string LockProcess::out() const { return ReadFile(folder_ + "/out"); }

std::string LockProcess::err() const { return ReadFile(folder_ + "/err"); }

bool LockProcess::AwaitOut(const std::string& part) const {
  return Eventually([&] { return absl::StrContains(out(), part); });
}

bool LockProcess::AwaitErr(const std::string& part) const {
  return Eventually([&] { return absl::StrContains(err(), part); });
}

WatchedProcess LockProcess::AwaitProcess(const std::string& name) const {
  pid_t pid = 0;
  EXPECT_TRUE(Eventually([&] {
    const std::string text = StrCat("\n", out());
    const size_t at = text.find(StrCat("\n", name, " "));
    if (at == std::string::npos || text.find('\n', at + 1) == std::string::npos) return false;
    pid = std::atoi(text.c_str() + at + name.size() + 2);
    return true;
  })) << name;
  WatchedProcess process(pid);
  EXPECT_FALSE(process.IsDead()) << name;
  return process;
}

int LockProcess::Wait() {
  int status = 0;
  if (!Eventually([&] { return waitpid(pid_, &status, WNOHANG) == pid_; })) return -1;
  pid_ = 0;
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

void LockProcessTest::OccupyLock(const std::string& name) {
  v1::Lock lock;
  lock.set_name(name);
  lock.set_capacity(1);
  v1::LockClaim* holder = lock.add_holders();
  holder->set_session_id("fake-session-0001");
  holder->set_token(1);
  holder->mutable_program()->set_program("somebody");
  locks_.Put(lock);
}

}  // namespace closewrite::cli

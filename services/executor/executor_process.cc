#include "services/executor/executor_process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <system_error>
#include <vector>

#include "services/clock/clock.h"

namespace closewrite::executor {
namespace {

namespace fs = std::filesystem;

constexpr char kProgram[] = "services/executor/closewrite-executor";

}  // namespace

// Only a formatted read takes an error for the end.
std::string ReadFile(const std::string& file) {
  std::ifstream stream(file, std::ios::binary);
  std::string text;
  std::getline(stream, text, '\0');
  return text;
}

bool IsDead(pid_t pid) {
  const std::string text = ReadFile("/proc/" + std::to_string(pid) + "/stat");
  const size_t name_end = text.rfind(')');
  return name_end == std::string::npos || text[name_end + 2] == 'Z' || text[name_end + 2] == 'X';
}

bool Eventually(const std::function<bool()>& condition) {
  const absl::Duration deadline = SinceBoot() + absl::Seconds(20);
  while (!condition()) {
    if (SinceBoot() > deadline) return false;
    poll(nullptr, 0, 5);
  }
  return true;
}

ExecutorProcess::ExecutorProcess() {
  std::string name = testing::TempDir() + "/process.XXXXXX";
  root_ = mkdtemp(name.data());
  fs::create_directory(root_ + "/out");
}

ExecutorProcess::~ExecutorProcess() {
  if (executor_ != 0) Kill();
}

void ExecutorProcess::Configure(const std::string& coordinator, const std::string& more) {
  std::ofstream(root_ + "/executor.yaml")
      << "host: vm-c\nlisten: 127.0.0.1:0\ncoordinator: " << coordinator << "\nstate: " << root_
      << "/state\nvolumes:\n  out: {path: " << root_ << "/out}\n"
      << more;
}

void ExecutorProcess::Start() {
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  const std::string errors = Errors();
  posix_spawn_file_actions_addopen(&actions, 2, errors.c_str(), O_WRONLY | O_CREAT | O_APPEND,
                                   0600);
  std::string config = root_ + "/executor.yaml";
  std::string program = kProgram;
  std::string flag = "--config";
  char* arguments[] = {program.data(), flag.data(), config.data(), nullptr};
  ASSERT_EQ(posix_spawn(&executor_, kProgram, &actions, nullptr, arguments, environ), 0);
  posix_spawn_file_actions_destroy(&actions);
}

void ExecutorProcess::Kill() {
  kill(executor_, SIGKILL);
  EXPECT_EQ(WaitForExit(), -1);
}

int ExecutorProcess::WaitForExit() {
  int status = 0;
  waitpid(executor_, &status, 0);
  executor_ = 0;
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

pid_t ExecutorProcess::ChildNamed(const std::string& name) const {
  pid_t found = 0;
  const std::string tasks = "/proc/" + std::to_string(executor_) + "/task";
  for (const auto& task : fs::directory_iterator(tasks)) {
    std::ifstream children(task.path() / "children");
    for (pid_t child = 0; children >> child;) {
      if (ReadFile("/proc/" + std::to_string(child) + "/comm") == name + "\n") found = child;
    }
  }
  return found;
}

pid_t ExecutorProcess::Guardian() const {
  pid_t guardian = 0;
  EXPECT_TRUE(Eventually([&] { return (guardian = ChildNamed("cw-guardian")) != 0; }));
  return guardian;
}

std::map<std::string, int64_t> ExecutorProcess::Connections(pid_t pid) {
  std::map<std::string, int64_t> unread;
  for (const char* const table : {"/proc/net/tcp", "/proc/net/tcp6"}) {
    std::ifstream lines(table);
    for (std::string line; std::getline(lines, line);) {
      // proc(5): number, addresses, state, queues (hexadecimal, unread behind the colon), ...
      std::istringstream words(line);
      std::vector<std::string> fields(std::istream_iterator<std::string>(words), {});
      if (fields.size() <= 9 || fields[3] != "01") continue;
      unread["socket:[" + fields[9] + "]"] =
          std::stoll(fields[4].substr(fields[4].find(':') + 1), nullptr, 16);
    }
  }
  std::map<std::string, int64_t> found;
  for (const auto& fd : fs::directory_iterator("/proc/" + std::to_string(pid) + "/fd")) {
    std::error_code gone;
    const std::string target = fs::read_symlink(fd.path(), gone);
    if (unread.contains(target)) found.insert(*unread.find(target));
  }
  return found;
}

void ExecutorProcess::AwaitSession() const {
  EXPECT_TRUE(Eventually([&] { return !ReadFile(root_ + "/state/session").empty(); }));
}

v1::Assignment ExecutorProcess::Job(const std::string& script) {
  v1::Assignment job;
  job.mutable_lease()->set_job_id(7);
  job.mutable_lease()->set_token(1);
  for (const char* part : {"sh", "-c"}) job.add_command(part);
  job.add_command(script);
  job.set_output_volume("out");
  job.mutable_kill_after()->set_seconds(20);
  return job;
}

pid_t ExecutorProcess::CommandOf(FakeCoordinator& coordinator) {
  coordinator.Await([&] { return !coordinator.logs[Key(7, 1)].empty(); });
  return std::atoi(coordinator.logs[Key(7, 1)].c_str());
}

void ExecutorProcess::AwaitResult(FakeCoordinator& coordinator) {
  coordinator.Await([&] { return coordinator.results.count(Key(7, 1)) != 0; });
}

}  // namespace closewrite::executor

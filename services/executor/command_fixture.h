// Commands of tests, in a state directory without a journal.
#ifndef SERVICES_EXECUTOR_COMMAND_FIXTURE_H_
#define SERVICES_EXECUTOR_COMMAND_FIXTURE_H_

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "services/clock/clock.h"
#include "services/executor/attempt_log.h"
#include "services/executor/command.h"
#include "services/executor/supervisor_image.h"
#include "services/log_record/log_record.h"

namespace closewrite::executor {

inline constexpr absl::Duration kLong = absl::Minutes(10);

// Processes die outside of our sight: the only way is to look.
inline bool Eventually(const std::function<bool()>& condition) {
  const absl::Duration deadline = SinceBoot() + absl::Seconds(20);
  while (!condition()) {
    if (SinceBoot() > deadline) return false;
    poll(nullptr, 0, 5);
  }
  return true;
}

// Dead, or a zombie that somebody else has to reap.
inline bool IsDead(pid_t pid) {
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
    for (const char* folder : {"/attempts", "/logs"}) mkdir((directory_ + folder).c_str(), 0700);
    attempts_ = Fd(open((directory_ + "/attempts").c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    logs_ = Fd(open((directory_ + "/logs").c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  }

  // Of a command with files and a log of its own.
  CommandOptions Options(std::vector<std::string> arguments) {
    const std::string name = std::to_string(++commands_) + "-1";
    log_ = std::make_unique<AttemptLog>(directory_ + "/logs/" + name);
    records_.clear();
    CommandOptions options;
    options.supervisor_image = image_.get();
    options.files = files_ = SupervisorFiles(attempts_.get(), name);
    options.logs = logs_.get();
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
    const CommandEnd end = command->Wait({.on_start = [this](pid_t pid) { pid_ = pid; },
                                          .on_log =
                                              [this, on_output] {
                                                if (ReadLog() && on_output) on_output();
                                              }});
    ReadLog();
    return end;
  }

  // False when there is nothing new.
  bool ReadLog() {
    const size_t before = records_.size();
    for (std::string more = "?"; !more.empty(); records_ += more) {
      more = *log_->Read(static_cast<int64_t>(records_.size()), 1 << 20);
    }
    output_ = LogText(records_);
    return records_.size() > before;
  }

  // Of one stream alone.
  std::string OutputOf(LogStream stream) const {
    std::string output;
    std::string_view rest = records_;
    while (const auto record = TakeLogRecord(&rest)) {
      if (record->stream == stream) output += record->bytes;
    }
    return output;
  }

  // The number in the command's output, once the line is complete.
  pid_t PidInOutput() const {
    return output_.find('\n') == std::string::npos ? 0 : std::atoi(output_.c_str());
  }
  pid_t AwaitPidInOutput() {
    EXPECT_TRUE(Eventually([&] {
      ReadLog();
      return PidInOutput() != 0;
    }));
    return PidInOutput();
  }

  // A process that starts a command and then is killed or frozen, as an executor may be.
  static pid_t ForkExecutor(const CommandOptions& options) {
    const pid_t executor = fork();
    if (executor != 0) return executor;
    auto command = Command::Start(options);
    (*command)->Wait({});
    _exit(0);
  }
  static void KillExecutor(pid_t executor) {
    kill(executor, SIGKILL);
    waitpid(executor, nullptr, 0);
  }

  Fd image_;
  std::string directory_;
  Fd attempts_;
  Fd logs_;
  int commands_ = 0;
  SupervisorFiles files_;  // of the newest command
  std::unique_ptr<AttemptLog> log_;
  std::string records_;
  std::string output_;
  pid_t pid_ = 0;
};

}  // namespace closewrite::executor

#endif  // SERVICES_EXECUTOR_COMMAND_FIXTURE_H_

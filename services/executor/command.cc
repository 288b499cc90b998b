#include "services/executor/command.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_join.h"
#include "services/executor/process_group.h"
#include "services/log/str_cat.h"

namespace closewrite::executor {
namespace {

constexpr size_t kReadBytes = 64 << 10;

// Files and attributes for posix_spawn(3), freed together.
class SpawnSettings {
 public:
  SpawnSettings() {
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attributes);
  }
  ~SpawnSettings() {
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
  }
  SpawnSettings(const SpawnSettings&) = delete;
  SpawnSettings& operator=(const SpawnSettings&) = delete;

  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
};

std::vector<char*> Pointers(const std::vector<std::string>& strings) {
  std::vector<char*> pointers;
  for (const std::string& string : strings) pointers.push_back(const_cast<char*>(string.c_str()));
  pointers.push_back(nullptr);
  return pointers;
}

// As the supervisor reads it.
std::string Credentials(const Account& account) {
  return StrCat(account.uid, ":", account.gid, ":", absl::StrJoin(account.groups, ","));
}

// The new process's files must not be moved over one another, so all sources lie above the targets.
absl::StatusOr<Fd> High(Fd fd) {
  Fd high(fcntl(fd.get(), F_DUPFD_CLOEXEC, kSupervisorLifelineFd + 1));
  if (!high.ok()) return ErrnoStatus(errno, "dup", "a pipe");
  return high;
}

absl::Status Spawn(const CommandOptions& options, int control, int output, pid_t* supervisor) {
  SpawnSettings settings;
  auto* actions = &settings.actions;
  if (options.lock >= 0) {  // first: it may lie where the others go
    posix_spawn_file_actions_adddup2(actions, options.lock, kSupervisorLockFd);
  }
  if (options.lifeline >= 0) {
    posix_spawn_file_actions_adddup2(actions, options.lifeline, kSupervisorLifelineFd);
  } else {
    posix_spawn_file_actions_addclose(actions, kSupervisorLifelineFd);  // may be somebody's file
  }
  posix_spawn_file_actions_addopen(actions, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(actions, output, 1);
  posix_spawn_file_actions_adddup2(actions, output, 2);
  posix_spawn_file_actions_adddup2(actions, control, kSupervisorControlFd);
  posix_spawn_file_actions_addchdir_np(actions, options.directory.c_str());
  sigset_t none;
  sigemptyset(&none);
  posix_spawnattr_setsigmask(&settings.attributes, &none);
  // A session of its own: a Ctrl-C for the executor is not for the command.
  posix_spawnattr_setflags(&settings.attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSID);

  std::vector<std::string> arguments = {
      "closewrite-supervisor",
      StrCat(absl::ToInt64Nanoseconds(options.lease_deadline)),
      StrCat(absl::ToInt64Nanoseconds(options.timeout)),
      StrCat(absl::ToInt64Nanoseconds(options.kill_after)),
      StrCat(options.nice),
      StrCat(options.nofile),
      options.run_as.has_value() ? Credentials(*options.run_as) : "-",
  };
  arguments.insert(arguments.end(), options.arguments.begin(), options.arguments.end());
  const std::string program = StrCat("/proc/self/fd/", options.supervisor_image);
  const int error = posix_spawn(supervisor, program.c_str(), actions, &settings.attributes,
                                Pointers(arguments).data(), Pointers(options.environment).data());
  if (error == E2BIG) {
    return absl::InvalidArgumentError(
        "arguments and environment are too long for the kernel; pass long data by a file instead");
  }
  if (error == EAGAIN || error == ENOMEM) {
    return absl::ResourceExhaustedError(
        StrCat("no process can be made: ", strerror(error), "; raise the limit or lower `slots`"));
  }
  if (error != 0) return ErrnoStatus(error, "start a supervisor in", options.directory);
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<Command>> Command::Start(const CommandOptions& options) {
  int sockets[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets) != 0) {
    return ErrnoStatus(errno, "socketpair", "a supervisor");
  }
  Fd ours(sockets[0]);
  absl::StatusOr<Fd> control = High(Fd(sockets[1]));
  if (!control.ok()) return control.status();
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return ErrnoStatus(errno, "pipe", "a log");
  Fd output(ends[0]);
  absl::StatusOr<Fd> log = High(Fd(ends[1]));
  if (!log.ok()) return log.status();
  fcntl(output.get(), F_SETFL, O_NONBLOCK);

  auto command = std::unique_ptr<Command>(new Command);
  absl::Status status = Spawn(options, control->get(), log->get(), &command->supervisor_);
  if (!status.ok()) {
    command->supervisor_ = 0;
    return status;
  }
  command->control_ = std::move(ours);
  command->output_ = std::move(output);
  return command;
}

Command::~Command() {
  if (supervisor_ == 0) return;
  Kill();
  Wait({});
}

void Command::Send(const SupervisorOrder& order) const {
  send(control_.get(), &order, sizeof order, MSG_NOSIGNAL | MSG_DONTWAIT);
}

void Command::Renew(absl::Duration lease_deadline) const {
  Send({.kind = SupervisorOrder::kRenew, .lease_ns = absl::ToInt64Nanoseconds(lease_deadline)});
}

void Command::Terminate() const { Send({.kind = SupervisorOrder::kTerminate}); }

void Command::Kill() const { Send({.kind = SupervisorOrder::kKill}); }

CommandEnd Command::Wait(const Listener& listener) {
  CommandEnd end;
  buffer_.resize(kReadBytes);
  bool output_open = true;
  for (bool ended = false; !ended;) {
    pollfd files[] = {{output_open ? output_.get() : -1, POLLIN, 0}, {control_.get(), POLLIN, 0}};
    if (poll(files, 2, -1) < 0) continue;
    if (files[0].revents != 0) output_open = ReadOutput(listener);
    if (files[1].revents != 0) ended = TakeReport(listener, &end);
  }
  // All writers are dead; what they wrote is still in the pipe.
  if (output_open) ReadOutput(listener);
  Reap();
  return end;
}

// Reads what is there, at most a pipe's content; false at the end of the file.
bool Command::ReadOutput(const Listener& listener) {
  for (int reads = 0; reads < 16; ++reads) {
    const ssize_t count = read(output_.get(), buffer_.data(), buffer_.size());
    if (count == 0) return false;
    if (count < 0) return errno == EAGAIN || errno == EINTR;
    if (listener.on_output) listener.on_output(std::string_view(buffer_).substr(0, count));
  }
  return true;
}

bool Command::TakeReport(const Listener& listener, CommandEnd* end) {
  SupervisorReport report = {};
  const ssize_t count = recv(control_.get(), &report, sizeof report, MSG_DONTWAIT);
  // A peer that ended with one of our orders unread resets the connection, once; what it said
  // before is still to be read.
  if (count < 0 && (errno == EAGAIN || errno == EINTR || errno == ECONNRESET)) return false;
  if (count != sizeof report) {
    end->lost = true;
    return true;
  }
  if (report.kind == SupervisorReport::kStarted) {
    end->started = true;
    command_ = report.pid;
    if (listener.on_start) listener.on_start(report.pid);
    return false;
  }
  end->error = report.error;
  end->wait_status = report.wait_status;
  end->cause = report.cause;
  end->cpu = absl::Nanoseconds(report.cpu_ns);
  end->max_rss_bytes = report.max_rss_bytes;
  return true;
}

// The supervisor has said its last word or is dead.
void Command::Reap() {
  int status = 0;
  while (waitpid(supervisor_, &status, 0) < 0 && errno == EINTR) {
  }
  supervisor_ = 0;
  if (WIFSIGNALED(status) && command_ != 0) KillGroup(command_);
}

std::string DescribeWaitStatus(int wait_status) {
  if (WIFSIGNALED(wait_status)) {
    const int number = WTERMSIG(wait_status);
    const char* name = sigabbrev_np(number);
    return StrCat("ended by signal ", number, name == nullptr ? "" : StrCat(" (SIG", name, ")"));
  }
  return StrCat("exit code ", WEXITSTATUS(wait_status));
}

}  // namespace closewrite::executor

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
#include "services/clock/clock.h"
#include "services/executor/process_group.h"
#include "services/log/str_cat.h"

namespace closewrite::executor {
namespace {

constexpr int kAdoptLookMs = 2;

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
  if (fd.get() >= kSupervisorFdsEnd) return fd;
  Fd high(fcntl(fd.get(), F_DUPFD_CLOEXEC, kSupervisorFdsEnd));
  if (!high.ok()) return ErrnoStatus(errno, "dup", "a file of a supervisor");
  return high;
}

// The files that a supervisor starts with.
struct SupervisorFds {
  Fd control;
  Fd state;
  Fd listen;
  Fd logs;
  GroupFds groups;
};

// See supervisor_protocol.h.
std::vector<std::string> SupervisorArguments(const CommandOptions& options,
                                             const GroupFds& groups) {
  std::vector<std::string> arguments = {
      "closewrite-supervisor",
      StrCat(absl::ToInt64Nanoseconds(options.lease_deadline)),
      StrCat(absl::ToInt64Nanoseconds(options.timeout)),
      StrCat(absl::ToInt64Nanoseconds(options.kill_after)),
      StrCat(options.nice),
      StrCat(options.nofile),
      options.outlive ? "1" : "0",
      !groups.unified.ok() ? "0"
      : groups.must_join   ? "2"
                           : "1",
      StrCat(groups.limits.size()),
      options.no_new_privs ? "1" : "0",
      options.sandbox ? "1" : "0",
      StrCat(options.kept.size()),
      options.files.name(),
      options.run_as.has_value() ? Credentials(*options.run_as) : "-",
      options.file.empty() ? "-" : options.file,
  };
  arguments.insert(arguments.end(), options.kept.begin(), options.kept.end());
  arguments.insert(arguments.end(), options.arguments.begin(), options.arguments.end());
  return arguments;
}

absl::Status Spawn(const CommandOptions& options, const SupervisorFds& fds, pid_t* supervisor) {
  SpawnSettings settings;
  auto* actions = &settings.actions;
  posix_spawn_file_actions_addopen(actions, 0, "/dev/null", O_RDWR, 0);
  for (const int output : {STDOUT_FILENO, STDERR_FILENO}) {
    posix_spawn_file_actions_adddup2(actions, 0, output);
  }
  posix_spawn_file_actions_adddup2(actions, fds.control.get(), kSupervisorControlFd);
  posix_spawn_file_actions_adddup2(actions, fds.state.get(), kSupervisorStateFd);
  posix_spawn_file_actions_adddup2(actions, fds.listen.get(), kSupervisorListenFd);
  posix_spawn_file_actions_adddup2(actions, fds.logs.get(), kSupervisorLogsFd);
  const GroupFds& groups = fds.groups;
  if (groups.unified.ok()) {
    posix_spawn_file_actions_adddup2(actions, groups.unified.get(), kSupervisorUnifiedFd);
  }
  for (size_t i = 0; i < groups.limits.size(); ++i) {
    posix_spawn_file_actions_adddup2(actions, groups.limits[i].get(),
                                     kSupervisorGroupsFd + static_cast<int>(i));
  }
  posix_spawn_file_actions_addchdir_np(actions, options.directory.c_str());
  sigset_t none;
  sigemptyset(&none);
  posix_spawnattr_setsigmask(&settings.attributes, &none);
  // A session of its own: a Ctrl-C for the executor is not for the command.
  posix_spawnattr_setflags(&settings.attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSID);

  const std::vector<std::string> arguments = SupervisorArguments(options, groups);
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
  auto command = std::unique_ptr<Command>(new Command(options.files, options.groups));
  command->control_ = Fd(sockets[0]);
  SupervisorFds fds;
  const auto set = [](absl::StatusOr<Fd> file, Fd* fd) {
    if (file.ok()) file = High(*std::move(file));
    if (file.ok()) *fd = *std::move(file);
    return file.status();
  };
  absl::Status status = set(Fd(sockets[1]), &fds.control);
  if (status.ok()) status = set(options.files.MakeState(), &fds.state);
  if (status.ok()) status = set(options.files.Listen(), &fds.listen);
  if (status.ok())
    status = set(Fd(fcntl(options.logs, F_DUPFD_CLOEXEC, kSupervisorFdsEnd)), &fds.logs);
  if (status.ok()) {
    auto groups = options.groups.Make(options.files.name(), options.limits);
    status = groups.status();
    if (status.ok()) fds.groups = *std::move(groups);
  }
  if (status.ok() && fds.groups.unified.ok()) {
    status = set(std::move(fds.groups.unified), &fds.groups.unified);
  }
  for (Fd& group : fds.groups.limits) {
    if (status.ok()) status = set(std::move(group), &group);
  }
  if (status.ok()) status = Spawn(options, fds, &command->supervisor_);
  if (status.ok()) return command;
  command->supervisor_ = 0;
  command->waited_ = true;
  options.files.Remove();
  options.groups.Remove(options.files.name());
  return status;
}

std::unique_ptr<Command> Command::Adopt(SupervisorFiles files, ControlGroups groups) {
  auto command = std::unique_ptr<Command>(new Command(std::move(files), std::move(groups)));
  const absl::Duration deadline = SinceBoot() + kAdoptMax;
  while (command->files_.Lives()) {
    auto control = command->files_.Connect();
    if (control.ok()) {
      command->control_ = *std::move(control);
      break;
    }
    // It is just about to end, or does not listen; then it is killed by the look for its end.
    if (SinceBoot() >= deadline) break;
    poll(nullptr, 0, kAdoptLookMs);
  }
  return command;
}

Command::~Command() {
  if (waited_) return;
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
  waited_ = true;
  while (control_.ok()) {
    pollfd file = {control_.get(), POLLIN, 0};
    if (poll(&file, 1, -1) < 0) continue;
    if (!TakeReports(listener)) break;
  }
  CommandEnd end = Conclude();
  if (end.lost) groups_.Kill(files_.name());
  // Not of each command: files of the kernel are read for it.
  if (end.wait_status != 0) end.ran_out_of_memory = groups_.RanOutOfMemory(files_.name());
  groups_.Remove(files_.name());
  return end;
}

// False when the supervisor has said its last word, or is dead.
bool Command::TakeReports(const Listener& listener) {
  for (;;) {
    SupervisorReport report = {};
    const ssize_t count = recv(control_.get(), &report, sizeof report, MSG_DONTWAIT);
    // A peer that ended with one of our orders unread resets the connection, once; what it said
    // before is still to be read.
    if (count < 0 && errno == ECONNRESET) continue;
    if (count < 0 && (errno == EAGAIN || errno == EINTR)) break;
    if (count != sizeof report) return false;
    if (report.kind == SupervisorReport::kStarted && listener.on_start) {
      listener.on_start(report.pid);
    }
    if (report.kind == SupervisorReport::kEnded || report.kind == SupervisorReport::kNotStarted) {
      return false;
    }
  }
  // Whatever was said: growth is not said while something else is unread.
  if (listener.on_log) listener.on_log();
  return true;
}

// What its supervisor has written down, once that is dead.
CommandEnd Command::Conclude() {
  if (supervisor_ != 0) {
    while (waitpid(supervisor_, nullptr, 0) < 0 && errno == EINTR) {
    }
    supervisor_ = 0;
  }
  std::optional<SupervisorState> state = files_.ReadState();
  for (const absl::Duration deadline = SinceBoot() + kAdoptMax;
       (!state.has_value() || state->ended == 0) && files_.Lives(); state = files_.ReadState()) {
    // One that was adopted and has closed its socket: it is dying, or out of reach.
    if (SinceBoot() >= deadline && state.has_value() && state->supervisor > 0) {
      kill(state->supervisor, SIGKILL);
    }
    poll(nullptr, 0, kAdoptLookMs);
  }
  if (state.has_value() && state->ended != 0) return EndOf(*state);
  CommandEnd end;
  end.lost = true;
  if (!state.has_value()) return end;
  end.started = state->report.kind == SupervisorReport::kStarted;
  KillGroup(*state);
  return end;
}

CommandEnd EndOf(const SupervisorState& state) {
  const SupervisorReport& report = state.report;
  return {.started = report.kind == SupervisorReport::kEnded,
          .error = report.error,
          .lost = false,
          .wait_status = report.wait_status,
          .cause = report.cause,
          .cpu = absl::Nanoseconds(report.cpu_ns),
          .max_rss_bytes = report.max_rss_bytes,
          .log_bytes = state.log_bytes,
          .ended_us = state.ended_us};
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

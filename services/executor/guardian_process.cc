#include "services/executor/guardian_process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "services/executor/guardian.h"
#include "services/executor/supervisor_image.h"
#include "services/executor/supervisor_protocol.h"

namespace closewrite::executor {
namespace {

constexpr char kProgram[] = "/proc/self/exe";

// Above all that a new process finds its files at.
absl::StatusOr<Fd> High(Fd fd) {
  Fd high(fcntl(fd.get(), F_DUPFD_CLOEXEC, kImageFdMin));
  if (!high.ok()) return ErrnoStatus(errno, "dup", "a file of the guardian");
  return high;
}

absl::StatusOr<Fd> FileOf(const v1::ExecutorConfig& config) {
  Fd file(memfd_create("closewrite-executor-config", MFD_CLOEXEC));
  if (!file.ok()) return ErrnoStatus(errno, "memfd_create", "the configuration");
  if (!config.SerializeToFileDescriptor(file.get()) || lseek(file.get(), 0, SEEK_SET) != 0) {
    return ErrnoStatus(errno, "write", "the configuration");
  }
  return High(std::move(file));
}

// The guardian keeps the blocked signals of this thread: who stops the executor politely means the
// executor.
int Spawn(int lifeline, int config, pid_t* pid) {
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, lifeline, kGuardianLifelineFd);
  posix_spawn_file_actions_adddup2(&actions, config, kGuardianConfigFd);
  posix_spawn_file_actions_addclosefrom_np(&actions, kGuardianConfigFd + 1);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSID);
  char name[sizeof kGuardianName];
  std::copy(std::begin(kGuardianName), std::end(kGuardianName), name);
  char* arguments[] = {name, nullptr};
  const int error = posix_spawn(pid, kProgram, &actions, &attributes, arguments, environ);
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  return error;
}

}  // namespace

absl::StatusOr<std::unique_ptr<GuardianProcess>> GuardianProcess::Start(
    const v1::ExecutorConfig& config) {
  int sockets[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets) != 0) {
    return ErrnoStatus(errno, "socketpair", "the guardian");
  }
  absl::StatusOr<Fd> ours = High(Fd(sockets[0]));
  absl::StatusOr<Fd> theirs = High(Fd(sockets[1]));
  absl::StatusOr<Fd> file = FileOf(config);
  for (const auto* fd : {&ours, &theirs, &file}) {
    if (!fd->ok()) return fd->status();
  }
  auto guardian = std::unique_ptr<GuardianProcess>(new GuardianProcess);
  const int error = Spawn(theirs->get(), file->get(), &guardian->pid_);
  if (error != 0) {
    guardian->pid_ = 0;
    return ErrnoStatus(error, "start", "the guardian");
  }
  guardian->lifeline_ = *std::move(ours);
  return guardian;
}

GuardianProcess::~GuardianProcess() { Dismiss(); }

void GuardianProcess::Dismiss() {
  if (pid_ == 0) return;
  const LifelineRecord record = {.kind = LifelineRecord::kDismissed};
  send(lifeline_.get(), &record, sizeof record, MSG_DONTWAIT | MSG_NOSIGNAL);
  const Fd process(static_cast<int>(syscall(SYS_pidfd_open, pid_, 0)));
  pollfd file = {process.get(), POLLIN, 0};
  const auto patience_ms = static_cast<int>(absl::ToInt64Milliseconds(kDismissMax));
  if (!process.ok() || poll(&file, 1, patience_ms) <= 0) kill(pid_, SIGKILL);
  while (waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
  }
  pid_ = 0;
}

}  // namespace closewrite::executor

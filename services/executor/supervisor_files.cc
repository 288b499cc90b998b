#include "services/executor/supervisor_files.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>

#include "services/clock/clock.h"
#include "services/log/str_cat.h"

namespace closewrite::executor {
namespace {

// Connections that a supervisor has not seen yet: of executors that died while it was frozen.
constexpr int kWaitingMax = 16;

absl::StatusOr<sockaddr_un> AddressOf(int folder, const std::string& name) {
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  const std::string path = StrCat("/proc/self/fd/", folder, "/", name);
  if (path.size() >= sizeof address.sun_path) return ErrnoStatus(ENAMETOOLONG, "name", path);
  std::copy(path.begin(), path.end(), address.sun_path);
  return address;
}

const sockaddr* Generic(const sockaddr_un& address) {
  return reinterpret_cast<const sockaddr*>(&address);
}

}  // namespace

absl::StatusOr<Fd> SupervisorFiles::MakeState() const {
  Fd file(openat(folder_, State().c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!file.ok()) return ErrnoStatus(errno, "open", State());
  if (flock(file.get(), LOCK_EX | LOCK_NB) != 0) return ErrnoStatus(errno, "lock", State());
  SupervisorState state;
  static const std::string boot = BootId();
  std::copy_n(boot.begin(), std::min(boot.size(), sizeof state.boot - 1), state.boot);
  if (ftruncate(file.get(), 0) != 0) return ErrnoStatus(errno, "truncate", State());
  if (pwrite(file.get(), &state, sizeof state, 0) != sizeof state) {
    return ErrnoStatus(errno, "write", State());
  }
  return file;
}

absl::StatusOr<Fd> SupervisorFiles::Listen() const {
  const auto address = AddressOf(folder_, Socket());
  if (!address.ok()) return address.status();
  Fd socket(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket.ok()) return ErrnoStatus(errno, "socket", Socket());
  unlinkat(folder_, Socket().c_str(), 0);
  // Nobody connects before it listens, and then it is ours alone.
  if (bind(socket.get(), Generic(*address), sizeof *address) != 0 ||
      fchmodat(folder_, Socket().c_str(), 0600, 0) != 0 || listen(socket.get(), kWaitingMax) != 0) {
    return ErrnoStatus(errno, "listen", Socket());
  }
  return socket;
}

std::optional<SupervisorState> SupervisorFiles::ReadState() const {
  const Fd file(openat(folder_, State().c_str(), O_RDONLY | O_CLOEXEC));
  SupervisorState state;
  if (!file.ok() || pread(file.get(), &state, sizeof state, 0) != sizeof state ||
      state.version == 0) {
    return std::nullopt;
  }
  state.boot[sizeof state.boot - 1] = '\0';
  return state;
}

bool SupervisorFiles::Lives() const {
  const Fd file(openat(folder_, State().c_str(), O_RDONLY | O_CLOEXEC));
  return file.ok() && flock(file.get(), LOCK_SH | LOCK_NB) != 0;
}

absl::StatusOr<Fd> SupervisorFiles::Connect() const {
  const auto address = AddressOf(folder_, Socket());
  if (!address.ok()) return address.status();
  Fd socket(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket.ok()) return ErrnoStatus(errno, "socket", Socket());
  if (connect(socket.get(), Generic(*address), sizeof *address) != 0) {
    return ErrnoStatus(errno, "connect", Socket());
  }
  return socket;
}

void SupervisorFiles::Remove() const {
  for (const std::string& file : {State(), Socket()}) unlinkat(folder_, file.c_str(), 0);
}

}  // namespace closewrite::executor

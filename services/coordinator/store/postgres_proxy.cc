#include "services/coordinator/store/postgres_proxy.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <filesystem>
#include <string_view>
#include <utility>

#include "services/log/log.h"

namespace closewrite {
namespace {

namespace fs = std::filesystem;

constexpr char kSocket[] = "/.s.PGSQL.5432";
constexpr int kBacklog = 16;

sockaddr_un AddressOf(const std::string& folder) {
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  const std::string path = folder + kSocket;
  memcpy(address.sun_path, path.c_str(), std::min(path.size(), sizeof(address.sun_path) - 1));
  return address;
}

bool SendAll(int to, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = send(to, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent <= 0) return false;
    bytes.remove_prefix(static_cast<size_t>(sent));
  }
  return true;
}

// "" when the other end has hung up.
std::string Receive(int from) {
  char buffer[65536];
  const ssize_t size = recv(from, buffer, sizeof(buffer), 0);
  return size > 0 ? std::string(buffer, static_cast<size_t>(size)) : "";
}

// Whether the last message is a Sync, which ends a batch
// (https://www.postgresql.org/docs/15/protocol-message-formats.html). `bytes` begin with a message.
bool IsWholeBatch(std::string_view bytes) {
  constexpr size_t kHeaderBytes = 5;  // a letter, and the length without it
  bool sync = false;
  while (bytes.size() >= kHeaderBytes) {
    uint32_t rest = 0;
    for (size_t i = 1; i < kHeaderBytes; ++i) {
      rest = (rest << 8) | static_cast<unsigned char>(bytes[i]);
    }
    const size_t length = size_t{1} + rest;
    if (bytes.size() < length) return false;
    sync = bytes[0] == 'S';
    bytes.remove_prefix(length);
  }
  return sync && bytes.empty();
}

void Close(int* fd) {
  if (*fd >= 0) close(*fd);
  *fd = -1;
}

}  // namespace

PostgresProxy::PostgresProxy(const std::string& server) : server_(server) {
  folder_ = fs::temp_directory_path() / "closewrite_proxy_XXXXXX";
  if (mkdtemp(folder_.data()) == nullptr) LogError("no folder", {{"error", strerror(errno)}});
  stop_ = eventfd(0, EFD_CLOEXEC);
  listener_ = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const sockaddr_un address = AddressOf(folder_);
  if (bind(listener_, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0 ||
      listen(listener_, kBacklog) != 0) {
    LogError("cannot listen", {{"error", strerror(errno)}});
  }
  acceptor_ = std::thread([this] { Accept(); });
}

PostgresProxy::~PostgresProxy() {
  const uint64_t one = 1;
  if (write(stop_, &one, sizeof(one)) < 0) LogError("cannot stop", {{"error", strerror(errno)}});
  acceptor_.join();
  for (std::thread& thread : threads_) thread.join();
  Close(&delayed_to_);
  Close(&listener_);
  Close(&stop_);
  fs::remove_all(folder_);
}

void PostgresProxy::Arm(Fault fault) {
  absl::MutexLock lock(&mutex_);
  fault_ = fault;
}

bool PostgresProxy::armed() {
  absl::MutexLock lock(&mutex_);
  return fault_ != Fault::kNone;
}

PostgresProxy::Fault PostgresProxy::TakeFault() {
  absl::MutexLock lock(&mutex_);
  return std::exchange(fault_, Fault::kNone);
}

void PostgresProxy::Release() {
  absl::MutexLock lock(&mutex_);
  if (SendAll(delayed_to_, delayed_)) Receive(delayed_to_);
  Close(&delayed_to_);
}

void PostgresProxy::Accept() {
  for (;;) {
    pollfd fds[] = {{listener_, POLLIN, 0}, {stop_, POLLIN, 0}};
    if (poll(fds, 2, -1) < 0 && errno != EINTR) return;
    if (fds[1].revents != 0) return;
    if ((fds[0].revents & POLLIN) == 0) continue;
    Pair pair;
    pair.client = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    pair.server = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const sockaddr_un address = AddressOf(server_);
    if (connect(pair.server, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
      Close(&pair.client);
      Close(&pair.server);
      continue;
    }
    threads_.emplace_back([this, pair] { Serve(pair); });
  }
}

void PostgresProxy::Serve(Pair pair) {
  for (bool open = true; open;) {
    pollfd fds[] = {{pair.client, POLLIN, 0}, {pair.server, POLLIN, 0}, {stop_, POLLIN, 0}};
    if (poll(fds, 3, -1) < 0) continue;
    if (fds[2].revents != 0) break;
    if (fds[0].revents != 0) {
      open = FromClient(&pair);
    } else if (fds[1].revents != 0) {
      open = FromServer(&pair);
    }
  }
  Close(&pair.client);
  Close(&pair.server);
}

bool PostgresProxy::FromClient(Pair* pair) {
  std::string bytes = Receive(pair->client);
  if (bytes.empty()) return false;
  const Fault fault = TakeFault();
  while (fault != Fault::kNone && !IsWholeBatch(bytes)) {
    const std::string more = Receive(pair->client);
    if (more.empty()) return false;
    bytes += more;
  }
  switch (fault) {
    case Fault::kNone:
      return SendAll(pair->server, bytes);
    case Fault::kLoseAnswer:
      if (SendAll(pair->server, bytes)) Receive(pair->server);
      return false;
    case Fault::kLoseRequest:
    case Fault::kDelayRequest:
      break;
  }
  // The server's end stays open.
  absl::MutexLock lock(&mutex_);
  delayed_ = fault == Fault::kDelayRequest ? bytes : "";
  Close(&delayed_to_);
  delayed_to_ = std::exchange(pair->server, -1);
  return false;
}

bool PostgresProxy::FromServer(Pair* pair) {
  const std::string bytes = Receive(pair->server);
  return !bytes.empty() && SendAll(pair->client, bytes);
}

}  // namespace closewrite

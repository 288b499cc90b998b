#include "services/cli/lock/keeper.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "services/cli/lock/keeper_process.h"
#include "services/cli/lock/process_tree.h"
#include "services/log/str_cat.h"

namespace closewrite::cli {
namespace {

// Says yes too often rather than too seldom: a keeper without work does no harm.
bool LooksLikeLockRun(char** begin, char** end) {
  for (char** word = begin; word + 1 < end; ++word) {
    if (strcmp(word[0], "lock") == 0 && strcmp(word[1], "run") == 0) return true;
  }
  return false;
}

absl::Status NoKeeper(int error) {
  return absl::UnavailableError(StrCat("lock run can't start a process: ", strerror(error)));
}

void SetTimes(const Lease& lease, KeeperOrder* order) {
  order->terminate_ns = absl::ToInt64Nanoseconds(lease.terminate_at());
  order->kill_ns = absl::ToInt64Nanoseconds(lease.end());
}

}  // namespace

absl::StatusOr<std::unique_ptr<Keeper>> Keeper::ForCommandLine(int argc, char** argv) {
  char** const end = argv + argc;
  char** const dashes = std::find_if(argv, end, [](char* word) { return strcmp(word, "--") == 0; });
  if (dashes >= end - 1 || !LooksLikeLockRun(argv, dashes)) {
    return std::unique_ptr<Keeper>();
  }
  int sockets[2];
  // Should the keeper be killed, what it leaves is inherited by this process.
  if (prctl(PR_SET_CHILD_SUBREAPER, 1) != 0 ||
      socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets) != 0) {
    return NoKeeper(errno);
  }
  const pid_t process = fork();
  if (process == 0) {
    close(sockets[0]);
    RunKeeper(sockets[1], dashes + 1);
    _exit(0);
  }
  const int error = errno;
  close(sockets[1]);
  if (process < 0) {
    close(sockets[0]);
    return NoKeeper(error);
  }
  return std::make_unique<Keeper>(sockets[0], std::vector<std::string>(dashes + 1, end));
}

Keeper::Keeper(int socket, std::vector<std::string> command)
    : socket_(socket), command_(std::move(command)) {}

Keeper::~Keeper() {
  close(socket_);
  KillAll();
}

void Keeper::Start(const Lease& lease, const std::string& lock, int64_t token) {
  KeeperOrder order;
  order.kind = KeeperOrder::kStart;
  SetTimes(lease, &order);
  order.token = token;
  snprintf(order.lock, sizeof order.lock, "%s", lock.c_str());
  Send(order);
}

void Keeper::Renew(const Lease& lease) {
  KeeperOrder order;
  order.kind = KeeperOrder::kRenew;
  SetTimes(lease, &order);
  Send(order);
}

void Keeper::PassOn(int signal) {
  KeeperOrder order;
  order.kind = KeeperOrder::kPassOn;
  order.signal = signal;
  Send(order);
}

void Keeper::End(absl::Duration kill_at) {
  KeeperOrder order;
  order.kind = KeeperOrder::kEnd;
  order.kill_ns = absl::ToInt64Nanoseconds(kill_at);
  Send(order);
}

std::optional<KeeperEnd> Keeper::Look() {
  KeeperReport report;
  ssize_t count = recv(socket_, &report, sizeof report, MSG_DONTWAIT);
  // It has ended without having read all orders: that is told first, once; its report comes next.
  if (count < 0 && errno == ECONNRESET) {
    count = recv(socket_, &report, sizeof report, MSG_DONTWAIT);
  }
  if (count < 0 && (errno == EAGAIN || errno == EINTR)) return std::nullopt;
  KeeperEnd end;
  if (count != sizeof report) {
    KillAll();
    end.cause = KeeperEnd::kKilled;
    end.started = true;
    return end;
  }
  end.cause = report.cause == KeeperReport::kByItself ? KeeperEnd::kByItself
              : report.cause == KeeperReport::kLease  ? KeeperEnd::kLease
                                                      : KeeperEnd::kTold;
  end.started = report.started != 0;
  end.error = report.error;
  end.wait_status = report.wait_status;
  return end;
}

void Keeper::KillAll() {
  EndDescendants([](pid_t, int) {});
}

// A keeper that does not listen misses a renewal, which only makes the lease shorter.
void Keeper::Send(const KeeperOrder& order) {
  send(socket_, &order, sizeof order, MSG_NOSIGNAL | MSG_DONTWAIT);
}

}  // namespace closewrite::cli

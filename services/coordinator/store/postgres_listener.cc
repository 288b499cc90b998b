#include "services/coordinator/store/postgres_listener.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <utility>

#include "absl/strings/escaping.h"
#include "services/clock/clock.h"
#include "services/coordinator/core/store.h"
#include "services/log/log.h"

namespace closewrite {
namespace {

constexpr char kListen[] = "LISTEN closewrite";
// In one transaction, so that the server's lock is taken once.
constexpr char kNotify[] =
    "SELECT pg_notify('closewrite', convert_from(u.payload, 'UTF8'))"
    " FROM unnest($1::bytea[]) AS u(payload)";

// A payload is text without NUL and shorter than 8,000 bytes.
static_assert(kNoticeBytesMax * 4 / 3 + 100 < 8000);

std::string PayloadOf(const CoordinatorId& id, std::string_view notice) {
  return StrCat(id, " ", absl::Base64Escape(ToAbsl(notice)));
}

}  // namespace

PostgresListener::PostgresListener(const PostgresUrl* url, CoordinatorId id)
    : id_(std::move(id)), wake_fd_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)), link_(url, &closing_) {
  link_.OnConnect([](PostgresConnection* connection) { return connection->Execute(kListen); });
}

PostgresListener::~PostgresListener() {
  closing_.Notify();
  Wake();
  std::thread thread;
  {
    absl::MutexLock lock(&mutex_);
    thread.swap(thread_);
  }
  if (thread.joinable()) thread.join();
  close(wake_fd_);
}

void PostgresListener::Start() {
  if (!thread_.joinable()) thread_ = std::thread([this] { Run(); });
}

void PostgresListener::Wake() {
  const uint64_t one = 1;
  if (write(wake_fd_, &one, sizeof(one)) < 0 && errno != EAGAIN) {
    LogError("the thread of notifications can't be woken", {{"error", strerror(errno)}});
  }
}

void PostgresListener::Listen(std::function<void(std::string_view)> fn) {
  const bool listens = fn != nullptr;
  {
    absl::MutexLock lock(&listener_mutex_);
    listener_ = std::move(fn);
  }
  if (!listens) return;
  {
    absl::MutexLock lock(&mutex_);
    Start();
  }
  tried_.WaitForNotification();
}

void PostgresListener::Notify(std::string_view notice) {
  {
    absl::MutexLock lock(&mutex_);
    Start();
    const bool same = std::find(pending_.begin(), pending_.end(), notice) != pending_.end();
    if (notice.size() > kNoticeBytesMax || pending_.size() >= kNoticesMax) {
      overflowed_ = true;
    } else if (!same) {
      pending_.emplace_back(notice);
    }
  }
  Wake();
}

void PostgresListener::Run() {
  bool lost = false;
  while (!closing_.HasBeenNotified()) {
    absl::StatusOr<PostgresConnection*> connection = link_.Connected();
    if (connection.ok()) {
      // Whatever was told until LISTEN took effect is lost.
      if (lost) Tell("");
      if (!tried_.HasBeenNotified()) tried_.Notify();
      const absl::Status served = Serve(*connection);
      if (!served.ok()) {
        LogWarn("notifications of the store stop for now", {{"error", served.ToString()}});
      }
      link_.Drop();
    } else if (!lost) {
      LogWarn("the store gives no notifications for now",
              {{"error", connection.status().ToString()}});
    }
    lost = true;
    if (!tried_.HasBeenNotified()) tried_.Notify();
  }
}

absl::Status PostgresListener::Serve(PostgresConnection* connection) {
  while (!closing_.HasBeenNotified()) {
    bool pending = false;
    {
      absl::MutexLock lock(&mutex_);
      pending = !pending_.empty() || overflowed_;
    }
    const absl::Duration send_at = sent_at_ + kIntervalMin;
    if (pending && SinceBoot() >= send_at) {
      if (absl::Status status = Send(connection); !status.ok()) return status;
    } else {
      Wait(connection->socket(), pending ? send_at : absl::InfiniteDuration());
    }
    if (absl::Status status = connection->Consume(); !status.ok()) return status;
    Dispatch(connection);
  }
  return absl::OkStatus();
}

void PostgresListener::Wait(int socket, absl::Duration at) {
  pollfd fds[] = {{socket, POLLIN, 0}, {wake_fd_, POLLIN, 0}};
  int timeout_ms = -1;
  if (at != absl::InfiniteDuration()) {
    const absl::Duration left = std::max(at - SinceBoot(), absl::ZeroDuration());
    timeout_ms =
        static_cast<int>(absl::ToInt64Milliseconds(absl::Ceil(left, absl::Milliseconds(1))));
  }
  if (poll(fds, 2, timeout_ms) <= 0 || (fds[1].revents & POLLIN) == 0) return;
  uint64_t count = 0;
  if (read(wake_fd_, &count, sizeof(count)) < 0 && errno != EAGAIN) {
    LogError("cannot read an event", {{"error", strerror(errno)}});
  }
}

absl::Status PostgresListener::Send(PostgresConnection* connection) {
  std::vector<std::string> notices;
  {
    absl::MutexLock lock(&mutex_);
    notices.swap(pending_);
    if (std::exchange(overflowed_, false)) notices.emplace_back("");
  }
  sent_at_ = SinceBoot();
  PostgresArray payloads;
  for (const std::string& notice : notices) payloads.Bytes(PayloadOf(id_, notice));
  const absl::Status sent =
      connection->Run({{.sql = kNotify, .params = PostgresParams().Array(std::move(payloads))}})
          .status();
  if (sent.ok()) return sent;
  // They come with the next connection; the others may have missed some by then.
  absl::MutexLock lock(&mutex_);
  overflowed_ = true;
  return connection->broken() ? sent : absl::OkStatus();
}

void PostgresListener::Dispatch(PostgresConnection* connection) {
  for (const std::string& payload : connection->TakeNotices()) {
    const size_t space = payload.find(' ');
    if (payload.substr(0, space) == id_) continue;
    std::string notice;
    const bool known =
        space != std::string::npos && absl::Base64Unescape(payload.substr(space + 1), &notice);
    // What can't be read may have been anything.
    Tell(known ? notice : "");
  }
}

void PostgresListener::Tell(std::string_view notice) {
  absl::MutexLock lock(&listener_mutex_);
  if (listener_ != nullptr) listener_(notice);
}

}  // namespace closewrite

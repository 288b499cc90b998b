#include "services/portal/deadline_stream.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include <algorithm>

#include "services/clock/clock.h"

namespace closewrite::portal {
namespace {

// What so many bytes may take.
absl::Duration Allowed(int64_t bytes) {
  return kSlowGrace + absl::Seconds(bytes / kBytesPerSecondMin);
}

}  // namespace

bool DeadlineStream::Await(short events, absl::Duration patience) const {
  const absl::Duration until = SinceBoot() + patience;
  for (;;) {
    const int64_t left = absl::ToInt64Milliseconds(until - SinceBoot());
    if (left < 0) return false;
    pollfd waiting = {.fd = socket_, .events = events, .revents = 0};
    const int found = poll(&waiting, 1, static_cast<int>(left) + 1);
    if (found > 0) return true;
    if (found < 0 && errno != EINTR) return false;
  }
}

bool DeadlineStream::AwaitRequest() {
  if (at_ == end_ && (!Await(POLLIN, kIdleMax) || !Fill())) return false;
  in_body_ = false;
  begun_ = SinceBoot();
  head_bytes_ = 0;
  written_ = 0;
  write_waits_ = absl::ZeroDuration();
  return true;
}

void DeadlineStream::BeginBody() {
  in_body_ = true;
  begun_ = SinceBoot();
  body_bytes_ = 0;
}

absl::Duration DeadlineStream::Patience() const {
  const absl::Duration took = SinceBoot() - begun_;
  if (!in_body_) return kHeadTimeMax - took;
  return std::min(kSilenceMax, Allowed(body_bytes_) - took);
}

bool DeadlineStream::Fill() {
  const ssize_t got = recv(socket_, buffer_.data(), buffer_.size(), MSG_DONTWAIT);
  if (got <= 0) return false;
  at_ = 0;
  end_ = static_cast<size_t>(got);
  return true;
}

ssize_t DeadlineStream::read(char* data, size_t size) {
  if (at_ == end_) {
    const absl::Duration patience = Patience();
    if (patience <= absl::ZeroDuration() || !Await(POLLIN, patience) || !Fill()) return -1;
  }
  const size_t taken = std::min(size, end_ - at_);
  memcpy(data, buffer_.data() + at_, taken);
  at_ += taken;
  (in_body_ ? body_bytes_ : head_bytes_) += static_cast<int64_t>(taken);
  return !in_body_ && head_bytes_ > kHeadBytesMax ? -1 : static_cast<ssize_t>(taken);
}

ssize_t DeadlineStream::write(const char* data, size_t size) {
  for (;;) {
    const ssize_t sent = send(socket_, data, size, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent >= 0) {
      written_ += sent;
      return sent;
    }
    if (errno == EINTR) continue;
    if (errno != EAGAIN) return -1;
    const absl::Duration before = SinceBoot();
    const absl::Duration patience = std::min(kSilenceMax, Allowed(written_) - write_waits_);
    if (patience <= absl::ZeroDuration() || !Await(POLLOUT, patience)) return -1;
    write_waits_ += SinceBoot() - before;
  }
}

void DeadlineStream::get_remote_ip_and_port(std::string& ip, int& port) const {
  ip = address_;
  port = 0;
}

void DeadlineStream::get_local_ip_and_port(std::string& ip, int& port) const {
  ip.clear();
  port = 0;
}

}  // namespace closewrite::portal

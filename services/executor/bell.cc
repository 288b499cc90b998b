#include "services/executor/bell.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>

namespace closewrite::executor {
namespace {

constexpr absl::Duration kWaitMax = absl::Hours(1);

}  // namespace

Bell::Bell() : event_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}

void Bell::Ring() {
  const uint64_t one = 1;
  // Fails only when it has been rung 2^64-2 times unheard.
  [[maybe_unused]] const ssize_t written = write(event_.get(), &one, sizeof one);
}

bool Bell::Wait(absl::Duration timeout) {
  timeout = std::clamp(timeout, absl::ZeroDuration(), kWaitMax);
  pollfd file = {event_.get(), POLLIN, 0};
  const timespec limit = absl::ToTimespec(timeout);
  if (ppoll(&file, 1, &limit, nullptr) <= 0) return false;
  uint64_t rings = 0;
  return read(event_.get(), &rings, sizeof rings) == sizeof rings;
}

}  // namespace closewrite::executor

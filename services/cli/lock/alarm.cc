#include "services/cli/lock/alarm.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <iterator>

namespace closewrite::cli {
namespace {

// Where there is no timer left: how often one looks then.
constexpr int kPollMs = 100;

}  // namespace

Alarm::Alarm()
    : timer_(timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK)),
      bell_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}

Alarm::~Alarm() {
  close(timer_);
  close(bell_);
}

void Alarm::Ring() {
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = write(bell_, &one, sizeof one);
}

void Alarm::Wait(absl::Duration until, int file) {
  itimerspec timer = {};
  // Zero would mean never.
  if (until != absl::InfiniteDuration()) {
    timer.it_value = absl::ToTimespec(std::max(until, absl::Nanoseconds(1)));
  }
  const bool exact = timerfd_settime(timer_, TFD_TIMER_ABSTIME, &timer, nullptr) == 0;
  pollfd files[] = {{timer_, POLLIN, 0}, {bell_, POLLIN, 0}, {file, POLLIN, 0}};
  poll(files, std::size(files), exact && bell_ >= 0 ? -1 : kPollMs);
  uint64_t count = 0;
  [[maybe_unused]] const ssize_t rung = read(bell_, &count, sizeof count);
}

}  // namespace closewrite::cli

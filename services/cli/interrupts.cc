#include "services/cli/interrupts.h"

#include <utility>

namespace closewrite {

Interrupts::Scope::Scope(Interrupts* interrupts, std::function<void()> hook)
    : interrupts_(interrupts) {
  absl::MutexLock lock(&interrupts_->mutex_);
  if (interrupts_->pending_ > 0) hook();
  interrupts_->hook_ = std::move(hook);
}

Interrupts::Scope::~Scope() {
  absl::MutexLock lock(&interrupts_->mutex_);
  interrupts_->hook_ = nullptr;
}

void Interrupts::Notify() {
  absl::MutexLock lock(&mutex_);
  ++pending_;
  if (hook_) hook_();
}

bool Interrupts::Pending() const {
  absl::MutexLock lock(&mutex_);
  return pending_ > 0;
}

void Interrupts::Acknowledge() {
  absl::MutexLock lock(&mutex_);
  if (pending_ > 0) --pending_;
}

bool Interrupts::Wait(absl::Duration timeout) {
  absl::MutexLock lock(&mutex_);
  return mutex_.AwaitWithTimeout(
      absl::Condition(+[](int* pending) { return *pending > 0; }, &pending_), timeout);
}

}  // namespace closewrite

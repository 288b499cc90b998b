#include "services/cli/interrupts.h"

#include <algorithm>
#include <utility>

namespace closewrite::cli {

Interrupts::Scope::Scope(Interrupts* interrupts, std::function<void()> hook)
    : interrupts_(interrupts), hook_(std::move(hook)) {
  absl::MutexLock lock(&interrupts_->mutex_);
  if (interrupts_->pending_ > 0) hook_();
  interrupts_->scopes_.push_back(this);
}

Interrupts::Scope::~Scope() {
  absl::MutexLock lock(&interrupts_->mutex_);
  auto& scopes = interrupts_->scopes_;
  scopes.erase(std::remove(scopes.begin(), scopes.end(), this), scopes.end());
}

void Interrupts::Notify() {
  absl::MutexLock lock(&mutex_);
  ++pending_;
  for (const Scope* scope : scopes_) scope->hook_();
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
  return mutex_.AwaitWithTimeout(absl::Condition(
                                     +[](int* pending) { return *pending > 0; }, &pending_),
                                 timeout);
}

}  // namespace closewrite::cli

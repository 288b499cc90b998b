#include "services/cli/interrupts.h"

#include <algorithm>
#include <utility>

namespace closewrite::cli {

Interrupts::Scope::Scope(Interrupts* interrupts, std::function<void()> hook)
    : interrupts_(interrupts), hook_(std::move(hook)) {
  absl::MutexLock lock(&interrupts_->mutex_);
  if (!interrupts_->pending_.empty()) hook_();
  interrupts_->scopes_.push_back(this);
}

Interrupts::Scope::~Scope() {
  absl::MutexLock lock(&interrupts_->mutex_);
  auto& scopes = interrupts_->scopes_;
  scopes.erase(std::remove(scopes.begin(), scopes.end(), this), scopes.end());
}

Interrupts::OfAllKinds::OfAllKinds(Interrupts* interrupts) : interrupts_(interrupts) {
  absl::MutexLock lock(&interrupts_->mutex_);
  ++interrupts_->of_all_kinds_;
}

Interrupts::OfAllKinds::~OfAllKinds() {
  absl::MutexLock lock(&interrupts_->mutex_);
  --interrupts_->of_all_kinds_;
}

bool Interrupts::of_all_kinds() const {
  absl::MutexLock lock(&mutex_);
  return of_all_kinds_ > 0;
}

void Interrupts::Notify(int signal) {
  absl::MutexLock lock(&mutex_);
  pending_.push_back(signal);
  for (const Scope* scope : scopes_) scope->hook_();
}

bool Interrupts::Pending() const {
  absl::MutexLock lock(&mutex_);
  return !pending_.empty();
}

int Interrupts::Acknowledge() {
  absl::MutexLock lock(&mutex_);
  if (pending_.empty()) return 0;
  const int signal = pending_.front();
  pending_.pop_front();
  return signal;
}

bool Interrupts::Wait(absl::Duration timeout) {
  absl::MutexLock lock(&mutex_);
  return mutex_.AwaitWithTimeout(
      absl::Condition(
          +[](std::deque<int>* pending) { return !pending->empty(); }, &pending_),
      timeout);
}

}  // namespace closewrite::cli

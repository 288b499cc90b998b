#include "services/coordinator/api/slow_calls.h"

#include <utility>

#include "services/log/str_cat.h"

namespace closewrite {
namespace {

absl::Status Stopping() { return absl::UnavailableError("the coordinator is stopping"); }

}  // namespace

void SlowCalls::Submit(Work work, Done done) {
  absl::Status refused;
  {
    absl::MutexLock lock(&mutex_);
    if (stopping_) {
      refused = Stopping();
    } else if (queue_.size() >= kSlowCallsMax) {
      refused = absl::ResourceExhaustedError(
          StrCat(kSlowCallsMax, " calls of this kind wait already; try again later"));
    } else {
      queue_.push_back({std::move(work), std::move(done)});
      if (!thread_.joinable()) thread_ = std::thread([this] { Run(); });
    }
  }
  if (!refused.ok()) done(refused);
}

void SlowCalls::Shutdown() {
  std::thread thread;
  std::deque<Call> left;
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
    thread.swap(thread_);
    left.swap(queue_);
  }
  for (Call& call : left) call.done(Stopping());
  if (thread.joinable()) thread.join();
}

bool SlowCalls::stopping() {
  absl::MutexLock lock(&mutex_);
  return stopping_;
}

bool SlowCalls::Next(Call* call) {
  absl::MutexLock lock(&mutex_);
  const auto ready = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return stopping_ || !queue_.empty();
  };
  mutex_.Await(absl::Condition(&ready));
  if (stopping_) return false;
  *call = std::move(queue_.front());
  queue_.pop_front();
  return true;
}

void SlowCalls::Run() {
  for (Call call; Next(&call);) {
    absl::Status status = call.work([this] { return !stopping(); });
    if (!status.ok() && stopping()) status = Stopping();
    call.done(status);
  }
}

}  // namespace closewrite

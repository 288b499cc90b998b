#include "services/coordinator/api/watcher_call.h"

#include <utility>

#include "grpc/support/time.h"
#include "services/log/str_cat.h"
#include "services/transport/errors.h"

namespace closewrite {

grpc::ServerUnaryReactor* WatcherCall::Open(Options options) {
  auto call = std::shared_ptr<WatcherCall>(new WatcherCall(std::move(options)));
  call->self_ = call;
  call->Begin();
  return call.get();
}

void WatcherCall::Begin() {
  // Weak: the alarm is a member, and would otherwise own itself.
  const std::weak_ptr<WatcherCall> weak = self_;
  const auto answer = [weak](const WatcherBoard::Answered& answered) {
    if (const std::shared_ptr<WatcherCall> call = weak.lock()) call->Answer(answered);
  };
  const std::string late =
      StrCat("the watcher of volume ", options_.question.volume, " has not answered after ",
             absl::FormatDuration(options_.timeout), ": it is busy, or hangs");
  const gpr_timespec due =
      gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC),
                   gpr_time_from_nanos(absl::ToInt64Nanoseconds(options_.timeout), GPR_TIMESPAN));
  alarm_.Set(due, [answer, late](bool is_due) {
    if (is_due) answer(absl::DeadlineExceededError(late));
  });
  const absl::StatusOr<int64_t> id = options_.board->Ask(options_.question, answer);
  if (!id.ok()) return Answer(id.status());
  bool ended = false;
  {
    absl::MutexLock lock(&mutex_);
    id_ = *id;
    ended = ended_;
  }
  if (ended) options_.board->Cancel(*id);
}

bool WatcherCall::End() {
  int64_t id = 0;
  {
    absl::MutexLock lock(&mutex_);
    if (ended_) return false;
    ended_ = true;
    id = id_;
  }
  options_.board->Cancel(id);
  alarm_.Cancel();
  return true;
}

void WatcherCall::Answer(const WatcherBoard::Answered& answer) {
  if (!End()) return;
  // The alarm keeps the function, which must not go on keeping this call, whose member the alarm
  // is.
  elsewhere_.Set(gpr_now(GPR_CLOCK_MONOTONIC), [self = self_, answer](bool) mutable {
    const std::shared_ptr<WatcherCall> call = std::move(self);
    call->Finish(ToGrpc(call->options_.finish(answer)));
  });
}

}  // namespace closewrite

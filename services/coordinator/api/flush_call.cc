#include "services/coordinator/api/flush_call.h"

#include <utility>

#include "grpc/support/time.h"
#include "services/log/str_cat.h"
#include "services/transport/errors.h"

namespace closewrite {

grpc::ServerUnaryReactor* FlushCall::Open(Options options) {
  auto call = std::shared_ptr<FlushCall>(new FlushCall(std::move(options)));
  call->self_ = call;
  call->Begin();
  return call.get();
}

void FlushCall::Begin() {
  // Weak: the alarm is a member, and would otherwise own itself.
  const std::weak_ptr<FlushCall> weak = self_;
  const auto end = [weak](const absl::Status& status) {
    if (const std::shared_ptr<FlushCall> call = weak.lock()) call->End(status);
  };
  const std::string late =
      StrCat("volume ", options_.volume, " is not flushed after ",
             absl::FormatDuration(options_.timeout), ": its watcher is busy, or does not answer");
  const gpr_timespec due =
      gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC),
                   gpr_time_from_nanos(absl::ToInt64Nanoseconds(options_.timeout), GPR_TIMESPAN));
  alarm_.Set(due, [end, late](bool is_due) {
    if (is_due) end(absl::DeadlineExceededError(late));
  });
  const absl::StatusOr<int64_t> id = options_.board->Ask(options_.volume, end);
  if (!id.ok()) return End(options_.explain(id.status()));
  bool ended = false;
  {
    absl::MutexLock lock(&mutex_);
    id_ = *id;
    ended = ended_;
  }
  if (ended) options_.board->Cancel(*id);
}

void FlushCall::End(const absl::Status& status) {
  int64_t id = 0;
  {
    absl::MutexLock lock(&mutex_);
    if (ended_) return;
    ended_ = true;
    id = id_;
  }
  options_.board->Cancel(id);
  alarm_.Cancel();
  Finish(ToGrpc(status));
}

}  // namespace closewrite

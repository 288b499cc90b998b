#include "services/watcher/watch_service.h"

#include <algorithm>
#include <memory>
#include <optional>

#include "absl/cleanup/cleanup.h"
#include "services/config/config.h"
#include "services/log/str_cat.h"
#include "services/transport/errors.h"
#include "services/watcher/observe_messages.h"

namespace closewrite::watcher {
namespace {

// How often a call that waits looks whether its caller has gone.
constexpr absl::Duration kCallerCheckInterval = absl::Milliseconds(200);

}  // namespace

grpc::Status WatchService::DescribeVolumes(grpc::ServerContext*, const v1::DescribeVolumesRequest*,
                                           v1::DescribeVolumesResponse* response) {
  if (const absl::Status open = CheckOpen(); !open.ok()) return ToGrpc(open);
  response->set_host(options_.host);
  for (const VolumeEngine* engine : options_.engines) {
    *response->add_volumes() = ToProto(engine->Report());
  }
  response->set_connected(options_.connected());
  return grpc::Status::OK;
}

grpc::Status WatchService::FlushVolume(grpc::ServerContext* context,
                                       const v1::FlushVolumeRequest* request,
                                       v1::FlushVolumeResponse* response) {
  const absl::StatusOr<int64_t> sequence = Flush(context, *request);
  if (!sequence.ok()) return ToGrpc(sequence.status());
  response->set_sequence(*sequence);
  return grpc::Status::OK;
}

absl::StatusOr<int64_t> WatchService::Flush(grpc::ServerContext* context,
                                            const v1::FlushVolumeRequest& request) {
  const absl::Duration timeout =
      request.has_timeout() ? closewrite::FromProto(request.timeout()) : kFlushTimeoutDefault;
  if (timeout <= absl::ZeroDuration() || timeout > kFlushTimeoutMax) {
    return WithField(absl::InvalidArgumentError("timeout: must be over 0 and at most 10m"),
                     "timeout", "must be over 0 and at most 10m");
  }
  const auto engine =
      std::find_if(options_.engines.begin(), options_.engines.end(),
                   [&](VolumeEngine* e) { return e->Report().name == request.volume(); });
  if (engine == options_.engines.end()) {
    return absl::NotFoundError(StrCat("host ", options_.host, " is not the home of a volume \"",
                                      request.volume(), "\"; ask the watcher that is"));
  }
  {
    absl::MutexLock lock(&mutex_);
    if (flushes_ >= kWatcherCallsMax) {
      return absl::ResourceExhaustedError("too many flushes wait; call again later");
    }
    ++flushes_;
  }
  const absl::Cleanup done = [this] {
    absl::MutexLock lock(&mutex_);
    --flushes_;
  };
  const absl::Time deadline = options_.clock->Now() + timeout;
  const absl::StatusOr<int64_t> sequence = WaitForEngine(context, *engine, deadline);
  if (!sequence.ok()) return sequence.status();
  const absl::Status settled = WaitForCoordinator(context, *sequence, deadline);
  if (!settled.ok()) return settled;
  return *sequence;
}

absl::Status WatchService::CheckOpen() const {
  absl::MutexLock lock(&mutex_);
  return open_ ? absl::OkStatus() : absl::UnavailableError("the watcher is starting; call again");
}

absl::Status WatchService::MayWait(grpc::ServerContext* context, absl::Time deadline) const {
  {
    absl::MutexLock lock(&mutex_);
    if (stopping_) return absl::UnavailableError("the watcher is stopping; call again");
  }
  if (context->IsCancelled()) return absl::CancelledError("the caller is gone");
  if (options_.clock->Now() >= deadline) return absl::DeadlineExceededError("");
  return absl::OkStatus();
}

absl::StatusOr<int64_t> WatchService::WaitForEngine(grpc::ServerContext* context,
                                                    VolumeEngine* engine, absl::Time deadline) {
  struct Answer {
    absl::Mutex mutex;
    std::optional<absl::StatusOr<int64_t>> sequence;
  };
  // The engine may answer after this call has given up.
  auto answer = std::make_shared<Answer>();
  engine->Flush([answer](absl::StatusOr<int64_t> sequence) {
    absl::MutexLock lock(&answer->mutex);
    answer->sequence = std::move(sequence);
  });
  while (true) {
    {
      absl::MutexLock lock(&answer->mutex);
      const auto answered = [&answer] { return answer->sequence.has_value(); };
      answer->mutex.AwaitWithTimeout(absl::Condition(&answered), kCallerCheckInterval);
      if (answer->sequence.has_value()) return *answer->sequence;
    }
    const absl::Status wait = MayWait(context, deadline);
    if (absl::IsDeadlineExceeded(wait)) {
      return absl::DeadlineExceededError(
          "not everything that happened was looked at in time; the volume is busy or is scanned");
    }
    if (!wait.ok()) return wait;
  }
}

absl::Status WatchService::WaitForCoordinator(grpc::ServerContext* context, int64_t sequence,
                                              absl::Time deadline) {
  while (true) {
    int64_t seen = 0;
    {
      absl::MutexLock lock(&mutex_);
      seen = changes_;
    }
    const absl::StatusOr<bool> settled = options_.ledger->Settled(sequence);
    if (!settled.ok()) return settled.status();
    if (*settled) return absl::OkStatus();
    const absl::Status wait = MayWait(context, deadline);
    if (absl::IsDeadlineExceeded(wait)) {
      return absl::DeadlineExceededError(
          StrCat("the coordinator has acknowledged events up to ", options_.ledger->acknowledged(),
                 ", not yet ", sequence, options_.connected() ? "" : "; it can't be reached"));
    }
    if (!wait.ok()) return wait;
    absl::MutexLock lock(&mutex_);
    const auto changed = [this, seen] {
      mutex_.AssertReaderHeld();
      return changes_ != seen || stopping_;
    };
    mutex_.AwaitWithTimeout(absl::Condition(&changed), kCallerCheckInterval);
  }
}

void WatchService::Open() {
  absl::MutexLock lock(&mutex_);
  open_ = true;
}

void WatchService::Wake() {
  absl::MutexLock lock(&mutex_);
  ++changes_;
}

void WatchService::Shutdown() {
  absl::MutexLock lock(&mutex_);
  stopping_ = true;
}

}  // namespace closewrite::watcher

// One call of EventService.FlushEvents, from its begin to its end.
#ifndef SERVICES_COORDINATOR_API_FLUSH_CALL_H_
#define SERVICES_COORDINATOR_API_FLUSH_CALL_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "grpcpp/alarm.h"
#include "grpcpp/grpcpp.h"
#include "services/coordinator/flush_board.h"

namespace closewrite {

// Waits on the board; keeps itself alive until gRPC is done with it. Thread-safe.
class FlushCall : public grpc::ServerUnaryReactor {
 public:
  struct Options {
    FlushBoard* board = nullptr;  // not owned
    std::string volume;
    absl::Duration timeout;
    // Says more about why the board has refused.
    std::function<absl::Status(const absl::Status&)> explain;
  };
  // The reactor must be handed to gRPC.
  static grpc::ServerUnaryReactor* Open(Options options);

 private:
  explicit FlushCall(Options options) : options_(std::move(options)) {}

  void Begin();
  // The first end counts. Forgets what the board has of it.
  void End(const absl::Status& status);

  void OnCancel() override { End(absl::CancelledError("the caller has gone")); }
  void OnDone() override { auto self = std::move(self_); }

  const Options options_;
  std::shared_ptr<FlushCall> self_;
  grpc::Alarm alarm_;
  absl::Mutex mutex_;
  bool ended_ ABSL_GUARDED_BY(mutex_) = false;
  int64_t id_ ABSL_GUARDED_BY(mutex_) = 0;  // the board's; 0: not known yet
};

}  // namespace closewrite

#endif  // SERVICES_COORDINATOR_API_FLUSH_CALL_H_

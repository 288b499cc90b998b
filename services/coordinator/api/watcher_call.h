// One call of the API that waits for what a watcher says, from its begin to its end.
#ifndef SERVICES_COORDINATOR_API_WATCHER_CALL_H_
#define SERVICES_COORDINATOR_API_WATCHER_CALL_H_

#include <cstdint>
#include <functional>
#include <memory>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "grpcpp/alarm.h"
#include "grpcpp/grpcpp.h"
#include "services/coordinator/watcher_board.h"

namespace closewrite {

// Waits on the board; keeps itself alive until gRPC is done with it. Thread-safe.
class WatcherCall : public grpc::ServerUnaryReactor {
 public:
  struct Options {
    WatcherBoard* board = nullptr;  // not owned
    WatcherQuestion question;
    absl::Duration timeout;
    // Makes the answer to the call of the watcher's, or of why there is none: DEADLINE_EXCEEDED
    // after `timeout`. Called once, by a thread of gRPC's, unless the caller has gone; may take its
    // time.
    std::function<absl::Status(const WatcherBoard::Answered&)> finish;
  };
  // The reactor must be handed to gRPC.
  static grpc::ServerUnaryReactor* Open(Options options);

 private:
  explicit WatcherCall(Options options) : options_(std::move(options)) {}

  void Begin();
  // False when another end has come before. Forgets what the board has of it.
  bool End();
  void Answer(const WatcherBoard::Answered& answer);

  void OnCancel() override {
    if (End()) Finish(grpc::Status::CANCELLED);
  }
  void OnDone() override { auto self = std::move(self_); }

  const Options options_;
  std::shared_ptr<WatcherCall> self_;
  grpc::Alarm alarm_;
  grpc::Alarm elsewhere_;  // takes the answer off the thread that brought it
  absl::Mutex mutex_;
  bool ended_ ABSL_GUARDED_BY(mutex_) = false;
  int64_t id_ ABSL_GUARDED_BY(mutex_) = 0;  // the board's; 0: not known yet
};

}  // namespace closewrite

#endif  // SERVICES_COORDINATOR_API_WATCHER_CALL_H_

// gRPC adapter of the watcher's own API.
#ifndef SERVICES_WATCHER_WATCH_SERVICE_H_
#define SERVICES_WATCHER_WATCH_SERVICE_H_

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "closewrite/v1/watch.grpc.pb.h"
#include "services/clock/clock.h"
#include "services/watcher/ledger.h"
#include "services/watcher/volume_engine.h"

namespace closewrite::watcher {

// Calls of FlushVolume at once; each holds a thread.
inline constexpr int kWatcherCallsMax = 64;
inline constexpr absl::Duration kFlushTimeoutDefault = absl::Seconds(30);
inline constexpr absl::Duration kFlushTimeoutMax = absl::Minutes(10);

// Thread-safe.
class WatchService final : public v1::WatchService::Service {
 public:
  struct Options {
    std::string host;
    std::vector<VolumeEngine*> engines;  // not owned
    Ledger* ledger = nullptr;            // not owned
    const Clock* clock = nullptr;        // not owned
    std::function<bool()> connected;
  };

  explicit WatchService(Options options) : options_(std::move(options)) {}

  grpc::Status DescribeVolumes(grpc::ServerContext* context,
                               const v1::DescribeVolumesRequest* request,
                               v1::DescribeVolumesResponse* response) override;
  grpc::Status FlushVolume(grpc::ServerContext* context, const v1::FlushVolumeRequest* request,
                           v1::FlushVolumeResponse* response) override;

  // Until this, calls are answered with UNAVAILABLE: what they ask about is not there yet.
  void Open();
  // The ledger has changed: calls that wait look again.
  void Wake();
  // Ends calls that wait.
  void Shutdown();

 private:
  absl::StatusOr<int64_t> Flush(grpc::ServerContext* context,
                                const v1::FlushVolumeRequest& request);
  absl::StatusOr<int64_t> WaitForEngine(grpc::ServerContext* context, VolumeEngine* engine,
                                        absl::Time deadline);
  absl::Status WaitForCoordinator(grpc::ServerContext* context, int64_t sequence,
                                  absl::Time deadline);
  absl::Status CheckOpen() const;
  // OK while the call may go on waiting.
  absl::Status MayWait(grpc::ServerContext* context, absl::Time deadline) const;

  const Options options_;
  mutable absl::Mutex mutex_;
  int64_t changes_ ABSL_GUARDED_BY(mutex_) = 0;
  int flushes_ ABSL_GUARDED_BY(mutex_) = 0;
  bool open_ ABSL_GUARDED_BY(mutex_) = false;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace closewrite::watcher

#endif  // SERVICES_WATCHER_WATCH_SERVICE_H_

// The guardian of the volumes whose home is this host.
#ifndef SERVICES_WATCHER_WATCHER_H_
#define SERVICES_WATCHER_WATCHER_H_

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "closewrite/v1/config.pb.h"
#include "services/clock/clock.h"
#include "services/metrics/metrics_server.h"
#include "services/transport/channel.h"
#include "services/transport/server.h"
#include "services/transport/tls.h"
#include "services/watcher/coordinator_link.h"
#include "services/watcher/ledger.h"
#include "services/watcher/mount_watch.h"
#include "services/watcher/publisher.h"
#include "services/watcher/upload_placer.h"
#include "services/watcher/volume_engine.h"
#include "services/watcher/watch_service.h"

namespace closewrite::watcher {

// Wires the rooms together: engines -> ledger -> link, and link -> publisher.
class Watcher {
 public:
  // `clock` is not owned.
  explicit Watcher(const Clock* clock) : clock_(clock) {}
  ~Watcher();

  // Checks everything and takes the port before anything is started; after an error nothing runs.
  // Call once.
  absl::Status Start(v1::WatcherConfig config);

  // Stops watching, then the stream, then the API. What was not acknowledged is in the ledger. May
  // be called any number of times.
  void Shutdown();

  int port() const { return server_ == nullptr ? 0 : server_->port(); }

 private:
  absl::Status MakeEngines();
  void MakePublisher();
  absl::Status Serve();
  void MakeLink();
  absl::Status ServeMetrics();
  absl::Status CheckTarget(const std::string& volume) const;
  v1::FileLook LookAt(const v1::LookRequest& request) const;
  absl::StatusOr<VolumeRoot> OpenTarget(const std::string& volume) const;
  std::vector<VolumeReport> Reports() const;

  const Clock* const clock_;
  v1::WatcherConfig config_;
  std::unique_ptr<Ledger> ledger_;
  std::map<std::string, std::unique_ptr<VolumeEngine>> engines_;
  std::unique_ptr<MountWatch> mounts_;
  std::unique_ptr<Publisher> publisher_;
  std::unique_ptr<UploadPlacer> uploads_;
  std::unique_ptr<WatchService> service_;
  std::unique_ptr<Tls> tls_;  // null: none
  Gate gate_;                 // of the server, with TLS
  std::unique_ptr<Server> server_;
  std::unique_ptr<CoordinatorChannel> channel_;
  std::unique_ptr<CoordinatorLink> link_;
  std::unique_ptr<MetricsServer> metrics_;
};

}  // namespace closewrite::watcher

#endif  // SERVICES_WATCHER_WATCHER_H_

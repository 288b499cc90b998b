// Between the watcher's own types and the messages of the Observe stream.
#ifndef SERVICES_WATCHER_OBSERVE_MESSAGES_H_
#define SERVICES_WATCHER_OBSERVE_MESSAGES_H_

#include <vector>

#include "absl/time/time.h"
#include "closewrite/v1/file.pb.h"
#include "closewrite/v1/health.pb.h"
#include "closewrite/v1/observe.pb.h"
#include "services/watcher/ledger.h"
#include "services/watcher/publisher.h"
#include "services/watcher/volume_engine.h"

namespace closewrite::watcher {

v1::FileEvent ToProto(const PendingChange& change);
v1::VolumeStatus ToProto(const VolumeReport& report);
v1::PublishResult ToProto(const PublishOutcome& outcome);
// How this host does, as these reports and the kernel's limits say.
v1::HostHealth HealthOf(const std::vector<VolumeReport>& reports, absl::Time now);
v1::StagingDirectory ToProto(const StagingEntry& entry);

PublishKey FromProto(const v1::LeaseRef& lease);
PublishTask FromProto(const v1::PublishOrder& order);
StagingEntry FromProto(const v1::StagingDirectory& directory);

}  // namespace closewrite::watcher

#endif  // SERVICES_WATCHER_OBSERVE_MESSAGES_H_

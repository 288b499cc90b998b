// Protos <-> the core's plain values. Every value that comes from outside is checked here.
#ifndef SERVICES_COORDINATOR_CONVERT_H_
#define SERVICES_COORDINATOR_CONVERT_H_

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "closewrite/v1/attend.pb.h"
#include "closewrite/v1/event.pb.h"
#include "closewrite/v1/file.pb.h"
#include "closewrite/v1/job.pb.h"
#include "closewrite/v1/observe.pb.h"
#include "services/coordinator/core/attend_report.h"
#include "services/coordinator/core/effects.h"
#include "services/coordinator/core/fleet.h"
#include "services/coordinator/core/interest.h"
#include "services/coordinator/core/job.h"
#include "services/coordinator/core/waiting.h"

namespace closewrite {

// What is kept for as long as somebody is there must not be large.
inline constexpr size_t kHelloBytesMax = 256 << 10;
inline constexpr size_t kHealthBytesMax = 256 << 10;
inline constexpr size_t kVolumeStatusBytesMax = 64 << 10;
inline constexpr size_t kUnitBytesKept = 64;
// Of each kind that a message of an executor lists.
inline constexpr int kAttemptsPerMessageMax = 16'384;

// Into protos. Infinite times stay absent.
void SetTime(absl::Time time, google::protobuf::Timestamp* timestamp);
v1::LeaseRef ToProto(const Lease& lease);
v1::FileVersion ToProto(const FileVersion& file);
v1::OutputFile ToProto(const OutputFile& file);
v1::FileEvent ToProto(const FileEvent& event);
v1::EventRecord ToProto(const EventRecord& record);  // without job_ids
// `pipeline` may be null (deleted); `progress` may be null.
v1::Job ToProto(const Job& job, const Pipeline* pipeline, const Waiting& waiting,
                const Progress* progress);
v1::Attempt ToProto(const Attempt& attempt);
v1::VolumeStatus ToProto(const VolumeReport& report);
v1::Assignment ToProto(const Grant& grant);
v1::VolumeInterest ToProto(const std::string& volume, const Interest& interest);
v1::PublishOrder ToPublishOrder(const Job& job);

// Out of protos. INVALID_ARGUMENT names the field.
// Times that no store could hold, before 1678 and after 2261, become the nearest that it can.
absl::Time FromProto(const google::protobuf::Timestamp& timestamp);
Lease FromProto(const v1::LeaseRef& lease);
absl::StatusOr<FileEvent> FromProto(const v1::FileEvent& event);
absl::StatusOr<VolumeReport> FromProto(const v1::VolumeStatus& status);
absl::StatusOr<ExecutorHello> FromProto(const v1::ExecutorHello& hello);
absl::StatusOr<AttendReport> FromProto(const v1::AttendRequest& request);

}  // namespace closewrite

#endif  // SERVICES_COORDINATOR_CONVERT_H_

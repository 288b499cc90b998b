// Jobs as people and programs see them: with why they wait and how far they are.
#ifndef SERVICES_COORDINATOR_API_JOB_VIEW_H_
#define SERVICES_COORDINATOR_API_JOB_VIEW_H_

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "closewrite/v1/job.pb.h"
#include "google/protobuf/repeated_field.h"
#include "services/coordinator/core/fleet.h"
#include "services/coordinator/core/job.h"
#include "services/coordinator/core/store.h"
#include "services/coordinator/store_loop.h"

namespace closewrite {

inline constexpr int kJobIdsMax = 1000;
// Of one job's attempts the newest so many are shown.
inline constexpr size_t kAttemptsShownMax = 1000;

// A copy, so that nothing slow is done under the loop's lock, and so that no lock of the loop is
// ever taken inside a read of the store.
Fleet CopyFleet(StoreLoop& loop);

// False for the infinite times by which the core says that something has not happened.
inline bool IsKnown(absl::Time time) {
  return time != absl::InfinitePast() && time != absl::InfiniteFuture();
}

v1::Job ShowJob(const Job& job, const Fleet& fleet, StoreReader& reader, absl::Time now);
// With its attempts.
v1::GetJobResponse ShowWhole(const Job& job, const Fleet& fleet, StoreReader& reader,
                             absl::Time now);

// NOT_FOUND that says where to look.
absl::Status NoSuchJob(JobId id);
// NOT_FOUND with the nearest name there is.
absl::Status NoSuchPipeline(const std::string& name, const Fleet& fleet);

// INVALID_ARGUMENT names the fields.
absl::StatusOr<JobFilter> DecodeJobFilter(const v1::JobFilter& filter);
// 1 to kJobIdsMax of them.
absl::StatusOr<std::vector<JobId>> DecodeJobIds(
    const google::protobuf::RepeatedField<int64_t>& job_ids);
// A volume's and a relative path's rules; `field` is the path to the message.
absl::Status CheckFile(std::string_view field, const v1::VolumePath& file);

}  // namespace closewrite

#endif  // SERVICES_COORDINATOR_API_JOB_VIEW_H_

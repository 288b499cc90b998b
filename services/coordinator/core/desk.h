// What people and programs ask for: pipelines, submitted files, cancel, retry.
#ifndef SERVICES_COORDINATOR_CORE_DESK_H_
#define SERVICES_COORDINATOR_CORE_DESK_H_

#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "services/coordinator/core/apply_effect.h"
#include "services/coordinator/core/fleet.h"
#include "services/coordinator/core/intake.h"
#include "services/coordinator/core/job_book.h"
#include "services/coordinator/core/store.h"

namespace closewrite {

inline constexpr size_t kPipelinesMax = 1000;

class Desk {
 public:
  Desk(Fleet* fleet, JobBook* book, Intake* intake)
      : fleet_(*fleet), book_(*book), intake_(*intake) {}

  // Creates or replaces pipelines (their `version` and `applied_at` are set here).
  // RESOURCE_EXHAUSTED beyond kPipelinesMax. With `dry_run` nothing changes.
  absl::StatusOr<std::vector<ApplyEffect>> ApplyPipelines(StoreTransaction& tx,
                                                          std::vector<Pipeline> pipelines,
                                                          bool dry_run, absl::Time now);

  // Returns how many jobs were cancelled. NOT_FOUND; FAILED_PRECONDITION: it has unfinished jobs
  // and `cancel_jobs` is false, or some of them are PUBLISHING.
  absl::StatusOr<int64_t> DeletePipeline(StoreTransaction& tx, const std::string& name,
                                         bool cancel_jobs, absl::Time now);

  // Makes one job a file, each through `pipeline` ("" : through the one that takes it). Jobs that
  // exist already keep their priority. Errors as
  // JobService.SubmitJobs says; nothing was changed then.
  absl::StatusOr<std::vector<Intake::Made>> Submit(
      StoreTransaction& tx, const std::string& pipeline,
      const std::vector<std::pair<std::string, std::string>>& files, const Intake::Wish& wish,
      absl::Time now);

  // All or none.
  absl::StatusOr<std::vector<Job>> CancelJobs(StoreTransaction& tx, const std::vector<JobId>& ids,
                                              const std::string& reason, absl::Time now);
  // One that had ended goes to the end of its file's line.
  absl::StatusOr<std::vector<Job>> RetryJobs(StoreTransaction& tx, const std::vector<JobId>& ids,
                                             bool redrive, absl::Time now);

 private:
  void LockHomes(StoreTransaction& tx,
                 const std::vector<std::pair<std::string, std::string>>& files);
  absl::StatusOr<std::vector<Job>> ChangeAll(StoreTransaction& tx, const std::vector<JobId>& ids,
                                             const JobCommand& command, absl::Time now);
  absl::Status NotAnnounced(const FileVersion& file) const;
  absl::StatusOr<std::shared_ptr<const Pipeline>> PipelineFor(const std::string& name,
                                                              const FileEvent& event);

  Fleet& fleet_;
  JobBook& book_;
  Intake& intake_;
};

}  // namespace closewrite

#endif  // SERVICES_COORDINATOR_CORE_DESK_H_

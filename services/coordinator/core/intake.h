// Events -> jobs.
#ifndef SERVICES_COORDINATOR_CORE_INTAKE_H_
#define SERVICES_COORDINATOR_CORE_INTAKE_H_

#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "services/coordinator/core/fleet.h"
#include "services/coordinator/core/job_book.h"
#include "services/coordinator/core/store.h"

namespace closewrite {

// Waiting jobs of one file that what becomes of it puts an end to at once. There is one at most,
// unless some were retried by hand: then the rest ends when its turn comes.
inline constexpr int kWaitingVersionsMax = 16;

class Intake {
 public:
  Intake(const Fleet* fleet, JobBook* book) : fleet_(*fleet), book_(*book) {}

  // Records events of one watcher in order and makes the jobs that pipelines want of them. Events
  // that are recorded already (same ledger and sequence) do nothing.
  void Record(StoreTransaction& tx, const std::string& host, const std::string& ledger_id,
              const std::vector<FileEvent>& events, absl::Time now);

  struct Made {
    Job job;
    bool existed = false;
  };
  // What a caller wants of a job beside its pipeline and file.
  struct Wish {
    int priority = 0;
    bool again = false;  // a new job of a version that has had one; not of one whose job waits
  };
  // Makes the job of one file version, unless it exists. `made_by`: the event that does, if it is
  // another than that of the file, its marker's. nullopt: on_new_version is `ignore` and an earlier
  // version's job runs.
  std::optional<Made> MakeJob(StoreTransaction& tx, const Pipeline& pipeline,
                              const EventRecord& record, int64_t made_by, const Wish& wish,
                              absl::Time now);

 private:
  void MakeJobs(StoreTransaction& tx, const EventRecord& record, absl::Time now);
  void MakeMarkedJob(StoreTransaction& tx, const Pipeline& pipeline, const EventRecord& marker,
                     absl::Time now);
  std::optional<Job> Supersede(StoreTransaction& tx, const Pipeline& pipeline, OnNewVersion rule,
                               const FileVersion& file, absl::Time now);
  void Amend(StoreTransaction& tx, const FileVersion& announced, const FileVersion& now_is,
             absl::Time now);
  void Revive(StoreTransaction& tx, const Job& job, absl::Time now);
  void CancelWaiting(StoreTransaction& tx, const FileVersion& file, absl::Time now);

  const Fleet& fleet_;
  JobBook& book_;
};

}  // namespace closewrite

#endif  // SERVICES_COORDINATOR_CORE_INTAKE_H_

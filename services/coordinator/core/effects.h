// What must be told to the world once a commit has succeeded.
#ifndef SERVICES_COORDINATOR_CORE_EFFECTS_H_
#define SERVICES_COORDINATOR_CORE_EFFECTS_H_

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "services/coordinator/core/file_event.h"
#include "services/coordinator/core/ids.h"
#include "services/coordinator/core/job.h"
#include "services/coordinator/core/job_measure.h"
#include "services/coordinator/core/news.h"
#include "services/coordinator/core/pipeline.h"

namespace closewrite {

// A lease to be sent to its executor. Of a job that is being cancelled: that it must not start it,
// which the executor confirms by handing it back.
struct Grant {
  SessionId session;
  Job job;
  std::shared_ptr<const Pipeline> pipeline;  // may be nullptr of a job that is being cancelled
  std::string event;                         // see EventWord
};

// How many jobs took a step.
struct JobTotals {
  int64_t made = 0;
  int64_t leased = 0;
  int64_t succeeded = 0;
  int64_t failed = 0;
  int64_t cancelled = 0;

  void Add(const JobTotals& other) {
    made += other.made;
    leased += other.leased;
    succeeded += other.succeeded;
    failed += other.failed;
    cancelled += other.cancelled;
  }
};

// An executor whose session ended without a drain.
struct LostExecutor {
  std::string name;
  bool died = false;   // says its host; false: it was not heard of
  int64_t leases = 0;  // that ended with it
};

struct Effects {
  std::vector<Grant> grants;
  std::vector<Job> publish;          // newly PUBLISHING
  std::set<SessionId> revoked;       // sessions that lost a lease: to be told what they still hold
  std::set<SessionId> expired;       // sessions that are no more
  std::set<SessionId> moved;         // sessions that attend another coordinator by now
  std::map<JobId, Job> jobs;         // as they are now
  JobTotals totals;                  // of these
  std::vector<JobMeasure> measures;  // likewise
  std::vector<EventRecord> events;   // newly recorded
  std::set<JobId> logs;              // jobs whose log has grown
  bool pipelines = false;            // some were applied or deleted
  bool locks = false;                // claims on them have changed
  std::vector<LostExecutor> lost;
  int64_t refused_results = 0;  // of leases that are not good any more
  int64_t log_bytes = 0;        // that executors have sent
  News elsewhere;               // what other coordinators may have changed

  bool empty() const {
    return grants.empty() && publish.empty() && revoked.empty() && expired.empty() &&
           moved.empty() && jobs.empty() && events.empty() && logs.empty() && !pipelines &&
           !locks && lost.empty() && refused_results == 0 && log_bytes == 0 && elsewhere.empty();
  }
};

}  // namespace closewrite

#endif  // SERVICES_COORDINATOR_CORE_EFFECTS_H_

// What the fake store keeps, with the indexes that make it fast enough for long simulations.
#ifndef SERVICES_COORDINATOR_STORE_FAKE_TABLES_H_
#define SERVICES_COORDINATOR_STORE_FAKE_TABLES_H_

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "absl/time/time.h"
#include "services/coordinator/core/file_event.h"
#include "services/coordinator/core/ids.h"
#include "services/coordinator/core/job.h"
#include "services/coordinator/core/presence.h"
#include "services/coordinator/core/store.h"
#include "services/coordinator/store/fake_logs.h"
#include "services/coordinator/store/fake_monitoring.h"

namespace closewrite {

// Not thread-safe.
class FakeTables {
 public:
  struct Request {
    std::string answer;
    absl::Time recorded_at;
  };
  using PathKey = std::pair<std::string, std::string>;  // volume, path
  using SequenceKey = std::pair<std::string, int64_t>;  // ledger id, sequence
  using TimeKey = std::pair<absl::Time, JobId>;
  // Sorts as Claim gives: larger priority first, then the smaller id.
  struct Place {
    int priority = 0;
    JobId id;
    bool operator<(const Place& other) const {
      return priority != other.priority ? priority > other.priority : id < other.id;
    }
  };

  // The names of the rows that a transaction touched.
  struct Touched {
    std::set<JobId> jobs;
    std::set<Lease> attempts;  // and their logs
    std::set<int64_t> events;
    std::set<std::string> pipelines;
    std::set<std::string> tasks;
    std::set<std::string> requests;
    std::set<SessionId> sessions;
    std::set<std::string> watchers;
    std::set<std::pair<std::string, std::string>> claims;
    std::set<std::string> turns;
    FakeMonitoring::Touched monitoring;
  };

  // The only ways to change jobs and events, as these have indexes.
  void PutJob(const Job& job);
  void EraseJob(JobId id);
  void PutEvent(const EventRecord& record);
  void EraseEvent(int64_t id);

  // Makes the touched rows what they are in `from`, whether there or not.
  void CopyRows(const FakeTables& from, const Touched& touched);

  const std::map<JobId, Job>& jobs() const { return jobs_; }
  const std::map<int64_t, EventRecord>& events() const { return events_; }

  // Null or empty when there is nothing.
  const Job* FindJob(JobId id) const;
  const Job* FindJobByKey(const std::string& key) const;
  const std::set<Place>& Available(const std::string& pipeline) const;
  // By pipeline; some may have none.
  const std::map<std::string, std::set<Place>>& available() const { return available_; }
  const std::set<JobId>& Unfinished(const std::string& pipeline) const;
  const std::set<JobId>& Followers(JobId id) const;
  const std::set<JobId>& Running(const SessionId& session) const;
  const std::set<JobId>& JobsOfEvent(int64_t event_id) const;
  const std::set<int64_t>& EventsOfPath(const PathKey& path) const;
  // The newest one; nullptr when there is none.
  const EventRecord* LatestEvent(const PathKey& path) const;
  const std::set<TimeKey>& due() const { return due_; }
  // By their ends: all final jobs; those of the pipeline in state kFailed.
  const std::set<TimeKey>& finished() const { return finished_; }
  const std::set<TimeKey>& Failed(const std::string& pipeline) const;
  bool HasSequence(const SequenceKey& key) const { return sequences_.count(key) != 0; }

  std::map<Lease, Attempt> attempts;
  FakeLogs logs;
  std::map<std::string, StoredPipeline> pipelines;
  int64_t pipelines_version = 0;
  std::map<std::string, StoredTask> tasks;
  std::map<std::string, Request> requests;
  std::map<SessionId, SessionRecord> sessions;
  std::map<std::string, Watcher> watchers;                          // by host
  std::map<std::pair<std::string, std::string>, LockClaim> claims;  // by lock and holder
  std::map<std::string, absl::Time> turns;                          // when each duty was taken last
  FakeMonitoring monitoring;
  int64_t last_job_id = 0;
  int64_t last_event_id = 0;

 private:
  std::map<JobId, Job> jobs_;
  std::map<std::string, JobId> jobs_by_key_;
  std::map<std::string, std::set<Place>> available_;
  std::map<std::string, std::set<JobId>> unfinished_;
  std::map<JobId, std::set<JobId>> followers_;
  std::map<SessionId, std::set<JobId>> running_;
  std::map<int64_t, std::set<JobId>> jobs_of_event_;
  std::set<TimeKey> due_;
  std::set<TimeKey> finished_;
  std::map<std::string, std::set<TimeKey>> failed_;
  std::map<int64_t, EventRecord> events_;
  std::map<PathKey, std::set<int64_t>> events_of_path_;
  std::set<SequenceKey> sequences_;
};

}  // namespace closewrite

#endif  // SERVICES_COORDINATOR_STORE_FAKE_TABLES_H_

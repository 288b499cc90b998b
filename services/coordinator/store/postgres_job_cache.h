// The jobs that a transaction has read or written, as it sees them.
#ifndef SERVICES_COORDINATOR_STORE_POSTGRES_JOB_CACHE_H_
#define SERVICES_COORDINATOR_STORE_POSTGRES_JOB_CACHE_H_

#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "services/coordinator/core/job.h"
#include "services/coordinator/store/postgres_connection.h"
#include "services/coordinator/store/postgres_wire.h"

namespace closewrite {

// Rows of `jobs` and `history` that are locked by this transaction, each as it is in the database
// and as it is to become. Not thread-safe.
class PostgresJobCache {
 public:
  enum class Place { kNowhere, kJobs, kHistory };

  // As the database has it. What is cached already is newer.
  void Load(const Job& job, Place place);
  void LoadAbsent(JobId id) { absent_.insert(id); }
  // As it is to become; inserts it when it is not cached.
  void Put(const Job& job);
  // The database knows better from now on.
  void Clear();

  // Whether it was looked up, and the job if there is one.
  bool Knows(JobId id) const { return rows_.contains(id) || absent_.contains(id); }
  const Job* Find(JobId id) const;

  // What is known about a key: nothing, whose it is, or that it is nobody's.
  enum class Key { kUnknown, kTaken, kFree };
  Key FindKey(const PostgresHash& key, const Job** job) const;
  void LoadFreeKey(const PostgresHash& key) { free_keys_.insert(key); }

  // Sets of jobs. Each is complete once it was read from the database, and is kept so.
  bool KnowsUnfinished(const PostgresHash& file) const { return complete_files_.contains(file); }
  void CompleteUnfinished(const PostgresHash& file) { complete_files_.insert(file); }
  bool KnowsFollowers(JobId id) const { return complete_followers_.contains(id); }
  void CompleteFollowers(JobId id) { complete_followers_.insert(id); }
  bool KnowsLeases(const SessionId& id) const { return complete_leases_.contains(id); }
  void CompleteLeases(const SessionId& id) { complete_leases_.insert(id); }
  // By ascending id.
  std::vector<const Job*> Unfinished(const PostgresHash& file) const;
  std::vector<const Job*> Followers(JobId id) const;
  std::vector<const Job*> LeasesOf(const SessionId& session) const;
  // The cached jobs in state kRunning.
  std::vector<JobId> Leased() const;

  // Cached jobs of the pipeline in state kAvailable, first come first.
  std::vector<const Job*> Available(const std::string& pipeline, int64_t limit) const;
  // How many jobs the database still calls available, in a place that they don't have any more.
  int64_t TakenOf(const std::string& pipeline) const;

  // Whether a change has touched what waits for a time since ForgetDue.
  bool due_touched() const { return due_touched_; }
  void ForgetDue() { due_touched_ = false; }
  bool dirty() const { return !dirty_.empty(); }
  // Appends what brings the database up to date, which counts as done.
  void AddWrites(std::vector<PostgresQuery>* batch);

 private:
  struct Row {
    Place place = Place::kNowhere;  // in the database
    // As the database has it.
    JobState state = JobState::kAvailable;
    int priority = 0;
    std::string pipeline;
    PostgresHash key;
    int64_t event_id = 0;
    bool dirty = false;
    Job job;
    PostgresHash job_key;
    PostgresHash job_file;
  };
  using Ids = std::set<JobId>;

  // The database has it, or will have it, at `place`.
  static void Store(Place place, Row* row);
  void Index(const Row& row);
  void Unindex(const Row& row);
  // One more or less of the jobs that TakenOf counts.
  void CountTaken(const Row& row, int by);
  std::vector<const Job*> JobsOf(const Ids* ids) const;

  absl::flat_hash_map<JobId, std::unique_ptr<Row>> rows_;
  absl::flat_hash_set<JobId> absent_;
  std::vector<JobId> dirty_;
  absl::flat_hash_map<PostgresHash, JobId> by_key_;
  absl::flat_hash_set<PostgresHash> free_keys_;
  absl::flat_hash_map<PostgresHash, Ids> by_file_;  // unfinished ones
  absl::flat_hash_set<PostgresHash> complete_files_;
  absl::flat_hash_map<JobId, Ids> by_after_;
  absl::flat_hash_set<JobId> complete_followers_;
  absl::flat_hash_map<SessionId, Ids> by_session_;  // RUNNING ones
  absl::flat_hash_set<SessionId> complete_leases_;
  // Available ones by pipeline, as Claim wants them: the complement of the priority, and the id.
  absl::flat_hash_map<std::string, std::set<std::pair<int, JobId>>> available_;
  absl::flat_hash_map<std::string, int64_t> taken_;
  bool due_touched_ = false;
};

}  // namespace closewrite

#endif  // SERVICES_COORDINATOR_STORE_POSTGRES_JOB_CACHE_H_

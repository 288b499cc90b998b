// Looks at what crosses interfaces, and knows what may never be seen there.
#ifndef TESTS_SIMULATION_CHECKER_H_
#define TESTS_SIMULATION_CHECKER_H_

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "services/coordinator/core/store.h"
#include "tests/simulation/attempts_model.h"
#include "tests/simulation/coordinator_model.h"
#include "tests/simulation/program_model.h"
#include "tests/simulation/task_checker.h"
#include "tests/simulation/user_model.h"
#include "tests/simulation/volume_model.h"
#include "tests/simulation/watcher_model.h"
#include "tests/simulation/world.h"

namespace closewrite::simulation {

// A silent executor's leases are free so long after their session's end, at the latest.
inline constexpr absl::Duration kExpirySlack = absl::Seconds(15);
// A job that a free slot could run is leased within this, when nothing is wrong.
inline constexpr absl::Duration kLeaseSlack = absl::Seconds(5);
// Leases that others of the same priority may have meanwhile, where no slot stays free.
inline constexpr int kOvertakenMax = 150;
// Times that executors may give a job back before its command runs.
inline constexpr int kHandedBackMax = 20;

// Its own, simple model of the promises in shared design documents: P3 to P6, tokens, locks,
// starvation. It reads the store as a user could, and calls World::Fail at the first breach. Not
// thread-safe.
class Checker final : public WatcherWitness,
                      public ExecutorWitness,
                      public UserWitness,
                      public ProgramWitness {
 public:
  struct Options {
    World* world = nullptr;
    Store* store = nullptr;
    const Definitions* definitions = nullptr;
    const TaskDefinitions* task_definitions = nullptr;
    absl::Duration session_ttl;
  };
  // None of the pointers is owned.
  explicit Checker(Options options) : options_(std::move(options)), tasks_(options_.world) {}

  // What a commit has changed.
  void OnCommit(const Changes& changes);
  // A coordinator renews a session.
  void OnHeard(const SessionId& session) { heard_[session] = world().now(); }
  // Once a second. `quiet_since`: since when nothing is wrong, infinite while something is.
  void Sample(absl::Duration quiet_since);

  const std::set<JobId>& unfinished() const { return unfinished_; }
  int64_t jobs() const { return static_cast<int64_t>(seen_.size()); }
  TaskChecker& tasks() { return tasks_; }
  // Everything is over: nothing may be left, lost or half-done.
  void AuditJobs();
  void AuditFiles(const std::map<std::string, VolumeModel*>& volumes);
  // Jobs of versions that are there, which did not succeed.
  std::vector<JobId> NotSucceeded(const std::map<std::string, VolumeModel*>& volumes);
  // Why a job does not end.
  std::string Describe(JobId id);

  void OnAcknowledged(const std::string& ledger_id, const std::vector<FileEvent>& newly) override;
  void OnRenamed(const Lease& lease, const std::string& volume, const std::string& path) override;
  void OnUndone(const Lease& lease, const std::string& volume, const std::string& path) override;
  void OnSwept(const Lease& lease) override;
  void OnPublishError(const Lease& lease, const std::string& error) override;

  void OnAssigned(const std::string& executor, const Grant& grant) override;
  void OnStarted(const std::string& executor, const Grant& grant, const Part* machine) override;
  void OnDead(const Lease& lease) override { running_.erase(lease); }
  void OnEnded(const Lease& lease, const Finished& end) override;
  void OnSettled(const Lease& lease, const Finished& end) override;
  void OnLogAcknowledged(const Lease& lease, int64_t length) override;
  void OnWithdrawn(const Lease& lease) override;

  void OnAsked(const Call& call) override;
  void OnAnswered(const Call& call, const CallAnswer& answer) override;

  void OnUse(const SessionId& session, const std::string& lock, const Part* machine) override;
  void OnUnused(const SessionId& session) override { uses_.erase(session); }

 private:
  // What was seen of a job last.
  struct Seen {
    JobState state = JobState::kScheduled;
    FencingToken token;
    std::string pipeline;
    int priority = 0;
    FileVersion input;
    bool amended = false;
  };
  using Line = std::tuple<std::string, std::string, std::string>;  // pipeline, volume, path
  struct Running {
    std::string executor;
    Line line;
    const Part* machine = nullptr;
  };
  using Version = std::pair<std::string, std::string>;  // pipeline, key

  World& world() { return *options_.world; }
  void Fail(std::string_view check, const std::string& message) { world().Fail(check, message); }
  void Read(const std::function<void(StoreReader&)>& fn);
  std::optional<Job> Get(JobId id);
  const Pipeline* Current(StoreReader& reader, const std::string& pipeline);

  void CheckJob(StoreReader& reader, const Job& job);
  void CheckLine(const Job& job);
  void CheckLease(StoreReader& reader, const Job& job);
  void CheckRelease(const Job& job);
  void CountOvertaken(StoreReader& reader, const Job& job);
  void CheckOverlap(const Lease& lease, const Running& command);
  void CheckClaims(StoreReader& reader);
  bool Frozen(const Part* machine);
  void CheckExpiry();
  void CheckStarvation(absl::Duration quiet_since);
  bool CouldRun(StoreReader& reader, const SessionRecord& session, const Pipeline& pipeline);
  void CheckPublished(const Job& job);
  int64_t ToldBy(const FileVersion& version);
  void CheckLogs(StoreReader& reader);
  bool Wanted(const Pipeline& pipeline, const EventRecord& event, const VolumeModel::File& file);

  const Options options_;
  TaskChecker tasks_;
  std::set<std::string> answered_;  // requests whose answers are recorded
  std::map<JobId, Seen> seen_;
  std::set<JobId> unfinished_;
  std::map<std::string, std::set<JobId>> available_;  // by pipeline
  std::map<Line, std::set<JobId>> first_;             // jobs that wait for no other
  std::map<SessionId, absl::Duration> heard_;
  absl::Duration able_since_;  // some coordinator could end a session since

  // Pipelines as the store has them, and runs of tasks.
  int64_t pipelines_version_ = -1;
  std::map<std::string, Pipeline> pipelines_;
  std::set<std::string> deleted_;                  // somebody has asked for it
  std::map<std::string, absl::Duration> applied_;  // when it was first acknowledged

  std::map<std::string, Lease> locks_;                  // held
  std::map<Lease, std::vector<std::string>> locks_of_;  // what its command relies on
  std::map<Lease, Running> running_;                    // commands
  // Programs that use a lock, by session: the lock, and where.
  std::map<SessionId, std::pair<std::string, const Part*>> uses_;
  std::map<Lease, std::string> assigned_;  // to which executor
  std::map<Version, JobId> done_;          // who has made it
  std::map<Lease, Finished> ends_;
  std::map<Lease, int64_t> logs_;  // acknowledged bytes
  std::map<JobId, std::map<std::string, FencingToken>> published_;
  // By volume and path: the newest event that told of the version that it was made from.
  std::map<std::pair<std::string, std::string>, int64_t> newest_result_;
  std::map<JobId, absl::Duration> starving_since_;
  std::map<std::string, int> overtaken_;
  std::map<JobId, int> handed_back_;  // since its command ran last
};

}  // namespace closewrite::simulation

#endif  // TESTS_SIMULATION_CHECKER_H_

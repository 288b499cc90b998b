// Who is there, as memory has it: pipelines, sessions of executors, watchers, locks. A copy of what
// the store says, and for what attends here ahead of it. Plain values, not thread-safe.
#ifndef SERVICES_COORDINATOR_CORE_FLEET_H_
#define SERVICES_COORDINATOR_CORE_FLEET_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "services/coordinator/core/ids.h"
#include "services/coordinator/core/job.h"
#include "services/coordinator/core/lock.h"
#include "services/coordinator/core/pipeline.h"
#include "services/coordinator/core/presence.h"
#include "services/coordinator/core/store.h"
#include "services/coordinator/core/task.h"

namespace closewrite {

// A lease of a session.
struct HeldLease {
  FencingToken token;
  bool started = false;     // the start of its command is recorded
  bool cancelling = false;  // its command is to be killed

  static HeldLease Of(const Job& job) { return {job.token, job.pid != 0, job.cancelling}; }
};

// A session and what memory knows of it. Of sessions that attend another coordinator only the
// record is kept up to date.
struct Session : SessionRecord {
  std::map<JobId, HeldLease> leases;
  std::map<JobId, Progress> progress;

  // What its executor is to go on with.
  std::vector<Lease> Kept() const { return Leases(/*cancelling=*/false); }
  // Whose commands it is to end.
  std::vector<Lease> Cancelled() const { return Leases(/*cancelling=*/true); }
  bool Holds(const Lease& lease) const {
    const auto held = leases.find(lease.job);
    return held != leases.end() && held->second.token == lease.token;
  }
  // Of a session that attends here.
  int FreeSlots() const {
    if (!connected() || draining) return 0;
    const int free = executor.slots - static_cast<int>(leases.size());
    return free > 0 ? free : 0;
  }

 private:
  std::vector<Lease> Leases(bool cancelling) const {
    std::vector<Lease> found;
    for (const auto& [job, held] : leases) {
      if (held.cancelling == cancelling) found.push_back(Lease{job, held.token});
    }
    return found;
  }
};

struct Fleet {
  CoordinatorId self;   // this coordinator
  bool shared = false;  // others use the same store
  absl::Time started_at = absl::InfinitePast();
  absl::Duration session_ttl;
  std::map<std::string, std::shared_ptr<const Pipeline>> pipelines;
  int64_t pipelines_version = 0;
  std::map<SessionId, Session> sessions;
  std::map<std::string, Watcher> watchers;      // by host
  std::map<SessionId, SessionRecord> programs;  // sessions that only ask for locks
  LockTable locks;
  // Rates that no job may call before, as far as it is known, by name.
  std::map<std::string, absl::Time> rate_until;
  std::set<std::string> ready;  // pipelines that may have an available job
  // By name: those that were learnt since a definition was changed last.
  std::map<std::string, std::shared_ptr<const Task>> tasks;
  // Reads a stored definition back.
  std::function<absl::StatusOr<Task>(std::string_view definition)> decode_task;
  // When a job that waits for its time may be due; it is never later than the truth.
  absl::Time due_at = absl::InfinitePast();
  absl::Time task_due_at = absl::InfinitePast();  // likewise, of tasks

  // nullptr: there is none, or its definition is damaged.
  std::shared_ptr<const Task> FindTask(StoreReader& reader, const std::string& name) const;
  // So that it need not be read again soon.
  std::shared_ptr<const Task> LearnTask(StoreReader& reader, const std::string& name);
  // What a job of that name is run by: a pipeline, or the runs of a task.
  std::shared_ptr<const Pipeline> FindPipeline(StoreReader& reader, const std::string& name) const;
  std::shared_ptr<const Pipeline> FindPipeline(const std::string& name) const {
    auto it = pipelines.find(name);
    return it == pipelines.end() ? nullptr : it->second;
  }
  // The connected watcher whose host is the volume's home; nullptr when there is none.
  const Watcher* HomeOf(const std::string& volume) const {
    for (const auto& [host, watcher] : watchers) {
      if (!watcher.connected()) continue;
      for (const VolumeReport& report : watcher.volumes) {
        if (report.volume == volume) return &watcher;
      }
    }
    return nullptr;
  }
};

// "" when the session's executor could run jobs of the pipeline (free slots apart), otherwise what
// it lacks: "label internet", "volume enriched".
std::string WhatIsMissing(const Session& session, const Pipeline& pipeline);

// "" when its host can use the volumes that the pipeline needs, otherwise a sentence about the
// first that it can't: "volume enriched can't be used on vm-c at /mnt/enriched: ...".
std::string VolumeTrouble(const Session& session, const Pipeline& pipeline);

}  // namespace closewrite

#endif  // SERVICES_COORDINATOR_CORE_FLEET_H_

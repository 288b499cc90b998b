#include "tests/simulation/checker.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "services/coordinator/core/fleet.h"
#include "services/coordinator/core/job_rules.h"
#include "services/coordinator/core/task_book.h"

namespace closewrite::simulation {
namespace {

// How long a supervisor takes to kill once its machine has thawed.
constexpr absl::Duration kThawMax = absl::Milliseconds(10);

std::string Name(const Lease& lease) {
  return absl::StrCat("job ", lease.job.value, "/", lease.token.value);
}

}  // namespace

void Checker::Read(const std::function<void(StoreReader&)>& fn) {
  (void)options_.store->Read([&](StoreReader& reader) {
    fn(reader);
    return absl::OkStatus();
  });
}

std::optional<Job> Checker::Get(JobId id) {
  std::optional<Job> job;
  Read([&](StoreReader& reader) { job = reader.GetJob(id); });
  return job;
}

const Pipeline* Checker::Current(StoreReader& reader, const std::string& pipeline) {
  if (reader.PipelinesVersion() != pipelines_version_) {
    pipelines_version_ = reader.PipelinesVersion();
    pipelines_.clear();
    for (const StoredPipeline& stored : reader.ListPipelines()) {
      pipelines_[stored.name] = options_.definitions->at(stored.definition);
    }
    for (const StoredTask& stored : reader.ListTasks("", kTasksMax)) {
      pipelines_[RunsOf(stored.name)] = options_.task_definitions->at(stored.definition).run;
    }
  }
  const auto found = pipelines_.find(pipeline);
  return found == pipelines_.end() ? nullptr : &found->second;
}

void Checker::OnCommit(const Changes& changes) {
  if (changes.empty()) return;
  answered_.insert(changes.requests.begin(), changes.requests.end());
  Read([&](StoreReader& reader) {
    std::vector<Job> jobs;
    for (const JobId id : changes.jobs) {
      if (std::optional<Job> job = reader.GetJob(id)) jobs.push_back(*std::move(job));
    }
    // What is let go first may be taken by another in the same commit.
    for (const Job& job : jobs) CheckRelease(job);
    for (const Job& job : jobs) CheckJob(reader, job);
    for (const Job& job : jobs) CheckLine(job);
    CheckClaims(reader);
    tasks_.OnCommit(reader, changes, jobs);
  });
}

// Of the jobs of one pipeline and file one may be next, run or publish; the others wait for it.
void Checker::CheckLine(const Job& job) {
  std::set<JobId>& first = first_[{job.pipeline, job.input.volume, job.input.path}];
  if (first.size() > 1) {
    Fail("line", absl::StrCat("jobs ", first.begin()->value, " and ", first.rbegin()->value, " of ",
                              job.pipeline, " are both the first for ", job.input.path));
  }
}

void Checker::CheckRelease(const Job& job) {
  const auto seen = seen_.find(job.id);
  if (seen == seen_.end() || seen->second.state != JobState::kRunning) return;
  if (job.state == JobState::kRunning && job.token == seen->second.token) return;
  std::erase_if(locks_, [&](const auto& lock) { return lock.second.job == job.id; });
}

void Checker::CheckJob(StoreReader& reader, const Job& job) {
  const auto [entry, is_new] = seen_.try_emplace(job.id);
  Seen& seen = entry->second;
  const std::string name = absl::StrCat("job ", job.id.value);
  if ((job.state == JobState::kRunning) != !job.session.empty()) {
    Fail("invariant",
         absl::StrCat(name, " is ", StateName(job.state), " with session '", job.session, "'"));
  }
  if (job.token < seen.token || job.token.value > seen.token.value + 1) {
    Fail("token",
         absl::StrCat(name, " went from token ", seen.token.value, " to ", job.token.value));
  }
  if (!is_new && seen.state == JobState::kSucceeded && job.state != seen.state) {
    Fail("P6", absl::StrCat(name, " had succeeded, and is ", StateName(job.state)));
  }
  if (job.state == JobState::kRunning && job.token != seen.token) CheckLease(reader, job);
  const Pipeline* const pipeline = Current(reader, job.pipeline);
  const bool ended_well = job.state == JobState::kPublishing || job.state == JobState::kSucceeded;
  const bool has_file = !TaskOfRuns(job.pipeline).has_value();
  if (ended_well && has_file && pipeline != nullptr && ReadsInput(*pipeline)) {
    const auto made = done_.emplace(Version(job.pipeline, JobKey(job.pipeline, job.input)), job.id);
    if (made.first->second != job.id) {
      Fail("P3", absl::StrCat(name, " has done what job ", made.first->second.value,
                              " had done: ", job.input.path));
    }
  }
  const bool amended = !is_new && job.input != seen.input;
  seen = {job.state, job.token, job.pipeline, job.priority, job.input, seen.amended || amended};
  const auto keep = [&job](std::set<JobId>& ids, bool in) {
    if (in) {
      ids.insert(job.id);
    } else {
      ids.erase(job.id);
    }
  };
  keep(unfinished_, !IsFinal(job.state));
  keep(first_[{job.pipeline, job.input.volume, job.input.path}],
       !IsFinal(job.state) && job.after.value == 0);
  std::set<JobId>& available = available_[job.pipeline];
  keep(available, job.state == JobState::kAvailable);
  if (available.empty()) overtaken_.erase(job.pipeline);
}

// A new lease was committed.
void Checker::CheckLease(StoreReader& reader, const Job& job) {
  const Lease lease{job.id, job.token};
  world().Note("", "job $0/$1 of $d is leased", {job.id.value, job.token.value}, job.pipeline);
  const Pipeline* const pipeline = Current(reader, job.pipeline);
  if (pipeline == nullptr) {
    return Fail("invariant", absl::StrCat(Name(lease), " is leased without a pipeline"));
  }
  const std::vector<SessionRecord> sessions = reader.ListSessions();
  const auto session = std::find_if(sessions.begin(), sessions.end(),
                                    [&](const auto& each) { return each.id == job.session; });
  if (session == sessions.end()) {
    Fail("invariant", absl::StrCat(Name(lease), " is leased to a session that is no more"));
  }
  heard_.emplace(job.session, world().now());
  locks_of_[lease] = pipeline->locks;
  for (const std::string& lock : pipeline->locks) {
    const auto [held, free] = locks_.emplace(lock, lease);
    if (!free) {
      Fail("lock", absl::StrCat(Name(lease), " is leased under lock ", lock, ", which ",
                                Name(held->second), " holds"));
    }
  }
  CountOvertaken(reader, job);
}

bool Checker::CouldRun(StoreReader& reader, const SessionRecord& session,
                       const Pipeline& pipeline) {
  Session known;
  static_cast<SessionRecord&>(known) = session;
  return WhatIsMissing(known, pipeline).empty();
}

// Others of its priority wait while this one is leased: each must have its turn.
void Checker::CountOvertaken(StoreReader& reader, const Job& job) {
  overtaken_.erase(job.pipeline);
  const Pipeline* const leased = Current(reader, job.pipeline);
  const std::vector<SessionRecord> sessions = reader.ListSessions();
  const auto session = std::find_if(sessions.begin(), sessions.end(),
                                    [&](const auto& each) { return each.id == job.session; });
  if (session == sessions.end()) return;
  for (const auto& [name, jobs] : available_) {
    if (jobs.empty() || name == job.pipeline) continue;
    const Pipeline* const waiting = Current(reader, name);
    if (waiting == nullptr || !waiting->locks.empty()) continue;
    if (waiting->priority != leased->priority || !CouldRun(reader, *session, *waiting)) continue;
    if (++overtaken_[name] > kOvertakenMax) {
      Fail("starvation", absl::StrCat("a job of ", name, " was overtaken ", overtaken_[name],
                                      " times by jobs of the same priority"));
    }
  }
}

void Checker::OnAssigned(const std::string& executor, const Grant& grant) {
  const Lease lease{grant.job.id, grant.job.token};
  const auto [assigned, is_new] = assigned_.emplace(lease, executor);
  if (!is_new && assigned->second != executor) {
    Fail("P4", absl::StrCat(Name(lease), " was given to ", assigned->second, " and to ", executor));
  }
}

void Checker::OnStarted(const std::string& executor, const Grant& grant, const Part* machine) {
  const Lease lease{grant.job.id, grant.job.token};
  const FileVersion& input = grant.job.input;
  const Running command{executor, {grant.job.pipeline, input.volume, input.path}, machine};
  CheckOverlap(lease, command);
  running_[lease] = command;
  handed_back_.erase(lease.job);
  if (TaskOfRuns(grant.job.pipeline).has_value()) tasks_.OnStarted(grant.job);
}

void Checker::OnEnded(const Lease& lease, const Finished& end) {
  ends_[lease] = end;
  if (end.outcome != Outcome::kHandedBack || ++handed_back_[lease.job] <= kHandedBackMax) return;
  Fail("starvation", absl::StrCat("job ", lease.job.value, " was handed back ",
                                  handed_back_[lease.job], " times, last for: ", end.message));
}

bool Checker::Frozen(const Part* machine) {
  return machine->frozen_until_ns() > absl::ToInt64Nanoseconds(world().now() - kThawMax);
}

// As the store has it, nobody has what somebody else has.
void Checker::CheckClaims(StoreReader& reader) {
  std::map<std::string, LockClaim> held;
  for (const LockClaim& claim : reader.ListClaims()) {
    if (!claim.held()) continue;
    const auto [holder, free] = held.emplace(claim.lock, claim);
    if (free) continue;
    Fail("lock", absl::StrCat("lock ", claim.lock, " is held by ", holder->second.holder, " and ",
                              claim.holder));
  }
}

void Checker::OnUse(const SessionId& session, const std::string& lock, const Part* machine) {
  for (const auto& [other, use] : uses_) {
    if (use.first != lock || Frozen(use.second)) continue;
    Fail("lock", absl::StrCat(session, " uses lock ", lock, " while ", other, " does"));
  }
  for (const auto& [lease, running] : running_) {
    const std::vector<std::string>& locks = locks_of_[lease];
    if (Frozen(running.machine) || std::find(locks.begin(), locks.end(), lock) == locks.end()) {
      continue;
    }
    Fail("lock",
         absl::StrCat(session, " uses lock ", lock, " while ", Name(lease), " runs under it"));
  }
  uses_[session] = {lock, machine};
}

// No two commands at once of one job, nor of one pipeline and file, nor two that need the same
// lock. One whose machine is frozen does nothing, and when it has just thawed its supervisor is
// about to kill what has no lease any more.
void Checker::CheckOverlap(const Lease& lease, const Running& command) {
  const std::vector<std::string>& locks = locks_of_[lease];
  for (const auto& [session, use] : uses_) {
    if (Frozen(use.second)) continue;
    if (std::find(locks.begin(), locks.end(), use.first) == locks.end()) continue;
    Fail("lock", absl::StrCat(Name(lease), " starts under lock ", use.first, " while ", session,
                              " uses it"));
  }
  for (const auto& [other, running] : running_) {
    if (Frozen(running.machine)) continue;
    if (other.job == lease.job || running.line == command.line) {
      Fail(other.job == lease.job ? "P4" : "line",
           absl::StrCat(Name(lease), " starts on ", command.executor, " while ", Name(other),
                        " runs on ", running.executor));
    }
    for (const std::string& lock : locks_of_[other]) {
      if (std::find(locks.begin(), locks.end(), lock) != locks.end()) {
        Fail("lock", absl::StrCat(Name(lease), " starts under lock ", lock, " while ", Name(other),
                                  " runs under it"));
      }
    }
  }
}

void Checker::OnSettled(const Lease& lease, const Finished& end) {
  const std::optional<Job> job = Get(lease.job);
  if (!job.has_value() || job->token < lease.token) {
    return Fail("P6", absl::StrCat(Name(lease), " was settled and is not known"));
  }
  bool recorded = false;
  Read([&](StoreReader& reader) { recorded = reader.GetAttempt(lease).has_value(); });
  const bool runs = job->token == lease.token && job->state == JobState::kRunning;
  if (runs || !recorded) {
    Fail("P6", absl::StrCat("the result of ", Name(lease), ", outcome ",
                            static_cast<int>(end.outcome), ", was settled and is not recorded"));
  }
}

void Checker::OnLogAcknowledged(const Lease& lease, int64_t length) {
  int64_t& acknowledged = logs_[lease];
  if (length <= acknowledged) return;
  acknowledged = length;
  int64_t recorded = 0;
  Read([&](StoreReader& reader) { recorded = reader.LogLength(lease); });
  if (recorded < length) {
    Fail("P6", absl::StrCat("of the log of ", Name(lease), " ", length,
                            " bytes were acknowledged and ", recorded, " are recorded"));
  }
}

void Checker::OnWithdrawn(const Lease& lease) {
  const std::optional<Job> job = Get(lease.job);
  if (!job.has_value() || job->token != lease.token || job->state != JobState::kRunning) return;
  if (job->cancelling) return;
  Fail("withdrawn", absl::StrCat(Name(lease), " was withdrawn though its session holds it"));
}

void Checker::OnAcknowledged(const std::string& ledger_id, const std::vector<FileEvent>& newly) {
  for (const FileEvent& event : newly) {
    bool found = false;
    Read([&](StoreReader& reader) {
      const auto same = [&](const EventRecord& record) {
        return record.ledger_id == ledger_id && record.event.sequence == event.sequence;
      };
      const auto latest = reader.LatestEvent(event.file.volume, event.file.path);
      found = latest.has_value() && same(*latest);
      if (found) return;
      constexpr int64_t kLookBackMax = 1000;
      const auto events = reader.ListEvents(event.file.volume, event.file.path, 0, kLookBackMax);
      found = std::any_of(events.begin(), events.end(), same);
    });
    if (!found) {
      Fail("P6", absl::StrCat("event ", event.sequence, " of ", event.file.volume, ":",
                              event.file.path, " was acknowledged and is not recorded"));
    }
  }
}

void Checker::OnAsked(const Call& call) {
  tasks_.OnAsked(call);
  if (const auto* erase = std::get_if<DeleteCall>(&call.what)) deleted_.insert(erase->pipeline);
}

void Checker::OnAnswered(const Call& call, const CallAnswer& answer) {
  world().Note("", "answers $d with $0", {static_cast<int64_t>(answer.status.code())},
               call.request_id);
  if (!answer.status.ok()) return;
  if (!answered_.contains(call.request_id)) {
    Fail("P6", absl::StrCat("call ", call.request_id, " was acknowledged and is not done"));
  }
  if (const auto* apply = std::get_if<ApplyCall>(&call.what)) {
    const std::string& name = apply->pipeline.name;
    applied_.emplace(name, world().now());
    bool there = false;
    Read([&](StoreReader& reader) { there = Current(reader, name) != nullptr; });
    if (!there && !deleted_.contains(name)) {
      Fail("P6", absl::StrCat("pipeline ", name, " was acknowledged and is not there"));
    }
  }
  for (const JobId id : answer.jobs) {
    if (Get(id).has_value()) continue;
    Fail("P6", absl::StrCat("job ", id.value, " was acknowledged and is not there"));
  }
}

}  // namespace closewrite::simulation

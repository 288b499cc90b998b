#include "services/coordinator/core/dispatch.h"

#include <algorithm>
#include <set>

#include "absl/strings/str_cat.h"
#include "services/coordinator/core/file_history.h"

namespace closewrite {

absl::StatusOr<SessionId> Dispatch::Open(const ExecutorHello& hello, absl::Time now) {
  SessionId id = hello.session;
  if (id.empty()) {
    for (const auto& [other_id, other] : fleet_.sessions) {
      if (other.connected && other.executor.name == hello.name && other.expires_at > now) {
        return absl::AlreadyExistsError(absl::StrCat(
            "executor ", hello.name, " attends already from host ", other.executor.host,
            ": give each executor a `name` of its own, or wait until that one has expired"));
      }
    }
    id = new_session_id_();
  } else if (!fleet_.sessions.contains(id)) {
    // Sessions without a lease are not kept over a restart of ours; nobody can have been given what
    // such a session held before one time to live has passed.
    if (now >= fleet_.started_at + fleet_.session_ttl) {
      return absl::NotFoundError(absl::StrCat("session ", id, " has expired"));
    }
  }
  Session& session = fleet_.sessions[id];
  session.id = id;
  session.executor = hello;
  session.executor.session = id;
  session.connected = true;
  session.draining = false;
  session.heartbeat_at = now;
  session.expires_at = now + fleet_.session_ttl;
  return id;
}

void Dispatch::Disconnect(const SessionId& id) {
  auto it = fleet_.sessions.find(id);
  if (it == fleet_.sessions.end()) return;
  it->second.connected = false;
  if (it->second.draining && it->second.leases.empty()) fleet_.sessions.erase(it);
}

absl::StatusOr<AttendReply> Dispatch::Report(StoreTransaction& tx, const AttendReport& report,
                                             absl::Time now) {
  auto it = fleet_.sessions.find(report.session);
  if (it == fleet_.sessions.end()) {
    return absl::NotFoundError(absl::StrCat("session ", report.session, " has expired"));
  }
  Session& session = it->second;
  session.heartbeat_at = now;
  session.expires_at = now + fleet_.session_ttl;
  session.draining = report.draining || (session.draining && !report.heartbeat);

  AttendReply reply;
  for (const AttendReport::Log& log : report.logs) {
    int64_t length = log.offset + static_cast<int64_t>(log.data.size());
    // The log of an attempt that nobody knows is swallowed, or it would be sent for ever.
    if (tx.GetAttempt(log.lease).has_value()) {
      length = tx.AppendLog(log.lease, log.offset, log.data);
      book_.effects().logs.insert(log.lease.job);
    }
    reply.log_lengths.emplace_back(log.lease, length);
  }
  RecordRunning(tx, session, report.running, now);
  for (const AttendReport::Result& result : report.results) {
    RecordResult(tx, result, now);
    reply.settled.push_back(Lease{result.job, result.end.token});
  }
  if (report.heartbeat) Resend(tx, session, report, reply);
  return reply;
}

void Dispatch::RecordRunning(StoreTransaction& tx, Session& session,
                             const std::vector<AttendReport::Running>& running, absl::Time now) {
  for (const AttendReport::Running& attempt : running) {
    auto lease = session.leases.find(attempt.lease.job);
    if (lease == session.leases.end() || lease->second != attempt.lease.token) continue;
    Progress& progress = session.progress[attempt.lease.job];
    const bool progressed = progress != attempt.progress;
    progress = attempt.progress;
    if (attempt.pid == 0 && !progressed) continue;
    std::optional<Job> job = tx.GetJob(attempt.lease.job);
    if (!job.has_value()) continue;
    if (attempt.pid != 0 && job->started_at == absl::InfinitePast()) {
      (void)book_.Change(tx, *job, Started{attempt.lease.token, attempt.pid}, now);
    } else if (progressed) {
      book_.effects().jobs.insert_or_assign(job->id, *job);
    }
  }
}

void Dispatch::RecordResult(StoreTransaction& tx, const AttendReport::Result& result,
                            absl::Time now) {
  std::optional<Job> job = tx.GetJob(result.job);
  if (!job.has_value()) return;
  if (result.end.outcome == Outcome::kInputChanged ||
      result.end.outcome == Outcome::kInputNotVisible) {
    RecordInputChanged(tx, *job, result.end, now);
  } else {
    // A result that comes twice or too late is refused by the rules, and that is all that should
    // happen to it.
    (void)book_.Change(tx, *job, result.end, now);
  }
}

// Whether a job whose version was not there any more is to read the newest one instead.
bool Dispatch::Adopts(StoreTransaction& tx, const Job& job, const EventRecord& latest) {
  const std::shared_ptr<const Pipeline> pipeline = fleet_.FindPipeline(job.pipeline);
  if (pipeline == nullptr) return false;
  if (tx.FindJobByKey(JobKey(job.pipeline, latest.event.file)).has_value()) return false;
  if (pipeline->on_new_version == OnNewVersion::kIgnore) return true;
  // The marker that made the job was told before the version that it was written for.
  return pipeline->when == When::kMarker && IsWaiting(job.state) &&
         MatchEvent(*pipeline, latest.event, HistoryOf(tx, *pipeline, latest)).matches;
}

void Dispatch::RecordInputChanged(StoreTransaction& tx, const Job& job, Finished end,
                                  absl::Time now) {
  std::optional<EventRecord> latest = tx.LatestEvent(job.input.volume, job.input.path);
  std::optional<Job> newer = tx.FindUnfinished(job.pipeline, job.input.volume, job.input.path);
  if (newer.has_value() && newer->id > job.id) {
    end.message =
        absl::StrCat("superseded: job ", newer->id.value, " stands for the newer version");
  } else if (latest.has_value() && IsGone(latest->event)) {
    end.message = "its file was removed before it could be read";
  } else {
    // Perhaps its times were set after the lease was given (the job is amended by now), or the
    // event of a newer version is on its way: the next attempt will tell. Where newer versions are
    // ignored, this job stands for them.
    absl::StatusOr<Job> ended = book_.Change(tx, job, end, now);
    if (ended.ok() && latest.has_value() && Adopts(tx, *ended, *latest)) {
      (void)book_.Change(tx, *ended, AmendInput{latest->event.file}, now);
    }
    return;
  }
  absl::StatusOr<Job> ended = book_.Change(tx, job, end, now);
  if (ended.ok() && !IsFinal(ended->state)) {
    (void)book_.Change(tx, *ended, Cancel{end.message}, now);
  }
}

void Dispatch::Resend(StoreTransaction& tx, const Session& session, const AttendReport& report,
                      AttendReply& reply) {
  std::set<Lease> known;
  for (const AttendReport::Running& attempt : report.running) known.insert(attempt.lease);
  for (const auto& [id, token] : session.leases) {
    if (known.contains(Lease{id, token})) continue;
    std::optional<Job> job = tx.GetJob(id);
    if (!job.has_value()) continue;
    std::shared_ptr<const Pipeline> pipeline = fleet_.FindPipeline(job->pipeline);
    if (pipeline != nullptr) reply.resend.push_back(Grant{session.id, *job, pipeline});
  }
}

absl::Time Dispatch::Tick(StoreTransaction& tx, absl::Time now) {
  for (const Job& job : tx.NextDue(now, kPromoteBatchMax)) {
    (void)book_.Change(tx, job, Promote{}, now);
  }
  absl::Time next = tx.EarliestDue();
  std::vector<SessionId> expired;
  for (const auto& [id, session] : fleet_.sessions) {
    if (session.expires_at <= now) {
      expired.push_back(id);
    } else {
      next = std::min(next, session.expires_at);
    }
  }
  for (const SessionId& id : expired) {
    Expire(tx, fleet_.sessions[id], now);
    fleet_.sessions.erase(id);
    book_.effects().expired.insert(id);
  }
  return next;
}

void Dispatch::Expire(StoreTransaction& tx, const Session& session, absl::Time now) {
  const std::map<JobId, FencingToken> leases = session.leases;
  for (const auto& [id, token] : leases) {
    std::optional<Job> job = tx.GetJob(id);
    if (!job.has_value()) continue;
    const std::string message =
        absl::StrCat("executor ", session.executor.name, " on ", session.executor.host,
                     " was not heard of for ", absl::FormatDuration(fleet_.session_ttl));
    (void)book_.Change(tx, *job, Lost{token, Outcome::kLost, message}, now);
  }
}

void Dispatch::Assign(StoreTransaction& tx, absl::Time now) {
  std::vector<std::shared_ptr<const Pipeline>> order;
  for (const std::string& name : fleet_.ready) {
    if (auto pipeline = fleet_.FindPipeline(name)) order.push_back(std::move(pipeline));
  }
  std::stable_sort(order.begin(), order.end(),
                   [](const auto& a, const auto& b) { return a->priority > b->priority; });
  // Pipelines of one priority take turns; a lower priority gets what the higher ones leave.
  for (auto first = order.begin(); first != order.end();) {
    auto last = std::find_if(first, order.end(), [&](const auto& pipeline) {
      return pipeline->priority != (*first)->priority;
    });
    const int64_t share = std::max<int64_t>(1, kLeaseBatchMax / (last - first));
    bool progress = true;
    while (progress) {
      progress = false;
      for (auto it = first; it != last; ++it) {
        if (fleet_.ready.contains((*it)->name)) progress |= AssignSome(tx, *it, share, now);
      }
    }
    first = last;
  }
}

bool Dispatch::AssignSome(StoreTransaction& tx, const std::shared_ptr<const Pipeline>& pipeline,
                          int64_t share, absl::Time now) {
  int64_t free = 0;
  for (const auto& [id, session] : fleet_.sessions) {
    if (session.FreeSlots() > 0 && WhatIsMissing(session, *pipeline).empty()) {
      free += session.FreeSlots();
    }
  }
  int64_t wanted = std::min(free, share);
  for (const std::string& lock : pipeline->locks) {
    wanted = fleet_.locks.contains(lock) ? 0 : std::min<int64_t>(wanted, 1);
  }
  if (wanted == 0) return false;
  const std::vector<Job> jobs = tx.NextAvailable(pipeline->name, wanted);
  if (static_cast<int64_t>(jobs.size()) < wanted) fleet_.ready.erase(pipeline->name);
  bool granted = false;
  for (const Job& job : jobs) {
    Session* session = MostFree(*pipeline);
    if (session == nullptr) break;
    absl::StatusOr<Job> leased = book_.Change(
        tx, job, LeaseTo{session->id, session->executor.name, session->executor.host}, now);
    if (!leased.ok()) continue;
    book_.effects().grants.push_back(Grant{session->id, *leased, pipeline});
    granted = true;
  }
  return granted;
}

Session* Dispatch::MostFree(const Pipeline& pipeline) {
  Session* best = nullptr;
  for (auto& [id, session] : fleet_.sessions) {
    if (session.FreeSlots() == 0 || !WhatIsMissing(session, pipeline).empty()) continue;
    if (best == nullptr || session.FreeSlots() > best->FreeSlots()) best = &session;
  }
  return best;
}

}  // namespace closewrite

#include "services/coordinator/core/dispatch.h"

#include <algorithm>
#include <set>

#include "absl/strings/str_cat.h"
#include "services/coordinator/core/alert_notes.h"
#include "services/coordinator/core/file_history.h"

namespace closewrite {

absl::Status Dispatch::CheckNewName(const ExecutorHello& hello, absl::Time now) const {
  for (const auto& [id, other] : fleet_.sessions) {
    if (other.connected() && other.executor.name == hello.name && other.expires_at > now) {
      return absl::AlreadyExistsError(absl::StrCat(
          "executor ", hello.name, " attends already from host ", other.executor.host,
          ": give each executor a `name` of its own, or wait until that one has expired"));
    }
  }
  return absl::OkStatus();
}

Session& Dispatch::Remember(StoreTransaction& tx, const SessionRecord& record) {
  Session& session = fleet_.sessions[record.id];
  static_cast<SessionRecord&>(session) = record;
  session.leases.clear();
  for (const Job& job : tx.LeasesOf(record.id)) session.leases[job.id] = HeldLease::Of(job);
  return session;
}

// The executor whose session it is; "" when there is none.
std::string Dispatch::OwnerOf(StoreTransaction& tx, const SessionId& id) const {
  if (const std::optional<SessionRecord> record = tx.FindSession(id); record.has_value()) {
    return record->executor.name;
  }
  const auto known = fleet_.sessions.find(id);
  return fleet_.shared || known == fleet_.sessions.end() ? "" : known->second.executor.name;
}

absl::StatusOr<SessionId> Dispatch::Open(StoreTransaction& tx, const ExecutorHello& hello,
                                         absl::Time now) {
  SessionRecord record{.id = hello.session};
  if (record.id.empty()) {
    if (absl::Status s = CheckNewName(hello, now); !s.ok()) return s;
    if (fleet_.sessions.size() >= kSessionsMax) {
      return absl::ResourceExhaustedError(
          absl::StrCat(kSessionsMax, " executors have sessions already; wait until some expire"));
    }
    record.id = new_session_id_();
  } else if (OwnerOf(tx, record.id) != hello.name) {
    // Of another executor's it hears the same: who has heard of a session's id is not its executor.
    return absl::NotFoundError(absl::StrCat("session ", record.id, " has expired"));
  }
  record.executor = hello;
  record.executor.session = record.id;
  record.coordinator = fleet_.self;
  record.heartbeat_at = now;
  record.expires_at = now + fleet_.session_ttl;
  tx.PutSession(record);
  EraseGoneExecutor(tx, hello.name);  // it is back
  Remember(tx, record);
  return record.id;
}

void Dispatch::Disconnect(StoreTransaction& tx, const SessionId& id) {
  std::optional<SessionRecord> record = tx.FindSession(id);
  if (!record.has_value() || record->coordinator != fleet_.self) return;
  auto it = fleet_.sessions.find(id);
  if (it == fleet_.sessions.end()) return;
  if (it->second.draining && tx.LeasesOf(id).empty()) {
    tx.EraseSession(id);
    fleet_.sessions.erase(it);
    return;
  }
  it->second.coordinator.clear();
  tx.PutSession(it->second);
}

absl::Status Dispatch::CheckOwner(StoreTransaction& tx, const SessionId& id,
                                  const std::string& executor) const {
  const std::string owner = OwnerOf(tx, id);
  if (owner.empty() || owner == executor) return absl::OkStatus();
  return absl::PermissionDeniedError(
      absl::StrCat("the session is not that of executor ", executor, "; nobody ends another's"));
}

void Dispatch::Bury(StoreTransaction& tx, const SessionId& id, absl::Time now) {
  std::optional<SessionRecord> record = tx.FindSession(id);
  if (!record.has_value()) return;
  End(tx, *record, /*died=*/true, now);
}

absl::StatusOr<std::vector<SessionRecord>> Dispatch::Drain(StoreTransaction& tx,
                                                           const std::vector<std::string>& names) {
  std::map<SessionId, SessionRecord> told;
  for (const std::string& name : names) {
    bool found = false;
    for (const auto& [id, session] : fleet_.sessions) {
      if (session.executor.name != name && session.executor.host != name) continue;
      const std::optional<SessionRecord> record = tx.FindSession(id);
      if (!record.has_value()) continue;
      // Of what attends here memory knows newer heartbeats.
      told.emplace(id, record->coordinator == fleet_.self ? session : *record);
      found = true;
    }
    if (found) continue;
    return absl::NotFoundError(
        absl::StrCat("there is no executor ", name, ", and none on a host of that name"));
  }
  std::vector<SessionRecord> records;
  for (auto& [id, record] : told) {
    record.draining = record.told_to_drain = true;
    tx.PutSession(record);
    static_cast<SessionRecord&>(fleet_.sessions[id]) = record;
    book_.effects().revoked.insert(id);
    records.push_back(record);
  }
  return records;
}

// What the host has found. True when others should hear of it at once.
bool Dispatch::Learn(Session& session, const AttendReport& report, absl::Time now) {
  if (!report.health.has_value()) return false;
  HostFindings findings{.unusable_volumes = report.health->unusable_volumes,
                        .clock_ahead = report.health->sent_at - now};
  const bool changed = findings.unusable_volumes != session.findings.unusable_volumes;
  session.findings = std::move(findings);
  return changed;
}

// Where other coordinators judge by it, a heartbeat is written; a drain always is.
absl::Status Dispatch::Renew(StoreTransaction& tx, Session& session, const AttendReport& report,
                             absl::Time now) {
  bool write = fleet_.shared && report.heartbeat;
  if (fleet_.shared) {
    std::optional<SessionRecord> record = tx.FindSession(session.id);
    if (!record.has_value()) {
      fleet_.sessions.erase(SessionId(session.id));
      return absl::NotFoundError(absl::StrCat("session ", report.session, " has expired"));
    }
    if (record->connected() && record->coordinator != fleet_.self) {
      static_cast<SessionRecord&>(session) = *record;
      return absl::AbortedError("the session attends another coordinator by now");
    }
    write |= !record->connected();
    session.told_to_drain = record->told_to_drain;
  }
  session.coordinator = fleet_.self;
  session.heartbeat_at = now;
  session.expires_at = now + fleet_.session_ttl;
  const bool draining =
      report.draining || session.told_to_drain || (session.draining && !report.heartbeat);
  write |= draining != session.draining;
  session.draining = draining;
  const bool is_news = Learn(session, report, now);
  write |= fleet_.shared && is_news;
  if (write) {
    tx.PutSession(session);
    // What another coordinator took away shows here.
    Remember(tx, SessionRecord(session));
  }
  return absl::OkStatus();
}

absl::StatusOr<AttendReply> Dispatch::Report(StoreTransaction& tx, const AttendReport& report,
                                             absl::Time now) {
  auto it = fleet_.sessions.find(report.session);
  if (it == fleet_.sessions.end()) {
    Refuse(report);
    return absl::NotFoundError(absl::StrCat("session ", report.session, " has expired"));
  }
  Session& session = it->second;
  if (absl::Status s = Renew(tx, session, report, now); !s.ok()) {
    if (absl::IsNotFound(s)) Refuse(report);
    return s;
  }
  AttendReply reply;
  RecordLogs(tx, session, report, reply);
  RecordRunning(tx, session, report.running, now);
  for (const AttendReport::Result& result : report.results) {
    RecordResult(tx, session, result, now);
    reply.settled.push_back(Lease{result.job, result.end.token});
  }
  if (report.heartbeat) Resend(tx, session, report, reply);
  return reply;
}

void Dispatch::Refuse(const AttendReport& report) {
  book_.effects().refused_results += static_cast<int64_t>(report.results.size());
}

// Whether the executor had that lease once, in this session or in another.
bool Dispatch::Had(StoreTransaction& tx, const ExecutorHello& executor, const Lease& lease) {
  const std::optional<Job> job = tx.GetJob(lease.job);
  if (!job.has_value() || lease.token > job->token) return false;
  if (lease.token == job->token) {
    return job->executor == executor.name && job->host == executor.host;
  }
  const std::optional<Attempt> attempt = tx.GetAttempt(lease);
  return attempt.has_value() && attempt->executor == executor.name &&
         attempt->host == executor.host;
}

void Dispatch::RecordLogs(StoreTransaction& tx, const Session& session, const AttendReport& report,
                          AttendReply& reply) {
  for (const AttendReport::Log& log : report.logs) {
    int64_t length = log.offset + static_cast<int64_t>(log.data.size());
    book_.effects().log_bytes += static_cast<int64_t>(log.data.size());
    bool known = session.Holds(log.lease);
    if (!known) {
      known = Had(tx, session.executor, log.lease);
      // What comes late is looked after, too.
      if (known) tx.OpenLog(log.lease);
    }
    // The log of an attempt that nobody knows is swallowed, or it would be sent for ever.
    if (known) {
      length = logs_.Append(tx, log.lease, log.offset, log.data);
      book_.effects().logs.insert(log.lease.job);
    }
    reply.log_lengths.emplace_back(log.lease, length);
  }
}

void Dispatch::RecordRunning(StoreTransaction& tx, Session& session,
                             const std::vector<AttendReport::Running>& running, absl::Time now) {
  for (const AttendReport::Running& attempt : running) {
    if (!session.Holds(attempt.lease)) continue;
    HeldLease& lease = session.leases[attempt.lease.job];
    Progress& progress = session.progress[attempt.lease.job];
    const bool progressed = progress != attempt.progress;
    progress = attempt.progress;
    const bool started = attempt.pid != 0 && !lease.started;
    if (!started && !progressed) continue;
    std::optional<Job> job = tx.GetJob(attempt.lease.job);
    if (!job.has_value()) continue;
    if (started) {
      lease.started = true;
      (void)book_.Change(tx, *job, Started{attempt.lease.token, attempt.pid}, now);
    } else {
      book_.effects().jobs.insert_or_assign(job->id, *job);
    }
  }
}

void Dispatch::RecordResult(StoreTransaction& tx, const Session& session,
                            const AttendReport::Result& result, absl::Time now) {
  std::optional<Job> job = tx.GetJob(result.job);
  if (!job.has_value()) return;
  // Tokens can be guessed: a lease is its executor's alone. That may have another session by now,
  // and knows from its journal what became of what it had in the one before.
  const bool own = job->session == session.id ||
                   (job->executor == session.executor.name && job->host == session.executor.host);
  if (job->state == JobState::kRunning && !own) {
    ++book_.effects().refused_results;
    return;
  }
  const bool changed = result.end.outcome == Outcome::kInputChanged ||
                       result.end.outcome == Outcome::kInputNotVisible;
  if (changed && !job->cancelling) {
    RecordInputChanged(tx, *job, result.end, now);
  } else {
    // A result that comes twice or too late is refused by the rules, and that is all that should
    // happen to it.
    (void)book_.Change(tx, *job, result.end, now);
  }
}

// Whether a job whose version was not there any more is to read the newest one instead.
bool Dispatch::Adopts(StoreTransaction& tx, const Job& job, const EventRecord& latest) {
  const std::shared_ptr<const Pipeline> pipeline = fleet_.FindPipeline(tx, job.pipeline);
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
  const bool is_other = latest.has_value() && latest->event.file != job.input;
  std::optional<Job> newer = tx.LastInLine(job.pipeline, job.input.volume, job.input.path);
  if (newer.has_value() && newer->id <= job.id) newer.reset();
  if (!newer.has_value() && is_other) {
    newer = tx.FindJobByKey(JobKey(job.pipeline, latest->event.file));  // has ended already
  }
  if (newer.has_value()) {
    end.message =
        absl::StrCat("superseded: job ", newer->id.value, " stands for the newer version");
  } else if (latest.has_value() && IsGone(latest->event)) {
    end.message = "its file was removed before it could be read";
  } else if (is_other) {
    end.message =
        "superseded: its file is another version by now, which the pipeline does not take";
  } else {
    // Perhaps its times were set after the lease was given (the job is amended by now), or the
    // event of a newer version is on its way: the next attempt will tell.
    (void)book_.Change(tx, job, end, now);
    return;
  }
  absl::StatusOr<Job> ended = book_.Change(tx, job, end, now);
  if (!ended.ok()) return;
  // Where newer versions are ignored, this job stands for them.
  if (is_other && Adopts(tx, *ended, *latest)) {
    (void)book_.Change(tx, *ended, AmendInput{latest->event.file}, now);
  } else if (!IsFinal(ended->state)) {
    (void)book_.Change(tx, *ended, Cancel{end.message}, now);
  }
}

void Dispatch::Resend(StoreTransaction& tx, const Session& session, const AttendReport& report,
                      AttendReply& reply) {
  std::set<Lease> known;
  for (const AttendReport::Running& attempt : report.running) known.insert(attempt.lease);
  for (const auto& [id, held] : session.leases) {
    if (known.contains(Lease{id, held.token})) continue;
    std::optional<Job> job = tx.GetJob(id);
    if (!job.has_value()) continue;
    std::shared_ptr<const Pipeline> pipeline = fleet_.FindPipeline(tx, job->pipeline);
    if (pipeline == nullptr && !job->cancelling) continue;
    std::string event = pipeline == nullptr ? "" : EventWord(tx, *pipeline, *job);
    reply.resend.push_back(Grant{session.id, *job, pipeline, std::move(event)});
  }
}

std::vector<SessionRecord> Dispatch::Expired(StoreTransaction& tx, absl::Time now) const {
  std::vector<SessionRecord> expired;
  bool any = false;
  const auto look = [&](const SessionRecord& session) {
    if (session.expires_at > now) return;
    any = true;
    if (!fleet_.shared) expired.push_back(session);
  };
  for (const auto& [id, session] : fleet_.sessions) look(session);
  for (const auto& [id, session] : fleet_.programs) look(session);
  if (any && fleet_.shared) return tx.ExpiredSessions(now, kExpireBatchMax);
  return expired;
}

absl::Time Dispatch::Tick(StoreTransaction& tx, absl::Time now) {
  if (now >= fleet_.due_at) {
    for (const Job& job : tx.NextDue(now, kPromoteBatchMax)) {
      (void)book_.Change(tx, job, Promote{}, now);
    }
    fleet_.due_at = tx.EarliestDue();
  }
  for (const SessionRecord& session : Expired(tx, now)) {
    if (session.is_program()) {
      locks_.End(tx, session.id);
    } else {
      End(tx, session, /*died=*/false, now);
    }
  }
  absl::Time next = fleet_.due_at;
  const auto look = [&](const SessionRecord& session) {
    next = std::min(
        next, fleet_.shared ? std::max(session.expires_at, now + kExpiryPoll) : session.expires_at);
  };
  for (const auto& [id, session] : fleet_.sessions) look(session);
  for (const auto& [id, session] : fleet_.programs) look(session);
  return next;
}

void Dispatch::End(StoreTransaction& tx, const SessionRecord& session, bool died, absl::Time now) {
  const std::string why =
      died ? "has died, and so have its processes"
           : absl::StrCat("was not heard of for ", absl::FormatDuration(fleet_.session_ttl));
  const std::string message =
      absl::StrCat("executor ", session.executor.name, " on ", session.executor.host, " ", why);
  const std::vector<Job> leases = tx.LeasesOf(session.id);
  for (const Job& job : leases) {
    (void)book_.Change(tx, job, Lost{job.token, Outcome::kLost, message}, now);
  }
  // One that had done what it was drained for has not been lost.
  if (!session.draining || !leases.empty()) {
    PutGoneExecutor(tx, session.executor, now);
    book_.effects().lost.push_back({.name = session.executor.name,
                                    .died = died,
                                    .leases = static_cast<int64_t>(leases.size())});
  }
  tx.EraseSession(session.id);
  fleet_.sessions.erase(session.id);
  book_.effects().expired.insert(session.id);
}

}  // namespace closewrite

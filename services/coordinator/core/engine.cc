#include "services/coordinator/core/engine.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "services/coordinator/core/lock_grant.h"

namespace closewrite {
namespace {

// Requests and old jobs are forgotten once in this time, by one coordinator of all.
constexpr absl::Duration kForgetEvery = absl::Hours(1);
constexpr char kForgetDuty[] = "forget";
// Rows of one kind that one transaction forgets, and the pause before the next.
constexpr int64_t kPruneBatchMax = 1000;
constexpr absl::Duration kPrunePause = absl::Milliseconds(50);
constexpr int64_t kLoadPageRows = 1000;

// Several on one store: what a record says of another coordinator is believed until it expires.
template <class Record>
void ForgetStale(Record& record, absl::Time now) {
  if (record.expires_at <= now) record.coordinator.clear();
}

}  // namespace

Engine::Engine(Options options)
    : options_(std::move(options)),
      book_(&fleet_, options_.random, options_.points),
      intake_(&fleet_, &book_),
      logs_(options_.logs, options_.shared),
      locks_(&fleet_, &book_),
      dispatch_(&fleet_, &book_, &logs_, &locks_, options_.new_session_id),
      assigner_(&fleet_, &book_),
      desk_(&fleet_, &book_, &intake_),
      tasks_(&fleet_, &book_, options_.random),
      monitor_(options_.points.has_value()) {
  fleet_.decode_task = options_.decode_task;
  fleet_.self = options_.self;
  fleet_.shared = options_.shared;
  fleet_.session_ttl = options_.session_ttl;
}

absl::Status Engine::LoadPipelines(StoreReader& reader) {
  fleet_.pipelines_version = reader.PipelinesVersion();
  fleet_.pipelines.clear();
  fleet_.tasks.clear();
  fleet_.ready.clear();
  for (const StoredPipeline& stored : reader.ListPipelines()) {
    absl::StatusOr<Pipeline> pipeline = options_.decode_pipeline(stored.definition);
    if (!pipeline.ok()) {
      return absl::InternalError(absl::StrCat(
          "pipeline ", stored.name, " in the store is damaged: ", pipeline.status().message()));
    }
    pipeline->version = stored.version;
    pipeline->applied_at = stored.applied_at;
    fleet_.pipelines[stored.name] = std::make_shared<const Pipeline>(*std::move(pipeline));
    fleet_.ready.insert(stored.name);
  }
  return absl::OkStatus();
}

// Of the pipelines all may have an available job; there are more tasks, and most have none.
void Engine::LearnAvailableTasks(StoreReader& reader) {
  fleet_.task_due_at = absl::InfinitePast();
  for (std::string& runs : reader.AvailablePipelines(RunsOf(""), kTasksMax)) {
    (void)fleet_.LearnTask(reader, std::string(*TaskOfRuns(runs)));
    fleet_.ready.insert(std::move(runs));
  }
}

// Fills in the leases. A session without a record is made up: older versions of the SQLite store
// kept none.
void Engine::LoadLeases(StoreReader& reader, absl::Time now) {
  const JobFilter running{.states = {JobState::kRunning}};
  JobId before;
  for (;;) {
    const std::vector<Job> page = reader.ListJobs(running, before, kLoadPageRows);
    for (const Job& job : page) {
      if (fleet_.shared && !fleet_.sessions.contains(job.session)) continue;
      auto [it, is_new] = fleet_.sessions.try_emplace(job.session);
      Session& session = it->second;
      if (is_new) {
        session.id = job.session;
        session.executor.name = job.executor;
        session.executor.host = job.host;
        session.expires_at = now + fleet_.session_ttl;
      }
      session.leases[job.id] = HeldLease::Of(job);
    }
    if (page.size() < kLoadPageRows) return;
    before = page.back().id;
  }
}

absl::Status Engine::Load(StoreReader& reader, absl::Time now) {
  (void)TakeEffects();
  (void)book_.TakeEndedRuns();
  book_.ForgetPoints();
  assigner_.StartAnew();
  if (fleet_.started_at == absl::InfinitePast()) fleet_.started_at = now;
  if (absl::Status s = LoadPipelines(reader); !s.ok()) return s;
  const std::map<SessionId, Session> sessions = std::exchange(fleet_.sessions, {});
  const std::map<SessionId, SessionRecord> programs = std::exchange(fleet_.programs, {});
  for (SessionRecord& record : reader.ListSessions()) {
    if (record.is_program()) {
      LoadProgram(std::move(record), programs, now);
      continue;
    }
    Session& session = fleet_.sessions[record.id];
    static_cast<SessionRecord&>(session) = std::move(record);
    const auto known = sessions.find(session.id);
    if (known != sessions.end()) session.progress = known->second.progress;
    if (fleet_.shared) continue;
    // The store does not know of heartbeats; memory does, unless it is new itself.
    if (known == sessions.end()) session.coordinator.clear();
    if (known != sessions.end()) session.findings = known->second.findings;
    session.expires_at =
        known == sessions.end() ? now + fleet_.session_ttl : known->second.expires_at;
  }
  LoadLeases(reader, now);
  const std::map<std::string, Watcher> watchers = std::exchange(fleet_.watchers, {});
  for (Watcher& watcher : reader.ListWatchers()) {
    const auto known = watchers.find(watcher.host);
    if (!fleet_.shared && known != watchers.end()) watcher = known->second;
    if (!fleet_.shared && known == watchers.end()) watcher.coordinator.clear();
    fleet_.watchers[watcher.host] = std::move(watcher);
  }
  LoadLocks(reader, &fleet_);
  fleet_.rate_until.clear();
  fleet_.due_at = absl::InfinitePast();
  LearnAvailableTasks(reader);
  return absl::OkStatus();
}

absl::Status Engine::CatchUp(StoreTransaction& tx, const News& news, absl::Time now) {
  if (!fleet_.shared) return absl::OkStatus();
  News heard = news;
  if (tx.PipelinesVersion() != fleet_.pipelines_version) {
    if (absl::Status s = LoadPipelines(tx); !s.ok()) return s;
    book_.effects().pipelines = true;
    heard.work = true;
  }
  for (const SessionId& id : heard.revoked) {
    const auto session = fleet_.sessions.find(id);
    if (session == fleet_.sessions.end() || session->second.coordinator != fleet_.self) continue;
    if (const auto record = tx.FindSession(id); record.has_value() && record->told_to_drain) {
      session->second.draining = session->second.told_to_drain = true;
    }
    dispatch_.Remember(tx, SessionRecord(session->second));
    book_.effects().revoked.insert(id);
  }
  heard.revoked.clear();
  book_.effects().elsewhere = heard;
  if (!heard.work) return absl::OkStatus();
  CatchUpSessions(tx);
  for (Watcher& watcher : tx.ListWatchers()) {
    ForgetStale(watcher, now);
    fleet_.watchers[watcher.host] = std::move(watcher);
  }
  LoadLocks(tx, &fleet_);
  fleet_.rate_until.clear();
  for (const auto& [name, pipeline] : fleet_.pipelines) fleet_.ready.insert(name);
  fleet_.due_at = absl::InfinitePast();
  LearnAvailableTasks(tx);
  return absl::OkStatus();
}

void Engine::AddWhatIsRead(Expected& expected) const {
  for (const auto& [id, session] : fleet_.sessions) {
    if (session.coordinator == fleet_.self) expected.sessions.push_back(id);
  }
  for (const FileVersion& file : expected.files) {
    expected.paths.emplace_back(file.volume, file.path);
    for (const auto& [name, pipeline] : fleet_.pipelines) {
      if (pipeline->volume == file.volume && ReadsInput(*pipeline)) {
        expected.keys.push_back(JobKey(name, file));
      }
    }
  }
}

News Engine::NewsOf(const Effects& effects) const {
  News news{.work = effects.locks || (effects.pipelines && !effects.elsewhere.work),
            .jobs = !effects.jobs.empty() || !effects.events.empty() || !effects.logs.empty()};
  for (const auto& [id, job] : effects.jobs) {
    news.work |= job.state == JobState::kAvailable;
    if (job.state != JobState::kPublishing) continue;
    const Watcher* home = fleet_.HomeOf(job.output_volume);
    news.publish |= home == nullptr || home->coordinator != fleet_.self;
  }
  for (const SessionId& id : effects.revoked) {
    const auto session = fleet_.sessions.find(id);
    const bool here =
        session != fleet_.sessions.end() && session->second.coordinator == fleet_.self;
    if (!here) news.revoked.insert(id);
  }
  return news;
}

// As of executors: the store does not know of heartbeats, memory does, unless it is new itself.
void Engine::LoadProgram(SessionRecord record, const std::map<SessionId, SessionRecord>& known,
                         absl::Time now) {
  if (!fleet_.shared) {
    const auto old = known.find(record.id);
    record.expires_at = old == known.end() ? now + fleet_.session_ttl : old->second.expires_at;
  }
  fleet_.programs[record.id] = std::move(record);
}

void Engine::CatchUpSessions(StoreReader& reader) {
  std::set<SessionId> gone;
  for (const auto& [id, session] : fleet_.sessions) gone.insert(id);
  fleet_.programs.clear();
  for (SessionRecord& record : reader.ListSessions()) {
    if (record.is_program()) {
      fleet_.programs[record.id] = std::move(record);
      continue;
    }
    gone.erase(record.id);
    Session& session = fleet_.sessions[record.id];
    if (session.coordinator == fleet_.self && record.coordinator != fleet_.self) {
      book_.effects().moved.insert(record.id);
    }
    static_cast<SessionRecord&>(session) = std::move(record);
  }
  for (const SessionId& id : gone) {
    if (fleet_.sessions[id].coordinator == fleet_.self) book_.effects().expired.insert(id);
    fleet_.sessions.erase(id);
  }
}

absl::Status Engine::CheckHomes(const std::string& host,
                                const std::vector<VolumeReport>& volumes) const {
  for (const VolumeReport& report : volumes) {
    const Watcher* home = fleet_.HomeOf(report.volume);
    if (home == nullptr || home->host == host) continue;
    return absl::FailedPreconditionError(absl::StrCat(
        "volume ", report.volume, " has its home on ", home->host,
        " already: a volume lies on one host; take it out of this watcher's configuration"));
  }
  return absl::OkStatus();
}

absl::StatusOr<WatcherStream> Engine::ConnectWatcher(StoreTransaction& tx, const Watcher& watcher,
                                                     absl::Time now) {
  if (fleet_.shared) {
    for (Watcher& other : tx.ListWatchers()) {
      ForgetStale(other, now);
      fleet_.watchers[other.host] = std::move(other);
    }
  }
  auto same = fleet_.watchers.find(watcher.host);
  const bool taken = same != fleet_.watchers.end() && same->second.connected() &&
                     same->second.ledger_id != watcher.ledger_id && same->second.expires_at > now;
  if (taken) {
    return absl::AlreadyExistsError(absl::StrCat(
        "another watcher of host ", watcher.host,
        " is connected already: give each host one watcher, or wait until that one is gone"));
  }
  if (absl::Status s = CheckHomes(watcher.host, watcher.volumes); !s.ok()) return s;
  if (same == fleet_.watchers.end() && fleet_.watchers.size() >= kWatchersMax) {
    return absl::ResourceExhaustedError(
        absl::StrCat(kWatchersMax, " hosts have had watchers already; that is all there can be"));
  }
  Watcher& entry = fleet_.watchers[watcher.host];
  int64_t newest = entry.stream;
  if (fleet_.shared) {
    // Locked, so that no other coordinator works for it just now.
    const std::optional<Watcher> record = tx.FindWatcher(watcher.host);
    if (record.has_value()) newest = std::max(newest, record->stream);
  }
  entry = watcher;
  entry.stream = newest + 1;
  entry.coordinator = fleet_.self;
  entry.heartbeat_at = now;
  entry.expires_at = now + kWatcherTtl;
  tx.PutWatcher(entry);
  return WatcherStream{entry.host, entry.ledger_id, entry.stream};
}

absl::Status Engine::CheckWatcher(StoreTransaction& tx, const WatcherStream& stream) {
  if (fleet_.shared) {
    // Locked until the commit: nobody else can take it over, and do its work, meanwhile.
    std::optional<Watcher> record = tx.FindWatcher(stream.host);
    if (!record.has_value()) return absl::AbortedError("the watcher is not known any more");
    if (record->stream == stream.number) return absl::OkStatus();
    fleet_.watchers[stream.host] = *std::move(record);
  } else {
    const auto watcher = fleet_.watchers.find(stream.host);
    const bool newest = watcher == fleet_.watchers.end() || watcher->second.stream == stream.number;
    if (newest) return absl::OkStatus();
  }
  return absl::AbortedError("a newer stream of this host's watcher has taken over");
}

absl::Status Engine::UpdateWatcher(StoreTransaction& tx, const WatcherStream& stream,
                                   std::vector<VolumeReport> volumes, absl::Time now) {
  if (absl::Status s = CheckWatcher(tx, stream); !s.ok()) return s;
  // What it did not say when it came it may not say later.
  if (absl::Status s = CheckHomes(stream.host, volumes); !s.ok()) return s;
  Watcher& watcher = fleet_.watchers[stream.host];
  watcher.host = stream.host;
  watcher.ledger_id = stream.ledger_id;
  watcher.stream = stream.number;
  watcher.coordinator = fleet_.self;
  watcher.heartbeat_at = now;
  watcher.expires_at = now + kWatcherTtl;
  watcher.volumes = std::move(volumes);
  if (fleet_.shared) tx.PutWatcher(watcher);
  return absl::OkStatus();
}

void Engine::DisconnectWatcher(StoreTransaction& tx, const WatcherStream& stream) {
  if (!CheckWatcher(tx, stream).ok()) return;
  Watcher& watcher = fleet_.watchers[stream.host];
  watcher.coordinator.clear();
  tx.PutWatcher(watcher);
}

absl::Status Engine::RecordEvents(StoreTransaction& tx, const WatcherStream& stream,
                                  const std::vector<FileEvent>& events, absl::Time now) {
  if (events.empty()) return absl::OkStatus();
  if (absl::Status s = CheckWatcher(tx, stream); !s.ok()) return s;
  intake_.Record(tx, stream.host, stream.ledger_id, events, now);
  return absl::OkStatus();
}

void Engine::RecordPublished(StoreTransaction& tx, const Lease& lease, const std::string& error,
                             absl::Time now) {
  std::optional<Job> job = tx.GetJob(lease.job);
  if (!job.has_value()) return;
  // An answer that comes twice is refused by the rules, and that is all that should happen to it.
  (void)book_.Change(tx, *job, Published{lease.token, error}, now);
}

bool Engine::MayPublish(StoreReader& reader, const std::vector<VolumeReport>& volumes,
                        const Lease& lease) {
  const std::optional<Job> job = reader.GetJob(lease.job);
  return job.has_value() &&
         std::any_of(volumes.begin(), volumes.end(), [&](const VolumeReport& report) {
           return report.volume == job->output_volume;
         });
}

std::vector<Job> Engine::PublishOrders(StoreReader& reader,
                                       const std::vector<VolumeReport>& volumes) {
  std::vector<Job> orders;
  for (const VolumeReport& report : volumes) {
    const int64_t left = kPublishOrdersMax - static_cast<int64_t>(orders.size());
    if (left <= 0) break;
    JobFilter filter{.states = {JobState::kPublishing}, .output_volume = report.volume};
    for (Job& job : reader.ListJobs(filter, JobId{}, left)) orders.push_back(std::move(job));
  }
  return orders;
}

bool Engine::MaySweep(StoreReader& reader, const Lease& lease) {
  std::optional<Job> job = reader.GetJob(lease.job);
  if (!job.has_value()) return true;
  if (job->token != lease.token) return job->token > lease.token;
  return job->state != JobState::kRunning && job->state != JobState::kPublishing;
}

absl::Time Engine::Tick(StoreTransaction& tx, absl::Time now) {
  // Tasks come after the sessions, whose runs may just have ended.
  absl::Time next = dispatch_.Tick(tx, now);
  next = std::min(next, tasks_.Tick(tx, now));
  assigner_.Assign(tx, now);
  if (now >= forget_at_) Forget(tx, now);
  book_.FlushPoints(tx);
  for (const auto& [rate, at] : fleet_.rate_until) next = std::min(next, at);
  return std::min({next, forget_at_, logs_.Tick(tx, now)});
}

void Engine::Forget(StoreTransaction& tx, absl::Time now) {
  forget_at_ = now + kForgetEvery;
  if (!pruning_) {
    if (!tx.TakeTurn(kForgetDuty, now, kForgetEvery)) return;
    tx.ForgetRequests(now - kRequestKept);
  }
  pruning_ = options_.retention < absl::InfiniteDuration() &&
             (tx.Prune(now - options_.retention, kPruneBatchMax) > 0 ||
              monitor_.Forget(tx, now - options_.retention));
  if (options_.audit_retention < absl::InfiniteDuration()) {
    pruning_ |= tx.PruneAudit(now - options_.audit_retention, kPruneBatchMax) > 0;
  }
  if (pruning_) forget_at_ = now + kPrunePause;
}

}  // namespace closewrite

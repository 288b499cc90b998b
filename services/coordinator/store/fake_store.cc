#include "services/coordinator/store/fake_store.h"

#include <algorithm>
#include <functional>
#include <iterator>
#include <limits>
#include <optional>
#include <set>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "services/coordinator/store/fake_prune.h"
#include "services/coordinator/store/fake_reads.h"

namespace closewrite {
namespace {

class FakeTransaction final : public FakeReads<StoreTransaction> {
 public:
  explicit FakeTransaction(FakeTables* tables) : FakeReads(tables), tables_(tables) {}
  const FakeTables::Touched& touched() const { return touched_; }
  bool changed() const { return changed_ || !touched_.monitoring.empty(); }

  JobId InsertJob(const Job& job) override {
    if (!ok()) return JobId{};
    if (tables_->FindJobByKey(job.key) != nullptr) {
      Fail(absl::AlreadyExistsError("a job with this key is there already"));
      return JobId{};
    }
    Job inserted = job;
    inserted.id = JobId{++tables_->last_job_id};
    Put(inserted);
    return inserted.id;
  }

  void UpdateJob(const Job& job) override {
    if (!ok()) return;
    if (tables_->FindJob(job.id) == nullptr) {
      Fail(absl::NotFoundError(absl::StrCat("no job ", job.id.value, " to update")));
      return;
    }
    const Job* const same_key = tables_->FindJobByKey(job.key);
    if (same_key != nullptr && same_key->id != job.id) {
      Fail(absl::AlreadyExistsError("another job has this key"));
      return;
    }
    Put(job);
  }

  std::optional<Job> FindJobByKey(const std::string& key) override {
    return Copy(tables_->FindJobByKey(key));
  }

  std::optional<Job> LastInLine(const std::string& pipeline, const std::string& volume,
                                const std::string& path) override {
    const std::set<JobId>& ids = tables_->Unfinished(pipeline);
    const auto found = std::find_if(ids.rbegin(), ids.rend(), [&](JobId id) {
      const FileVersion& input = tables_->FindJob(id)->input;
      if (input.volume != volume || input.path != path) return false;
      const std::set<JobId>& followers = tables_->Followers(id);
      return std::none_of(followers.begin(), followers.end(), [&](JobId follower) {
        return !IsFinal(tables_->FindJob(follower)->state);
      });
    });
    return Copy(found == ids.rend() ? nullptr : tables_->FindJob(*found));
  }

  std::vector<Job> Claim(const std::vector<Wish>& wishes) override {
    std::vector<Job> jobs;
    if (!ok()) return jobs;
    for (const Wish& wish : wishes) {
      int64_t left = wish.limit;
      for (const FakeTables::Place& place : tables_->Available(wish.pipeline)) {
        if (left-- <= 0) break;
        jobs.push_back(*tables_->FindJob(place.id));
      }
    }
    return jobs;
  }

  std::vector<Job> NextDue(absl::Time now, int64_t limit) override {
    std::vector<Job> jobs;
    if (!ok()) return jobs;
    for (const auto& [due_at, id] : tables_->due()) {
      if (due_at > now || static_cast<int64_t>(jobs.size()) >= limit) break;
      jobs.push_back(*tables_->FindJob(id));
    }
    return jobs;
  }

  absl::Time EarliestDue() override {
    if (!ok() || tables_->due().empty()) return absl::InfiniteFuture();
    return tables_->due().begin()->first;
  }

  std::vector<Job> Followers(JobId id) override {
    std::vector<Job> jobs;
    if (!ok()) return jobs;
    for (const JobId follower : tables_->Followers(id)) {
      jobs.push_back(*tables_->FindJob(follower));
    }
    return jobs;
  }

  void PutAttempt(const Attempt& attempt) override {
    if (!ok()) return;
    const Lease lease{attempt.job, attempt.token};
    tables_->attempts[lease] = attempt;
    Touch(&touched_.attempts, lease);
  }

  int64_t AppendLog(const Lease& lease, int64_t offset, std::string_view data) override {
    if (!ok()) return 0;
    if (tables_->logs.Append(lease, offset, data)) Touch(&touched_.attempts, lease);
    return tables_->logs.Length(lease);
  }

  int64_t EraseLogRows(const Lease& lease, int64_t from, int64_t to, int64_t rows_max) override {
    if (!ok()) return 0;
    const int64_t erased = tables_->logs.Erase(lease, from, to, rows_max);
    if (erased > 0) Touch(&touched_.attempts, lease);
    return erased;
  }

  void ReplaceLogRows(const Lease& lease, const LogRow& row) override {
    if (!ok()) return;
    tables_->logs.Replace(lease, row);
    Touch(&touched_.attempts, lease);
  }

  KeptLog MeasureLog(const Lease& lease) override {
    return ok() ? tables_->logs.Measure(lease) : KeptLog{.lease = lease};
  }

  void OpenLog(const Lease& lease) override {
    if (!ok()) return;
    tables_->logs.Open(lease);
    Touch(&touched_.attempts, lease);
  }

  std::vector<OpenedLog> OpenLogs(const Lease& after, int64_t limit) override {
    return KeptLogs(limit, [&](const KeptLog& log) {
      return log.closed_at == absl::InfiniteFuture() && log.lease > after;
    });
  }

  std::vector<OpenedLog> ClosedLogs(absl::Time before, int64_t limit) override {
    std::vector<OpenedLog> logs =
        KeptLogs(std::numeric_limits<int64_t>::max(),
                 [&](const KeptLog& log) { return log.closed_at < before; });
    std::stable_sort(logs.begin(), logs.end(), [](const OpenedLog& a, const OpenedLog& b) {
      return a.log.closed_at < b.log.closed_at;
    });
    if (static_cast<int64_t>(logs.size()) > limit) logs.resize(static_cast<size_t>(limit));
    return logs;
  }

  void SaveLog(const KeptLog& log, const KeptLog& as) override {
    if (!ok()) return;
    tables_->logs.Save(log, as);
    Touch(&touched_.attempts, log.lease);
  }

  void DropLog(const KeptLog& log) override {
    if (!ok()) return;
    tables_->logs.Drop(log);
    Touch(&touched_.attempts, log.lease);
  }

  int64_t InsertEvent(const EventRecord& record) override {
    if (!ok() || tables_->HasSequence({record.ledger_id, record.event.sequence})) return 0;
    EventRecord inserted = record;
    inserted.id = ++tables_->last_event_id;
    tables_->PutEvent(inserted);
    Touch(&touched_.events, inserted.id);
    return inserted.id;
  }

  void PutPipeline(const StoredPipeline& pipeline) override {
    if (!ok()) return;
    tables_->pipelines[pipeline.name] = pipeline;
    ++tables_->pipelines_version;
    Touch(&touched_.pipelines, pipeline.name);
  }

  void PutTask(const StoredTask& task) override {
    if (!ok()) return;
    StoredTask& kept = tables_->tasks[task.name];
    const bool redefined = kept.version != task.version || kept.definition != task.definition;
    tables_->pipelines_version += redefined;
    kept = task;
    Touch(&touched_.tasks, task.name);
  }

  void DeleteTask(const std::string& name) override {
    if (!ok()) return;
    tables_->tasks.erase(name);
    ++tables_->pipelines_version;
    Touch(&touched_.tasks, name);
  }

  std::vector<StoredTask> DueTasks(absl::Time now, int64_t limit) override {
    std::vector<StoredTask> due;
    if (!ok()) return due;
    for (const auto& [name, task] : tables_->tasks) {
      if (task.state.due_at <= now) due.push_back(task);
    }
    std::stable_sort(due.begin(), due.end(), [](const StoredTask& a, const StoredTask& b) {
      return a.state.due_at < b.state.due_at;
    });
    if (static_cast<int64_t>(due.size()) > limit) due.resize(std::max<int64_t>(limit, 0));
    return due;
  }

  absl::Time EarliestTaskDue() override {
    absl::Time earliest = absl::InfiniteFuture();
    if (!ok()) return earliest;
    for (const auto& [name, task] : tables_->tasks) {
      earliest = std::min(earliest, task.state.due_at);
    }
    return earliest;
  }

  void DeletePipeline(const std::string& name) override {
    if (!ok() || tables_->pipelines.erase(name) == 0) return;
    ++tables_->pipelines_version;
    Touch(&touched_.pipelines, name);
  }

  std::optional<SessionRecord> FindSession(const SessionId& id) override {
    const auto found = tables_->sessions.find(id);
    if (!ok() || found == tables_->sessions.end()) return std::nullopt;
    return found->second;
  }

  void PutSession(const SessionRecord& session) override {
    if (!ok()) return;
    tables_->sessions[session.id] = session;
    Touch(&touched_.sessions, session.id);
  }

  void EraseSession(const SessionId& id) override {
    if (ok() && tables_->sessions.erase(id) != 0) Touch(&touched_.sessions, id);
  }

  std::vector<SessionRecord> ExpiredSessions(absl::Time now, int64_t limit) override {
    std::vector<SessionRecord> expired;
    if (!ok()) return expired;
    for (const auto& [id, session] : tables_->sessions) {
      if (static_cast<int64_t>(expired.size()) >= limit) break;
      if (session.expires_at <= now) expired.push_back(session);
    }
    return expired;
  }

  std::optional<Watcher> FindWatcher(const std::string& host) override {
    const auto found = tables_->watchers.find(host);
    if (!ok() || found == tables_->watchers.end()) return std::nullopt;
    return found->second;
  }

  void PutWatcher(const Watcher& watcher) override {
    if (!ok()) return;
    tables_->watchers[watcher.host] = watcher;
    Touch(&touched_.watchers, watcher.host);
  }

  // There is one transaction at a time.
  bool MayGrantLocks() override { return ok(); }

  void PutClaim(const LockClaim& claim) override {
    if (!ok()) return;
    tables_->claims[{claim.lock, claim.holder}] = claim;
    Touch(&touched_.claims, {claim.lock, claim.holder});
  }

  void EraseClaim(const std::string& lock, const std::string& holder) override {
    if (!ok() || tables_->claims.erase({lock, holder}) == 0) return;
    Touch(&touched_.claims, {lock, holder});
  }

  void EraseClaimsOf(const std::string& holder) override {
    if (!ok()) return;
    std::erase_if(tables_->claims, [&](const auto& entry) {
      if (entry.first.second != holder) return false;
      Touch(&touched_.claims, entry.first);
      return true;
    });
  }

  bool TakeTurn(const std::string& duty, absl::Time now, absl::Duration every) override {
    if (!ok()) return false;
    const auto [turn, is_new] = tables_->turns.try_emplace(duty, now);
    // A clock that was set back by much must not keep the duty undone.
    if (!is_new && absl::AbsDuration(now - turn->second) < every) return false;
    turn->second = now;
    Touch(&touched_.turns, duty);
    return true;
  }

  std::optional<std::string> FindRequest(const std::string& request_id) override {
    const auto found = tables_->requests.find(request_id);
    if (!ok() || found == tables_->requests.end()) return std::nullopt;
    return found->second.answer;
  }

  void RecordRequest(const std::string& request_id, const std::string& answer,
                     absl::Time now) override {
    if (!ok()) return;
    tables_->requests[request_id] = {answer, now};
    Touch(&touched_.requests, request_id);
  }

  void ForgetRequests(absl::Time before) override {
    if (!ok()) return;
    for (auto it = tables_->requests.begin(); it != tables_->requests.end();) {
      if (it->second.recorded_at >= before) {
        ++it;
        continue;
      }
      Touch(&touched_.requests, it->first);
      it = tables_->requests.erase(it);
    }
  }

  void AppendPoints(int64_t count, std::string_view lines) override {
    if (ok()) tables_->monitoring.AppendPoints(count, lines, &touched_.monitoring);
  }
  int64_t ErasePoints(const std::vector<int64_t>& ids) override {
    return ok() ? tables_->monitoring.ErasePoints(ids, &touched_.monitoring) : 0;
  }
  void PutIncrement(const Increment& increment) override {
    if (ok()) tables_->monitoring.PutIncrement(increment, &touched_.monitoring);
  }
  void AppendLoad(const Load& load) override {
    if (ok()) tables_->monitoring.AppendLoad(load, &touched_.monitoring);
  }
  int64_t PruneLoads(absl::Time before, int64_t limit) override {
    return ok() ? tables_->monitoring.PruneLoads(before, limit, &touched_.monitoring) : 0;
  }
  void PutExecution(const Execution& execution) override {
    if (ok()) tables_->monitoring.PutExecution(execution, &touched_.monitoring);
  }
  int64_t PruneExecutions(absl::Time before, int64_t limit) override {
    return ok() ? tables_->monitoring.PruneExecutions(before, limit, &touched_.monitoring) : 0;
  }
  void PutNote(const std::string& kind, const Note& note) override {
    if (ok()) tables_->monitoring.PutNote(kind, note, &touched_.monitoring);
  }
  void EraseNote(const std::string& kind, const std::string& key) override {
    if (ok()) tables_->monitoring.EraseNote(kind, key, &touched_.monitoring);
  }

  void AppendAudit(const AuditEntry& entry) override {
    if (ok()) tables_->monitoring.AppendAudit(entry, &touched_.monitoring);
  }
  int64_t PruneAudit(absl::Time before, int64_t limit) override {
    return ok() ? tables_->monitoring.PruneAudit(before, limit, &touched_.monitoring) : 0;
  }

  int64_t Prune(absl::Time before, int64_t limit) override {
    if (!ok()) return 0;
    int64_t pruned = 0;
    for (const JobId id : ForgettableJobs(*tables_, before, limit)) {
      pruned += 1 + EraseAttemptsOf(id);
      tables_->EraseJob(id);
      Touch(&touched_.jobs, id);
    }
    for (const int64_t id : ForgettableEvents(*tables_, before, limit)) {
      ++pruned;
      tables_->EraseEvent(id);
      Touch(&touched_.events, id);
    }
    return pruned;
  }

 private:
  template <class Key>
  void Touch(std::set<Key>* keys, const Key& key) {
    keys->insert(key);
    changed_ = true;
  }
  // With their logs. Returns how many rows went.
  int64_t EraseAttemptsOf(JobId id) {
    int64_t erased = 0;
    for (const Lease& lease : tables_->logs.LeasesOf(id)) {
      erased += tables_->logs.Forget(lease);
      Touch(&touched_.attempts, lease);
    }
    auto& attempts = tables_->attempts;
    for (auto it = attempts.lower_bound(LowestLease(id));
         it != attempts.end() && it->first.job == id; ++erased) {
      Touch(&touched_.attempts, it->first);
      it = attempts.erase(it);
    }
    return erased;
  }
  // By lease.
  template <class Wanted>
  std::vector<OpenedLog> KeptLogs(int64_t limit, Wanted wanted) const {
    std::vector<OpenedLog> logs;
    if (!ok()) return logs;
    for (OpenedLog& opened : tables_->logs.Kept()) {
      if (static_cast<int64_t>(logs.size()) >= limit) break;
      if (!wanted(opened.log)) continue;
      const Job* const job = tables_->FindJob(opened.log.lease.job);
      opened.over = job == nullptr || IsFinal(job->state) || job->token != opened.log.lease.token;
      logs.push_back(opened);
    }
    return logs;
  }
  void Put(const Job& job) {
    tables_->PutJob(job);
    Touch(&touched_.jobs, job.id);
  }

  FakeTables* const tables_;
  FakeTables::Touched touched_;
  bool changed_ = false;
};

}  // namespace

absl::Status FakeStore::Write(absl::FunctionRef<absl::Status(StoreTransaction&)> fn) {
  absl::MutexLock write_lock(&write_mutex_);
  FakeTransaction transaction(&working_);
  absl::Status status = fn(transaction);
  // What `fn` says after a failed step may only be its consequence.
  if (!transaction.status().ok()) status = transaction.status();
  if (status.ok() && transaction.changed()) {
    status = std::exchange(next_commit_, absl::OkStatus());
  }
  if (!status.ok()) {
    absl::ReaderMutexLock lock(&committed_mutex_);
    working_.CopyRows(committed_, transaction.touched());
    return status;
  }
  absl::WriterMutexLock lock(&committed_mutex_);
  committed_.CopyRows(working_, transaction.touched());
  if (transaction.changed()) ++commits_;
  return absl::OkStatus();
}

absl::Status FakeStore::Read(absl::FunctionRef<absl::Status(StoreReader&)> fn) {
  absl::ReaderMutexLock lock(&committed_mutex_);
  FakeReads<StoreReader> reader(&committed_);
  return fn(reader);
}

void FakeStore::Notify(std::string_view notice) {
  std::vector<std::function<void(std::string_view)>> listeners;
  {
    absl::MutexLock lock(&listeners_mutex_);
    listeners = listeners_;
  }
  for (const auto& listener : listeners) listener(notice);
}

void FakeStore::Listen(std::function<void(std::string_view notice)> fn) {
  absl::MutexLock lock(&listeners_mutex_);
  listeners_.push_back(std::move(fn));
}

void FakeStore::FailNextCommit(const absl::Status& status) {
  absl::MutexLock lock(&write_mutex_);
  next_commit_ = status;
}

int64_t FakeStore::commits() {
  absl::MutexLock lock(&write_mutex_);
  return commits_;
}

}  // namespace closewrite

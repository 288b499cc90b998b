#include "services/coordinator/store/fake_store.h"

#include <algorithm>
#include <iterator>
#include <limits>
#include <optional>
#include <set>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "services/coordinator/store/job_filter.h"

namespace closewrite {
namespace {

int64_t Below(int64_t before) { return before == 0 ? std::numeric_limits<int64_t>::max() : before; }

// The reads of `Interface`, which is StoreReader or StoreTransaction.
template <class Interface>
class FakeReads : public Interface {
 public:
  explicit FakeReads(const FakeTables* tables) : tables_(tables) {}
  const absl::Status& status() const { return status_; }

  std::optional<Job> GetJob(JobId id) override { return Copy(tables_->FindJob(id)); }

  std::vector<Job> ListJobs(const JobFilter& filter, JobId before, int64_t limit) override {
    std::vector<Job> jobs;
    if (!status_.ok()) return jobs;
    const auto end = tables_->jobs().lower_bound(JobId{Below(before.value)});
    for (auto it = std::make_reverse_iterator(end); it != tables_->jobs().rend(); ++it) {
      if (static_cast<int64_t>(jobs.size()) >= limit) break;
      if (Matches(filter, it->second)) jobs.push_back(it->second);
    }
    return jobs;
  }

  int64_t CountUnfinished(const std::string& pipeline) override {
    return status_.ok() ? static_cast<int64_t>(tables_->Unfinished(pipeline).size()) : 0;
  }

  int64_t CountAvailableBefore(const std::string& pipeline, JobId id) override {
    if (!status_.ok()) return 0;
    const std::set<JobId>& available = tables_->Available(pipeline);
    return std::distance(available.begin(), available.lower_bound(id));
  }

  std::vector<Attempt> ListAttempts(JobId id) override {
    std::vector<Attempt> attempts;
    if (!status_.ok()) return attempts;
    constexpr FencingToken kLowest{std::numeric_limits<int64_t>::min()};
    for (auto it = tables_->attempts.lower_bound(Lease{id, kLowest});
         it != tables_->attempts.end() && it->first.job == id; ++it) {
      attempts.push_back(it->second);
    }
    return attempts;
  }

  std::optional<Attempt> GetAttempt(const Lease& lease) override {
    const auto found = tables_->attempts.find(lease);
    if (!status_.ok() || found == tables_->attempts.end()) return std::nullopt;
    return found->second;
  }

  std::string ReadLog(const Lease& lease, int64_t offset, int64_t bytes_max) override {
    const auto found = tables_->logs.find(lease);
    if (!status_.ok() || found == tables_->logs.end()) return "";
    const std::string& log = found->second;
    if (offset < 0 || bytes_max <= 0 || offset >= static_cast<int64_t>(log.size())) return "";
    return log.substr(static_cast<size_t>(offset), static_cast<size_t>(bytes_max));
  }

  std::vector<StoredPipeline> ListPipelines() override {
    std::vector<StoredPipeline> pipelines;
    if (!status_.ok()) return pipelines;
    for (const auto& [name, pipeline] : tables_->pipelines) pipelines.push_back(pipeline);
    return pipelines;
  }

  std::vector<EventRecord> ListEvents(const std::string& volume, const std::string& path,
                                      int64_t before, int64_t limit) override {
    std::vector<EventRecord> events;
    if (!status_.ok()) return events;
    const auto end = tables_->events().lower_bound(Below(before));
    for (auto it = std::make_reverse_iterator(end); it != tables_->events().rend(); ++it) {
      if (static_cast<int64_t>(events.size()) >= limit) break;
      const FileVersion& file = it->second.event.file;
      if (!volume.empty() && file.volume != volume) continue;
      if (!volume.empty() && !path.empty() && file.path != path) continue;
      events.push_back(it->second);
    }
    return events;
  }

  std::vector<JobId> JobsOfEvent(int64_t event_id) override {
    if (!status_.ok()) return {};
    const std::set<JobId>& ids = tables_->JobsOfEvent(event_id);
    return {ids.begin(), ids.end()};
  }

  std::optional<EventRecord> LatestEvent(const std::string& volume,
                                         const std::string& path) override {
    const std::set<int64_t>& ids = tables_->EventsOfPath({volume, path});
    if (!status_.ok() || ids.empty()) return std::nullopt;
    return tables_->events().at(*ids.rbegin());
  }

 protected:
  bool ok() const { return status_.ok(); }
  void Fail(const absl::Status& status) {
    if (status_.ok()) status_ = status;
  }
  std::optional<Job> Copy(const Job* job) const {
    if (!status_.ok() || job == nullptr) return std::nullopt;
    return *job;
  }

 private:
  const FakeTables* const tables_;
  absl::Status status_;
};

class FakeTransaction final : public FakeReads<StoreTransaction> {
 public:
  explicit FakeTransaction(FakeTables* tables) : FakeReads(tables), tables_(tables) {}
  const FakeTables::Touched& touched() const { return touched_; }
  bool changed() const { return changed_; }

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

  std::optional<Job> FindUnfinished(const std::string& pipeline, const std::string& volume,
                                    const std::string& path) override {
    const std::set<JobId>& ids = tables_->Unfinished(pipeline);
    const auto found = std::find_if(ids.rbegin(), ids.rend(), [&](JobId id) {
      const FileVersion& input = tables_->FindJob(id)->input;
      return input.volume == volume && input.path == path;
    });
    return Copy(found == ids.rend() ? nullptr : tables_->FindJob(*found));
  }

  std::vector<Job> NextAvailable(const std::string& pipeline, int64_t limit) override {
    std::vector<Job> jobs;
    if (!ok()) return jobs;
    for (const JobId id : tables_->Available(pipeline)) {
      if (static_cast<int64_t>(jobs.size()) >= limit) break;
      jobs.push_back(*tables_->FindJob(id));
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
    Attempt& row = tables_->attempts[lease];
    const int64_t log_bytes = row.log_bytes;
    row = attempt;
    row.log_bytes = log_bytes;
    Touch(&touched_.attempts, lease);
  }

  int64_t AppendLog(const Lease& lease, int64_t offset, std::string_view data) override {
    const auto found = tables_->attempts.find(lease);
    if (!ok() || found == tables_->attempts.end()) return 0;
    int64_t& recorded = found->second.log_bytes;
    if (offset < 0 || offset > recorded) return recorded;
    if (recorded - offset >= static_cast<int64_t>(data.size())) return recorded;
    tables_->logs[lease].append(data.substr(static_cast<size_t>(recorded - offset)));
    recorded = offset + static_cast<int64_t>(data.size());
    Touch(&touched_.attempts, lease);
    return recorded;
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
    Touch(&touched_.pipelines, pipeline.name);
  }

  void DeletePipeline(const std::string& name) override {
    if (ok() && tables_->pipelines.erase(name) != 0) Touch(&touched_.pipelines, name);
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

 private:
  template <class Key>
  void Touch(std::set<Key>* keys, const Key& key) {
    keys->insert(key);
    changed_ = true;
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

void FakeStore::FailNextCommit(const absl::Status& status) {
  absl::MutexLock lock(&write_mutex_);
  next_commit_ = status;
}

int64_t FakeStore::commits() {
  absl::MutexLock lock(&write_mutex_);
  return commits_;
}

}  // namespace closewrite

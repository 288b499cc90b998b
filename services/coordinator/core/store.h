// What the coordinator keeps, and the two ways to it: transactions by the store loop, reads by
// everybody.
#ifndef SERVICES_COORDINATOR_CORE_STORE_H_
#define SERVICES_COORDINATOR_CORE_STORE_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/time/time.h"
#include "services/coordinator/core/file_event.h"
#include "services/coordinator/core/ids.h"
#include "services/coordinator/core/job.h"

namespace closewrite {

// Which jobs; empty fields do not restrict.
struct JobFilter {
  std::vector<JobId> ids;
  std::vector<JobState> states;
  std::string pipeline;
  std::string input_volume;
  std::string input_path;  // needs input_volume
  std::string output_volume;
};

// A pipeline's definition; opaque to the store.
struct StoredPipeline {
  std::string name;
  int version = 0;
  absl::Time applied_at = absl::InfinitePast();
  std::string definition;
  bool operator==(const StoredPipeline&) const = default;
};

// Reads. Errors are sticky: after the first failure every call gives nothing, and the Read or Write
// that the reader belongs to returns the error. So callers need not check each step, and nothing
// half-read is kept. All limits are row counts. Not thread-safe.
class StoreReader {
 public:
  virtual ~StoreReader() = default;

  virtual std::optional<Job> GetJob(JobId id) = 0;
  // Newest first (descending id), ids below `before` (0: from the newest), at most `limit`.
  virtual std::vector<Job> ListJobs(const JobFilter& filter, JobId before, int64_t limit) = 0;
  // Jobs of the pipeline that are not final.
  virtual int64_t CountUnfinished(const std::string& pipeline) = 0;
  // Jobs of the pipeline in state kAvailable with an id below `id`: the place in line.
  virtual int64_t CountAvailableBefore(const std::string& pipeline, JobId id) = 0;
  // Oldest first.
  virtual std::vector<Attempt> ListAttempts(JobId id) = 0;
  virtual std::optional<Attempt> GetAttempt(const Lease& lease) = 0;
  // Log bytes from `offset`, at most `bytes_max`; "" at the end of what is recorded.
  virtual std::string ReadLog(const Lease& lease, int64_t offset, int64_t bytes_max) = 0;
  // By name.
  virtual std::vector<StoredPipeline> ListPipelines() = 0;
  // Newest first, ids below `before` (0: from the newest); of one volume, or "" for all; of one
  // path of it, or "".
  virtual std::vector<EventRecord> ListEvents(const std::string& volume, const std::string& path,
                                              int64_t before, int64_t limit) = 0;
  // Ids of the jobs that an event made.
  virtual std::vector<JobId> JobsOfEvent(int64_t event_id) = 0;
  // The newest event of a path: what the file is now.
  virtual std::optional<EventRecord> LatestEvent(const std::string& volume,
                                                 const std::string& path) = 0;
};

// Reads its own writes. Nothing is visible to others before the commit.
class StoreTransaction : public StoreReader {
 public:
  // Inserts a job and gives it an id (job.id is ignored). 0 on failure. The key must be new.
  virtual JobId InsertJob(const Job& job) = 0;
  // Replaces all fields of job.id.
  virtual void UpdateJob(const Job& job) = 0;
  virtual std::optional<Job> FindJobByKey(const std::string& key) = 0;
  // The newest job of the pipeline for that path that is not final.
  virtual std::optional<Job> FindUnfinished(const std::string& pipeline, const std::string& volume,
                                            const std::string& path) = 0;
  // Jobs of the pipeline in state kAvailable in ascending order of id.
  virtual std::vector<Job> NextAvailable(const std::string& pipeline, int64_t limit) = 0;
  // Jobs in kScheduled or kRetrying with `after` 0 and due_at <= now, earliest first.
  virtual std::vector<Job> NextDue(absl::Time now, int64_t limit) = 0;
  // The earliest due_at of those, due or not; infinite future when there is none.
  virtual absl::Time EarliestDue() = 0;
  // Jobs that wait for `id` (after == id).
  virtual std::vector<Job> Followers(JobId id) = 0;

  // Inserts or replaces by (job, token); log_bytes is left as it is in the store.
  virtual void PutAttempt(const Attempt& attempt) = 0;
  // Appends to the log of an attempt if `offset` is where it ends; bytes that are there already are
  // skipped. Returns the length that is recorded then, which is less than offset + size when a gap
  // was refused.
  virtual int64_t AppendLog(const Lease& lease, int64_t offset, std::string_view data) = 0;

  // Inserts an event unless (ledger_id, sequence) is there, and gives it an id; 0 when it was
  // there. Becomes the path's latest event.
  virtual int64_t InsertEvent(const EventRecord& record) = 0;

  virtual void PutPipeline(const StoredPipeline& pipeline) = 0;
  virtual void DeletePipeline(const std::string& name) = 0;

  // Answers of requests, by the caller's id, for `request_kept` at least.
  virtual std::optional<std::string> FindRequest(const std::string& request_id) = 0;
  virtual void RecordRequest(const std::string& request_id, const std::string& answer,
                             absl::Time now) = 0;
  // Forgets requests recorded before `before`.
  virtual void ForgetRequests(absl::Time before) = 0;
};

inline constexpr absl::Duration kRequestKept = absl::Hours(24);

// Thread-safe: one Write at a time, Reads beside it.
class Store {
 public:
  virtual ~Store() = default;
  // Runs `fn` in one transaction. When it returns OK and no step failed, everything is durable when
  // Write returns OK; otherwise nothing was changed. RESOURCE_EXHAUSTED: the disk is full.
  // UNAVAILABLE: other I/O errors. The error of `fn` is returned as it is.
  virtual absl::Status Write(absl::FunctionRef<absl::Status(StoreTransaction&)> fn) = 0;
  // Runs `fn` over one consistent, committed state.
  virtual absl::Status Read(absl::FunctionRef<absl::Status(StoreReader&)> fn) = 0;
  // How durable a commit is, for people: "sqlite, WAL, synchronous=FULL".
  virtual std::string Durability() const = 0;
};

}  // namespace closewrite

#endif  // SERVICES_COORDINATOR_CORE_STORE_H_

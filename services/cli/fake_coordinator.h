// A coordinator that keeps what tests put into it, in memory, behind real gRPC.
#ifndef SERVICES_CLI_FAKE_COORDINATOR_H_
#define SERVICES_CLI_FAKE_COORDINATOR_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "closewrite/v1/job.grpc.pb.h"
#include "grpcpp/grpcpp.h"
#include "services/cli/fake_coordinator_state.h"
#include "services/cli/lock/fake_locks.h"

namespace closewrite::cli {

// Thread-safe. What was put in outlives Stop and Start, as in a store.
class FakeCoordinator {
 public:
  FakeCoordinator();
  ~FakeCoordinator() { Stop(); }

  // On a free port of the loopback; after a Stop on the same one again.
  void Start();
  // Ends all calls, as a coordinator that is killed.
  void Stop();
  std::string address() const;

  void PutJob(const v1::Job& job);
  void PutAttempt(int64_t job_id, const v1::Attempt& attempt);
  // The first part of a log came a second after kLogTime, the next one a second later, and so on.
  static constexpr int64_t kLogTime = 1'795'345'200;
  void AppendLog(int64_t job_id, int64_t token, const std::string& data,
                 v1::LogStream stream = v1::LOG_STREAM_STDOUT);
  void PutEvent(const v1::EventRecord& event);
  // Kept, but told to none of the streams that stand now: as if they had begun too late.
  void PutEventQuietly(const v1::EventRecord& event);
  void PutExecutor(const v1::ExecutorStatus& executor);
  // Executors that are drained don't end at once any more.
  void KeepDrained();
  void PutWatcher(const v1::WatcherStatus& watcher);
  void PutPipeline(const v1::PipelineStatus& pipeline);
  void PutIncident(const v1::Incident& incident);
  void PutMessage(const v1::Message& message);
  void PutAuditEntry(const v1::AuditEntry& entry);
  void SetVerdicts(const v1::TestPipelinesResponse& verdicts);
  void SetStory(const v1::ExplainResponse& story);
  // Is made by the next flush, as if its file had just been seen.
  void PutJobAtFlush(const v1::Job& job);
  // Of all flushes from now on.
  void SetFlushStatus(const absl::Status& status);
  // The next `times` unary calls fail with it.
  void FailCalls(int times, const absl::Status& status);

  // `9.8.7` and `memory` before.
  void SetVersion(const std::string& version, const std::string& durability);
  void SetOverview(const v1::GetOverviewResponse& overview);
  void SetReport(const v1::GetReportResponse& report);
  // What BackUpStore answers, a message a part; it says that there are `size` bytes.
  void SetBackup(const std::vector<std::string>& parts, int64_t size);
  // The next backup breaks after its first part.
  void BreakBackup();
  // How backups end.
  void SetBackupStatus(const absl::Status& status);
  // From now on it is in no state in which it could be changed.
  void MakeStuck(int64_t job_id);
  // From now on it can't be submitted.
  void LoseFile(const std::string& path);
  // ListJobs gives at most so many at once.
  void SetPageMax(size_t jobs);

  FakeLocks& locks() { return locks_; }

  v1::Job job(int64_t id) const;
  // Of all mutating calls in order, those too that failed.
  std::vector<std::string> request_ids() const;
  // Of all calls in order, such as `pipelines { ... }`, as short text.
  std::vector<std::string> requests() const;
  // Streams of any kind that have begun since the first Start.
  int streams() const;
  // Returns when so many streams of any kind have begun since the first Start.
  void AwaitStreams(int count) const;

 private:
  class Pipelines;
  class Events;
  class Fleet;
  class Store;

  std::shared_ptr<FakeState> state_ = std::make_shared<FakeState>();
  FakeLocks locks_;
  std::vector<std::unique_ptr<grpc::Service>> services_;
  std::unique_ptr<grpc::Server> server_;
  int port_ = 0;
};

}  // namespace closewrite::cli

#endif  // SERVICES_CLI_FAKE_COORDINATOR_H_

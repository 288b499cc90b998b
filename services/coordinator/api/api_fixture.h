// A coordinator in this process for tests of the API: all services on a real port, a store in
// memory, a clock that the test moves. Watchers and executors are played by steps in the store
// loop.
#ifndef SERVICES_COORDINATOR_API_API_FIXTURE_H_
#define SERVICES_COORDINATOR_API_API_FIXTURE_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "google/protobuf/duration.pb.h"
#include "grpcpp/grpcpp.h"
#include "gtest/gtest.h"
#include "services/access/callers.h"
#include "services/clock/clock.h"
#include "services/coordinator/api/alert_service.h"
#include "services/coordinator/api/api_options.h"
#include "services/coordinator/api/audit_service.h"
#include "services/coordinator/api/event_service.h"
#include "services/coordinator/api/fleet_service.h"
#include "services/coordinator/api/job_counter.h"
#include "services/coordinator/api/job_service.h"
#include "services/coordinator/api/lock_service.h"
#include "services/coordinator/api/monitor_service.h"
#include "services/coordinator/api/pipeline_service.h"
#include "services/coordinator/api/scaler_service.h"
#include "services/coordinator/api/task_service.h"
#include "services/coordinator/change_feed.h"
#include "services/coordinator/core/engine.h"
#include "services/coordinator/health_board.h"
#include "services/coordinator/store/fake_store.h"
#include "services/coordinator/store_loop.h"
#include "services/coordinator/watcher_board.h"

namespace closewrite {

// 2026-11-22 10:55:00 UTC.
inline constexpr int64_t kTestStartSeconds = 1795344900;

// Everybody is who the test says, anybody by default. Thread-safe.
class TestCallers : public Callers {
 public:
  void Set(const Caller& caller) {
    absl::MutexLock lock(&mutex_);
    caller_ = caller;
  }
  Caller Of(const grpc::ServerContextBase& context) const override {
    absl::MutexLock lock(&mutex_);
    Caller caller = caller_;
    if (caller.peer.empty()) caller.peer = context.peer();
    return caller;
  }

 private:
  mutable absl::Mutex mutex_;
  Caller caller_ ABSL_GUARDED_BY(mutex_);
};

// `name` watches volume `unenriched` for CSV files and publishes into `enriched`.
v1::Pipeline TestPipeline(const std::string& name);

class ApiFixture : public ::testing::Test {
 protected:
  ApiFixture();
  ~ApiFixture() override;

  // Runs one step in the loop and waits until it is committed and told.
  absl::Status Run(const std::function<void(Engine&, StoreTransaction&, absl::Time)>& step);

  void Apply(const v1::Pipeline& pipeline);
  // The watcher on vm-b, home of `unenriched` (and `enriched`).
  void ConnectWatcher();
  // The watcher sees a finished file; each call is a newer version.
  void Announce(const std::string& path);
  void Remove(const std::string& path);
  // An executor on vm-c with both volumes. Returns its session.
  SessionId OpenSession(const std::string& name, int slots);
  void Report(const AttendReport& report);
  void ReportRunning(const SessionId& session, const Lease& lease, int pid);
  void ReportLog(const SessionId& session, const Lease& lease, int64_t offset,
                 const std::string& data);
  void ReportEnd(const SessionId& session, const Lease& lease, Outcome outcome, int exit_code,
                 std::vector<OutputFile> outputs = {});
  void Publish(const Lease& lease);
  // Lets the loop do what is due at the time of the clock.
  void Tick();

  // The job as the API shows it.
  v1::Job Get(int64_t job_id);

  template <class Request>
  static Request WithId(const std::string& request_id) {
    Request request;
    request.set_request_id(request_id);
    return request;
  }

  ManualClock clock_;
  FakeStore store_;
  Engine engine_;
  ChangeFeed feed_;
  StoreLoop loop_;
  WatcherBoard board_;
  HealthBoard executor_health_;
  HealthBoard watcher_health_;
  TestCallers callers_;
  const ApiOptions api_;
  JobService job_service_;
  PipelineService pipeline_service_;
  TaskService task_service_;
  EventService event_service_;
  JobCounter counter_;
  FleetService fleet_service_;
  ScalerService scaler_service_;
  MonitorService monitor_service_;
  LockService lock_service_;
  AlertService alert_service_;
  AuditService audit_service_;
  std::unique_ptr<grpc::Server> server_;
  std::unique_ptr<v1::JobService::Stub> jobs_;
  std::unique_ptr<v1::PipelineService::Stub> pipelines_;
  std::unique_ptr<v1::TaskService::Stub> tasks_;
  std::unique_ptr<v1::EventService::Stub> events_;
  std::unique_ptr<v1::FleetService::Stub> fleet_;
  std::unique_ptr<externalscaler::ExternalScaler::Stub> scaler_;
  std::unique_ptr<v1::MonitorService::Stub> monitor_;
  std::unique_ptr<v1::LockService::Stub> locks_;
  std::unique_ptr<v1::AlertService::Stub> alerts_;
  std::unique_ptr<v1::AuditService::Stub> audit_;

 private:
  absl::Status RunOnce(const std::function<void(Engine&, StoreTransaction&, absl::Time)>& step);
  void Record(const FileEvent& event);
  int64_t last_sequence_ = 0;
};

}  // namespace closewrite

#endif  // SERVICES_COORDINATOR_API_API_FIXTURE_H_

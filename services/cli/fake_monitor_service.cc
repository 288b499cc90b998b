#include "services/cli/fake_monitor_service.h"

#include <utility>

#include "closewrite/v1/monitor.grpc.pb.h"

namespace closewrite::cli {
namespace {

constexpr int64_t kTime = 4'102'444'800;

class FakeMonitorService : public v1::MonitorService::Service {
 public:
  explicit FakeMonitorService(std::shared_ptr<FakeState> state) : state_(std::move(state)) {}

  grpc::Status StartExecution(grpc::ServerContext*, const v1::StartExecutionRequest* request,
                              v1::StartExecutionResponse* response) override {
    absl::MutexLock lock(&state_->mutex);
    const grpc::Status status = state_->Enter(*request);
    v1::Execution& execution = *response->mutable_execution();
    execution.set_id(StrCat("5bb5c1f0-0000-4000-8000-00000000000", state_->executions.size() + 1));
    execution.set_job(request->job());
    execution.set_state(v1::EXECUTION_STATE_START);
    execution.mutable_started_at()->set_seconds(kTime);
    execution.set_job_id(request->attempt().job_id());
    state_->executions.push_back(execution);
    return status;
  }

  grpc::Status EndExecution(grpc::ServerContext*, const v1::EndExecutionRequest* request,
                            v1::EndExecutionResponse* response) override {
    absl::MutexLock lock(&state_->mutex);
    const grpc::Status status = state_->Enter(*request);
    for (v1::Execution& execution : state_->executions) {
      const bool meant = request->id().empty() ? execution.job() == request->job()
                                               : execution.id() == request->id();
      if (!meant || execution.state() != v1::EXECUTION_STATE_START) continue;
      execution.set_state(request->state());
      execution.mutable_ended_at()->set_seconds(kTime + 60);
      *response->mutable_execution() = execution;
      return status;
    }
    return {grpc::StatusCode::NOT_FOUND, StrCat("no execution of ", request->job(), " is open")};
  }

  grpc::Status ListExecutions(grpc::ServerContext*, const v1::ListExecutionsRequest* request,
                              v1::ListExecutionsResponse* response) override {
    absl::MutexLock lock(&state_->mutex);
    for (const v1::Execution& execution : state_->executions) {
      if (!request->job().empty() && execution.job() != request->job()) continue;
      *response->add_executions() = execution;
    }
    return state_->Enter(*request);
  }

  grpc::Status LogLoad(grpc::ServerContext*, const v1::LogLoadRequest* request,
                       v1::LogLoadResponse* response) override {
    absl::MutexLock lock(&state_->mutex);
    const grpc::Status status = state_->Enter(*request);
    v1::Load& load = *response->mutable_load();
    load.set_execution(request->execution());
    load.set_job(request->job());
    load.set_type(request->type());
    load.set_datasource(request->datasource());
    load.set_records(request->records());
    load.set_increment(request->increment());
    load.mutable_at()->set_seconds(kTime);
    state_->loads.push_back(load);
    return status;
  }

  grpc::Status GetIncrement(grpc::ServerContext*, const v1::GetIncrementRequest* request,
                            v1::GetIncrementResponse* response) override {
    absl::MutexLock lock(&state_->mutex);
    const grpc::Status status = state_->Enter(*request);
    for (const v1::Load& load : state_->loads) {
      if (load.job() == request->job() && load.datasource() == request->datasource()) {
        *response->mutable_increment() = MarkOf(load);
      }
    }
    if (response->has_increment()) return status;
    return {grpc::StatusCode::NOT_FOUND, StrCat("job ", request->job(), " has logged no increment ",
                                                "of ", request->datasource(), " yet")};
  }

  grpc::Status ListIncrements(grpc::ServerContext*, const v1::ListIncrementsRequest* request,
                              v1::ListIncrementsResponse* response) override {
    absl::MutexLock lock(&state_->mutex);
    for (const v1::Load& load : state_->loads) *response->add_increments() = MarkOf(load);
    return state_->Enter(*request);
  }

  grpc::Status ListLoads(grpc::ServerContext*, const v1::ListLoadsRequest* request,
                         v1::ListLoadsResponse* response) override {
    absl::MutexLock lock(&state_->mutex);
    for (const v1::Load& load : state_->loads) *response->add_loads() = load;
    return state_->Enter(*request);
  }

  grpc::Status GetReport(grpc::ServerContext*, const v1::GetReportRequest* request,
                         v1::GetReportResponse* response) override {
    absl::MutexLock lock(&state_->mutex);
    *response = state_->report;
    return state_->Enter(*request);
  }

  grpc::Status LogModel(grpc::ServerContext*, const v1::LogModelRequest* request,
                        v1::LogModelResponse*) override {
    absl::MutexLock lock(&state_->mutex);
    return state_->Enter(*request);
  }

 private:
  static v1::Increment MarkOf(const v1::Load& load) {
    v1::Increment mark;
    mark.set_job(load.job());
    mark.set_type(load.type());
    mark.set_datasource(load.datasource());
    mark.set_increment(load.increment());
    *mark.mutable_at() = load.at();
    return mark;
  }

  const std::shared_ptr<FakeState> state_;
};

}  // namespace

std::unique_ptr<grpc::Service> MakeFakeMonitorService(std::shared_ptr<FakeState> state) {
  return std::make_unique<FakeMonitorService>(std::move(state));
}

}  // namespace closewrite::cli

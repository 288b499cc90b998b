#include "services/cli/fake_coordinator.h"

#include <chrono>
#include <utility>

#include "closewrite/v1/event.grpc.pb.h"
#include "closewrite/v1/fleet.grpc.pb.h"
#include "closewrite/v1/pipeline.grpc.pb.h"
#include "closewrite/v1/store.grpc.pb.h"
#include "services/cli/fake_alert_service.h"
#include "services/cli/fake_audit_service.h"
#include "services/cli/fake_job_service.h"
#include "services/cli/fake_monitor_service.h"
#include "services/log/str_cat.h"
#include "services/transport/errors.h"

namespace closewrite::cli {
namespace {

constexpr absl::Duration kAwaitMax = absl::Seconds(30);

}  // namespace

class FakeCoordinator::Pipelines : public v1::PipelineService::Service {
 public:
  explicit Pipelines(std::shared_ptr<FakeState> state) : state_(std::move(state)) {}

  grpc::Status ApplyPipelines(grpc::ServerContext*, const v1::ApplyPipelinesRequest* request,
                              v1::ApplyPipelinesResponse* response) override {
    absl::MutexLock lock(&state_->mutex);
    const grpc::Status status = state_->Enter(*request);
    if (!status.ok()) return status;
    for (const v1::Pipeline& pipeline : request->pipelines()) {
      v1::PipelineStatus kept;
      *kept.mutable_pipeline() = pipeline;
      kept.set_version(1);
      *response->add_pipelines() = kept;
      response->add_effects(v1::APPLY_EFFECT_CREATED);
      if (!request->dry_run()) state_->pipelines.push_back(kept);
    }
    return grpc::Status::OK;
  }

  grpc::Status ListPipelines(grpc::ServerContext*, const v1::ListPipelinesRequest* request,
                             v1::ListPipelinesResponse* response) override {
    absl::MutexLock lock(&state_->mutex);
    const grpc::Status status = state_->Enter(*request);
    response->set_next_page_token(
        Page(*request, state_->pipelines,
             [&](const v1::PipelineStatus& each) { *response->add_pipelines() = each; }));
    return status;
  }

  grpc::Status DeletePipeline(grpc::ServerContext*, const v1::DeletePipelineRequest* request,
                              v1::DeletePipelineResponse* response) override {
    absl::MutexLock lock(&state_->mutex);
    response->set_cancelled_jobs(request->cancel_jobs() ? 3 : 0);
    return state_->Enter(*request);
  }

  grpc::Status TestPipelines(grpc::ServerContext*, const v1::TestPipelinesRequest* request,
                             v1::TestPipelinesResponse* response) override {
    absl::MutexLock lock(&state_->mutex);
    *response = state_->verdicts;
    return state_->Enter(*request);
  }

 private:
  const std::shared_ptr<FakeState> state_;
};

class FakeCoordinator::Events : public v1::EventService::Service {
 public:
  explicit Events(std::shared_ptr<FakeState> state) : state_(std::move(state)) {}

  grpc::Status ListEvents(grpc::ServerContext*, const v1::ListEventsRequest* request,
                          v1::ListEventsResponse* response) override {
    absl::MutexLock lock(&state_->mutex);
    const grpc::Status status = state_->Enter(*request);
    const std::vector<v1::EventRecord> newest(state_->events.rbegin(), state_->events.rend());
    response->set_next_page_token(Page(
        *request, newest, [&](const v1::EventRecord& each) { *response->add_events() = each; }));
    return status;
  }

  grpc::Status WatchEvents(grpc::ServerContext* context, const v1::WatchEventsRequest*,
                           grpc::ServerWriter<v1::WatchEventsResponse>* writer) override {
    absl::MutexLock lock(&state_->mutex);
    ++state_->streams;
    size_t next = state_->events.size();
    int64_t seen = 0;
    do {
      seen = state_->change;
      for (; next < state_->events.size(); ++next) {
        if (state_->quiet_events.count(state_->events[next].id()) > 0) continue;
        v1::WatchEventsResponse response;
        *response.mutable_event() = state_->events[next];
        writer->Write(response);
      }
    } while (state_->AwaitChange(context, seen));
    return grpc::Status(grpc::StatusCode::UNAVAILABLE, "stopping");
  }

  grpc::Status FlushEvents(grpc::ServerContext*, const v1::FlushEventsRequest* request,
                           v1::FlushEventsResponse*) override {
    absl::MutexLock lock(&state_->mutex);
    const grpc::Status status = state_->Enter(*request);
    if (!status.ok() || !state_->flush_status.ok()) {
      return status.ok() ? ToGrpc(state_->flush_status) : status;
    }
    for (const v1::Job& job : std::exchange(state_->flushed_jobs, {})) state_->Put(job);
    return grpc::Status::OK;
  }

 private:
  const std::shared_ptr<FakeState> state_;
};

class FakeCoordinator::Fleet : public v1::FleetService::Service {
 public:
  explicit Fleet(std::shared_ptr<FakeState> state) : state_(std::move(state)) {}

  grpc::Status ListExecutors(grpc::ServerContext*, const v1::ListExecutorsRequest* request,
                             v1::ListExecutorsResponse* response) override {
    absl::MutexLock lock(&state_->mutex);
    const grpc::Status status = state_->Enter(*request);
    for (const auto& each : state_->executors) *response->add_executors() = each;
    return status;
  }

  // They have ended as soon as they are listed next.
  grpc::Status DrainExecutors(grpc::ServerContext*, const v1::DrainExecutorsRequest* request,
                              v1::DrainExecutorsResponse* response) override {
    absl::MutexLock lock(&state_->mutex);
    const grpc::Status status = state_->Enter(*request);
    for (const auto& each : std::exchange(state_->executors, {})) {
      const bool told = each.host() == request->names(0);
      if (told) *response->add_executors() = each;
      if (!told || state_->drained_stay) state_->executors.push_back(each);
    }
    return status;
  }

  grpc::Status ListWatchers(grpc::ServerContext*, const v1::ListWatchersRequest* request,
                            v1::ListWatchersResponse* response) override {
    absl::MutexLock lock(&state_->mutex);
    const grpc::Status status = state_->Enter(*request);
    for (const auto& each : state_->watchers) *response->add_watchers() = each;
    return status;
  }

  grpc::Status GetOverview(grpc::ServerContext*, const v1::GetOverviewRequest* request,
                           v1::GetOverviewResponse* response) override {
    absl::MutexLock lock(&state_->mutex);
    *response = state_->overview;
    return state_->Enter(*request);
  }

  grpc::Status GetVersion(grpc::ServerContext*, const v1::GetVersionRequest* request,
                          v1::GetVersionResponse* response) override {
    absl::MutexLock lock(&state_->mutex);
    *response = state_->version;
    return state_->Enter(*request);
  }

 private:
  const std::shared_ptr<FakeState> state_;
};

class FakeCoordinator::Store : public v1::StoreService::Service {
 public:
  explicit Store(std::shared_ptr<FakeState> state) : state_(std::move(state)) {}

  grpc::Status BackUpStore(grpc::ServerContext*, const v1::BackUpStoreRequest*,
                           grpc::ServerWriter<v1::BackUpStoreResponse>* writer) override {
    absl::MutexLock lock(&state_->mutex);
    ++state_->streams;
    v1::BackUpStoreResponse response;
    for (const std::string& part : state_->backup) {
      response.set_data(part);
      response.set_size(state_->backup_size);
      writer->Write(response);
      if (std::exchange(state_->backup_breaks, false)) {
        return grpc::Status(grpc::StatusCode::UNAVAILABLE, "restarting");
      }
    }
    return ToGrpc(state_->backup_status);
  }

 private:
  const std::shared_ptr<FakeState> state_;
};

FakeCoordinator::FakeCoordinator() { SetVersion("9.8.7", "memory"); }

void FakeCoordinator::Start() {
  {
    absl::MutexLock lock(&state_->mutex);
    state_->stopping = false;
  }
  services_.push_back(MakeFakeJobService(state_));
  services_.push_back(MakeFakeMonitorService(state_));
  services_.push_back(MakeFakeAlertService(state_));
  services_.push_back(MakeFakeAuditService(state_));
  services_.push_back(std::make_unique<Pipelines>(state_));
  services_.push_back(std::make_unique<Events>(state_));
  services_.push_back(std::make_unique<Fleet>(state_));
  services_.push_back(std::make_unique<Store>(state_));
  services_.push_back(locks_.MakeService(state_));
  grpc::ServerBuilder builder;
  builder.AddListeningPort(StrCat("127.0.0.1:", port_), grpc::InsecureServerCredentials(), &port_);
  for (const auto& service : services_) builder.RegisterService(service.get());
  server_ = builder.BuildAndStart();
}

void FakeCoordinator::Stop() {
  if (server_ == nullptr) return;
  {
    absl::MutexLock lock(&state_->mutex);
    state_->stopping = true;
  }
  server_->Shutdown(std::chrono::system_clock::time_point::min());
  server_.reset();
  services_.clear();
}

std::string FakeCoordinator::address() const { return StrCat("127.0.0.1:", port_); }

void FakeCoordinator::PutJob(const v1::Job& job) {
  absl::MutexLock lock(&state_->mutex);
  state_->Put(job);
}

void FakeCoordinator::PutAttempt(int64_t job_id, const v1::Attempt& attempt) {
  absl::MutexLock lock(&state_->mutex);
  state_->attempts[job_id].push_back(attempt);
}

void FakeCoordinator::AppendLog(int64_t job_id, int64_t token, const std::string& data,
                                v1::LogStream stream) {
  absl::MutexLock lock(&state_->mutex);
  v1::LogPart& part = state_->logs[{job_id, token}].emplace_back();
  part.set_data(data);
  part.set_stream(stream);
  part.mutable_time()->set_seconds(kLogTime +
                                   static_cast<int64_t>(state_->logs[{job_id, token}].size()));
  ++state_->change;
}

void FakeCoordinator::PutEvent(const v1::EventRecord& event) {
  absl::MutexLock lock(&state_->mutex);
  state_->events.push_back(event);
  ++state_->change;
}

void FakeCoordinator::PutEventQuietly(const v1::EventRecord& event) {
  absl::MutexLock lock(&state_->mutex);
  state_->events.push_back(event);
  state_->quiet_events.insert(event.id());
}

void FakeCoordinator::PutExecutor(const v1::ExecutorStatus& executor) {
  absl::MutexLock lock(&state_->mutex);
  state_->executors.push_back(executor);
}

void FakeCoordinator::KeepDrained() {
  absl::MutexLock lock(&state_->mutex);
  state_->drained_stay = true;
}

void FakeCoordinator::PutWatcher(const v1::WatcherStatus& watcher) {
  absl::MutexLock lock(&state_->mutex);
  state_->watchers.push_back(watcher);
}

void FakeCoordinator::PutIncident(const v1::Incident& incident) {
  absl::MutexLock lock(&state_->mutex);
  state_->incidents.push_back(incident);
}

void FakeCoordinator::PutMessage(const v1::Message& message) {
  absl::MutexLock lock(&state_->mutex);
  state_->messages.push_back(message);
}

void FakeCoordinator::PutAuditEntry(const v1::AuditEntry& entry) {
  absl::MutexLock lock(&state_->mutex);
  state_->audit.push_back(entry);
}

void FakeCoordinator::PutPipeline(const v1::PipelineStatus& pipeline) {
  absl::MutexLock lock(&state_->mutex);
  state_->pipelines.push_back(pipeline);
}

void FakeCoordinator::SetVerdicts(const v1::TestPipelinesResponse& verdicts) {
  absl::MutexLock lock(&state_->mutex);
  state_->verdicts = verdicts;
}

void FakeCoordinator::SetStory(const v1::ExplainResponse& story) {
  absl::MutexLock lock(&state_->mutex);
  state_->story = story;
}

void FakeCoordinator::FailCalls(int times, const absl::Status& status) {
  absl::MutexLock lock(&state_->mutex);
  state_->failures = times;
  state_->failure = status;
}

void FakeCoordinator::PutJobAtFlush(const v1::Job& job) {
  absl::MutexLock lock(&state_->mutex);
  state_->flushed_jobs.push_back(job);
}

void FakeCoordinator::SetFlushStatus(const absl::Status& status) {
  absl::MutexLock lock(&state_->mutex);
  state_->flush_status = status;
}

void FakeCoordinator::SetVersion(const std::string& version, const std::string& durability) {
  absl::MutexLock lock(&state_->mutex);
  state_->version.set_version(version);
  state_->version.set_durability(durability);
}

void FakeCoordinator::SetOverview(const v1::GetOverviewResponse& overview) {
  absl::MutexLock lock(&state_->mutex);
  state_->overview = overview;
}

void FakeCoordinator::SetReport(const v1::GetReportResponse& report) {
  absl::MutexLock lock(&state_->mutex);
  state_->report = report;
}

void FakeCoordinator::SetBackup(const std::vector<std::string>& parts, int64_t size) {
  absl::MutexLock lock(&state_->mutex);
  state_->backup = parts;
  state_->backup_size = size;
}

void FakeCoordinator::BreakBackup() {
  absl::MutexLock lock(&state_->mutex);
  state_->backup_breaks = true;
}

void FakeCoordinator::SetBackupStatus(const absl::Status& status) {
  absl::MutexLock lock(&state_->mutex);
  state_->backup_status = status;
}

void FakeCoordinator::MakeStuck(int64_t job_id) {
  absl::MutexLock lock(&state_->mutex);
  state_->stuck_jobs.insert(job_id);
}

void FakeCoordinator::LoseFile(const std::string& path) {
  absl::MutexLock lock(&state_->mutex);
  state_->gone_files.insert(path);
}

void FakeCoordinator::SetPageMax(size_t jobs) {
  absl::MutexLock lock(&state_->mutex);
  state_->page_max = jobs;
}

v1::Job FakeCoordinator::job(int64_t id) const {
  absl::MutexLock lock(&state_->mutex);
  return state_->jobs[id];
}

std::vector<std::string> FakeCoordinator::request_ids() const {
  absl::MutexLock lock(&state_->mutex);
  return state_->request_ids;
}

std::vector<std::string> FakeCoordinator::requests() const {
  absl::MutexLock lock(&state_->mutex);
  return state_->requests;
}

int FakeCoordinator::streams() const {
  absl::MutexLock lock(&state_->mutex);
  return state_->streams;
}

void FakeCoordinator::AwaitStreams(int count) const {
  absl::MutexLock lock(&state_->mutex);
  const auto enough = [&] { return state_->streams >= count; };
  state_->mutex.AwaitWithTimeout(absl::Condition(&enough), kAwaitMax);
}

}  // namespace closewrite::cli

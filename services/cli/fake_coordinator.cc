#include "services/cli/fake_coordinator.h"

#include <algorithm>
#include <chrono>
#include <set>
#include <utility>

#include "services/log/str_cat.h"
#include "services/transport/errors.h"

namespace closewrite::cli {
namespace {

// How often a stream that has nothing to say looks whether its caller is gone: gRPC's synchronous
// API tells by no signal.
constexpr absl::Duration kCancelPoll = absl::Milliseconds(20);
constexpr size_t kLogPieceBytes = 7;
constexpr absl::Duration kAwaitMax = absl::Seconds(30);

bool IsFinal(v1::JobState state) {
  return state == v1::JOB_STATE_SUCCEEDED || state == v1::JOB_STATE_FAILED ||
         state == v1::JOB_STATE_CANCELLED;
}

bool Passes(const v1::JobFilter& filter, const v1::Job& job) {
  const auto& ids = filter.job_ids();
  const auto& states = filter.states();
  if (!ids.empty() && std::find(ids.begin(), ids.end(), job.id()) == ids.end()) return false;
  if (!states.empty() && std::find(states.begin(), states.end(), job.state()) == states.end()) {
    return false;
  }
  if (!filter.pipeline().empty() && filter.pipeline() != job.pipeline()) return false;
  return filter.output_volume().empty() || filter.output_volume() == job.output_volume();
}

// Page tokens are positions.
template <class Request, class Elements, class Add>
std::string Page(const Request& request, const Elements& elements, Add add) {
  const size_t from = request.page_token().empty() ? 0 : std::stoul(request.page_token());
  const size_t size = request.page_size() == 0 ? 100 : static_cast<size_t>(request.page_size());
  const size_t end = std::min(elements.size(), from + size);
  for (size_t i = from; i < end; ++i) add(elements[i]);
  return end < elements.size() ? StrCat(end) : "";
}

}  // namespace

struct FakeCoordinator::State {
  mutable absl::Mutex mutex;
  bool stopping = false;
  int streams = 0;
  int64_t change = 0;  // rises with every change
  std::map<int64_t, v1::Job> jobs;
  std::map<int64_t, int64_t> job_changes;
  std::map<int64_t, std::vector<v1::Attempt>> attempts;
  std::map<std::pair<int64_t, int64_t>, std::string> logs;
  std::vector<v1::EventRecord> events;
  std::set<int64_t> quiet_events;
  std::vector<v1::ExecutorStatus> executors;
  std::vector<v1::WatcherStatus> watchers;
  std::vector<v1::PipelineStatus> pipelines;
  v1::TestPipelinesResponse verdicts;
  v1::ExplainResponse story;
  int failures = 0;
  absl::Status failure;
  std::vector<std::string> request_ids;
  std::vector<std::string> requests;

  void Put(const v1::Job& job) {
    jobs[job.id()] = job;
    job_changes[job.id()] = ++change;
  }

  // What every unary call does first: note it down, fail when asked to.
  grpc::Status Enter(const google::protobuf::Message& request) {
    requests.push_back(StrCat(request.GetDescriptor()->name(), " ", request.ShortDebugString()));
    const auto* field = request.GetDescriptor()->FindFieldByName("request_id");
    if (field != nullptr) {
      request_ids.push_back(request.GetReflection()->GetString(request, field));
    }
    if (failures == 0) return grpc::Status::OK;
    --failures;
    return ToGrpc(failure);
  }

  // Waits for something newer than `seen`; false when the stream is to end.
  bool AwaitChange(grpc::ServerContext* context, int64_t seen) {
    while (!stopping && !context->IsCancelled()) {
      if (change > seen) return true;
      const auto news = [&] { return stopping || change > seen; };
      mutex.AwaitWithTimeout(absl::Condition(&news), kCancelPoll);
    }
    return false;
  }
};

class FakeCoordinator::Jobs : public v1::JobService::Service {
 public:
  explicit Jobs(std::shared_ptr<State> state) : state_(std::move(state)) {}

  grpc::Status SubmitJobs(grpc::ServerContext*, const v1::SubmitJobsRequest* request,
                          v1::SubmitJobsResponse* response) override {
    absl::MutexLock lock(&state_->mutex);
    grpc::Status status = state_->Enter(*request);
    if (!status.ok()) return status;
    for (const v1::VolumePath& file : request->files()) {
      const auto existing = std::find_if(
          state_->jobs.begin(), state_->jobs.end(),
          [&](const auto& entry) { return entry.second.input().path() == file.path(); });
      if (existing != state_->jobs.end()) {
        *response->add_jobs() = existing->second;
        response->add_existing_job_ids(existing->first);
        continue;
      }
      v1::Job job;
      job.set_id(state_->jobs.empty() ? 1 : state_->jobs.rbegin()->first + 1);
      job.set_pipeline(request->pipeline().empty() ? "enrich" : request->pipeline());
      job.set_state(v1::JOB_STATE_AVAILABLE);
      job.mutable_input()->set_volume(file.volume());
      job.mutable_input()->set_path(file.path());
      state_->Put(job);
      *response->add_jobs() = job;
    }
    return grpc::Status::OK;
  }

  grpc::Status GetJob(grpc::ServerContext*, const v1::GetJobRequest* request,
                      v1::GetJobResponse* response) override {
    absl::MutexLock lock(&state_->mutex);
    grpc::Status status = state_->Enter(*request);
    if (!status.ok()) return status;
    const auto job = state_->jobs.find(request->job_id());
    if (job == state_->jobs.end()) return NoSuchJob(request->job_id());
    *response->mutable_job() = job->second;
    for (const auto& attempt : state_->attempts[job->first]) *response->add_attempts() = attempt;
    return grpc::Status::OK;
  }

  grpc::Status ListJobs(grpc::ServerContext*, const v1::ListJobsRequest* request,
                        v1::ListJobsResponse* response) override {
    absl::MutexLock lock(&state_->mutex);
    grpc::Status status = state_->Enter(*request);
    if (!status.ok()) return status;
    std::vector<v1::Job> jobs;
    for (auto job = state_->jobs.rbegin(); job != state_->jobs.rend(); ++job) {
      if (Passes(request->filter(), job->second)) jobs.push_back(job->second);
    }
    response->set_next_page_token(
        Page(*request, jobs, [&](const v1::Job& job) { *response->add_jobs() = job; }));
    return grpc::Status::OK;
  }

  grpc::Status WatchJobs(grpc::ServerContext* context, const v1::WatchJobsRequest* request,
                         grpc::ServerWriter<v1::WatchJobsResponse>* writer) override {
    absl::MutexLock lock(&state_->mutex);
    state_->requests.push_back("WatchJobsRequest " + request->ShortDebugString());
    for (const int64_t id : request->filter().job_ids()) {
      if (state_->jobs.count(id) == 0) return NoSuchJob(id);
    }
    ++state_->streams;
    int64_t seen = -1;
    bool first = true;
    do {
      for (const auto& [id, job] : state_->jobs) {
        if (state_->job_changes[id] <= seen || !Passes(request->filter(), job)) continue;
        v1::WatchJobsResponse response;
        *response.mutable_job() = job;
        writer->Write(response);
      }
      if (first) {
        v1::WatchJobsResponse response;
        response.set_snapshot_complete(true);
        writer->Write(response);
      }
      first = false;
      seen = state_->change;
    } while (state_->AwaitChange(context, seen));
    return grpc::Status(grpc::StatusCode::UNAVAILABLE, "stopping");
  }

  grpc::Status CancelJobs(grpc::ServerContext*, const v1::CancelJobsRequest* request,
                          v1::CancelJobsResponse* response) override {
    return Change(*request, response, v1::JOB_STATE_CANCELLED, request->reason());
  }

  grpc::Status RetryJobs(grpc::ServerContext*, const v1::RetryJobsRequest* request,
                         v1::RetryJobsResponse* response) override {
    return Change(*request, response, v1::JOB_STATE_AVAILABLE, "");
  }

  grpc::Status ReadLog(grpc::ServerContext* context, const v1::ReadLogRequest* request,
                       grpc::ServerWriter<v1::ReadLogResponse>* writer) override {
    absl::MutexLock lock(&state_->mutex);
    state_->requests.push_back("ReadLogRequest " + request->ShortDebugString());
    ++state_->streams;
    if (state_->jobs.count(request->job_id()) == 0) return NoSuchJob(request->job_id());
    int64_t token = request->token();
    if (token == 0) token = NextToken(request->job_id(), 0, true);
    size_t sent = 0;
    int64_t seen = -1;
    do {
      seen = state_->change;
      for (;;) {
        SendLog(request->job_id(), token, &sent, writer);
        const int64_t next = NextToken(request->job_id(), token, false);
        if (!request->follow() || next == token) break;
        token = next;
        sent = 0;
      }
      const bool final = IsFinal(state_->jobs[request->job_id()].state());
      if (!request->follow() || final) return grpc::Status::OK;
    } while (state_->AwaitChange(context, seen));
    return grpc::Status(grpc::StatusCode::UNAVAILABLE, "stopping");
  }

  grpc::Status Explain(grpc::ServerContext*, const v1::ExplainRequest* request,
                       v1::ExplainResponse* response) override {
    absl::MutexLock lock(&state_->mutex);
    grpc::Status status = state_->Enter(*request);
    *response = state_->story;
    return status;
  }

 private:
  static grpc::Status NoSuchJob(int64_t id) {
    return grpc::Status(grpc::StatusCode::NOT_FOUND, StrCat("no job has the id ", id));
  }

  // The attempt that has a log after `token`, or the newest of all.
  int64_t NextToken(int64_t job_id, int64_t token, bool newest) {
    int64_t found = token;
    for (const auto& [key, log] : state_->logs) {
      if (key.first != job_id || key.second <= found) continue;
      found = key.second;
      if (!newest) break;
    }
    return found;
  }

  void SendLog(int64_t job_id, int64_t token, size_t* sent,
               grpc::ServerWriter<v1::ReadLogResponse>* writer) {
    const std::string& log = state_->logs[{job_id, token}];
    while (*sent < log.size()) {
      v1::ReadLogResponse response;
      response.set_token(token);
      response.set_data(log.substr(*sent, kLogPieceBytes));
      *sent += response.data().size();
      writer->Write(response);
    }
  }

  template <class Request, class Response>
  grpc::Status Change(const Request& request, Response* response, v1::JobState state,
                      const std::string& message) {
    absl::MutexLock lock(&state_->mutex);
    grpc::Status status = state_->Enter(request);
    if (!status.ok()) return status;
    for (const int64_t id : request.job_ids()) {
      if (state_->jobs.count(id) == 0) return NoSuchJob(id);
    }
    for (const int64_t id : request.job_ids()) {
      v1::Job job = state_->jobs[id];
      job.set_state(state);
      job.set_message(message);
      state_->Put(job);
      *response->add_jobs() = job;
    }
    return grpc::Status::OK;
  }

  const std::shared_ptr<State> state_;
};

class FakeCoordinator::Pipelines : public v1::PipelineService::Service {
 public:
  explicit Pipelines(std::shared_ptr<State> state) : state_(std::move(state)) {}

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
  const std::shared_ptr<State> state_;
};

class FakeCoordinator::Events : public v1::EventService::Service {
 public:
  explicit Events(std::shared_ptr<State> state) : state_(std::move(state)) {}

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

 private:
  const std::shared_ptr<State> state_;
};

class FakeCoordinator::Fleet : public v1::FleetService::Service {
 public:
  explicit Fleet(std::shared_ptr<State> state) : state_(std::move(state)) {}

  grpc::Status ListExecutors(grpc::ServerContext*, const v1::ListExecutorsRequest* request,
                             v1::ListExecutorsResponse* response) override {
    absl::MutexLock lock(&state_->mutex);
    const grpc::Status status = state_->Enter(*request);
    for (const auto& each : state_->executors) *response->add_executors() = each;
    return status;
  }

  grpc::Status ListWatchers(grpc::ServerContext*, const v1::ListWatchersRequest* request,
                            v1::ListWatchersResponse* response) override {
    absl::MutexLock lock(&state_->mutex);
    const grpc::Status status = state_->Enter(*request);
    for (const auto& each : state_->watchers) *response->add_watchers() = each;
    return status;
  }

  grpc::Status GetVersion(grpc::ServerContext*, const v1::GetVersionRequest* request,
                          v1::GetVersionResponse* response) override {
    absl::MutexLock lock(&state_->mutex);
    response->set_version("9.8.7");
    response->set_durability("memory");
    return state_->Enter(*request);
  }

 private:
  const std::shared_ptr<State> state_;
};

std::shared_ptr<FakeCoordinator::State> FakeCoordinator::MakeState() {
  return std::make_shared<State>();
}

void FakeCoordinator::Start() {
  {
    absl::MutexLock lock(&state_->mutex);
    state_->stopping = false;
  }
  services_.push_back(std::make_unique<Jobs>(state_));
  services_.push_back(std::make_unique<Pipelines>(state_));
  services_.push_back(std::make_unique<Events>(state_));
  services_.push_back(std::make_unique<Fleet>(state_));
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

void FakeCoordinator::AppendLog(int64_t job_id, int64_t token, const std::string& data) {
  absl::MutexLock lock(&state_->mutex);
  state_->logs[{job_id, token}] += data;
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

void FakeCoordinator::PutWatcher(const v1::WatcherStatus& watcher) {
  absl::MutexLock lock(&state_->mutex);
  state_->watchers.push_back(watcher);
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

void FakeCoordinator::AwaitStreams(int count) const {
  absl::MutexLock lock(&state_->mutex);
  const auto enough = [&] { return state_->streams >= count; };
  state_->mutex.AwaitWithTimeout(absl::Condition(&enough), kAwaitMax);
}

}  // namespace closewrite::cli

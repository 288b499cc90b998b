#include "services/cli/fake_job_service.h"

#include <algorithm>
#include <utility>

#include "closewrite/v1/job.grpc.pb.h"
#include "services/volume/glob.h"

namespace closewrite::cli {
namespace {

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
  if (!filter.host().empty() && filter.host() != job.host()) return false;
  if (!filter.input_volume().empty() && filter.input_volume() != job.input().volume()) return false;
  if (filter.has_since() && job.created_at().seconds() < filter.since().seconds()) return false;
  if (!filter.match().empty()) {
    const auto glob = Glob::Parse(filter.match());
    if (!glob.ok() || !glob->Matches(job.input().path())) return false;
  }
  return filter.output_volume().empty() || filter.output_volume() == job.output_volume();
}

class FakeJobService : public v1::JobService::Service {
 public:
  explicit FakeJobService(std::shared_ptr<FakeState> state) : state_(std::move(state)) {}

  grpc::Status SubmitJobs(grpc::ServerContext*, const v1::SubmitJobsRequest* request,
                          v1::SubmitJobsResponse* response) override {
    absl::MutexLock lock(&state_->mutex);
    grpc::Status status = state_->Enter(*request);
    if (!status.ok()) return status;
    for (const v1::VolumePath& file : request->files()) {
      if (state_->gone_files.count(file.path()) == 0) continue;
      return grpc::Status(grpc::StatusCode::NOT_FOUND, StrCat(file.path(), " is gone"));
    }
    for (const v1::VolumePath& file : request->files()) {
      const auto existing = std::find_if(
          state_->jobs.begin(), state_->jobs.end(),
          [&](const auto& entry) { return entry.second.input().path() == file.path(); });
      if (existing != state_->jobs.end() && !request->again()) {
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
    v1::ListJobsRequest asked = *request;
    if (state_->page_max > 0) {
      asked.set_page_size(std::min(asked.page_size(), static_cast<int>(state_->page_max)));
    }
    response->set_next_page_token(
        Page(asked, jobs, [&](const v1::Job& job) { *response->add_jobs() = job; }));
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
    auto sent = static_cast<size_t>(request->offset());
    size_t skip = BytesBeforeTail(*request, token);
    int64_t seen = -1;
    do {
      seen = state_->change;
      for (;;) {
        SendLog(*request, token, &sent, &skip, writer);
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

  static bool Wants(const v1::ReadLogRequest& request, const v1::LogPart& part) {
    const auto& streams = request.streams();
    return streams.empty() ||
           std::find(streams.begin(), streams.end(), part.stream()) != streams.end();
  }

  // Of the wanted ones, before the lines that `tail_lines` asks for.
  size_t BytesBeforeTail(const v1::ReadLogRequest& request, int64_t token) {
    std::string text;
    for (const v1::LogPart& part : state_->logs[{request.job_id(), token}]) {
      if (Wants(request, part)) text += part.data();
    }
    if (request.tail_lines() == 0 || text.empty()) return 0;
    size_t at = text.size() - 1;  // a newline at the very end belongs to the last line
    for (int64_t lines = request.tail_lines(); lines > 0; --lines) {
      at = at == 0 ? std::string::npos : text.rfind('\n', at - 1);
      if (at == std::string::npos) return 0;
    }
    return at + 1;
  }

  // Offsets are numbers of parts.
  void SendLog(const v1::ReadLogRequest& request, int64_t token, size_t* sent, size_t* skip,
               grpc::ServerWriter<v1::ReadLogResponse>* writer) {
    const std::vector<v1::LogPart>& log = state_->logs[{request.job_id(), token}];
    for (; *sent < log.size(); ++*sent) {
      if (!Wants(request, log[*sent])) continue;
      v1::LogPart part = log[*sent];
      const size_t skipped = std::min(*skip, part.data().size());
      *skip -= skipped;
      part.mutable_data()->erase(0, skipped);
      if (part.data().empty()) continue;
      v1::ReadLogResponse response;
      response.set_token(token);
      response.set_next_offset(static_cast<int64_t>(*sent) + 1);
      if (request.parts()) {
        *response.add_parts() = std::move(part);
      } else {
        response.set_data(part.data());
      }
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
      if (state_->stuck_jobs.count(id) == 0) continue;
      return grpc::Status(grpc::StatusCode::FAILED_PRECONDITION, StrCat("job ", id, " is stuck"));
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

  const std::shared_ptr<FakeState> state_;
};

}  // namespace

std::unique_ptr<grpc::Service> MakeFakeJobService(std::shared_ptr<FakeState> state) {
  return std::make_unique<FakeJobService>(std::move(state));
}

}  // namespace closewrite::cli

#include "services/cli/fake_task_service.h"

#include <utility>

namespace closewrite::cli {
namespace {

class FakeTaskService : public v1::TaskService::Service {
 public:
  FakeTaskService(std::shared_ptr<FakeState> state, const std::vector<v1::TaskStatus>& tasks)
      : state_(std::move(state)) {
    for (const v1::TaskStatus& task : tasks) tasks_[task.task().name()] = task;
  }

  grpc::Status ApplyTasks(grpc::ServerContext*, const v1::ApplyTasksRequest* request,
                          v1::ApplyTasksResponse* response) override {
    absl::MutexLock lock(&state_->mutex);
    for (const v1::Task& task : request->tasks()) {
      const auto old = tasks_.find(task.name());
      if (old != tasks_.end() && request->must_be_new()) {
        return {grpc::StatusCode::ALREADY_EXISTS, StrCat("there is a task ", task.name())};
      }
      v1::TaskStatus status = old == tasks_.end() ? v1::TaskStatus() : old->second;
      *status.mutable_task() = task;
      status.set_version(status.version() + 1);
      response->add_effects(old == tasks_.end() ? v1::APPLY_EFFECT_CREATED
                                                : v1::APPLY_EFFECT_CHANGED);
      *response->add_tasks() = status;
      if (!request->dry_run()) tasks_[task.name()] = status;
    }
    return grpc::Status::OK;
  }

  grpc::Status ListTasks(grpc::ServerContext*, const v1::ListTasksRequest* request,
                         v1::ListTasksResponse* response) override {
    absl::MutexLock lock(&state_->mutex);
    std::vector<v1::TaskStatus> tasks;
    for (const auto& [name, task] : tasks_) tasks.push_back(task);
    response->set_next_page_token(
        Page(*request, tasks, [&](const v1::TaskStatus& each) { *response->add_tasks() = each; }));
    return grpc::Status::OK;
  }

  grpc::Status GetTask(grpc::ServerContext*, const v1::GetTaskRequest* request,
                       v1::GetTaskResponse* response) override {
    absl::MutexLock lock(&state_->mutex);
    if (tasks_.count(request->name()) == 0) return NoSuchTask(request->name());
    *response->mutable_task() = tasks_[request->name()];
    return grpc::Status::OK;
  }

  grpc::Status StartTasks(grpc::ServerContext*, const v1::StartTasksRequest* request,
                          v1::StartTasksResponse* response) override {
    return SetStarted(*request, true, response);
  }

  grpc::Status StopTasks(grpc::ServerContext*, const v1::StopTasksRequest* request,
                         v1::StopTasksResponse* response) override {
    return SetStarted(*request, false, response);
  }

  grpc::Status RemoveTask(grpc::ServerContext*, const v1::RemoveTaskRequest* request,
                          v1::RemoveTaskResponse*) override {
    absl::MutexLock lock(&state_->mutex);
    return tasks_.erase(request->name()) == 0 ? NoSuchTask(request->name()) : grpc::Status::OK;
  }

  // It has succeeded at once.
  grpc::Status RunTask(grpc::ServerContext*, const v1::RunTaskRequest* request,
                       v1::RunTaskResponse* response) override {
    absl::MutexLock lock(&state_->mutex);
    if (tasks_.count(request->name()) == 0) return NoSuchTask(request->name());
    v1::Job job;
    job.set_id(state_->jobs.empty() ? 1 : state_->jobs.rbegin()->first + 1);
    job.set_pipeline(StrCat("task/", request->name()));
    job.set_state(v1::JOB_STATE_SUCCEEDED);
    state_->Put(job);
    *response->mutable_job() = job;
    return grpc::Status::OK;
  }

 private:
  static grpc::Status NoSuchTask(const std::string& name) {
    return {grpc::StatusCode::NOT_FOUND,
            StrCat("there is no task ", name, "; `closewrite task list` lists those there are")};
  }

  template <class Request, class Response>
  grpc::Status SetStarted(const Request& request, bool started, Response* response) {
    absl::MutexLock lock(&state_->mutex);
    for (const std::string& name : request.names()) {
      if (tasks_.count(name) == 0) return NoSuchTask(name);
    }
    for (const std::string& name : request.names()) {
      tasks_[name].set_started(started);
      *response->add_tasks() = tasks_[name];
    }
    return grpc::Status::OK;
  }

  const std::shared_ptr<FakeState> state_;
  std::map<std::string, v1::TaskStatus> tasks_;  // guarded by state_->mutex
};

}  // namespace

std::unique_ptr<grpc::Service> MakeFakeTaskService(std::shared_ptr<FakeState> state,
                                                   const std::vector<v1::TaskStatus>& tasks) {
  return std::make_unique<FakeTaskService>(std::move(state), tasks);
}

}  // namespace closewrite::cli

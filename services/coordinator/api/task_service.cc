#include "services/coordinator/api/task_service.h"

#include <string>
#include <utility>
#include <vector>

#include "services/coordinator/api/answer_once.h"
#include "services/coordinator/api/apply_effect_view.h"
#include "services/coordinator/api/job_view.h"
#include "services/coordinator/api/page_token.h"
#include "services/coordinator/api/task_codec.h"
#include "services/coordinator/api/violations.h"
#include "services/coordinator/convert.h"
#include "services/log/str_cat.h"

namespace closewrite {
namespace {

// What people see of tasks, with everything that it takes to tell.
class View {
 public:
  // The newest run's job with why it waits, and `next_runs` times. None is owned.
  View(StoreReader* reader, const Fleet* fleet, absl::Time now, int next_runs)
      : reader_(*reader), fleet_(*fleet), now_(now), next_runs_(next_runs) {}

  absl::StatusOr<v1::TaskStatus> Show(const StoredTask& stored) const {
    absl::StatusOr<v1::Task> definition = ParseTaskDefinition(stored.definition);
    if (!definition.ok()) return definition.status();
    const absl::StatusOr<Task> task = DecodeStoredTask(stored.definition);
    v1::TaskStatus shown;
    *shown.mutable_task() = *std::move(definition);
    shown.set_version(stored.version);
    if (IsKnown(stored.applied_at)) SetTime(stored.applied_at, shown.mutable_applied_at());
    shown.set_started(stored.state.started);
    shown.set_runs(stored.state.runs);
    shown.set_failures(stored.state.failures);
    const std::optional<Job> last = NewestRun(stored.state);
    if (last.has_value()) *shown.mutable_last_run() = ShowJob(*last, fleet_, reader_, now_);
    if (!task.ok()) return shown;
    shown.set_crash_loop(CrashesInALoop(*task, stored.state));
    for (const absl::Time time : NextTimes(*task, stored.state, now_, next_runs_)) {
      SetTime(time, shown.add_next_runs());
    }
    return shown;
  }

 private:
  // The newest, or of those that wait in line the one that they wait for.
  std::optional<Job> NewestRun(const TaskState& state) const {
    if (state.last.value == 0) return std::nullopt;
    std::optional<Job> run = reader_.GetJob(state.last);
    for (int64_t i = 0; run.has_value() && run->after.value != 0 && i < kUnfinishedRunsMax; ++i) {
      std::optional<Job> before = reader_.GetJob(run->after);
      if (!before.has_value() || IsFinal(before->state)) break;
      run = std::move(before);
    }
    return run;
  }

  StoreReader& reader_;
  const Fleet& fleet_;
  const absl::Time now_;
  const int next_runs_;
};

absl::StatusOr<std::vector<std::string>> DecodeNames(
    const google::protobuf::RepeatedPtrField<std::string>& names) {
  if (names.empty() || names.size() > kTasksPerRequestMax) {
    return WrongField("names",
                      StrCat("has ", names.size(), " names; give 1 to ", kTasksPerRequestMax));
  }
  return std::vector<std::string>(names.begin(), names.end());
}

// As they are at the end of the change.
template <class Response>
absl::Status AddTasks(const std::vector<std::string>& names, Engine& engine, StoreTransaction& tx,
                      absl::Time now, Response* answer) {
  const View view(&tx, &engine.fleet(), now, 1);
  for (const std::string& name : names) {
    const std::optional<StoredTask> stored = tx.GetTask(name);
    if (!stored.has_value()) continue;
    absl::StatusOr<v1::TaskStatus> shown = view.Show(*stored);
    if (!shown.ok()) return shown.status();
    *answer->add_tasks() = *std::move(shown);
  }
  return absl::OkStatus();
}

}  // namespace

grpc::ServerUnaryReactor* TaskService::ApplyTasks(grpc::CallbackServerContext* context,
                                                  const v1::ApplyTasksRequest* request,
                                                  v1::ApplyTasksResponse* response) {
  absl::StatusOr<std::vector<Task>> tasks = DecodeTasks(request->tasks());
  if (!tasks.ok()) return Answer(context, tasks.status());
  const bool dry_run = request->dry_run();
  return AnswerOnce<v1::ApplyTasksResponse>(
      api_, context, dry_run ? "" : "ApplyTasks", *request, response,
      [tasks = *std::move(tasks), dry_run, must_be_new = request->must_be_new(),
       &routes = alert_routes_](Engine& engine, StoreTransaction& tx, absl::Time now,
                                v1::ApplyTasksResponse* answer) {
        absl::StatusOr<std::vector<ApplyEffect>> effects =
            engine.tasks().Apply(tx, tasks, must_be_new, dry_run, now);
        if (!effects.ok()) return effects.status();
        const View view(&tx, &engine.fleet(), now, 1);
        for (size_t i = 0; i < tasks.size(); ++i) {
          StoredTask stored = tx.GetTask(tasks[i].name).value_or(StoredTask{});
          stored.definition = tasks[i].run.definition;
          absl::StatusOr<v1::TaskStatus> shown = view.Show(stored);
          if (!shown.ok()) return shown.status();
          *answer->add_tasks() = *std::move(shown);
          answer->add_effects(ToProto((*effects)[i]));
          const std::string trouble = AlertTrouble(tasks[i].run, routes);
          if (!trouble.empty()) {
            answer->add_warnings(StrCat("task ", tasks[i].name, ": ", trouble));
          }
        }
        return absl::OkStatus();
      });
}

grpc::ServerUnaryReactor* TaskService::ListTasks(grpc::CallbackServerContext* context,
                                                 const v1::ListTasksRequest* request,
                                                 v1::ListTasksResponse* response) {
  return Answer(context, List(*request, response));
}

absl::Status TaskService::List(const v1::ListTasksRequest& request,
                               v1::ListTasksResponse* response) {
  const std::string scope = "ListTasks";
  absl::StatusOr<PageRequest> page = OpenPage(scope, request.page_size(), request.page_token());
  if (!page.ok()) return page.status();
  const Fleet fleet = CopyFleet(loop_);
  const absl::Time local = loop_.clock().Now();
  return loop_.store().Read([&](StoreReader& reader) {
    const View view(&reader, &fleet, reader.Now(local), 1);
    PageFill fill(*page);
    // One more tells whether there is a next page.
    for (const StoredTask& stored : reader.ListTasks(page->cursor, page->rows + 1)) {
      if (fill.full()) {
        const std::string& last = response->tasks().rbegin()->task().name();
        response->set_next_page_token(NextPageToken(scope, last));
        break;
      }
      absl::StatusOr<v1::TaskStatus> shown = view.Show(stored);
      if (!shown.ok()) return shown.status();
      fill.Add(*shown);
      *response->add_tasks() = *std::move(shown);
    }
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* TaskService::GetTask(grpc::CallbackServerContext* context,
                                               const v1::GetTaskRequest* request,
                                               v1::GetTaskResponse* response) {
  return Answer(context, Get(*request, response));
}

absl::Status TaskService::Get(const v1::GetTaskRequest& request, v1::GetTaskResponse* response) {
  const Fleet fleet = CopyFleet(loop_);
  const absl::Time local = loop_.clock().Now();
  return loop_.store().Read([&](StoreReader& reader) {
    const std::optional<StoredTask> stored = reader.GetTask(request.name());
    if (!stored.has_value()) {
      return absl::NotFoundError(StrCat("there is no task ", request.name(),
                                        "; `closewrite task list` lists those there are"));
    }
    absl::StatusOr<v1::TaskStatus> shown =
        View(&reader, &fleet, reader.Now(local), kNextRunsShown).Show(*stored);
    if (shown.ok()) *response->mutable_task() = *std::move(shown);
    return shown.status();
  });
}

grpc::ServerUnaryReactor* TaskService::StartTasks(grpc::CallbackServerContext* context,
                                                  const v1::StartTasksRequest* request,
                                                  v1::StartTasksResponse* response) {
  absl::StatusOr<std::vector<std::string>> names = DecodeNames(request->names());
  if (!names.ok()) return Answer(context, names.status());
  return AnswerOnce<v1::StartTasksResponse>(
      api_, context, "StartTasks", *request, response,
      [names = *std::move(names)](Engine& engine, StoreTransaction& tx, absl::Time now,
                                  v1::StartTasksResponse* answer) {
        if (absl::Status s = engine.tasks().Start(tx, names, now); !s.ok()) return s;
        return AddTasks(names, engine, tx, now, answer);
      });
}

grpc::ServerUnaryReactor* TaskService::StopTasks(grpc::CallbackServerContext* context,
                                                 const v1::StopTasksRequest* request,
                                                 v1::StopTasksResponse* response) {
  absl::StatusOr<std::vector<std::string>> names = DecodeNames(request->names());
  if (!names.ok()) return Answer(context, names.status());
  return AnswerOnce<v1::StopTasksResponse>(
      api_, context, "StopTasks", *request, response,
      [names = *std::move(names)](Engine& engine, StoreTransaction& tx, absl::Time now,
                                  v1::StopTasksResponse* answer) {
        if (absl::Status s = engine.tasks().Stop(tx, names, now); !s.ok()) return s;
        return AddTasks(names, engine, tx, now, answer);
      });
}

grpc::ServerUnaryReactor* TaskService::RemoveTask(grpc::CallbackServerContext* context,
                                                  const v1::RemoveTaskRequest* request,
                                                  v1::RemoveTaskResponse* response) {
  return AnswerOnce<v1::RemoveTaskResponse>(
      api_, context, "RemoveTask", *request, response,
      [name = request->name()](Engine& engine, StoreTransaction& tx, absl::Time now,
                               v1::RemoveTaskResponse*) {
        return engine.tasks().Remove(tx, name, now);
      });
}

grpc::ServerUnaryReactor* TaskService::RunTask(grpc::CallbackServerContext* context,
                                               const v1::RunTaskRequest* request,
                                               v1::RunTaskResponse* response) {
  return AnswerOnce<v1::RunTaskResponse>(
      api_, context, "RunTask", *request, response,
      [name = request->name()](Engine& engine, StoreTransaction& tx, absl::Time now,
                               v1::RunTaskResponse* answer) {
        absl::StatusOr<Job> run = engine.tasks().Run(tx, name, now);
        if (run.ok()) *answer->mutable_job() = ShowJob(*run, engine.fleet(), tx, now);
        return run.status();
      });
}

}  // namespace closewrite

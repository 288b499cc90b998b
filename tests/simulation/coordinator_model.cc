#include "tests/simulation/coordinator_model.h"

#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"

namespace closewrite::simulation {
namespace {

std::string RandomId(World& world) {
  return absl::StrFormat("%016x%016x", world.random().Next(), world.random().Next());
}

std::string Encode(const std::vector<JobId>& jobs) {
  return absl::StrJoin(jobs, ",",
                       [](std::string* out, JobId id) { absl::StrAppend(out, id.value); });
}

std::vector<JobId> Decode(const std::string& text) {
  std::vector<JobId> jobs;
  for (const absl::string_view part : absl::StrSplit(text, ',', absl::SkipEmpty())) {
    JobId id;
    if (absl::SimpleAtoi(part, &id.value)) jobs.push_back(id);
  }
  return jobs;
}

absl::Status IdsOf(const absl::StatusOr<std::vector<Job>>& changed, std::vector<JobId>& jobs) {
  if (!changed.ok()) return changed.status();
  for (const Job& job : *changed) jobs.push_back(job.id);
  return absl::OkStatus();
}

}  // namespace

// All that a process has in memory.
struct CoordinatorModel::Process {
  Engine engine;
  StoreLoopModel loop;
  AttendModel attend;
  ObserveModel observe;

  Process(Engine::Options engine_options, StoreLoopModel::Options loop_options,
          AttendModel::Options attend_options)
      : engine(std::move(engine_options)),
        loop([&] {
          loop_options.engine = &engine;
          return std::move(loop_options);
        }()),
        attend([&] {
          attend_options.loop = &loop;
          attend_options.engine = &engine;
          return std::move(attend_options);
        }()),
        observe(&loop) {}
};

CoordinatorModel::CoordinatorModel(Options options)
    : options_(std::move(options)),
      part_(options_.world, options_.name),
      host_(options_.network->AddHost()),
      store_(options_.store, options_.disk, options_.lies, options_.on_commit) {}

Engine::Options CoordinatorModel::EngineOptions() {
  World* const world = options_.world;
  const bool no_locks = options_.plant == Plant::kIgnoreLock;
  return {.self = RandomId(*world),
          .shared = store_.shared(),
          .session_ttl = options_.session_ttl,
          .random = [world] { return world->random().Fraction(); },
          .new_session_id = [world] { return RandomId(*world); },
          .decode_pipeline = [definitions = options_.definitions,
                              no_locks](std::string_view text) -> absl::StatusOr<Pipeline> {
            const auto found = definitions->find(std::string(text));
            if (found == definitions->end()) return absl::NotFoundError("no such definition");
            Pipeline pipeline = found->second;
            if (no_locks) pipeline.locks.clear();
            return pipeline;
          },
          .decode_task = [definitions = options_.task_definitions,
                          no_locks](std::string_view text) -> absl::StatusOr<Task> {
            const auto found = definitions->find(std::string(text));
            if (found == definitions->end()) return absl::NotFoundError("no such definition");
            Task task = found->second;
            if (no_locks) task.run.locks.clear();
            return task;
          }};
}

void CoordinatorModel::Start() {
  if (part_.up()) return;
  part_.Start();
  options_.world->Note(part_.name(), "starts");
  process_ = std::make_shared<Process>(
      EngineOptions(),
      StoreLoopModel::Options{.world = options_.world,
                              .part = &part_,
                              .store = &store_,
                              .tell =
                                  [this](const Effects& effects) {
                                    process_->attend.OnChange(effects);
                                    process_->observe.OnChange(effects);
                                  },
                              .notify = options_.notify_others,
                              .crash =
                                  [this] {
                                    options_.world->After(absl::ZeroDuration(), nullptr,
                                                          [this] { options_.crash(this); });
                                  },
                              .answer_before_commit = options_.plant == Plant::kAnswerBeforeCommit},
      AttendModel::Options{.heard = options_.on_heard,
                           .skip_token_check = options_.plant == Plant::kSkipTokenCheck,
                           .renew_for_ever = options_.plant == Plant::kNeverExpire});
  process_->loop.Start();
}

void CoordinatorModel::Crash() {
  if (!part_.up()) return;
  options_.world->Note(part_.name(), "crashes");
  part_.Crash();
  options_.network->Died(part_);
  process_.reset();
}

void CoordinatorModel::OnNotice(const News& news) {
  if (part_.up()) process_->loop.OnNotice(news);
}

void CoordinatorModel::Attend(const std::shared_ptr<AttendStream>& stream) {
  process_->attend.Accept(stream);
}

void CoordinatorModel::Observe(const std::shared_ptr<ObserveStream>& stream) {
  process_->observe.Accept(stream);
}

absl::Status CoordinatorModel::Do(const Call& call, Engine& engine, StoreTransaction& tx,
                                  absl::Time now, std::vector<JobId>& jobs) const {
  if (const auto* submit = std::get_if<SubmitCall>(&call.what)) {
    const auto made =
        engine.desk().Submit(tx, submit->pipeline, {{submit->volume, submit->path}}, {}, now);
    if (!made.ok()) return made.status();
    for (const Intake::Made& each : *made) jobs.push_back(each.job.id);
    return absl::OkStatus();
  }
  if (const auto* cancel = std::get_if<CancelCall>(&call.what)) {
    return IdsOf(engine.desk().CancelJobs(tx, {cancel->job}, "", now), jobs);
  }
  if (const auto* retry = std::get_if<RetryCall>(&call.what)) {
    return IdsOf(engine.desk().RetryJobs(tx, {retry->job}, retry->redrive, now), jobs);
  }
  if (const auto* apply = std::get_if<ApplyCall>(&call.what)) {
    Pipeline pipeline = apply->pipeline;
    if (options_.plant == Plant::kIgnoreLock) pipeline.locks.clear();
    return engine.desk().ApplyPipelines(tx, {std::move(pipeline)}, false, now).status();
  }
  if (const auto* erase = std::get_if<DeleteCall>(&call.what)) {
    return engine.desk().DeletePipeline(tx, erase->pipeline, erase->cancel_jobs, now).status();
  }
  if (const auto* apply = std::get_if<ApplyTaskCall>(&call.what)) {
    return engine.tasks().Apply(tx, {apply->task}, false, false, now).status();
  }
  if (const auto* task = std::get_if<TaskCall>(&call.what)) {
    return DoTask(*task, engine.tasks(), tx, now, jobs);
  }
  engine.dispatch().Bury(tx, std::get<BuryCall>(call.what).session, now);
  return absl::OkStatus();
}

// A claim is told as it is before locks are given at the end of the transaction.
absl::Status CoordinatorModel::DoLock(const LockCall& call, Engine& engine, StoreTransaction& tx,
                                      absl::Time now, CallAnswer& answer) {
  answer.claim.reset();
  if (call.wish == LockCall::Wish::kRelease) {
    engine.locks().Release(tx, call.lock, call.session);
    return absl::OkStatus();
  }
  const LockClaim wanted{.lock = call.lock, .holder = call.session, .priority = call.priority};
  if (absl::Status s = engine.locks().Ask(tx, {.claim = wanted}, now); !s.ok()) return s;
  const LockClaim* const claim = engine.fleet().locks.FindClaim(call.lock, call.session);
  if (claim != nullptr) answer.claim = *claim;
  return absl::OkStatus();
}

absl::Status CoordinatorModel::DoTask(const TaskCall& call, TaskBook& book, StoreTransaction& tx,
                                      absl::Time now, std::vector<JobId>& jobs) {
  switch (call.wish) {
    case TaskCall::Wish::kStart:
      return book.Start(tx, {call.task}, now);
    case TaskCall::Wish::kStop:
      return book.Stop(tx, {call.task}, now);
    case TaskCall::Wish::kRemove:
      return book.Remove(tx, call.task, now);
    case TaskCall::Wish::kRun:
      break;
  }
  const absl::StatusOr<Job> run = book.Run(tx, call.task, now);
  if (run.ok()) jobs.push_back(run->id);
  return run.status();
}

void CoordinatorModel::Serve(const Call& call, std::function<void(const CallAnswer&)> answer) {
  auto given = std::make_shared<CallAnswer>();
  process_->loop.Submit(
      [this, call, given](Engine& engine, StoreTransaction& tx, absl::Time now) -> absl::Status {
        if (const auto* lock = std::get_if<LockCall>(&call.what)) {
          return DoLock(*lock, engine, tx, now, *given);
        }
        std::vector<JobId>& jobs = given->jobs;
        jobs.clear();
        if (call.request_id.empty()) return Do(call, engine, tx, now, jobs);
        if (const std::optional<std::string> recorded = tx.FindRequest(call.request_id)) {
          jobs = Decode(*recorded);
          return absl::OkStatus();
        }
        absl::Status done = Do(call, engine, tx, now, jobs);
        if (done.ok()) tx.RecordRequest(call.request_id, Encode(jobs), now);
        return done;
      },
      [given, answer = std::move(answer)](const absl::Status& status) {
        given->status = status;
        answer(*given);
      });
}

}  // namespace closewrite::simulation

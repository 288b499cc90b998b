#include "tests/simulation/simulation.h"

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "services/coordinator/store/fake_store.h"
#include "tests/simulation/checker.h"
#include "tests/simulation/coordinator_model.h"
#include "tests/simulation/dial.h"
#include "tests/simulation/disk.h"
#include "tests/simulation/executor_model.h"
#include "tests/simulation/faults.h"
#include "tests/simulation/network.h"
#include "tests/simulation/program_model.h"
#include "tests/simulation/scenario.h"
#include "tests/simulation/store_lies.h"
#include "tests/simulation/user_model.h"
#include "tests/simulation/watcher_model.h"

namespace closewrite::simulation {
namespace {

// After the storm everything ends within this, and so much for each job that is left.
constexpr absl::Duration kCalmMax = absl::Seconds(120);
constexpr absl::Duration kCalmPerJob = absl::Milliseconds(400);
// Sessions and watchers that are gone are noticed within this.
constexpr absl::Duration kSettle = absl::Seconds(20);
// What was still on its way when the last call was answered has come after this.
constexpr absl::Duration kOnItsWayMax = absl::Seconds(3);
// Files that a simulation may wait for before it begins.
constexpr absl::Duration kPrepareMax = absl::Seconds(120);
// Rounds of jobs that are done again by hand after the storm.
constexpr int kRedrivesMax = 10;

class Run {
 public:
  Run(uint64_t seed, Plant plant, bool keep_trace);
  RunResult Go();

 private:
  void MakeCoordinators();
  void MakeHosts();
  void MakePrograms();
  bool Prepare();
  bool Storm();
  bool Night();
  bool TasksGoOn();
  bool StopTasks();
  bool Calm();
  bool Redrive();
  bool Pause(absl::Duration pause);
  absl::Duration CalmDeadline() const;
  // Lets things happen until `done`. False when a check failed, or it took too long.
  template <class Condition>
  bool Until(absl::Duration deadline, const std::string& what, Condition done);
  void Sample();
  bool Still() { return Stuck().empty(); }
  std::string Stuck();
  bool CallsAreOpen() const;
  void Notify(size_t from, const News& news);

  const Scenario scenario_;
  const Plant plant_;
  World world_;
  Network network_;
  FakeStore store_;
  Disk disk_;
  StoreLies lies_;
  Definitions definitions_;
  TaskDefinitions task_definitions_;
  Checker checker_;
  bool calm_ = false;
  std::vector<std::unique_ptr<CoordinatorModel>> coordinators_;
  std::unique_ptr<Dial> dial_;
  std::vector<std::unique_ptr<WatcherModel>> watchers_;
  std::map<std::string, VolumeModel*> volumes_;
  std::vector<std::unique_ptr<ExecutorModel>> executors_;
  std::vector<std::unique_ptr<UserModel>> users_;
  std::vector<std::unique_ptr<ProgramModel>> programs_;
  std::unique_ptr<Faults> faults_;
};

Run::Run(uint64_t seed, Plant plant, bool keep_trace)
    : scenario_(MakeScenario(seed)),
      plant_(plant),
      world_(seed, keep_trace),
      network_(&world_, scenario_.network_slowness),
      store_(scenario_.shared),
      disk_(&world_, scenario_.shared, scenario_.disk),
      lies_(&world_, scenario_.skipped_rows, plant),
      checker_({.world = &world_,
                .store = &store_,
                .definitions = &definitions_,
                .task_definitions = &task_definitions_,
                .session_ttl = scenario_.session_ttl}) {
  for (const Pipeline& pipeline : scenario_.pipelines) definitions_[pipeline.definition] = pipeline;
  for (const Task& task : scenario_.tasks) task_definitions_[task.run.definition] = task;
  MakeCoordinators();
  MakeHosts();
  MakePrograms();
  Faults::Options options{
      .world = &world_, .network = &network_, .disk = &disk_, .scenario = &scenario_};
  for (const auto& each : coordinators_) options.coordinators.push_back(each.get());
  for (const auto& each : executors_) options.executors.push_back(each.get());
  for (const auto& each : watchers_) options.watchers.push_back(each.get());
  faults_ = std::make_unique<Faults>(std::move(options));
}

void Run::MakeCoordinators() {
  std::vector<CoordinatorApi*> all;
  for (int i = 0; i < scenario_.coordinators; ++i) {
    coordinators_.push_back(std::make_unique<CoordinatorModel>(CoordinatorModel::Options{
        .name = absl::StrCat("C", i),
        .world = &world_,
        .network = &network_,
        .store = &store_,
        .disk = &disk_,
        .lies = &lies_,
        .definitions = &definitions_,
        .task_definitions = &task_definitions_,
        .session_ttl = scenario_.session_ttl,
        .plant = plant_,
        .on_commit = [this](const Changes& changes) { checker_.OnCommit(changes); },
        .on_heard = [this](const SessionId& session) { checker_.OnHeard(session); },
        .notify_others = [this, i](const News& news) { Notify(static_cast<size_t>(i), news); },
        .crash = [this](CoordinatorModel* coordinator) { faults_->Crash(coordinator); }}));
    all.push_back(coordinators_.back().get());
  }
  dial_ = std::make_unique<Dial>(&network_, std::move(all));
}

// Notices come late, twice, or not at all.
void Run::Notify(size_t from, const News& news) {
  const std::string notice = EncodeNews(news, kNoticeBytesMax);
  for (size_t to = 0; to < coordinators_.size(); ++to) {
    if (to == from || world_.random().Chance(scenario_.lost_notices)) continue;
    for (int copies = world_.random().Chance(0.05) ? 2 : 1; copies > 0; --copies) {
      world_.After(network_.Delay(), coordinators_[to]->end().part,
                   [this, to, notice] { coordinators_[to]->OnNotice(DecodeNews(notice)); });
    }
  }
}

void Run::MakeHosts() {
  for (int i = 0; i < scenario_.watchers; ++i) {
    watchers_.push_back(
        std::make_unique<WatcherModel>(WatcherModel::Options{.name = absl::StrCat("W", i),
                                                             .world = &world_,
                                                             .network = &network_,
                                                             .dial = dial_.get(),
                                                             .witness = &checker_,
                                                             .plant = plant_}));
  }
  for (const VolumePlan& plan : scenario_.volumes) {
    volumes_[plan.name] = watchers_[static_cast<size_t>(plan.watcher)]->AddVolume(plan.name);
  }
  for (size_t i = 0; i < scenario_.executors.size(); ++i) {
    executors_.push_back(
        std::make_unique<ExecutorModel>(ExecutorModel::Options{.name = absl::StrCat("E", i),
                                                               .plan = scenario_.executors[i],
                                                               .world = &world_,
                                                               .network = &network_,
                                                               .dial = dial_.get(),
                                                               .volumes = &volumes_,
                                                               .scenario = &scenario_,
                                                               .calm = &calm_,
                                                               .witness = &checker_,
                                                               .plant = plant_}));
  }
  for (int i = 0; i < scenario_.users; ++i) {
    users_.push_back(
        std::make_unique<UserModel>(UserModel::Options{.name = absl::StrCat("U", i),
                                                       .world = &world_,
                                                       .network = &network_,
                                                       .dial = dial_.get(),
                                                       .store = &store_,
                                                       .volumes = &volumes_,
                                                       .scenario = &scenario_,
                                                       .definitions = &definitions_,
                                                       .task_definitions = &task_definitions_,
                                                       .witness = &checker_}));
  }
}

void Run::MakePrograms() {
  for (int i = 0; i < scenario_.programs; ++i) {
    programs_.push_back(
        std::make_unique<ProgramModel>(ProgramModel::Options{.name = absl::StrCat("program", i),
                                                             .world = &world_,
                                                             .network = &network_,
                                                             .dial = dial_.get(),
                                                             .witness = &checker_,
                                                             .session_ttl = scenario_.session_ttl,
                                                             .plant = plant_}));
  }
}

template <class Condition>
bool Run::Until(absl::Duration deadline, const std::string& what, Condition done) {
  while (!done()) {
    if (world_.failure().has_value()) return false;
    if (world_.now() > deadline) {
      world_.Fail("liveness", absl::StrCat(what, " took too long: ", Stuck()));
      return false;
    }
    world_.Step();
  }
  return !world_.failure().has_value();
}

void Run::Sample() {
  checker_.Sample(faults_->quiet_since());
  world_.After(absl::Seconds(1), nullptr, [this] { Sample(); });
}

bool Run::Prepare() {
  for (const auto& each : coordinators_) each->Start();
  for (const auto& each : watchers_) each->Start();
  for (const auto& each : executors_) each->Start();
  Sample();
  size_t applied = 0;
  for (const Pipeline& pipeline : scenario_.pipelines) {
    users_[0]->Ask({.request_id = pipeline.definition, .what = ApplyCall{pipeline}},
                   [&applied](const CallAnswer&) { ++applied; });
  }
  for (const Task& task : scenario_.tasks) {
    users_[0]->Ask({.request_id = task.run.definition, .what = ApplyTaskCall{task}},
                   [this, &applied, name = task.name](const CallAnswer&) {
                     ++applied;
                     users_[0]->Ask({.request_id = absl::StrCat("first start of ", name),
                                     .what = TaskCall{TaskCall::Wish::kStart, name}},
                                    [](const CallAnswer&) {});
                   });
  }
  return Until(kPrepareMax, "applying pipelines and tasks",
               [&] { return applied == scenario_.pipelines.size() + scenario_.tasks.size(); });
}

bool Run::Storm() {
  faults_->Start();
  lies_.Begin(scenario_.pipelines, scenario_.storm);
  for (const auto& user : users_) user->Start();
  for (const auto& program : programs_) program->Start();
  const absl::Duration end = world_.now() + scenario_.storm;
  if (!Until(end + absl::Seconds(1), "the storm", [&] { return world_.now() >= end; }))
    return false;
  for (const auto& user : users_) user->Stop();
  for (const auto& program : programs_) program->Stop();
  if (!Night()) return false;
  faults_->Stop();
  calm_ = true;
  return true;
}

// Long enough that due times are missed.
bool Run::Night() {
  if (scenario_.night == absl::ZeroDuration()) return true;
  faults_->Sleep(scenario_.night);
  return Pause(scenario_.night);
}

bool Run::Pause(absl::Duration pause) {
  const absl::Duration end = world_.now() + pause;
  return Until(end + absl::Seconds(1), "a pause", [&] { return world_.now() >= end; });
}

// What is left to be done; "" when nothing is.
std::string Run::Stuck() {
  if (!checker_.unfinished().empty()) return checker_.Describe(*checker_.unfinished().begin());
  if (CallsAreOpen()) return "a call is not answered";
  for (const auto& program : programs_) {
    const std::string busy = program->Busy();
    if (!busy.empty()) return absl::StrCat("a program: ", busy);
  }
  for (const auto& watcher : watchers_) {
    const std::string busy = watcher->Busy();
    if (!busy.empty()) return absl::StrCat(watcher->part().name(), ": ", busy);
  }
  return "";
}

bool Run::CallsAreOpen() const {
  return std::any_of(users_.begin(), users_.end(),
                     [](const auto& user) { return user->open_calls() > 0; });
}

absl::Duration Run::CalmDeadline() const {
  return world_.now() + kCalmMax + kCalmPerJob * static_cast<double>(checker_.unfinished().size());
}

// Now that nobody calls any more, whatever is started runs again.
bool Run::TasksGoOn() {
  const absl::Duration deadline = CalmDeadline();
  const auto quiet = [this] { return !CallsAreOpen() && faults_->quiet_since() <= world_.now(); };
  if (!Until(deadline, "answering calls", quiet) || !Pause(kOnItsWayMax)) return false;
  checker_.tasks().ExpectRuns();
  while (!checker_.tasks().Idle().empty()) {
    if (world_.failure().has_value()) return false;
    if (world_.now() > deadline) {
      world_.Fail("liveness", absl::StrCat("task ", checker_.tasks().Idle(), " does not run"));
      return false;
    }
    world_.Step();
  }
  return true;
}

bool Run::StopTasks() {
  for (const Task& task : scenario_.tasks) {
    users_[0]->Ask({.request_id = absl::StrCat("last stop of ", task.name),
                    .what = TaskCall{TaskCall::Wish::kStop, task.name}},
                   [](const CallAnswer&) {});
  }
  return Until(CalmDeadline(), "stopping tasks", [this] { return !CallsAreOpen(); });
}

bool Run::Calm() {
  const absl::Duration deadline = CalmDeadline();
  // Published results may make further jobs, after a moment.
  for (bool still = false; !still;) {
    if (!Until(deadline, "coming to rest", [this] { return Still(); })) return false;
    if (!Pause(absl::Seconds(3))) return false;
    still = Still();
  }
  return true;
}

// Whatever did not succeed and could, does when it is asked for now.
bool Run::Redrive() {
  for (int round = 0; round < kRedrivesMax; ++round) {
    const std::vector<JobId> ids = checker_.NotSucceeded(volumes_);
    if (ids.empty()) return true;
    for (const JobId id : ids) {
      users_[0]->Ask({.request_id = absl::StrCat("redrive ", round, ":", id.value),
                      .what = RetryCall{id, true}},
                     [](const CallAnswer&) {});
    }
    if (!Calm()) return false;
  }
  return true;
}

RunResult Run::Go() {
  const bool has_tasks = !scenario_.tasks.empty();
  if (Prepare() && Storm() && (!has_tasks || (TasksGoOn() && StopTasks())) && Calm()) {
    checker_.AuditJobs();
    if (!world_.failure().has_value() && Redrive()) {
      // Once more for what an audit has told meanwhile: the file of a job that was cancelled may
      // have been given other times before.
      if (Pause(kSettle) && Redrive()) {
        checker_.AuditJobs();
        checker_.AuditFiles(volumes_);
      }
    }
  }
  return {.failure = world_.failure(),
          .trace_hash = world_.trace().hash(),
          .steps = world_.steps(),
          .simulated = world_.now(),
          .jobs = checker_.jobs(),
          .runs = checker_.tasks().runs(),
          .trace = world_.trace().lines()};
}

}  // namespace

RunResult Simulate(uint64_t seed, Plant plant, bool keep_trace) {
  return Run(seed, plant, keep_trace).Go();
}

}  // namespace closewrite::simulation

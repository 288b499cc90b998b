#include "tests/simulation/simulation.h"

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
  bool Prepare();
  bool Storm();
  bool Calm();
  bool Redrive();
  // Lets things happen until `done`. False when a check failed, or it took too long.
  template <class Condition>
  bool Until(absl::Duration deadline, const std::string& what, Condition done);
  void Sample();
  bool Still() { return Stuck().empty(); }
  std::string Stuck();
  void Notify(size_t from, const News& news);

  const Scenario scenario_;
  const Plant plant_;
  World world_;
  Network network_;
  FakeStore store_;
  Disk disk_;
  StoreLies lies_;
  Definitions definitions_;
  Checker checker_;
  bool calm_ = false;
  std::vector<std::unique_ptr<CoordinatorModel>> coordinators_;
  std::unique_ptr<Dial> dial_;
  std::vector<std::unique_ptr<WatcherModel>> watchers_;
  std::map<std::string, VolumeModel*> volumes_;
  std::vector<std::unique_ptr<ExecutorModel>> executors_;
  std::vector<std::unique_ptr<UserModel>> users_;
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
                .session_ttl = scenario_.session_ttl}) {
  for (const Pipeline& pipeline : scenario_.pipelines) definitions_[pipeline.definition] = pipeline;
  MakeCoordinators();
  MakeHosts();
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
        .session_ttl = scenario_.session_ttl,
        .plant = plant_,
        .on_commit = [this](const std::set<JobId>& changed) { checker_.OnCommit(changed); },
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
    users_.push_back(std::make_unique<UserModel>(UserModel::Options{.name = absl::StrCat("U", i),
                                                                    .world = &world_,
                                                                    .network = &network_,
                                                                    .dial = dial_.get(),
                                                                    .store = &store_,
                                                                    .volumes = &volumes_,
                                                                    .scenario = &scenario_,
                                                                    .definitions = &definitions_,
                                                                    .witness = &checker_}));
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
  return Until(kPrepareMax, "applying pipelines",
               [&] { return applied == scenario_.pipelines.size(); });
}

bool Run::Storm() {
  faults_->Start();
  lies_.Begin(scenario_.pipelines, scenario_.storm);
  for (const auto& user : users_) user->Start();
  const absl::Duration end = world_.now() + scenario_.storm;
  if (!Until(end + absl::Seconds(1), "the storm", [&] { return world_.now() >= end; }))
    return false;
  for (const auto& user : users_) user->Stop();
  faults_->Stop();
  calm_ = true;
  return true;
}

// What is left to be done; "" when nothing is.
std::string Run::Stuck() {
  if (!checker_.unfinished().empty()) return checker_.Describe(*checker_.unfinished().begin());
  for (const auto& user : users_) {
    if (user->open_calls() > 0) return "a call is not answered";
  }
  for (const auto& watcher : watchers_) {
    const std::string busy = watcher->Busy();
    if (!busy.empty()) return absl::StrCat(watcher->part().name(), ": ", busy);
  }
  return "";
}

bool Run::Calm() {
  const absl::Duration deadline =
      world_.now() + kCalmMax + kCalmPerJob * static_cast<double>(checker_.unfinished().size());
  // Published results may make further jobs, after a moment.
  for (bool still = false; !still;) {
    if (!Until(deadline, "coming to rest", [this] { return Still(); })) return false;
    const absl::Duration look = world_.now() + absl::Seconds(3);
    if (!Until(look + absl::Seconds(1), "a pause", [&] { return world_.now() >= look; })) {
      return false;
    }
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
  if (Prepare() && Storm() && Calm()) {
    checker_.AuditJobs();
    if (!world_.failure().has_value() && Redrive()) {
      const absl::Duration end = world_.now() + kSettle;
      // Once more for what an audit has told meanwhile: the file of a job that was cancelled may
      // have been given other times before.
      if (Until(end + absl::Seconds(1), "settling", [&] { return world_.now() >= end; }) &&
          Redrive()) {
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
          .trace = world_.trace().lines()};
}

}  // namespace

RunResult Simulate(uint64_t seed, Plant plant, bool keep_trace) {
  return Run(seed, plant, keep_trace).Go();
}

}  // namespace closewrite::simulation

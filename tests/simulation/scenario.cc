#include "tests/simulation/scenario.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

namespace closewrite::simulation {
namespace {

double Sometimes(Random& random, double probability, double high) {
  return random.Chance(probability) ? random.Fraction() * high : 0;
}

FaultRates MakeFaults(Random& random) {
  FaultRates rates;
  rates.coordinator_crash = Sometimes(random, 0.6, 0.1);
  rates.executor_crash = Sometimes(random, 0.6, 0.1);
  rates.watcher_crash = Sometimes(random, 0.6, 0.1);
  rates.power_cut = Sometimes(random, 0.3, 0.05);
  rates.freeze = Sometimes(random, 0.5, 0.1);
  rates.cut = Sometimes(random, 0.5, 0.2);
  rates.broken_streams = Sometimes(random, 0.6, 0.2);
  rates.slow_disk = Sometimes(random, 0.3, 0.05);
  rates.store_down = Sometimes(random, 0.3, 0.03);
  rates.full_disk = Sometimes(random, 0.2, 0.02);
  return rates;
}

void AddRules(Pipeline& pipeline, Random& random) {
  pipeline.retry.attempts = static_cast<int>(random.Between(1, 4));
  pipeline.retry.backoff = random.Between(absl::Milliseconds(100), absl::Seconds(1));
  pipeline.retry.backoff_max = absl::Seconds(5);
  pipeline.retry.crash_attempts = static_cast<int>(random.Between(1, 3));
  pipeline.retry.on_lost = random.Chance(0.25) ? OnLost::kFail : OnLost::kRetry;
  pipeline.priority = random.Chance(0.3) ? static_cast<int>(random.Between(-1, 2)) : 0;
  pipeline.weight = random.Chance(0.3) ? static_cast<int>(random.Between(1, 5)) : 1;
  pipeline.locks.clear();
  for (const char* lock : kLocks) {
    if (random.Chance(0.2)) pipeline.locks.push_back(lock);
  }
}

bool HasInternet(const Scenario& scenario) {
  return std::any_of(scenario.executors.begin(), scenario.executors.end(),
                     [](const ExecutorPlan& executor) { return executor.internet; });
}

Pipeline MakePipeline(const Scenario& scenario, int number, Random& random) {
  Pipeline pipeline;
  pipeline.name = absl::StrCat("p", number);
  pipeline.definition = absl::StrCat(pipeline.name, " version 0");
  pipeline.match = {*Glob::Parse("**")};
  std::vector<std::string> inputs;
  std::vector<std::string> outputs;
  for (const VolumePlan& volume : scenario.volumes) {
    (volume.name.starts_with(kOutputPrefix) ? outputs : inputs).push_back(volume.name);
  }
  // Some make something of what others have made.
  const bool chained = random.Chance(0.15);
  pipeline.volume = random.Pick(chained ? outputs : inputs);
  if (!chained && random.Chance(0.85)) pipeline.output_volume = random.Pick(outputs);
  if (random.Chance(0.25))
    pipeline.settle = random.Between(absl::Milliseconds(50), absl::Seconds(2));
  constexpr OnNewVersion kChoices[] = {OnNewVersion::kQueue, OnNewVersion::kQueue,
                                       OnNewVersion::kSupersede, OnNewVersion::kIgnore};
  pipeline.on_new_version = kChoices[random.Below(4)];
  if (!chained && random.Chance(0.1)) {
    pipeline.when = random.Chance(0.5) ? When::kRename : When::kDelete;
  }
  if (HasInternet(scenario) && random.Chance(0.2)) pipeline.labels = {"internet"};
  pipeline.visible_within = absl::Seconds(2);
  AddRules(pipeline, random);
  return pipeline;
}

void MakePeriodic(Task& task, Random& random) {
  task.schedule = Schedule{Period{random.Between(1, 6), Period::Unit::kSecond}, absl::UTCTimeZone(),
                           absl::CivilSecond() + random.Between(0, 59)};
  if (random.Chance(0.3)) task.jitter = random.Between(absl::ZeroDuration(), absl::Seconds(2));
  constexpr Overlap kOverlaps[] = {Overlap::kSkip, Overlap::kQueue, Overlap::kReplace};
  task.overlap = kOverlaps[random.Below(3)];
  constexpr CatchUp kCatchUps[] = {CatchUp::kNone, CatchUp::kLatest, CatchUp::kAll};
  task.catch_up = kCatchUps[random.Below(3)];
  if (task.catch_up == CatchUp::kAll) task.catch_up_max = static_cast<int>(random.Between(1, 20));
}

// With a chance of its own, so that the rest of a scenario is what it is without tasks.
void AddTasks(Scenario& scenario, Random random) {
  if (random.Chance(0.5)) return;
  for (int64_t i = 0, count = random.Between(1, 5); i < count; ++i) {
    const std::string name = absl::StrCat("t", i);
    scenario.tasks.push_back(MakeTask(scenario, name, absl::StrCat(name, " version 0"), random));
  }
  scenario.task_calls = Sometimes(random, 0.8, 2);
  // Longer than what counts as on time.
  if (random.Chance(0.3)) scenario.night = random.Between(kOnTime, kOnTime * 3);
}

}  // namespace

Scenario MakeScenario(uint64_t seed) {
  Random random(Random::Mix(seed) ^ 0x5ce4a510);
  Scenario scenario;
  scenario.seed = seed;
  scenario.shared = random.Chance(0.6);
  scenario.coordinators = scenario.shared ? static_cast<int>(random.Between(1, 4)) : 1;
  scenario.watchers = static_cast<int>(random.Between(1, 3));
  scenario.users = static_cast<int>(random.Between(1, 2));
  for (int64_t i = random.Between(1, 4); i > 0; --i) {
    scenario.executors.push_back(
        {.slots = static_cast<int>(random.Between(1, 4)), .internet = random.Chance(0.5)});
  }
  for (int watcher = 0; watcher < scenario.watchers; ++watcher) {
    if (watcher == 0 || random.Chance(0.6)) {
      scenario.volumes.push_back({absl::StrCat("in", watcher), watcher});
    }
    if (watcher == 0 || random.Chance(0.4)) {
      scenario.volumes.push_back({absl::StrCat(kOutputPrefix, watcher), watcher});
    }
  }
  for (int64_t i = 0, count = random.Between(1, 5); i < count; ++i) {
    scenario.pipelines.push_back(MakePipeline(scenario, static_cast<int>(i), random));
  }
  scenario.session_ttl = absl::Seconds(random.Between(3, 10));
  scenario.storm = absl::Seconds(random.Between(20, 60));
  scenario.faults = MakeFaults(random);
  scenario.disk = {.slow = Sometimes(random, 0.3, 0.02),
                   .failing = Sometimes(random, 0.4, 0.02),
                   .crashing = Sometimes(random, 0.3, 0.003)};
  scenario.network_slowness = Sometimes(random, 0.5, 1);
  scenario.lost_notices = Sometimes(random, 0.5, 1);
  scenario.skipped_rows = scenario.coordinators > 1 ? Sometimes(random, 0.5, 0.3) : 0;
  scenario.writes = 0.5 + random.Fraction() * 6;
  scenario.calls = Sometimes(random, 0.8, 2);
  scenario.paths = static_cast<int>(random.Between(2, 40));
  scenario.rewrites = random.Fraction() * 0.6;
  scenario.poison = Sometimes(random, 0.5, 0.1);
  scenario.failing = Sometimes(random, 0.6, 0.3);
  scenario.run_max = absl::Milliseconds(random.Between(100, 4000));
  scenario.long_runs = Sometimes(random, 0.4, 0.1);
  AddTasks(scenario, Random(Random::Mix(seed) ^ 0x7a5c5000));
  // Likewise.
  Random programs(Random::Mix(seed) ^ 0x10c4b00c);
  if (programs.Chance(0.5)) scenario.programs = static_cast<int>(programs.Between(1, 4));
  return scenario;
}

Pipeline Vary(const Pipeline& pipeline, int version, Random& random) {
  Pipeline varied = pipeline;
  varied.definition = absl::StrCat(pipeline.name, " version ", version);
  AddRules(varied, random);
  return varied;
}

Task MakeTask(const Scenario& scenario, const std::string& name, std::string definition,
              Random& random) {
  Task task{.name = name};
  AddRules(task.run, random);
  task.run.name = RunsOf(name);
  task.run.definition = std::move(definition);
  // One that goes on for ever would starve whatever has a lower one.
  task.run.priority = 0;
  if (HasInternet(scenario) && random.Chance(0.2)) task.run.labels = {"internet"};
  const uint64_t kind = random.Below(10);
  if (kind < 5) {
    task.forever = true;
    constexpr Restart kRestarts[] = {Restart::kAlways, Restart::kAlways, Restart::kOnFailure,
                                     Restart::kNever};
    task.restart = kRestarts[random.Below(4)];
    task.run.retry.attempts = 1;
  } else if (kind < 9) {
    MakePeriodic(task, random);
  }
  return task;
}

}  // namespace closewrite::simulation

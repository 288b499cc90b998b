#include "tests/simulation/faults.h"

#include <algorithm>

namespace closewrite::simulation {
namespace {

constexpr double kDrainShare = 0.2;

}  // namespace

void Faults::Keep(double per_second, void (Faults::*fault)()) {
  if (per_second <= 0) return;
  world().After(random().Pause(per_second), nullptr, [this, per_second, fault] {
    if (stopped_) return;
    (this->*fault)();
    Keep(per_second, fault);
  });
}

void Faults::Start() {
  const FaultRates& rates = options_.scenario->faults;
  Keep(rates.coordinator_crash, &Faults::CrashCoordinator);
  Keep(rates.executor_crash, &Faults::CrashExecutor);
  Keep(rates.watcher_crash, &Faults::CrashWatcher);
  Keep(rates.power_cut, &Faults::CutPower);
  Keep(rates.freeze, &Faults::Freeze);
  Keep(rates.cut, &Faults::CutNetwork);
  Keep(rates.broken_streams, &Faults::BreakStreams);
  Keep(rates.slow_disk, &Faults::SlowDisk);
  Keep(rates.store_down, &Faults::StoreDown);
  Keep(rates.full_disk, &Faults::FillDisk);
}

void Faults::Sleep(absl::Duration night) {
  world().Note("", "no coordinator for $0 ms", {absl::ToInt64Milliseconds(night)});
  Disturb(night);
  asleep_ = true;
  for (CoordinatorModel* coordinator : options_.coordinators) coordinator->Crash();
}

void Faults::Stop() {
  stopped_ = true;
  asleep_ = false;
  world().Note("", "THE STORM IS OVER");
  options_.network->HealAll();
  options_.disk->Heal();
  // Where there are several, one may never come back.
  if (options_.coordinators.size() > 1 && random().Chance(0.3)) {
    gone_ = options_.coordinators.front();
  }
  for (CoordinatorModel* coordinator : options_.coordinators) {
    if (coordinator == gone_) {
      coordinator->Crash();
    } else {
      coordinator->Start();
    }
  }
  for (ExecutorModel* executor : options_.executors) executor->Start();
  for (WatcherModel* watcher : options_.watchers) watcher->Start();
  // What is frozen stays so until its time is over.
  if (wrong_until_ <= world().now()) quiet_since_ = world().now();
}

void Faults::Disturb(absl::Duration duration) {
  wrong_until_ = std::max(wrong_until_, world().now() + duration);
  quiet_since_ = absl::InfiniteDuration();
  world().After(duration, nullptr, [this] {
    if (world().now() < wrong_until_) return;
    if (quiet_since_ == absl::InfiniteDuration()) quiet_since_ = world().now();
  });
}

// From a blink to longer than any lease.
absl::Duration Faults::Downtime() {
  return random().Chance(0.5)
             ? random().Between(absl::Milliseconds(5), absl::Seconds(1))
             : random().Between(absl::Seconds(1), options_.scenario->session_ttl * 2);
}

void Faults::CrashCoordinator() {
  CoordinatorModel* const coordinator = random().Pick(options_.coordinators);
  if (random().Chance(0.7)) return Crash(coordinator);
  const absl::Duration down = Downtime();
  Disturb(down);
  if (!coordinator->part().up()) return;
  world().Note(coordinator->part().name(), "freezes for $0 ms", {absl::ToInt64Milliseconds(down)});
  coordinator->end().part->FreezeUntil(world().now() + down);
  options_.network->Froze(coordinator->part(), down);
}

void Faults::Crash(CoordinatorModel* coordinator) {
  const absl::Duration down = Downtime();
  Disturb(down);
  coordinator->Crash();
  world().After(down, nullptr, [this, coordinator] {
    if (coordinator != gone_ && !asleep_) coordinator->Start();
  });
}

void Faults::CrashExecutor() {
  ExecutorModel* const executor = random().Pick(options_.executors);
  const absl::Duration down = Downtime();
  Disturb(down);
  if (random().Chance(kDrainShare)) {
    executor->Drain();
  } else {
    executor->Crash(random().Chance(0.7));
  }
  world().After(down, nullptr, [executor] { executor->Start(); });
}

void Faults::CrashWatcher() {
  WatcherModel* const watcher = random().Pick(options_.watchers);
  const absl::Duration down = Downtime();
  Disturb(down);
  if (random().Chance(0.3)) return watcher->Freeze(down);
  watcher->Crash();
  world().After(down, nullptr, [watcher] { watcher->Start(); });
}

void Faults::CutPower() {
  const absl::Duration down = Downtime();
  Disturb(down);
  if (random().Chance(0.5)) {
    ExecutorModel* const executor = random().Pick(options_.executors);
    executor->CutPower();
    world().After(down, nullptr, [executor] { executor->Start(); });
  } else {
    WatcherModel* const watcher = random().Pick(options_.watchers);
    watcher->CutPower();
    world().After(down, nullptr, [watcher] { watcher->Start(); });
  }
}

void Faults::Freeze() {
  const absl::Duration down = Downtime();
  Disturb(down);
  random().Pick(options_.executors)->Freeze(down, random().Chance(0.5));
}

void Faults::CutNetwork() {
  std::vector<HostId> hosts;
  for (CoordinatorModel* each : options_.coordinators) hosts.push_back(each->end().host);
  for (ExecutorModel* each : options_.executors) hosts.push_back(each->host());
  for (WatcherModel* each : options_.watchers) hosts.push_back(each->host());
  const absl::Duration down = Downtime();
  Disturb(down);
  const HostId one = random().Pick(hosts);
  const bool both = random().Chance(0.7);
  world().Note("", "cuts host $0 off for $1 ms", {one, absl::ToInt64Milliseconds(down)});
  const bool from_all = random().Chance(0.5);
  for (const HostId other : hosts) {
    if (other != one && (from_all || random().Chance(0.4))) {
      options_.network->Cut(one, other, both, down);
    }
  }
}

void Faults::BreakStreams() {
  world().Note("", "breaks streams");
  Disturb(kKeepAliveMax);
  options_.network->BreakSome(random().Fraction());
}

void Faults::SlowDisk() {
  const absl::Duration down = Downtime();
  Disturb(down);
  world().Note("", "the store is slow for $0 ms", {absl::ToInt64Milliseconds(down)});
  options_.disk->SlowFor(down);
}

void Faults::StoreDown() {
  const absl::Duration down = Downtime();
  Disturb(down);
  world().Note("", "the store is down for $0 ms", {absl::ToInt64Milliseconds(down)});
  options_.disk->DownFor(down);
}

void Faults::FillDisk() {
  const absl::Duration down = Downtime();
  Disturb(down);
  world().Note("", "the store's disk is full for $0 ms", {absl::ToInt64Milliseconds(down)});
  options_.disk->FullFor(down);
}

}  // namespace closewrite::simulation

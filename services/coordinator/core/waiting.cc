#include "services/coordinator/core/waiting.h"

#include <algorithm>
#include <memory>
#include <set>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "services/coordinator/core/rate_book.h"

namespace closewrite {
namespace {

// Counted exactly up to here: a list of jobs asks for it once a row.
constexpr int64_t kPlaceInLineMax = 1000;

std::string InLine(const Job& job, StoreReader& reader) {
  const int64_t before = reader.CountAvailableBefore(job, kPlaceInLineMax + 1);
  if (before == 0) return "next in line";
  if (before > kPlaceInLineMax) {
    return absl::StrCat("more than ", kPlaceInLineMax, " of its pipeline before it");
  }
  return absl::StrCat(before, " of its pipeline before it");
}

// Of a job that executors could run: `busy` are their names.
Waiting ForASlot(const Job& job, const std::set<std::string>& busy, bool elsewhere,
                 StoreReader& reader) {
  // How many slots are free at one that attends another coordinator is known there alone.
  return {WaitingReason::kNoSlot,
          absl::StrCat(elsewhere ? "it waits for a slot on " : "no free slot on ",
                       absl::StrJoin(busy, ", "), ", ", InLine(job, reader))};
}

// Of a job whose locks, and a slot, are free: whoever waits for another lock keeps one of these.
Waiting KeptLock(const Pipeline& pipeline, const Fleet& fleet) {
  const auto is_held = [&](const std::string& lock) { return !fleet.locks.Free(lock); };
  for (const std::string& name : fleet.ready) {
    const std::shared_ptr<const Pipeline> other = fleet.FindPipeline(name);
    if (other == nullptr) continue;
    const auto held = std::find_if(other->locks.begin(), other->locks.end(), is_held);
    const auto kept = std::find_first_of(pipeline.locks.begin(), pipeline.locks.end(),
                                         other->locks.begin(), other->locks.end());
    if (held == other->locks.end() || kept == pipeline.locks.end()) continue;
    return {WaitingReason::kLock, absl::StrCat("lock ", *kept, " is kept for jobs of ", name,
                                               ", which wait for lock ", *held, " as well")};
  }
  return {WaitingReason::kNone, "it is given a slot at once"};
}

std::string ShortDuration(absl::Duration duration) {
  const absl::Duration shown =
      absl::Trunc(std::max(duration, absl::ZeroDuration()), absl::Milliseconds(100));
  return shown == absl::ZeroDuration() ? "less than 100ms" : absl::FormatDuration(shown);
}

Waiting Available(const Job& job, const Fleet& fleet, StoreReader& reader, absl::Time now) {
  std::shared_ptr<const Pipeline> pipeline = fleet.FindPipeline(reader, job.pipeline);
  if (pipeline == nullptr) {
    return {WaitingReason::kNoPipeline, absl::StrCat("pipeline ", job.pipeline, " was deleted")};
  }
  for (const std::string& name : pipeline->locks) {
    if (fleet.locks.Free(name)) continue;
    return {WaitingReason::kLock,
            absl::StrCat(WhoHolds(name, fleet.locks), ", ", InLine(job, reader))};
  }
  std::set<std::string> missing;
  std::set<std::string> troubles;
  std::set<std::string> busy;
  bool reattaching = false;
  bool elsewhere = false;
  bool free = false;
  for (const auto& [id, session] : fleet.sessions) {
    const std::string lacks = WhatIsMissing(session, *pipeline);
    const std::string trouble = VolumeTrouble(session, *pipeline);
    if (!session.connected()) {
      reattaching = true;
    } else if (!lacks.empty()) {
      missing.insert(lacks);
    } else if (!trouble.empty()) {
      troubles.insert(trouble);
    } else {
      busy.insert(absl::StrCat(session.executor.name, session.draining ? " (draining)" : ""));
      const bool here = session.coordinator == fleet.self;
      elsewhere |= !here;
      free |= here && session.FreeSlots() > 0;
    }
  }
  // Slots are given at the end of each transaction; whoever asks within one, as of a job that has
  // just been retried, asks too early.
  if (free && pipeline->rate.has_value()) {
    const absl::Time at = RateAllows(reader, pipeline->rate->name, now);
    if (at > now) {
      return {WaitingReason::kRate,
              absl::StrCat("rate ", pipeline->rate->name, " lets the next one begin in ",
                           ShortDuration(at - now), ", ", InLine(job, reader))};
    }
  }
  if (free) return KeptLock(*pipeline, fleet);
  if (!busy.empty()) return ForASlot(job, busy, elsewhere, reader);
  if (!troubles.empty()) {
    return {WaitingReason::kVolumeUnusable, absl::StrJoin(troubles, "; ")};
  }
  if (!missing.empty()) {
    return {WaitingReason::kNoExecutor,
            absl::StrCat("no executor with ", absl::StrJoin(missing, " or "))};
  }
  if (reattaching) {
    return {WaitingReason::kReattach, "executors that were disconnected have time to come back"};
  }
  return {WaitingReason::kNoExecutor, "no executor is connected"};
}

Waiting Publishing(const Job& job, const Fleet& fleet) {
  const Watcher* home = fleet.HomeOf(job.output_volume);
  if (home == nullptr) {
    return {WaitingReason::kNoWatcher,
            absl::StrCat("volume ", job.output_volume, " has no watcher online")};
  }
  for (const VolumeReport& report : home->volumes) {
    if (report.volume != job.output_volume || report.state != VolumeState::kLost) continue;
    return {WaitingReason::kVolumeUnusable,
            absl::StrCat("volume ", report.volume, " can't be used on ", home->host,
                         ", its home, at ", report.root, ": ", report.message)};
  }
  return {WaitingReason::kPublishing,
          absl::StrCat("the watcher on ", home->host, " moves the results into place")};
}

}  // namespace

Waiting WhyWaiting(const Job& job, const Fleet& fleet, StoreReader& reader, absl::Time now) {
  const std::string left = ShortDuration(job.due_at - now);
  switch (job.state) {
    case JobState::kScheduled:
      if (job.after.value != 0) {
        return {
            WaitingReason::kEarlierVersion,
            absl::StrCat("job ", job.after.value, " of the same ",
                         TaskOfRuns(job.pipeline).has_value() ? "task" : "file", " goes first")};
      }
      return {WaitingReason::kSettling, absl::StrCat("settling for ", left, " more")};
    case JobState::kRetrying:
      return {WaitingReason::kBackoff,
              absl::StrCat("attempt ", job.attempts + 1, " in ", left, ": ", job.message)};
    case JobState::kAvailable:
      return Available(job, fleet, reader, now);
    case JobState::kPublishing:
      return Publishing(job, fleet);
    default:
      return {};
  }
}

}  // namespace closewrite

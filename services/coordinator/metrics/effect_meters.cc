#include "services/coordinator/metrics/effect_meters.h"

#include <algorithm>
#include <cstddef>

#include "closewrite/v1/file.pb.h"
#include "services/clock/clock.h"
#include "services/coordinator/metrics/api_names.h"

namespace closewrite {

EffectMeters::EffectMeters(ChangeFeed* feed)
    : subscription_(
          feed->Subscribe([this](const Effects& effects) { Take(effects, SinceBoot()); })) {}

void EffectMeters::Take(const Effects& effects, absl::Duration now) {
  absl::MutexLock lock(&mutex_);
  for (const JobMeasure& measure : effects.measures) meters_.jobs.Take(measure);
  for (const EventRecord& record : effects.events) TakeEvent(record.event);
  for (const LostExecutor& lost : effects.lost) TakeLost(lost, now);
  meters_.refused_results += effects.refused_results;
  meters_.log_bytes += effects.log_bytes;
}

void EffectMeters::TakeEvent(const FileEvent& event) {
  EventMeters& volume = meters_.volumes[event.file.volume];
  ++volume.kinds.at(static_cast<size_t>(event.kind));
  volume.found += event.source == EventSource::kRescan || event.source == EventSource::kAudit;
}

void EffectMeters::TakeLost(const LostExecutor& lost, absl::Duration now) {
  ++(lost.died ? meters_.died : meters_.expired);
  if (!lost.died) meters_.expired_leases += lost.leases;
  if (lost_.size() < kLostShownMax) lost_.insert_or_assign(lost.name, now);
}

std::vector<std::string> EffectMeters::LabelsOf(const std::vector<std::string>& pipelines) {
  absl::MutexLock lock(&mutex_);
  std::vector<std::string> labels;
  labels.reserve(pipelines.size());
  for (const std::string& pipeline : pipelines) labels.push_back(meters_.jobs.LabelOf(pipeline));
  return labels;
}

std::map<std::string, absl::Time> EffectMeters::Successes() const {
  absl::MutexLock lock(&mutex_);
  return meters_.jobs.Successes();
}

std::vector<std::string> EffectMeters::Lost(const std::vector<std::string>& present,
                                            absl::Duration now) {
  absl::MutexLock lock(&mutex_);
  for (const std::string& name : present) lost_.erase(name);
  std::erase_if(lost_, [&](const auto& lost) { return lost.second + kLostShown < now; });
  std::vector<std::string> names;
  for (const auto& [name, since] : lost_) names.push_back(name);
  return names;
}

void EffectMeters::AppendEvents(const Meters& meters, MetricList* list) {
  static const auto& kinds = *new auto(ApiNames(v1::EventKind_descriptor()));
  for (const auto& [volume, events] : meters.volumes) {
    for (const auto& [number, name] : kinds) {
      list->Counter("events_total", "Events that watchers have told, each counted once.",
                    {{"volume", volume}, {"kind", name}}, events.kinds.at(number));
    }
    list->Counter("events_found_total", "Events that a scan has found.", {{"volume", volume}},
                  events.found);
  }
}

void EffectMeters::Append(MetricList* list) const {
  Meters meters;
  {
    // The store loop waits for this lock.
    absl::MutexLock lock(&mutex_);
    meters = meters_;
  }
  meters.jobs.Append(list);
  AppendEvents(meters, list);
  list->Counter("lease_expiries_total",
                "Leases that ended because their executor was not heard of any more.", {},
                meters.expired_leases);
  const char* const lost = "Executors whose session ended without a drain.";
  list->Counter("executors_lost_total", lost, {{"cause", "EXPIRED"}}, meters.expired);
  list->Counter("executors_lost_total", lost, {{"cause", "DIED"}}, meters.died);
  list->Counter("fenced_off_reports_total",
                "Results that were refused because their lease was not good any more.", {},
                meters.refused_results);
  list->Counter("log_received_bytes_total", "Bytes of logs that executors have sent.", {},
                meters.log_bytes);
}

}  // namespace closewrite

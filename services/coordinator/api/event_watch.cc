#include "services/coordinator/api/event_watch.h"

#include <utility>
#include <vector>

#include "services/coordinator/convert.h"

namespace closewrite {

v1::EventRecord ShowEvent(const EventRecord& record, StoreReader& reader) {
  v1::EventRecord shown = ToProto(record);
  for (const JobId job : reader.JobsOfEvent(record.id)) shown.add_job_ids(job.value);
  return shown;
}

EventWatch::EventWatch(Store* store, std::string volume)
    : store_(*store), volume_(std::move(volume)) {}

bool EventWatch::OnChange(const Effects& effects) {
  if (effects.events.empty()) return false;
  absl::MutexLock lock(&mutex_);
  for (const EventRecord& record : effects.events) {
    if (!volume_.empty() && record.event.file.volume != volume_) continue;
    if (waiting_.size() >= kWatchedEventsMax) {
      overflow_ = true;
      break;
    }
    waiting_.push_back(record);
  }
  return !waiting_.empty();
}

absl::StatusOr<EventWatch::Batch> EventWatch::Next() {
  std::vector<EventRecord> records;
  {
    absl::MutexLock lock(&mutex_);
    if (overflow_) {
      return absl::ResourceExhaustedError(
          "the reader was too slow for the events that came: call again");
    }
    while (!waiting_.empty() && records.size() < kEventBatchRows) {
      records.push_back(std::move(waiting_.front()));
      waiting_.pop_front();
    }
  }
  Batch batch;
  if (records.empty()) return batch;
  absl::Status read = store_.Read([&](StoreReader& reader) {
    for (const EventRecord& record : records) {
      *batch.messages.emplace_back().mutable_event() = ShowEvent(record, reader);
    }
    return absl::OkStatus();
  });
  if (!read.ok()) return read;
  return batch;
}

}  // namespace closewrite

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
  if (effects.events.empty() && !effects.elsewhere.jobs) return false;
  absl::MutexLock lock(&mutex_);
  if (store_.shared()) return look_ = true;
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

// Notes the newest events, which are not to be sent.
void EventWatch::Begin(StoreReader& reader) {
  const std::vector<EventRecord> page = reader.ListEvents(volume_, "", 0, kEventBatchRows);
  for (const EventRecord& record : page) known_.Add(record.id);
  if (page.size() == kEventBatchRows) floor_ = page.back().id;
}

// Looks for events that any coordinator has recorded, the newest first. Their ids are committed in
// no certain order, so new ones are told by what was sent before.
absl::Status EventWatch::Look(StoreReader& reader) {
  std::vector<EventRecord> found;
  int64_t before = 0;
  bool more = true;
  for (int page = 0; more; ++page) {
    if (page == kEventPagesMax) return absl::ResourceExhaustedError("too many events: call again");
    more = false;
    for (EventRecord& record : reader.ListEvents(volume_, "", before, kEventBatchRows)) {
      before = record.id;
      if (record.id <= floor_ || !known_.Add(record.id)) continue;
      more = true;
      found.push_back(std::move(record));
    }
  }
  absl::MutexLock lock(&mutex_);
  for (auto record = found.rbegin(); record != found.rend(); ++record) {
    waiting_.push_back(std::move(*record));
  }
  return absl::OkStatus();
}

absl::StatusOr<EventWatch::Batch> EventWatch::Next() {
  bool look = false;
  {
    absl::MutexLock lock(&mutex_);
    look = std::exchange(look_, false);
  }
  if (store_.shared() && (look || !begun_)) {
    absl::Status looked = store_.Read([&](StoreReader& reader) {
      if (begun_) return Look(reader);
      Begin(reader);
      return absl::OkStatus();
    });
    if (!looked.ok()) return looked;
    begun_ = true;
  }
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

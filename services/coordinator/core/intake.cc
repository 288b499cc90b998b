#include "services/coordinator/core/intake.h"

namespace closewrite {

void Intake::Record(StoreTransaction& tx, const std::string& host, const std::string& ledger_id,
                    const std::vector<FileEvent>& events, absl::Time now) {
  for (const FileEvent& event : events) {
    EventRecord record{.host = host, .ledger_id = ledger_id, .event = event, .received_at = now};
    std::optional<EventRecord> known;
    if (event.kind == EventKind::kAttrib) {
      known = tx.LatestEvent(event.file.volume, event.file.path);
    }
    record.id = tx.InsertEvent(record);
    if (record.id == 0) continue;
    book_.effects().events.push_back(record);
    if (known.has_value()) {
      Amend(tx, known->event.file, event.file, now);
    } else if (IsGone(event)) {
      CancelWaiting(tx, event.file, now);
    } else {
      for (const auto& [name, pipeline] : fleet_.pipelines) {
        if (MatchEvent(*pipeline, event).matches) MakeJob(tx, *pipeline, record, now);
      }
    }
  }
}

std::optional<Intake::Made> Intake::MakeJob(StoreTransaction& tx, const Pipeline& pipeline,
                                            const EventRecord& record, absl::Time now) {
  const FileVersion& file = record.event.file;
  Job job{.pipeline = pipeline.name,
          .key = JobKey(pipeline.name, file),
          .input = file,
          .event_id = record.id,
          .output_volume = pipeline.output_volume,
          .created_at = now,
          .due_at = now + pipeline.settle,
          .observed_at = record.event.observed_at};
  if (std::optional<Job> same = tx.FindJobByKey(job.key)) return Made{*same, true};

  std::optional<Job> older = tx.FindUnfinished(pipeline.name, file.volume, file.path);
  for (int i = 0; i < kWaitingVersionsMax && older.has_value() && IsWaiting(older->state); ++i) {
    // The older version's bytes are gone: nothing could read them any more.
    (void)book_.Change(tx, *older, Cancel{"superseded by a newer version of its file"}, now);
    older = tx.FindUnfinished(pipeline.name, file.volume, file.path);
  }
  if (older.has_value()) {
    if (pipeline.on_new_version == OnNewVersion::kIgnore) return std::nullopt;
    const bool kill =
        pipeline.on_new_version == OnNewVersion::kSupersede && older->state == JobState::kRunning;
    if (kill) {
      (void)book_.Change(tx, *older, Cancel{"superseded by a newer version of its file"}, now);
    } else {
      job.after = older->id;
    }
  }
  const bool waits = job.after.value != 0 || pipeline.settle > absl::ZeroDuration();
  job.state = waits ? JobState::kScheduled : JobState::kAvailable;
  return Made{book_.Insert(tx, job), false};
}

void Intake::Amend(StoreTransaction& tx, const FileVersion& announced, const FileVersion& now_is,
                   absl::Time now) {
  if (announced.inode != now_is.inode || announced.size != now_is.size) return;
  for (const auto& [name, pipeline] : fleet_.pipelines) {
    if (pipeline->volume != now_is.volume) continue;
    if (tx.FindJobByKey(JobKey(name, now_is)).has_value()) continue;
    std::optional<Job> job = tx.FindJobByKey(JobKey(name, announced));
    if (job.has_value()) (void)book_.Change(tx, *job, AmendInput{now_is}, now);
  }
}

void Intake::CancelWaiting(StoreTransaction& tx, const FileVersion& file, absl::Time now) {
  for (const auto& [name, pipeline] : fleet_.pipelines) {
    if (pipeline->volume != file.volume) continue;
    std::optional<Job> job = tx.FindUnfinished(name, file.volume, file.path);
    if (job.has_value() && IsWaiting(job->state)) {
      (void)book_.Change(tx, *job, Cancel{"its file was removed before it could be read"}, now);
    }
  }
}

}  // namespace closewrite

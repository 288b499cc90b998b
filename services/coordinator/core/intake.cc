#include "services/coordinator/core/intake.h"

#include <algorithm>

#include "services/coordinator/core/file_history.h"
#include "services/coordinator/core/interest.h"

namespace closewrite {
namespace {

// How long a job waits for a newer version: as its pipeline says, and where the watcher has called
// the file quiet sooner than this pipeline does, because another one wants it so, for the rest.
absl::Duration SettleFor(const Pipeline& pipeline, const FileEvent& event, const Fleet& fleet) {
  if (event.evidence != Evidence::kQuiet) return pipeline.settle;
  return std::max(pipeline.settle, pipeline.quiet - InterestIn(fleet, event.file.volume).quiet);
}

}  // namespace

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
    if (known.has_value()) Amend(tx, known->event.file, event.file, now);
    if (event.kind == EventKind::kAttrib) continue;
    if (IsGone(event)) CancelWaiting(tx, event.file, now);
    MakeJobs(tx, record, now);
  }
}

void Intake::MakeJobs(StoreTransaction& tx, const EventRecord& record, absl::Time now) {
  const FileVersion& file = record.event.file;
  for (const auto& [name, pipeline] : fleet_.pipelines) {
    if (pipeline->volume != file.volume) continue;
    if (pipeline->when == When::kMarker && IsFinished(record.event)) {
      MakeMarkedJob(tx, *pipeline, record, now);
    }
    if (!MatchPath(*pipeline, file.volume, file.path).matches) continue;
    const Verdict verdict = MatchEvent(*pipeline, record.event, HistoryOf(tx, *pipeline, record));
    if (verdict.matches) MakeJob(tx, *pipeline, record, record.id, {}, now);
  }
}

// The marker has come: the file that it marks has its job, if it is finished. If it is not, its own
// event will find the marker.
void Intake::MakeMarkedJob(StoreTransaction& tx, const Pipeline& pipeline,
                           const EventRecord& marker, absl::Time now) {
  const FileVersion& file = marker.event.file;
  const std::optional<std::string> path = MarkedBy(pipeline, file.path);
  if (!path.has_value() || !MatchPath(pipeline, file.volume, *path).matches) return;
  const std::optional<EventRecord> latest = tx.LatestEvent(file.volume, *path);
  if (!latest.has_value() || !IsThere(latest->event)) return;
  if (!MatchEvidence(pipeline, latest->event).matches) return;
  MakeJob(tx, pipeline, *latest, marker.id, {}, now);
}

std::optional<Intake::Made> Intake::MakeJob(StoreTransaction& tx, const Pipeline& pipeline,
                                            const EventRecord& record, int64_t made_by,
                                            const Wish& wish, absl::Time now) {
  const FileVersion& file = record.event.file;
  const absl::Duration settle = SettleFor(pipeline, record.event, fleet_);
  Job job{.pipeline = pipeline.name,
          .key = ReadsInput(pipeline) ? JobKey(pipeline.name, file)
                                      : EventJobKey(pipeline.name, file, record.id),
          .priority = wish.priority,
          .input = file,
          .event_id = made_by,
          .caused_by_job = record.event.caused_by_job,
          .output_volume = pipeline.output_volume,
          .created_at = now,
          .due_at = now + settle,
          .observed_at = record.event.observed_at};
  if (wish.again) {
    const std::optional<Job> last = tx.LastInLine(pipeline.name, file.volume, file.path);
    if (last.has_value() && IsWaiting(last->state) && last->input == file) return Made{*last, true};
    if (tx.FindJobByKey(job.key).has_value()) job.key = JobKeyAgain(job.key, now);
  }
  if (std::optional<Job> same = tx.FindJobByKey(job.key)) return Made{*same, true};

  // What is asked for again is no newer version: it waits.
  const OnNewVersion rule = wish.again ? OnNewVersion::kQueue : pipeline.on_new_version;
  if (const std::optional<Job> older = Supersede(tx, pipeline, rule, file, now);
      older.has_value()) {
    if (rule == OnNewVersion::kIgnore && !older->cancelling) return std::nullopt;
    job.after = older->id;
  }
  const bool waits = job.after.value != 0 || settle > absl::ZeroDuration();
  job.state = waits ? JobState::kScheduled : JobState::kAvailable;
  return Made{book_.Insert(tx, job), false};
}

// Cancels the jobs of earlier versions that a newer one puts an end to. Returns the one that goes
// on.
std::optional<Job> Intake::Supersede(StoreTransaction& tx, const Pipeline& pipeline,
                                     OnNewVersion rule, const FileVersion& file, absl::Time now) {
  const Cancel superseded{"superseded by a newer version of its file"};
  std::optional<Job> older = tx.LastInLine(pipeline.name, file.volume, file.path);
  for (int i = 0; i < kWaitingVersionsMax && older.has_value(); ++i) {
    // Of a file that is read, an older version's bytes are gone. That a name came or went stays
    // true.
    const bool outdated = ReadsInput(pipeline) && IsWaiting(older->state);
    const bool unwanted = rule == OnNewVersion::kSupersede &&
                          (IsWaiting(older->state) || older->state == JobState::kRunning) &&
                          !older->cancelling;
    if (!outdated && !unwanted) return older;
    (void)book_.Change(tx, *older, superseded, now);
    older = tx.LastInLine(pipeline.name, file.volume, file.path);
  }
  return older;
}

void Intake::Amend(StoreTransaction& tx, const FileVersion& announced, const FileVersion& now_is,
                   absl::Time now) {
  if (announced.inode != now_is.inode || announced.size != now_is.size) return;
  for (const auto& [name, pipeline] : fleet_.pipelines) {
    if (pipeline->volume != now_is.volume) continue;
    if (tx.FindJobByKey(JobKey(name, now_is)).has_value()) continue;
    const std::optional<Job> job = tx.FindJobByKey(JobKey(name, announced));
    if (!job.has_value()) continue;
    const absl::StatusOr<Job> amended = book_.Change(tx, *job, AmendInput{now_is}, now);
    if (amended.ok()) Revive(tx, *amended, now);
  }
}

// What a job failed for may have been that its version was announced with times that were not the
// last: nobody else stands for the one that is there.
void Intake::Revive(StoreTransaction& tx, const Job& job, absl::Time now) {
  if (job.state != JobState::kFailed) return;
  const std::optional<Attempt> newest = tx.GetAttempt(Lease{job.id, job.token});
  const bool was_another = newest.has_value() && (newest->outcome == Outcome::kInputChanged ||
                                                  newest->outcome == Outcome::kInputNotVisible);
  if (was_another) (void)book_.Change(tx, job, Retry{.redrive = true}, now);
}

void Intake::CancelWaiting(StoreTransaction& tx, const FileVersion& file, absl::Time now) {
  for (const auto& [name, pipeline] : fleet_.pipelines) {
    if (pipeline->volume != file.volume || !ReadsInput(*pipeline)) continue;
    for (int i = 0; i < kWaitingVersionsMax; ++i) {
      std::optional<Job> job = tx.LastInLine(name, file.volume, file.path);
      if (!job.has_value() || !IsWaiting(job->state)) break;
      (void)book_.Change(tx, *job, Cancel{"its file was removed before it could be read"}, now);
    }
  }
}

}  // namespace closewrite

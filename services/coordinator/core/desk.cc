#include "services/coordinator/core/desk.h"

#include <algorithm>
#include <set>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "services/coordinator/core/rate_book.h"
#include "services/volume/path.h"

namespace closewrite {
namespace {

constexpr int64_t kCancelPageRows = 1000;

absl::Status NoSuchJob(JobId id) {
  return absl::NotFoundError(
      absl::StrCat("there is no job ", id.value, "; `closewrite jobs` lists those there are"));
}

// Whether a job can be made by hand of what the file is now.
bool Takes(const Pipeline& pipeline, const FileEvent& latest) {
  switch (pipeline.when) {
    case When::kCreate:
      return !IsGone(latest);
    case When::kDelete:
      return IsGone(latest);
    case When::kNames:
      return IsGone(latest) ? pipeline.on_delete : pipeline.on_create;
    default:
      return IsThere(latest);
  }
}

}  // namespace

absl::StatusOr<std::vector<ApplyEffect>> Desk::ApplyPipelines(StoreTransaction& tx,
                                                              std::vector<Pipeline> pipelines,
                                                              bool dry_run, absl::Time now) {
  std::vector<ApplyEffect> effects;
  size_t created = 0;
  for (const Pipeline& pipeline : pipelines) {
    std::shared_ptr<const Pipeline> old = fleet_.FindPipeline(pipeline.name);
    const bool same = old != nullptr && old->definition == pipeline.definition;
    created += old == nullptr;
    effects.push_back(old == nullptr ? ApplyEffect::kCreated
                      : same         ? ApplyEffect::kUnchanged
                                     : ApplyEffect::kChanged);
  }
  if (fleet_.pipelines.size() + created > kPipelinesMax) {
    return absl::ResourceExhaustedError(
        absl::StrCat("there can be ", kPipelinesMax, " pipelines: delete some first"));
  }
  if (dry_run) return effects;
  for (size_t i = 0; i < pipelines.size(); ++i) {
    if (effects[i] == ApplyEffect::kUnchanged) continue;
    Pipeline& pipeline = pipelines[i];
    std::shared_ptr<const Pipeline> old = fleet_.FindPipeline(pipeline.name);
    pipeline.version = old == nullptr ? 1 : old->version + 1;
    pipeline.applied_at = now;
    tx.PutPipeline(StoredPipeline{pipeline.name, pipeline.version, now, pipeline.definition});
    DefineOwnRate(tx, &fleet_, pipeline.rate, now);
    fleet_.ready.insert(pipeline.name);
    const std::string name = pipeline.name;
    fleet_.pipelines[name] = std::make_shared<const Pipeline>(std::move(pipeline));
    book_.effects().pipelines = true;
  }
  return effects;
}

absl::StatusOr<int64_t> Desk::DeletePipeline(StoreTransaction& tx, const std::string& name,
                                             bool cancel_jobs, absl::Time now) {
  if (fleet_.FindPipeline(name) == nullptr) {
    return absl::NotFoundError(absl::StrCat("there is no pipeline ", name));
  }
  const int64_t unfinished = tx.CountUnfinished(name);
  if (unfinished > 0 && !cancel_jobs) {
    return absl::FailedPreconditionError(
        absl::StrCat("pipeline ", name, " has ", unfinished,
                     " unfinished jobs: wait for them, or cancel them by --cancel-jobs"));
  }
  JobFilter filter{.states = {JobState::kScheduled, JobState::kAvailable, JobState::kRunning,
                              JobState::kRetrying, JobState::kPublishing},
                   .pipeline = name};
  std::vector<Job> doomed;
  JobId before;
  for (;;) {
    std::vector<Job> page = tx.ListJobs(filter, before, kCancelPageRows);
    const bool last = page.size() < kCancelPageRows;
    if (!page.empty()) before = page.back().id;
    std::move(page.begin(), page.end(), std::back_inserter(doomed));
    if (last) break;
  }
  for (const Job& job : doomed) {
    if (job.state == JobState::kPublishing) {
      return absl::FailedPreconditionError(
          absl::StrCat("job ", job.id.value, " of pipeline ", name,
                       " is being published: try again in a moment"));
    }
  }
  int64_t cancelled = 0;
  for (const Job& job : doomed) {
    // Read again: an earlier step may have unblocked it.
    std::optional<Job> current = tx.GetJob(job.id);
    if (!current.has_value()) continue;
    cancelled +=
        book_.Change(tx, *current, Cancel{absl::StrCat("pipeline ", name, " was deleted")}, now)
            .ok();
  }
  tx.DeletePipeline(name);
  fleet_.pipelines.erase(name);
  fleet_.ready.erase(name);
  book_.effects().pipelines = true;
  return cancelled;
}

absl::Status Desk::NotAnnounced(const FileVersion& file) const {
  const Watcher* home = fleet_.HomeOf(file.volume);
  return absl::NotFoundError(absl::StrCat(
      "no watcher has announced ", file.volume, ":", Display(file.path), ": ",
      home == nullptr ? "no watcher of that volume is connected"
                      : absl::StrCat("the watcher on ", home->host,
                                     " is connected, so either there is no such file, or it is "
                                     "still being written, or its name is ignored"),
      "; see `closewrite explain`"));
}

absl::StatusOr<std::shared_ptr<const Pipeline>> Desk::PipelineFor(const std::string& name,
                                                                  const FileEvent& event) {
  const std::string file = absl::StrCat(event.file.volume, ":", Display(event.file.path));
  if (!name.empty()) {
    std::shared_ptr<const Pipeline> pipeline = fleet_.FindPipeline(name);
    if (pipeline == nullptr) return absl::NotFoundError("there is no pipeline " + name);
    if (pipeline->volume != event.file.volume) {
      return absl::FailedPreconditionError(absl::StrCat(
          "pipeline ", name, " reads volume ", pipeline->volume, ", and ", file, " is elsewhere"));
    }
    if (!Takes(*pipeline, event)) return NotAnnounced(event.file);
    return pipeline;
  }
  std::vector<std::string> takers;
  std::shared_ptr<const Pipeline> taker;
  for (const auto& [pipeline_name, pipeline] : fleet_.pipelines) {
    if (!MatchPath(*pipeline, event.file.volume, event.file.path).matches) continue;
    if (!Takes(*pipeline, event)) continue;
    takers.push_back(pipeline_name);
    taker = pipeline;
  }
  if (takers.size() == 1) return taker;
  if (takers.empty() && !IsThere(event)) return NotAnnounced(event.file);
  return absl::FailedPreconditionError(
      takers.empty() ? absl::StrCat("no pipeline takes ", file, ": name one by --pipeline")
                     : absl::StrCat("several pipelines take ", file, ": name one of ",
                                    absl::StrJoin(takers, ", "), " by --pipeline"));
}

void Desk::LockHomes(StoreTransaction& tx,
                     const std::vector<std::pair<std::string, std::string>>& files) {
  std::set<std::string> hosts;
  for (const auto& [volume, path] : files) {
    for (const auto& [host, watcher] : fleet_.watchers) {
      for (const VolumeReport& report : watcher.volumes) {
        if (report.volume == volume) hosts.insert(host);
      }
    }
  }
  for (const std::string& host : hosts) (void)tx.FindWatcher(host);
}

absl::StatusOr<std::vector<Intake::Made>> Desk::Submit(
    StoreTransaction& tx, const std::string& pipeline,
    const std::vector<std::pair<std::string, std::string>>& files, const Intake::Wish& wish,
    absl::Time now) {
  if (!pipeline.empty() && fleet_.FindPipeline(pipeline) == nullptr) {
    return absl::NotFoundError("there is no pipeline " + pipeline);
  }
  // Where others write too: the watchers of these volumes tell of no newer version meanwhile.
  if (fleet_.shared) LockHomes(tx, files);
  // Everything is checked before anything is written.
  std::vector<std::pair<std::shared_ptr<const Pipeline>, EventRecord>> plan;
  for (const auto& [volume, path] : files) {
    std::optional<EventRecord> latest = tx.LatestEvent(volume, path);
    if (!latest.has_value()) return NotAnnounced({.volume = volume, .path = path});
    absl::StatusOr<std::shared_ptr<const Pipeline>> taker = PipelineFor(pipeline, latest->event);
    if (!taker.ok()) return taker.status();
    plan.emplace_back(*taker, *latest);
  }
  std::vector<Intake::Made> made;
  for (const auto& [taker, record] : plan) {
    std::optional<Intake::Made> job = intake_.MakeJob(tx, *taker, record, record.id, wish, now);
    if (!job.has_value()) {
      // on_new_version is `ignore`: the job that runs stands for this version too.
      std::optional<Job> running =
          tx.LastInLine(taker->name, record.event.file.volume, record.event.file.path);
      if (running.has_value()) job = Intake::Made{*running, true};
    }
    if (job.has_value()) made.push_back(*job);
  }
  return made;
}

absl::StatusOr<std::vector<Job>> Desk::ChangeAll(StoreTransaction& tx,
                                                 const std::vector<JobId>& ids,
                                                 const JobCommand& command, absl::Time now) {
  for (JobId id : ids) {
    std::optional<Job> job = tx.GetJob(id);
    if (!job.has_value()) return NoSuchJob(id);
    absl::Status allowed = Apply(*job, Attempt{}, command, RuleContext{.now = now}).status();
    if (!allowed.ok()) return allowed;
  }
  std::vector<Job> changed;
  for (JobId id : ids) {
    std::optional<Job> job = tx.GetJob(id);
    if (!job.has_value()) return NoSuchJob(id);
    absl::StatusOr<Job> next = book_.Change(tx, *job, command, now);
    // Named twice in one call: the first time has done it.
    changed.push_back(next.ok() ? *next : *job);
  }
  return changed;
}

absl::StatusOr<std::vector<Job>> Desk::CancelJobs(StoreTransaction& tx,
                                                  const std::vector<JobId>& ids,
                                                  const std::string& reason, absl::Time now) {
  return ChangeAll(tx, ids, Cancel{reason.empty() ? "cancelled by hand" : reason}, now);
}

absl::StatusOr<std::vector<Job>> Desk::RetryJobs(StoreTransaction& tx,
                                                 const std::vector<JobId>& ids, bool redrive,
                                                 absl::Time now) {
  for (JobId id : ids) {
    const std::optional<Job> job = tx.GetJob(id);
    if (!job.has_value() || fleet_.FindPipeline(tx, job->pipeline) != nullptr) continue;
    return absl::FailedPreconditionError(
        absl::StrCat("pipeline ", job->pipeline, " of job ", id.value,
                     " was deleted: apply it again, then retry the job"));
  }
  return ChangeAll(tx, ids, Retry{redrive}, now);
}

}  // namespace closewrite

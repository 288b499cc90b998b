// What is published, and what is left when all is over.
#include <algorithm>

#include "absl/strings/str_cat.h"
#include "services/coordinator/core/job_rules.h"
#include "tests/simulation/checker.h"
#include "tests/simulation/command_script.h"

namespace closewrite::simulation {
namespace {

constexpr int64_t kJobsMax = 1'000'000;
constexpr int64_t kEventsOfPathMax = 1'000'000;

std::string Name(const Lease& lease) {
  return absl::StrCat("job ", lease.job.value, "/", lease.token.value);
}

}  // namespace

void Checker::OnRenamed(const Lease& lease, const std::string& volume, const std::string& path) {
  world().Note("", "job $0/$1 is published as $d", {lease.job.value, lease.token.value}, path);
  const std::optional<Job> job = Get(lease.job);
  if (!job.has_value() || job->token != lease.token || job->state != JobState::kPublishing) {
    return Fail("P5", absl::StrCat(Name(lease), " publishes ", path, " and is ",
                                   job.has_value() ? StateName(job->state) : "unknown",
                                   " with token ", job.has_value() ? job->token.value : 0));
  }
  const auto [published, is_new] = published_[lease.job].emplace(path, lease.token);
  if (!is_new) {
    Fail("P5", absl::StrCat(Name(lease), " publishes ", path, " again, after token ",
                            published->second.value));
  }
  const auto definition = pipelines_.find(job->pipeline);
  if (definition == pipelines_.end() || !ReadsInput(definition->second)) return;
  // An older job may be the one that reads a newer version.
  const int64_t told_by = ToldBy(job->input);
  int64_t& newest = newest_result_[{volume, path}];
  if (told_by < newest) {
    Fail("P5", absl::StrCat(Name(lease), " overwrites ", path, ", made from what event ", newest,
                            " told, by what is made from event ", told_by));
  }
  newest = told_by;
}

int64_t Checker::ToldBy(const FileVersion& version) {
  int64_t told_by = 0;
  Read([&](StoreReader& reader) {
    for (const EventRecord& record :
         reader.ListEvents(version.volume, version.path, 0, kEventsOfPathMax)) {
      if (record.event.file == version) told_by = std::max(told_by, record.id);
    }
  });
  return told_by;
}

void Checker::OnUndone(const Lease& lease, const std::string& volume, const std::string& path) {
  world().Note("", "the rename of job $0/$1 to $d is lost", {lease.job.value, lease.token.value},
               path);
  published_[lease.job].erase(path);
  newest_result_.erase({volume, path});
}

void Checker::OnSwept(const Lease& lease) {
  const std::optional<Job> job = Get(lease.job);
  const bool needed = job.has_value() && job->token == lease.token &&
                      (job->state == JobState::kRunning || job->state == JobState::kPublishing);
  if (needed) Fail("P5", absl::StrCat("what ", Name(lease), " has staged is swept"));
}

void Checker::OnPublishError(const Lease& lease, const std::string& error) {
  Fail("P5", absl::StrCat(Name(lease), " can't be published: ", error));
}

// All files of the newest attempt, and nothing of any other.
void Checker::CheckPublished(const Job& job) {
  const std::map<std::string, FencingToken>& published = published_[job.id];
  if (job.state != JobState::kSucceeded) {
    if (published.empty()) return;
    return Fail("P5", absl::StrCat("job ", job.id.value, " is ", StateName(job.state),
                                   " and has published ", published.begin()->first));
  }
  if (published.size() != job.outputs.size()) {
    Fail("P5", absl::StrCat("job ", job.id.value, " has published ", published.size(), " of ",
                            job.outputs.size(), " files"));
  }
  for (const OutputFile& file : job.outputs) {
    const auto found = published.find(file.path);
    if (found != published.end() && found->second == job.token) continue;
    Fail("P5", absl::StrCat("job ", job.id.value, " has not published ", file.path,
                            " from its newest lease"));
  }
}

void Checker::CheckLogs(StoreReader& reader) {
  for (const auto& [lease, length] : logs_) {
    std::string log;
    for (const LogPart& part : UnpackLogRows(reader.ReadLog(lease, 0, length), 0).parts) {
      AppendLogRecord(part.time_us, part.stream, part.bytes, &log);
    }
    std::string sent;
    for (int64_t i = 0; i < length / kLogRecordSize; ++i) sent += LogRecordOf(lease, i);
    const bool right = log.compare(0, sent.size(), sent) == 0;
    if (!right) Fail("P6", absl::StrCat("the log of ", Name(lease), " is not what was sent"));
  }
}

void Checker::AuditJobs() {
  Read([&](StoreReader& reader) {
    std::set<std::string> keys;
    for (const Job& job : reader.ListJobs({}, JobId{}, kJobsMax)) {
      if (!IsFinal(job.state)) Fail("liveness", Describe(job.id));
      if (!keys.insert(job.key).second) Fail("P3", absl::StrCat("two jobs of ", job.key));
      CheckPublished(job);
      // Whatever is dead must have had a bad end.
      if (job.state == JobState::kFailed && reader.ListAttempts(job.id).empty()) {
        Fail("P6", absl::StrCat("job ", job.id.value, " is FAILED without an attempt"));
      }
    }
    CheckLogs(reader);
    tasks_.Audit(reader);
    for (const LockClaim& claim : reader.ListClaims()) {
      Fail("lock", absl::StrCat("lock ", claim.lock, " is still held by ", Shown(claim)));
    }
  });
}

// Whether the pipeline must have a job of this version: it was there before the file, and stayed.
bool Checker::Wanted(const Pipeline& pipeline, const EventRecord& event,
                     const VolumeModel::File& file) {
  const auto applied = applied_.find(pipeline.name);
  if (applied == applied_.end() || deleted_.contains(pipeline.name)) return false;
  if (applied->second >= file.changed_at) return false;
  // One that ignores newer versions lets an older one's job stand for them.
  if (pipeline.on_new_version == OnNewVersion::kIgnore) return false;
  // After a correction of times only the first event says what it was.
  const bool corrected = event.event.kind == EventKind::kAttrib;
  return ReadsInput(pipeline) && (corrected ? pipeline.when == When::kCloseWrite
                                            : MatchEvent(pipeline, event.event).matches);
}

void Checker::AuditFiles(const std::map<std::string, VolumeModel*>& volumes) {
  Read([&](StoreReader& reader) {
    for (const auto& [volume, model] : volumes) {
      for (const auto& [path, file] : model->files()) {
        const std::optional<EventRecord> latest = reader.LatestEvent(volume, path);
        const std::string name = absl::StrCat(volume, ":", path);
        if (!latest.has_value() || latest->event.file != file.version) {
          Fail("P1", absl::StrCat("what ", name, " is now, mtime ", file.version.mtime_ns,
                                  file.open ? ", open" : "", ", was never told; what was is ",
                                  latest.has_value() ? latest->event.file.mtime_ns : 0));
          continue;
        }
        (void)Current(reader, "");
        for (const auto& [pipeline_name, pipeline] : pipelines_) {
          if (pipeline.volume != volume || !Wanted(pipeline, *latest, file)) continue;
          const std::string key = JobKey(pipeline_name, file.version);
          const JobFilter filter{
              .pipeline = pipeline_name, .input_volume = volume, .input_path = path};
          const std::vector<Job> jobs = reader.ListJobs(filter, JobId{}, kJobsMax);
          const auto job = std::find_if(jobs.begin(), jobs.end(),
                                        [&](const Job& each) { return each.key == key; });
          if (job == jobs.end()) {
            Fail("P1", absl::StrCat("there is no job of ", pipeline_name, " for ", name));
          } else if (job->state != JobState::kSucceeded) {
            Fail("liveness", absl::StrCat("after everything: ", Describe(job->id)));
          }
        }
      }
    }
  });
}

std::vector<JobId> Checker::NotSucceeded(const std::map<std::string, VolumeModel*>& volumes) {
  std::vector<JobId> ids;
  Read([&](StoreReader& reader) {
    for (const Job& job : reader.ListJobs({}, JobId{}, kJobsMax)) {
      if (job.state != JobState::kFailed && job.state != JobState::kCancelled) continue;
      const Pipeline* const pipeline = Current(reader, job.pipeline);
      const auto volume = volumes.find(job.input.volume);
      if (pipeline == nullptr || !ReadsInput(*pipeline) || volume == volumes.end()) continue;
      const VolumeModel::File* const file = volume->second->Find(job.input.path);
      if (file != nullptr && file->version == job.input) ids.push_back(job.id);
    }
  });
  return ids;
}

}  // namespace closewrite::simulation

#include "services/coordinator/api/story.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_join.h"
#include "services/config/nearest.h"
#include "services/coordinator/api/job_view.h"
#include "services/coordinator/api/log_end.h"
#include "services/coordinator/api/story_words.h"
#include "services/coordinator/api/verdict.h"
#include "services/coordinator/convert.h"
#include "services/coordinator/core/attempts.h"
#include "services/coordinator/core/file_history.h"
#include "services/coordinator/core/job_rules.h"
#include "services/coordinator/core/task.h"
#include "services/coordinator/core/waiting.h"
#include "services/log/str_cat.h"
#include "services/volume/path.h"

namespace closewrite {
namespace {

v1::StoryLine Line(absl::Time at, const char* topic, std::string text) {
  v1::StoryLine line;
  if (IsKnown(at)) SetTime(at, line.mutable_at());
  line.set_topic(topic);
  line.set_text(std::move(text));
  return line;
}

// Id of the newest event that says that the file is gone; 0: none.
int64_t LastGone(const std::vector<EventRecord>& events) {
  const auto gone = std::find_if(events.rbegin(), events.rend(),
                                 [](const EventRecord& record) { return IsGone(record.event); });
  return gone == events.rend() ? 0 : gone->id;
}

}  // namespace

Story::Scene& Story::Open(absl::Time at) { return scenes_.emplace_back(Scene{at, {}}); }

void Story::Say(Scene& scene, absl::Time at, const char* topic, std::string text) {
  scene.lines.push_back(Line(at, topic, std::move(text)));
}

void Story::SayNow(const char* topic, std::string text) {
  now_lines_.push_back(Line(absl::InfinitePast(), topic, std::move(text)));
}

void Story::TellFile(const std::string& volume, const std::string& path) {
  std::vector<EventRecord> events = reader_.ListEvents(volume, path, 0, kStoryEventsMax + 1);
  std::vector<Job> jobs = reader_.ListJobs(JobFilter{.input_volume = volume, .input_path = path},
                                           JobId{}, kStoryJobsMax + 1);
  const auto cut = [&](auto& list, int64_t max, const char* what) {
    if (static_cast<int64_t>(list.size()) > max) {
      list.resize(max);
      first_lines_.push_back(
          Line(absl::InfinitePast(), "LEFT_OUT",
               StrCat("older ", what, " than the newest ", max, " are left out")));
    }
    std::reverse(list.begin(), list.end());
  };
  cut(events, kStoryEventsMax, "events");
  cut(jobs, kStoryJobsMax, "jobs");
  // The verdicts stand below the newest event that could make a job, if there is one.
  const auto judged = std::find_if(events.rbegin(), events.rend(),
                                   [](const EventRecord& r) { return IsFinished(r.event); });
  for (const EventRecord& record : events) {
    TellSeen(record);
    const bool is_judged = &record == (judged == events.rend() ? &events.back() : &*judged);
    if (is_judged || &record == &events.back()) TellVerdicts(record, is_judged, jobs);
  }
  for (const Job& job : jobs) TellOneJob(job);
  if (events.empty()) TellNeverSeen(volume, path);
  TellWatcher(volume, !events.empty());
  if (look_.has_value()) SayNow("LOOK", look_->message());
  Conclude(volume, path, events, judged == events.rend() ? nullptr : &*judged, jobs);
}

void Story::Conclude(const std::string& volume, const std::string& path,
                     const std::vector<EventRecord>& events, const EventRecord* judged,
                     const std::vector<Job>& jobs) {
  // The newest job of each pipeline, of the version that was judged; those that are not done first.
  std::vector<const Job*> told;
  for (auto job = jobs.rbegin(); job != jobs.rend(); ++job) {
    // One of the name that appeared was made before its file was finished.
    const std::shared_ptr<const Pipeline> pipeline = fleet_.FindPipeline(reader_, job->pipeline);
    const bool of_name =
        pipeline != nullptr && TakesCreate(*pipeline) && job->event_id > LastGone(events);
    const bool of_it = judged == nullptr || job->event_id >= judged->id || of_name ||
                       job->input == judged->event.file;
    const bool is_new = std::none_of(told.begin(), told.end(), [&](const Job* other) {
      return other->pipeline == job->pipeline;
    });
    if (of_it && is_new) told.push_back(&*job);
  }
  std::stable_partition(told.begin(), told.end(),
                        [](const Job* job) { return job->state != JobState::kSucceeded; });
  for (size_t i = 0; i < told.size() && i < kVerdictJobsMax; ++i) {
    findings_.Add(FindingsOf(*told[i], fleet_, reader_, now_));
  }
  // What became of the file later does not matter to those that have had it.
  const bool look_matters =
      told.empty() || (look_.has_value() && look_->finding() == v1::FILE_FINDING_OPEN);
  const std::string file = FileWords(volume, path);
  if (told.empty() && !events.empty()) {
    const int64_t made_by = judged == nullptr ? 0 : judged->event.caused_by_job;
    if (IsGone(events.back().event)) {
      findings_.verdict.push_back(
          StrCat(file, " is gone since ", TimeWords(events.back().received_at)));
    } else if (made_by != 0 && reasons_.empty()) {
      findings_.verdict.push_back(
          StrCat(file, " is a result of job ", made_by, ", and no pipeline takes it"));
      findings_.advice.push_back(
          StrCat("`closewrite explain ", made_by, "` tells how it was made"));
    } else {
      ConcludeNotWanted(file, /*seen=*/true);
    }
    findings_.Add(FindingsOf(volume, path, fleet_, std::nullopt, now_));
    return;
  }
  findings_.Add(
      FindingsOf(volume, path, fleet_, look_matters ? look_ : std::optional<v1::FileLook>(), now_));
  if (!events.empty() || !told.empty()) return;
  if (findings_.verdict.empty()) {
    findings_.verdict.push_back(StrCat("nothing was seen of ", file,
                                       "; `closewrite watchers` shows how its volume is watched"));
  }
  // A pipeline that waits for it says enough.
  if (reasons_.empty() && !misfits_.empty()) ConcludeNotWanted(file, /*seen=*/false);
}

// Those that take its name tell most; of the others it is enough to know how many there are.
void Story::ConcludeNotWanted(const std::string& file, bool seen) {
  std::vector<std::string> reasons = reasons_.empty() ? misfits_ : reasons_;
  if (reasons.empty()) {
    reasons.push_back(fleet_.pipelines.empty() ? "there is no pipeline"
                                               : "no pipeline watches its volume");
  }
  size_t more = reasons_.empty() ? 0 : misfits_.size();
  if (reasons.size() > kVerdictJobsMax) {
    more += reasons.size() - kVerdictJobsMax;
    reasons.resize(kVerdictJobsMax);
  }
  findings_.verdict.push_back(
      StrCat("no job was made of ", file, ": ", absl::StrJoin(reasons, "; "),
             more == 0 ? "" : StrCat("; and ", more, more == 1 ? " does" : " do", " not take it")));
  findings_.advice.push_back(
      "`closewrite pipeline test -f FILE PATH` tells what a changed definition would take");
  if (!seen) return;
  findings_.advice.push_back(
      "`closewrite submit --pipeline PIPELINE FILE` makes a job in spite of it");
}

absl::Status Story::TellJob(JobId id) {
  const std::optional<Job> job = reader_.GetJob(id);
  if (!job.has_value()) return NoSuchJob(id);
  std::vector<EventRecord> events =
      reader_.ListEvents(job->input.volume, job->input.path, 0, kStoryEventsMax);
  std::reverse(events.begin(), events.end());
  for (const EventRecord& record : events) {
    if (record.id != job->event_id && record.event.file != job->input) continue;
    TellSeen(record);
    const std::shared_ptr<const Pipeline> pipeline = fleet_.FindPipeline(reader_, job->pipeline);
    const bool made_it =
        record.id == job->event_id || (record.event.file == job->input && IsThere(record.event) &&
                                       pipeline != nullptr && pipeline->when == When::kMarker);
    if (made_it && pipeline != nullptr) {
      TellVerdict(scenes_.back(), record, *pipeline, {*job});
    }
  }
  TellOneJob(*job);
  if (!job->input.volume.empty()) TellWatcher(job->input.volume, true);
  findings_.Add(FindingsOf(*job, fleet_, reader_, now_));
  return absl::OkStatus();
}

v1::ExplainResponse Story::Take() {
  std::stable_sort(scenes_.begin(), scenes_.end(),
                   [](const Scene& a, const Scene& b) { return a.at < b.at; });
  const auto add = [&](std::vector<v1::StoryLine>& lines) {
    for (v1::StoryLine& line : lines) *story_.add_lines() = std::move(line);
  };
  for (std::string& text : findings_.verdict) {
    *story_.add_lines() = Line(absl::InfinitePast(), "VERDICT", std::move(text));
  }
  for (std::string& text : findings_.advice) {
    *story_.add_lines() = Line(absl::InfinitePast(), "ADVICE", std::move(text));
  }
  if (look_.has_value()) *story_.mutable_look() = *look_;
  add(first_lines_);
  for (Scene& scene : scenes_) add(scene.lines);
  add(now_lines_);
  return std::move(story_);
}

void Story::TellSeen(const EventRecord& record) {
  Say(Open(record.received_at), record.received_at, "SEEN", EventWords(record));
}

void Story::TellVerdicts(const EventRecord& record, bool is_judged, const std::vector<Job>& jobs) {
  Scene& scene = scenes_.back();  // that of the event
  int64_t elsewhere = 0;
  for (const auto& [name, pipeline] : fleet_.pipelines) {
    const bool waits_for_its_end = TakesDelete(*pipeline) && IsGone(record.event);
    if (pipeline->volume != record.event.file.volume) {
      ++elsewhere;
    } else if (is_judged || waits_for_its_end) {
      TellVerdict(scene, record, *pipeline, jobs);
    }
  }
  if (!is_judged) return;
  if (fleet_.pipelines.empty()) {
    Say(scene, record.received_at, "NOT_MATCHED",
        "there is no pipeline: `closewrite pipeline apply -f FILE` makes some");
  } else if (elsewhere > 0) {
    Say(scene, record.received_at, "NOT_MATCHED",
        StrCat(elsewhere, elsewhere == 1 ? " pipeline watches" : " pipelines watch",
               " other volumes"));
  }
}

void Story::TellVerdict(Scene& scene, const EventRecord& record, const Pipeline& pipeline,
                        const std::vector<Job>& jobs) {
  const bool takes_name =
      MatchPath(pipeline, record.event.file.volume, record.event.file.path).matches;
  FileHistory history;
  if (takes_name) history = HistoryOf(reader_, pipeline, record);
  Verdict verdict = MatchEvent(pipeline, record.event, history);
  const bool has_job = std::any_of(jobs.begin(), jobs.end(), [&](const Job& job) {
    return job.pipeline == pipeline.name &&
           (job.event_id >= record.id || job.input == record.event.file);
  });
  // Its marker may have come later, and be gone by now.
  if (has_job && !verdict.matches && pipeline.when == When::kMarker) {
    verdict = {true, StrCat("its marker ", Display(MarkerOf(pipeline, record.event.file.path)),
                            " has come")};
  }
  std::string text = StrCat("pipeline ", pipeline.name, ": ", verdict.message);
  if (verdict.matches && !has_job) {
    StrAppend(&text, pipeline.applied_at > record.received_at
                         ? StrCat(", but it was applied at ", TimeWords(pipeline.applied_at),
                                  ", after that: `closewrite submit` makes a job of it")
                         : std::string(", but it made no job: `closewrite submit` makes one"));
  }
  if (!has_job) (takes_name ? reasons_ : misfits_).push_back(text);
  Say(scene, record.received_at, verdict.matches ? "MATCHED" : "NOT_MATCHED", std::move(text));
}

void Story::TellOneJob(const Job& job) {
  const std::optional<std::string_view> task = TaskOfRuns(job.pipeline);
  Say(Open(job.created_at), job.created_at, "JOB",
      task.has_value()
          ? StrCat("job ", job.id.value, " was made, a run of task ", *task)
          : StrCat("job ", job.id.value, " of pipeline ", job.pipeline, " was made for ",
                   FileWords(job.input.volume, job.input.path),
                   job.caused_by_job == 0 ? "" : StrCat(", a result of job ", job.caused_by_job)));
  const std::vector<Attempt> attempts = AttemptsOf(reader_, job);
  const size_t skip = attempts.size() - std::min(attempts.size(), kStoryAttemptsMax);
  if (skip > 0) {
    const absl::Time at = attempts[skip].leased_at;
    Say(Open(at), absl::InfinitePast(), "LEFT_OUT",
        StrCat(skip, " earlier attempts of job ", job.id.value, " are left out"));
  }
  for (size_t i = skip; i < attempts.size(); ++i) {
    TellWait(job, i == 0 ? nullptr : &attempts[i - 1], attempts[i]);
    TellAttempt(job, attempts[i]);
  }
  TellEnd(job);
  TellJobNow(job);
  *story_.add_jobs() = ShowWhole(job, fleet_, reader_, now_);
}

void Story::TellWait(const Job& job, const Attempt* before, const Attempt& attempt) {
  const absl::Time since = before == nullptr ? job.created_at : before->ended_at;
  const absl::Duration waited = attempt.leased_at - since;
  if (waited < kWaitToldMin || !IsKnown(since)) return;
  const std::shared_ptr<const Pipeline> pipeline = fleet_.FindPipeline(reader_, job.pipeline);
  std::string what = before == nullptr ? "its turn" : "its backoff and its turn";
  if (before == nullptr && pipeline != nullptr && pipeline->settle > absl::ZeroDuration()) {
    what = StrCat("it to settle (", DurationWords(pipeline->settle), ") and its turn");
  }
  if (pipeline != nullptr && !pipeline->locks.empty()) {
    StrAppend(&what, ", with ", pipeline->locks.size() == 1 ? "lock " : "locks ",
              absl::StrJoin(pipeline->locks, ", "));
  }
  Say(Open(attempt.leased_at), attempt.leased_at, "WAITED",
      StrCat("job ", job.id.value, " waited ", DurationWords(waited), " for ", what));
}

void Story::TellAttempt(const Job& job, const Attempt& attempt) {
  Scene& scene = Open(attempt.leased_at);
  Say(scene, attempt.leased_at, "ATTEMPT", AttemptWords(attempt, now_));
  if (!WentWrong(attempt)) return;
  for (const std::string& line : ReadLogEnd(reader_, attempt).lines) {
    Say(scene, absl::InfinitePast(), "LOG", line);
  }
}

void Story::TellEnd(const Job& job) {
  if (!IsFinal(job.state) || !IsKnown(job.finished_at)) return;
  Scene& scene = Open(job.finished_at);
  std::string text = StrCat("job ", job.id.value, " is ", StateName(job.state), ", ",
                            DurationWords(job.finished_at - job.created_at), " after it was made");
  if (!job.message.empty()) StrAppend(&text, ": ", Display(job.message));
  Say(scene, job.finished_at, "JOB", std::move(text));
  if (job.state != JobState::kSucceeded) return;
  int told = 0;
  for (const OutputFile& output : job.outputs) {
    if (told++ == kStoryOutputsMax) {
      Say(scene, job.finished_at, "LEFT_OUT",
          StrCat(job.outputs.size() - kStoryOutputsMax, " more files of job ", job.id.value,
                 " are left out"));
      break;
    }
    Say(scene, job.finished_at, "OUTPUT", OutputWords(job.output_volume, output));
    TellCaused(scene, job, output);
  }
}

void Story::TellCaused(Scene& scene, const Job& job, const OutputFile& output) {
  const JobFilter filter{.input_volume = job.output_volume, .input_path = output.path};
  for (const Job& next : reader_.ListJobs(filter, JobId{}, kStoryCausedMax)) {
    if (next.caused_by_job != job.id.value) continue;
    Say(scene, next.created_at, "CAUSED",
        StrCat("job ", next.id.value, " of pipeline ", next.pipeline, " was made of it and is ",
               StateName(next.state)));
  }
}

void Story::TellJobNow(const Job& job) {
  const std::string words = StrCat("job ", job.id.value, " is ", StateName(job.state));
  const Waiting waiting = WhyWaiting(job, fleet_, reader_, now_);
  if (waiting.reason != WaitingReason::kNone) {
    SayNow("WAITING", StrCat(words, ": ", Display(waiting.message)));
  } else if (job.state == JobState::kRunning) {
    std::string text = StrCat(words, " on executor ", job.executor, " at ", job.host);
    const v1::Job shown = ShowJob(job, fleet_, reader_, now_);
    if (shown.progress().total() > 0) {
      StrAppend(&text, ", ", shown.progress().done(), " of ", shown.progress().total(), " ",
                shown.progress().unit());
    }
    SayNow("RUNNING", std::move(text));
  }
}

void Story::TellWatcher(const std::string& volume, bool seen) {
  const Watcher* watcher = WatcherOf(fleet_, volume);
  if (watcher == nullptr) {
    SayNow("WATCHER", StrCat("no watcher has called itself the home of volume ", volume,
                             " since the coordinator started; ",
                             SuggestNearest(volume, KnownVolumes(fleet_))));
    return;
  }
  const VolumeReport& report = ReportOf(*watcher, volume);
  if (seen && watcher->connected() && report.state == VolumeState::kLive) return;
  std::string text = StrCat("volume ", volume, " has its home on ", watcher->host, ", below ",
                            Display(report.root), watcher->connected() ? ", and is " : ", and was ",
                            VolumeStateWord(report.state));
  if (!report.message.empty()) StrAppend(&text, " (", Display(report.message), ")");
  if (watcher->connected()) {
    StrAppend(&text, "; its watcher is connected");
  } else {
    StrAppend(&text, "; its watcher is not connected: it was heard of last at ",
              TimeWords(watcher->heartbeat_at));
  }
  SayNow("WATCHER", std::move(text));
}

void Story::TellNeverSeen(const std::string& volume, const std::string& path) {
  for (const auto& [name, pipeline] : fleet_.pipelines) {
    const Verdict verdict = MatchPath(*pipeline, volume, path);
    if (pipeline->volume != volume) continue;
    std::string text = StrCat("pipeline ", name, ": ", verdict.message);
    (verdict.matches ? reasons_ : misfits_).push_back(text);
    SayNow(verdict.matches ? "MATCHED" : "NOT_MATCHED", std::move(text));
  }
  const Watcher* watcher = WatcherOf(fleet_, volume);
  SayNow(
      "NOT_SEEN",
      StrCat("nothing was seen of ", FileWords(volume, path),
             "; a file is announced once it is closed after writing or renamed into place below ",
             watcher == nullptr ? "the root of its volume"
                                : Display(ReportOf(*watcher, volume).root)));
}

}  // namespace closewrite

#include "services/coordinator/api/story.h"

#include <algorithm>
#include <set>
#include <utility>

#include "absl/strings/str_split.h"
#include "services/config/nearest.h"
#include "services/coordinator/api/job_view.h"
#include "services/coordinator/api/story_words.h"
#include "services/coordinator/convert.h"
#include "services/coordinator/core/attempts.h"
#include "services/coordinator/core/file_history.h"
#include "services/coordinator/core/job_rules.h"
#include "services/coordinator/core/log_pieces.h"
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

// The watcher that reported the volume last, the connected one first.
const Watcher* WatcherOf(const Fleet& fleet, const std::string& volume) {
  if (const Watcher* home = fleet.HomeOf(volume)) return home;
  for (const auto& [host, watcher] : fleet.watchers) {
    for (const VolumeReport& report : watcher.volumes) {
      if (report.volume == volume) return &watcher;
    }
  }
  return nullptr;
}

const VolumeReport& ReportOf(const Watcher& watcher, const std::string& volume) {
  return *std::find_if(watcher.volumes.begin(), watcher.volumes.end(),
                       [&](const VolumeReport& report) { return report.volume == volume; });
}

std::vector<std::string> KnownVolumes(const Fleet& fleet) {
  std::set<std::string> names;
  for (const auto& [host, watcher] : fleet.watchers) {
    for (const VolumeReport& report : watcher.volumes) names.insert(report.volume);
  }
  return {names.begin(), names.end()};
}

// True when its log may tell why it did not succeed.
bool WentWrong(const Attempt& attempt) {
  return attempt.outcome != Outcome::kNone && attempt.outcome != Outcome::kSucceeded &&
         attempt.outcome != Outcome::kHandedBack;
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
  return absl::OkStatus();
}

v1::ExplainResponse Story::Take() {
  std::stable_sort(scenes_.begin(), scenes_.end(),
                   [](const Scene& a, const Scene& b) { return a.at < b.at; });
  const auto add = [&](std::vector<v1::StoryLine>& lines) {
    for (v1::StoryLine& line : lines) *story_.add_lines() = std::move(line);
  };
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
    const bool waits_for_its_end = pipeline->when == When::kDelete && IsGone(record.event);
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
  FileHistory history;
  if (MatchPath(pipeline, record.event.file.volume, record.event.file.path).matches) {
    history = HistoryOf(reader_, pipeline, record);
  }
  Verdict verdict = MatchEvent(pipeline, record.event, history);
  const bool has_job = std::any_of(jobs.begin(), jobs.end(), [&](const Job& job) {
    return job.pipeline == pipeline.name &&
           (job.event_id == record.id || job.input == record.event.file);
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
  for (size_t i = skip; i < attempts.size(); ++i) TellAttempt(job, attempts[i]);
  TellEnd(job);
  TellJobNow(job);
  *story_.add_jobs() = ShowWhole(job, fleet_, reader_, now_);
}

void Story::TellAttempt(const Job& job, const Attempt& attempt) {
  Scene& scene = Open(attempt.leased_at);
  Say(scene, attempt.leased_at, "ATTEMPT", AttemptWords(attempt, now_));
  if (WentWrong(attempt)) TellLog(scene, job, attempt);
}

void Story::TellLog(Scene& scene, const Job& job, const Attempt& attempt) {
  const LogPiece piece = ReadLogPieceBefore(reader_, Lease{job.id, attempt.token},
                                            attempt.log_bytes, int64_t{kStoryLogBytesMax});
  std::string log;
  for (const LogPart& part : piece.parts) log += part.bytes;
  log.erase(0, log.size() - std::min(log.size(), kStoryLogBytesMax));
  if (log.empty()) return;
  if (log.back() == '\n') log.pop_back();
  std::vector<std::string> lines = absl::StrSplit(log, '\n');
  const size_t skip = lines.size() - std::min(lines.size(), kStoryLogLines);
  for (size_t i = skip; i < lines.size(); ++i) {
    Say(scene, absl::InfinitePast(), "LOG", Display(lines[i]));
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
                            Display(report.root), ", and is ", VolumeStateWord(report.state));
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
    SayNow(verdict.matches ? "MATCHED" : "NOT_MATCHED",
           StrCat("pipeline ", name, ": ", verdict.message));
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

#include "services/coordinator/api/verdict.h"

#include <algorithm>
#include <set>

#include "services/config/nearest.h"
#include "services/coordinator/api/job_view.h"
#include "services/coordinator/api/log_end.h"
#include "services/coordinator/api/story_words.h"
#include "services/coordinator/core/attempts.h"
#include "services/coordinator/core/job_rules.h"
#include "services/coordinator/core/waiting.h"
#include "services/log/str_cat.h"
#include "services/volume/path.h"

namespace closewrite {
namespace {

std::optional<Attempt> LastFailure(StoreReader& reader, const Job& job) {
  std::vector<Attempt> attempts = AttemptsOf(reader, job);
  const auto failed = std::find_if(attempts.rbegin(), attempts.rend(), WentWrong);
  if (failed == attempts.rend()) return std::nullopt;
  return *failed;
}

std::string LogsAdvice(const Job& job) {
  return StrCat("`closewrite logs ", job.id.value, "` prints all that its command said");
}

// How the newest attempt that failed did so, and the last thing that it said.
void AddFailure(const Job& job, StoreReader& reader, Findings* findings) {
  std::optional<Attempt> failed = LastFailure(reader, job);
  if (!failed.has_value()) return;
  if (failed->message == job.message) failed->message.clear();  // it has been said
  findings->verdict.push_back(AttemptWords(*failed, absl::InfinitePast()));
  const LogEnd end = ReadLogEnd(reader, *failed);
  if (end.lines.empty()) return;
  findings->verdict.push_back(StrCat("its log ends: ", end.lines.back()));
  findings->advice.push_back(LogsAdvice(job));
}

void AddPublished(const Job& job, Findings* findings) {
  std::string text = StrCat("job ", job.id.value, " of pipeline ", job.pipeline, " has SUCCEEDED ",
                            DurationWords(job.finished_at - job.created_at), " after it was made");
  if (job.outputs.empty()) {
    StrAppend(&text, job.output_volume.empty() ? "" : "; it published nothing");
  } else {
    StrAppend(&text, ": ", FileWords(job.output_volume, job.outputs.front().path), " is published");
    if (job.outputs.size() > 1) {
      StrAppend(&text, ", and ", job.outputs.size() - 1, " more");
    }
  }
  findings->verdict.push_back(std::move(text));
}

// The start of a command is known by our clock, what it prints by that of its host.
std::string HowLongSilent(const Job& job, const Fleet& fleet, StoreReader& reader, absl::Time now) {
  const LogEnd end = ReadLogEnd(reader, LiveAttempt(job));
  const absl::Duration runs_for = now - job.started_at;
  if (end.at == absl::InfinitePast()) {
    return runs_for >= kSilentAfter ? "it has printed nothing" : "";
  }
  const auto session = fleet.sessions.find(job.session);
  if (session == fleet.sessions.end()) return "";
  const std::optional<absl::Duration> ahead = session->second.findings.clock_ahead;
  if (!ahead.has_value()) return "";  // it has not told its time yet
  const absl::Duration silent = std::min(now + *ahead - end.at, runs_for);
  if (silent < kSilentAfter) return "";
  return StrCat("it has printed nothing for ", DurationWords(silent),
                ", its last line was: ", end.lines.empty() ? "" : end.lines.back());
}

void AddRunning(const Job& job, const Fleet& fleet, StoreReader& reader, absl::Time now,
                Findings* findings) {
  const bool started = IsKnown(job.started_at);
  std::string text = StrCat("job ", job.id.value, " of pipeline ", job.pipeline,
                            started ? " runs for " : " was given for ",
                            DurationWords(now - (started ? job.started_at : job.leased_at)),
                            started ? " on executor " : " to executor ", job.executor, " at ",
                            job.host, job.pid == 0 ? "" : StrCat(", pid ", job.pid));
  if (!started) StrAppend(&text, ", which has not started it yet");
  if (!started && !job.input.volume.empty()) {
    StrAppend(&text, ": it waits until its input is visible there");
  }
  if (job.cancelling) StrAppend(&text, ", and is being cancelled: ", Display(job.message));
  findings->verdict.push_back(std::move(text));
  const auto session = fleet.sessions.find(job.session);
  if (session != fleet.sessions.end() && !session->second.connected()) {
    findings->verdict.push_back(StrCat("executor ", job.executor, " is not connected since ",
                                       TimeWords(session->second.heartbeat_at),
                                       "; the job is given to another at ",
                                       TimeWords(session->second.expires_at)));
  }
  const std::string silent = started ? HowLongSilent(job, fleet, reader, now) : "";
  if (!silent.empty()) findings->verdict.push_back(silent);
  const std::shared_ptr<const Pipeline> pipeline = fleet.FindPipeline(reader, job.pipeline);
  if (!silent.empty() && pipeline != nullptr) {
    const bool limited = pipeline->timeout != absl::InfiniteDuration();
    findings->advice.push_back(
        limited ? StrCat("its timeout ends it at ", TimeWords(job.started_at + pipeline->timeout))
                : StrCat("it has no timeout: `run: {timeout: 1h}` in its definition would end it"));
  }
  findings->advice.push_back(StrCat("`closewrite logs -f ", job.id.value, "` follows it, ",
                                    "`closewrite cancel ", job.id.value, "` ends it"));
}

// What a person can do about it; "" for what passes by itself.
std::string AdviceFor(const Job& job, WaitingReason reason, const Fleet& fleet,
                      StoreReader& reader) {
  switch (reason) {
    case WaitingReason::kLock: {
      const std::shared_ptr<const Pipeline> pipeline = fleet.FindPipeline(reader, job.pipeline);
      for (const std::string& name : pipeline->locks) {
        const LockClaim* const claim = fleet.locks.InTheWay(name);
        if (claim == nullptr) continue;
        if (claim->job.value == 0) {
          return StrCat("`closewrite lock list ", name, "` shows who has it and who waits, `",
                        "closewrite lock release ", name, " --force` takes it from a program ",
                        "that does not use it");
        }
        return StrCat("`closewrite explain ", claim->job.value,
                      "` tells what the holder does, `closewrite cancel ", claim->job.value,
                      "` ends it");
      }
      return "";
    }
    case WaitingReason::kNoExecutor:
      if (std::none_of(fleet.sessions.begin(), fleet.sessions.end(),
                       [](const auto& entry) { return entry.second.connected(); })) {
        return "start closewrite-executor where commands are to run (or see why it can't reach the "
               "coordinator: its log says so)";
      }
      return "`closewrite executors` shows who is there, with labels and volumes; give one what is "
             "missing (`labels:`, `volumes:` in its configuration), or change the definition";
    case WaitingReason::kNoSlot:
      return "`closewrite executors` shows their slots, `closewrite jobs --state running` what "
             "takes them; more `slots:` or executors would help";
    case WaitingReason::kNoPipeline:
      return StrCat("apply it again (`closewrite pipeline apply`), or `closewrite cancel ",
                    job.id.value, "`");
    case WaitingReason::kNoWatcher:
      return StrCat("start closewrite-watcher on the home of volume ", job.output_volume);
    case WaitingReason::kVolumeUnusable:
      return "mount it there again, or mend what stands in its way: the job goes on by itself, and "
             "no attempt is spent meanwhile (`closewrite doctor` looks at all volumes)";
    case WaitingReason::kEarlierVersion:
      return StrCat("`closewrite explain ", job.after.value, "` tells what that one does");
    default:
      return "";
  }
}

void AddWaiting(const Job& job, const Fleet& fleet, StoreReader& reader, absl::Time now,
                Findings* findings) {
  const Waiting waiting = WhyWaiting(job, fleet, reader, now);
  findings->verdict.push_back(StrCat("job ", job.id.value, " of pipeline ", job.pipeline, " is ",
                                     StateName(job.state), ": ", Display(waiting.message)));
  if (std::string advice = AdviceFor(job, waiting.reason, fleet, reader); !advice.empty()) {
    findings->advice.push_back(std::move(advice));
  }
}

// Nothing when the look gives no reason against the file.
std::string WhatTheLookSays(const std::string& volume, const std::string& path,
                            const v1::FileLook& look) {
  const std::string file = FileWords(volume, path);
  switch (look.finding()) {
    case v1::FILE_FINDING_MISSING:
    case v1::FILE_FINDING_NOT_A_FILE:
    case v1::FILE_FINDING_IGNORED:
    case v1::FILE_FINDING_OPEN:
    case v1::FILE_FINDING_UNKNOWN:
      return StrCat(file, ": ", Display(look.message()));
    default:
      return "";
  }
}

std::string LookAdvice(const v1::FileLook& look) {
  switch (look.finding()) {
    case v1::FILE_FINDING_MISSING:
      return "check its name (`closewrite events` lists what was seen), and that it was written "
             "into this volume";
    case v1::FILE_FINDING_IGNORED:
      return "give it another name, or change `ignore:` of the volume in the watcher's "
             "configuration";
    case v1::FILE_FINDING_OPEN:
      return "it is announced as soon as its writer has closed it; one that hangs must be ended";
    default:
      return "";
  }
}

}  // namespace

void Findings::Add(const Findings& other) {
  verdict.insert(verdict.end(), other.verdict.begin(), other.verdict.end());
  for (const std::string& line : other.advice) {
    if (std::find(advice.begin(), advice.end(), line) == advice.end()) advice.push_back(line);
  }
}

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

Findings FindingsOf(const Job& job, const Fleet& fleet, StoreReader& reader, absl::Time now) {
  Findings findings;
  const std::string words =
      StrCat("job ", job.id.value, " of pipeline ", job.pipeline, " is ", StateName(job.state));
  switch (job.state) {
    case JobState::kSucceeded:
      AddPublished(job, &findings);
      break;
    case JobState::kFailed:
      findings.verdict.push_back(StrCat(words, ": ", Display(job.message)));
      AddFailure(job, reader, &findings);
      findings.advice.push_back(StrCat("once that is mended, `closewrite retry ", job.id.value,
                                       "` tries it once more, `closewrite redrive ", job.id.value,
                                       "` with all attempts"));
      break;
    case JobState::kCancelled:
      findings.verdict.push_back(StrCat(words, ": ", Display(job.message)));
      findings.advice.push_back(
          StrCat("`closewrite retry ", job.id.value, "` makes it available again"));
      break;
    case JobState::kRunning:
      AddRunning(job, fleet, reader, now, &findings);
      AddFailure(job, reader, &findings);
      break;
    default:
      AddWaiting(job, fleet, reader, now, &findings);
      if (job.state == JobState::kRetrying) AddFailure(job, reader, &findings);
  }
  return findings;
}

Findings FindingsOf(const std::string& volume, const std::string& path, const Fleet& fleet,
                    const std::optional<v1::FileLook>& look, absl::Time now) {
  Findings findings;
  const Watcher* watcher = WatcherOf(fleet, volume);
  if (watcher == nullptr) {
    findings.verdict.push_back(StrCat("no watcher announces a volume ", volume, ": ",
                                      SuggestNearest(volume, KnownVolumes(fleet))));
    findings.advice.push_back(
        "`closewrite watchers` lists the volumes; closewrite-watcher on the host where the files "
        "lie must have it below `volumes:`");
    return findings;
  }
  const VolumeReport& report = ReportOf(*watcher, volume);
  if (!watcher->connected()) {
    findings.verdict.push_back(StrCat("volume ", volume, " has no watcher online: that on ",
                                      watcher->host, " was heard of last ",
                                      DurationWords(now - watcher->heartbeat_at), " ago"));
    findings.advice.push_back(
        StrCat("start closewrite-watcher on ", watcher->host, " (or see why it can't reach the ",
               "coordinator: its log says so); what was written meanwhile is found by its scan"));
    return findings;
  }
  if (report.state == VolumeState::kLost) {
    findings.verdict.push_back(
        StrCat("volume ", volume, " is LOST on ", watcher->host, ": ", Display(report.message)));
    return findings;
  }
  if (look.has_value()) {
    if (std::string text = WhatTheLookSays(volume, path, *look); !text.empty()) {
      findings.verdict.push_back(std::move(text));
      if (std::string advice = LookAdvice(*look); !advice.empty()) {
        findings.advice.push_back(std::move(advice));
      }
    }
  }
  if (report.state == VolumeState::kScanning) {
    findings.verdict.push_back(StrCat("volume ", volume, " is being scanned on ", watcher->host,
                                      ": what is found is announced then"));
  }
  if (report.state == VolumeState::kDegraded) {
    findings.verdict.push_back(StrCat("volume ", volume, " is DEGRADED on ", watcher->host, ": ",
                                      Display(report.message)));
    findings.advice.push_back("`closewrite doctor` says what to do about it");
  }
  return findings;
}

}  // namespace closewrite

#include "services/coordinator/api/story_words.h"

#include <cstring>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_replace.h"
#include "closewrite/v1/file.pb.h"
#include "closewrite/v1/job.pb.h"
#include "closewrite/v1/observe.pb.h"
#include "services/log/str_cat.h"
#include "services/volume/path.h"

namespace closewrite {
namespace {

// The generated name without its prefix, such as `CLOSE_WRITE` of EVENT_KIND_CLOSE_WRITE.
std::string_view Word(const std::string& name, std::string_view prefix) {
  std::string_view word = name;
  if (word.substr(0, prefix.size()) == prefix) word.remove_prefix(prefix.size());
  return word.empty() ? "UNKNOWN" : word;
}

std::string LowerWords(std::string_view word) {
  return absl::AsciiStrToLower(absl::StrReplaceAll(ToAbsl(word), {{"_", " "}}));
}

std::string SignalWords(int signal) {
  const char* name = sigabbrev_np(signal);
  return name == nullptr ? StrCat("signal ", signal)
                         : StrCat("signal ", signal, " (SIG", name, ")");
}

const char* SourceWords(EventSource source) {
  switch (source) {
    case EventSource::kInotify:
      return " by inotify";
    case EventSource::kRescan:
      return " by a rescan";
    case EventSource::kAudit:
      return " by an audit";
    case EventSource::kPoll:
      return " by polling";
  }
  return "";
}

std::string OutcomeWords(const Attempt& attempt) {
  switch (attempt.outcome) {
    case Outcome::kSucceeded:
      return "exit 0";
    case Outcome::kFailed:
    case Outcome::kTemporaryFailure:
      if (attempt.signal != 0) return SignalWords(attempt.signal);
      // Older rows have a 0 of those that were not started, too.
      if (attempt.pid == 0 && attempt.exit_code.value_or(0) == 0) return "failed";
      return attempt.exit_code.has_value() ? StrCat("exit ", *attempt.exit_code) : "failed";
    default:
      return LowerWords(
          Word(v1::AttemptOutcome_Name(static_cast<v1::AttemptOutcome>(attempt.outcome)),
               "ATTEMPT_OUTCOME_"));
  }
}

}  // namespace

std::string TimeWords(absl::Time time) {
  return absl::FormatTime("%Y-%m-%dT%H:%M:%E3SZ", time, absl::UTCTimeZone());
}

std::string DurationWords(absl::Duration duration) {
  const absl::Duration shown = absl::Trunc(duration, absl::Milliseconds(1));
  return shown == absl::ZeroDuration() ? "0s" : absl::FormatDuration(shown);
}

std::string FileWords(std::string_view volume, std::string_view path) {
  return StrCat(volume, ":", Display(path));
}

std::string EventWords(const EventRecord& record) {
  const FileEvent& event = record.event;
  std::string words =
      StrCat(Word(v1::EventKind_Name(static_cast<v1::EventKind>(event.kind)), "EVENT_KIND_"),
             " on ", record.host, SourceWords(event.source));
  if (event.evidence != Evidence::kNone) {
    StrAppend(&words, ", ",
              LowerWords(
                  Word(v1::Evidence_Name(static_cast<v1::Evidence>(event.evidence)), "EVIDENCE_")));
  }
  const absl::Time mtime = absl::FromUnixNanos(event.file.mtime_ns);
  StrAppend(&words, ": ", event.file.size, " bytes, inode ", event.file.inode, ", mtime ",
            absl::FormatTime("%Y-%m-%dT%H:%M:%E9SZ", mtime, absl::UTCTimeZone()));
  if (event.caused_by_job != 0) StrAppend(&words, ", made by job ", event.caused_by_job);
  const absl::Duration late = record.received_at - event.observed_at;
  if (late > absl::Seconds(1) && late != absl::InfiniteDuration()) {
    StrAppend(&words, "; noticed at ", TimeWords(event.observed_at), " by the watcher's clock");
  }
  return words;
}

std::string AttemptWords(const Attempt& attempt, absl::Time now) {
  std::string words = attempt.number > 0 ? StrCat("attempt ", attempt.number)
                                         : std::string("an attempt that does not count");
  StrAppend(&words, " of job ", attempt.job.value, " (token ", attempt.token.value,
            ") on executor ", attempt.executor, " at ", attempt.host);
  if (attempt.pid != 0) StrAppend(&words, ", pid ", attempt.pid);
  const bool started = attempt.started_at != absl::InfinitePast();
  if (attempt.outcome == Outcome::kNone) {
    StrAppend(&words, started ? ": runs for " : ": was given to it ",
              DurationWords(now - (started ? attempt.started_at : attempt.leased_at)),
              started ? "" : " ago and has not started");
    return words;
  }
  StrAppend(&words, ": ", OutcomeWords(attempt), " after ",
            DurationWords(attempt.ended_at - (started ? attempt.started_at : attempt.leased_at)));
  if (!attempt.message.empty()) StrAppend(&words, ": ", Display(attempt.message));
  return words;
}

std::string OutputWords(std::string_view volume, const OutputFile& output) {
  return StrCat(FileWords(volume, output.path), ", ", output.size, " bytes, sha256 ",
                ToStd(absl::BytesToHexString(output.sha256)));
}

std::string_view VolumeStateWord(VolumeState state) {
  switch (state) {
    case VolumeState::kLive:
      return "LIVE";
    case VolumeState::kScanning:
      return "SCANNING";
    case VolumeState::kDegraded:
      return "DEGRADED";
    case VolumeState::kLost:
      return "LOST";
    case VolumeState::kUnknown:
      return "UNKNOWN";
  }
  return "UNKNOWN";
}

}  // namespace closewrite

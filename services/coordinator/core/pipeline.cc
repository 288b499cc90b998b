#include "services/coordinator/core/pipeline.h"

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "services/volume/path.h"

namespace closewrite {
namespace {

std::string Patterns(const std::vector<Glob>& globs) {
  return absl::StrJoin(
      globs, " ", [](std::string* out, const Glob& glob) { absl::StrAppend(out, glob.pattern()); });
}

const char* EvidenceName(Evidence evidence) {
  switch (evidence) {
    case Evidence::kNone:
      return "none";
    case Evidence::kClosed:
      return "closed";
    case Evidence::kMovedIn:
      return "moved in";
    case Evidence::kLinked:
      return "linked";
    case Evidence::kFound:
      return "found by a scan";
    case Evidence::kQuiet:
      return "quiet";
    case Evidence::kUnchecked:
      return "unchecked";
  }
  return "unknown";
}

Verdict MatchCreate(const Verdict& by_name, const FileEvent& event, const FileHistory& history) {
  if (IsGone(event)) return {false, "it takes names that appear, and this one went away"};
  if (event.kind == EventKind::kAttrib) return {false, "only the times of the file were set"};
  // The CREATE itself may have given way to a later event before it was sent.
  if (history.before.has_value() && !IsGone(history.before->event)) {
    return {false, "it takes names that appear, and this one was there before"};
  }
  return by_name;
}

Verdict MatchDelete(const Verdict& by_name, const FileEvent& event, const FileHistory& history) {
  if (!IsGone(event)) return {false, "it takes files that are removed or renamed away"};
  // Another version went away after one that was never told of.
  if (history.before.has_value() && IsGone(history.before->event) &&
      history.before->event.file == event.file) {
    return {false, "that the file is gone was known before"};
  }
  return by_name;
}

Verdict MatchMarker(const Verdict& by_name, const Pipeline& pipeline, const FileEvent& event,
                    const FileHistory& history) {
  const std::string name = Display(MarkerOf(pipeline, event.file.path));
  const std::optional<EventRecord>& marker = history.marker;
  if (!marker.has_value() || IsGone(marker->event)) {
    return {false, absl::StrCat("marker ", name, " is missing")};
  }
  if (!IsThere(marker->event)) return {false, absl::StrCat("marker ", name, " is not finished")};
  const Verdict there = {true, absl::StrCat(by_name.message, ", and marker ", name, " is there")};
  const std::optional<EventRecord>& before = history.before;
  if (!before.has_value()) return there;
  const bool made_since = before->id < marker->id;
  if (made_since && IsGone(before->event)) return there;
  // The file was rewritten in place and its event came after that of the marker, as when a scan
  // finds both. Only times can tell then whether the marker is for this version; where they are
  // wrong, what is left is that a marker starts one job.
  const bool for_this_version = made_since && history.used_event < marker->id &&
                                marker->event.file.mtime_ns >= event.file.mtime_ns;
  if (for_this_version) return there;
  return {false, absl::StrCat("marker ", name,
                              " is older than this version of the file: make it again, after it")};
}

}  // namespace

Verdict MatchPath(const Pipeline& pipeline, const std::string& volume, const std::string& path) {
  if (volume != pipeline.volume) {
    return {false, absl::StrCat("it watches volume ", pipeline.volume, ", not ", volume)};
  }
  for (const Glob& glob : pipeline.ignore) {
    if (glob.Matches(path)) return {false, absl::StrCat("it ignores ", glob.pattern())};
  }
  if (pipeline.when == When::kMarker) {
    if (const std::optional<std::string> marked = MarkedBy(pipeline, path); marked.has_value()) {
      return {false, absl::StrCat("it is the marker of ", Display(*marked))};
    }
  }
  for (const Glob& glob : pipeline.match) {
    if (glob.Matches(path)) return {true, absl::StrCat(glob.pattern(), " matches")};
  }
  return {false, absl::StrCat("the name matches none of: ", Patterns(pipeline.match))};
}

Verdict MatchEvidence(const Pipeline& pipeline, const FileEvent& event) {
  if (event.evidence == Evidence::kQuiet && pipeline.quiet == absl::ZeroDuration()) {
    return {false,
            "no close of the file was seen, it was only quiet for a while; `when: quiet` or "
            "`evidence: quiet` takes such files"};
  }
  if (event.evidence > pipeline.evidence) {
    return {false,
            absl::StrCat("the evidence that the file is finished (", EvidenceName(event.evidence),
                         ") is weaker than it accepts (", EvidenceName(pipeline.evidence), ")")};
  }
  return {true, ""};
}

Verdict MatchEvent(const Pipeline& pipeline, const FileEvent& event, const FileHistory& history) {
  Verdict by_name = MatchPath(pipeline, event.file.volume, event.file.path);
  if (!by_name.matches) return by_name;
  if (!ReadsInput(pipeline)) {
    const bool deletes = TakesDelete(pipeline) && (IsGone(event) || !TakesCreate(pipeline));
    return deletes ? MatchDelete(by_name, event, history) : MatchCreate(by_name, event, history);
  }
  if (!IsFinished(event)) return {false, "the event does not say that the file is finished"};
  // A scan can't tell how a file came; a name that is not temporary was most likely renamed into
  // place.
  const bool renamed = event.kind == EventKind::kMovedTo || event.evidence == Evidence::kMovedIn ||
                       event.evidence == Evidence::kFound;
  if (pipeline.when == When::kRename && !renamed) {
    return {false, "it takes files that are renamed into place, and this one was written in place"};
  }
  if (Verdict evidence = MatchEvidence(pipeline, event); !evidence.matches) return evidence;
  if (pipeline.when == When::kMarker) return MatchMarker(by_name, pipeline, event, history);
  return by_name;
}

std::string MarkerOf(const Pipeline& pipeline, const std::string& path) {
  const size_t name = path.rfind('/') + 1;  // npos + 1 is 0
  return absl::StrCat(path.substr(0, name), pipeline.marker.prefix, path.substr(name),
                      pipeline.marker.suffix);
}

std::optional<std::string> MarkedBy(const Pipeline& pipeline, const std::string& path) {
  const auto& [prefix, suffix] = pipeline.marker;
  const size_t at = path.rfind('/') + 1;  // npos + 1 is 0
  const std::string name = path.substr(at);
  const bool is_marker = name.size() > prefix.size() + suffix.size() &&
                         absl::StartsWith(name, prefix) && absl::EndsWith(name, suffix);
  if (!is_marker) return std::nullopt;
  return absl::StrCat(path.substr(0, at),
                      name.substr(prefix.size(), name.size() - prefix.size() - suffix.size()));
}

}  // namespace closewrite

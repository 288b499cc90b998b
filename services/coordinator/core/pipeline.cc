#include "services/coordinator/core/pipeline.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

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

}  // namespace

Verdict MatchPath(const Pipeline& pipeline, const std::string& volume, const std::string& path) {
  if (volume != pipeline.volume) {
    return {false, absl::StrCat("it watches volume ", pipeline.volume, ", not ", volume)};
  }
  for (const Glob& glob : pipeline.ignore) {
    if (glob.Matches(path)) return {false, absl::StrCat("it ignores ", glob.pattern())};
  }
  for (const Glob& glob : pipeline.match) {
    if (glob.Matches(path)) return {true, absl::StrCat(glob.pattern(), " matches")};
  }
  return {false, absl::StrCat("the name matches none of: ", Patterns(pipeline.match))};
}

Verdict MatchEvent(const Pipeline& pipeline, const FileEvent& event) {
  Verdict by_name = MatchPath(pipeline, event.file.volume, event.file.path);
  if (!by_name.matches) return by_name;
  if (!IsFinished(event)) return {false, "the event does not say that the file is finished"};
  // A scan can't tell how a file came; a name that is not temporary was most likely renamed into
  // place.
  const bool renamed = event.kind == EventKind::kMovedTo || event.evidence == Evidence::kMovedIn ||
                       event.evidence == Evidence::kFound;
  if (pipeline.when == When::kRename && !renamed) {
    return {false, "it takes files that are renamed into place, and this one was written in place"};
  }
  if (event.evidence > pipeline.evidence) {
    return {false,
            absl::StrCat("the evidence that the file is finished (", EvidenceName(event.evidence),
                         ") is weaker than it accepts (", EvidenceName(pipeline.evidence), ")")};
  }
  return by_name;
}

}  // namespace closewrite

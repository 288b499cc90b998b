#include "services/cli/unknown_names.h"

#include <algorithm>
#include <string_view>
#include <vector>

#include "services/cli/live_names.h"
#include "services/config/nearest.h"
#include "services/log/str_cat.h"
#include "services/volume/path.h"

namespace closewrite::cli {
namespace {

void NoteUnknown(Invocation& invocation, std::string_view what, const std::string& name,
                 const std::vector<Candidate>& known) {
  std::vector<std::string> names;
  names.reserve(known.size());
  for (const Candidate& candidate : known) names.push_back(candidate.text);
  if (std::find(names.begin(), names.end(), name) != names.end()) return;
  invocation.Note(StrCat(what, " \"", Display(name), "\": ", SuggestNearest(name, names)));
}

}  // namespace

void NoteUnknownNames(Invocation& invocation, const v1::JobFilter& filter) {
  LiveNames live(invocation.coordinator(), invocation.credentials(), invocation.console());
  if (!filter.pipeline().empty()) {
    const std::vector<Candidate> pipelines = live.Pipelines();
    if (live.answered()) {
      NoteUnknown(invocation, "there is no pipeline", filter.pipeline(), pipelines);
    }
  }
  if (!filter.input_volume().empty() || !filter.output_volume().empty()) {
    const std::vector<Candidate> volumes = live.Volumes();
    for (const std::string& volume : {filter.input_volume(), filter.output_volume()}) {
      if (volume.empty() || !live.answered()) continue;
      NoteUnknown(invocation, "no watcher or executor tells of a volume", volume, volumes);
    }
  }
  if (!filter.host().empty()) {
    const std::vector<Candidate> hosts = live.Hosts();
    if (live.answered()) {
      NoteUnknown(invocation, "no watcher or executor tells of a host", filter.host(), hosts);
    }
  }
}

}  // namespace closewrite::cli

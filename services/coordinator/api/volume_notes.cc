#include "services/coordinator/api/volume_notes.h"

#include <algorithm>
#include <set>
#include <utility>

#include "services/config/nearest.h"
#include "services/coordinator/api/verdict.h"
#include "services/log/str_cat.h"
#include "services/volume/path.h"

namespace closewrite {
namespace {

// By watchers, ever, and by executors that are there.
std::vector<std::string> VolumesTold(const Fleet& fleet) {
  const std::vector<std::string> watched = KnownVolumes(fleet);
  std::set<std::string> names(watched.begin(), watched.end());
  for (const auto& [id, session] : fleet.sessions) {
    for (const auto& [volume, root] : session.executor.volume_roots) names.insert(volume);
  }
  return {names.begin(), names.end()};
}

}  // namespace

VolumeNotes::VolumeNotes(const Fleet* fleet, const HealthBoard* watchers)
    : fleet_(*fleet), watchers_(watchers), told_(VolumesTold(*fleet)) {}

void VolumeNotes::Add(std::string note) {
  const bool known = std::find(notes_.begin(), notes_.end(), note) != notes_.end();
  if (!known && notes_.size() < kNotesMax) notes_.push_back(std::move(note));
}

void VolumeNotes::CheckKnown(std::string_view whose, const std::string& volume) {
  if (std::find(told_.begin(), told_.end(), volume) != told_.end()) return;
  Add(StrCat(whose, "no watcher or executor has told of a volume ", Display(volume), ": ",
             SuggestNearest(volume, told_)));
}

const std::optional<IgnoreList>& VolumeNotes::IgnoredBy(const std::string& volume) {
  const auto [entry, is_new] = ignored_.try_emplace(volume);
  const Watcher* const home = is_new ? fleet_.HomeOf(volume) : nullptr;
  if (home == nullptr) return entry->second;
  const std::optional<HealthBoard::Entry> told = watchers_->Find(home->host);
  if (!told.has_value()) return entry->second;
  for (const v1::VolumeHealth& health : told->health.volumes()) {
    if (health.volume() != volume) continue;
    absl::StatusOr<IgnoreList> list =
        IgnoreList::Parse({health.ignore().begin(), health.ignore().end()});
    if (list.ok()) entry->second = *std::move(list);
  }
  return entry->second;
}

std::string VolumeNotes::WhyIgnored(const v1::VolumePath& file) {
  const std::optional<IgnoreList>& ignored = IgnoredBy(file.volume());
  if (ignored.has_value()) return ignored->WhyIgnored(file.path());
  if (WatcherOf(fleet_, file.volume()) == nullptr) return "";  // there is none to ask
  Add(StrCat("whether volume ", file.volume(), " ignores a name is not known here: its watcher is ",
             fleet_.HomeOf(file.volume()) == nullptr ? "not connected"
                                                     : "connected to another coordinator"));
  return "";
}

}  // namespace closewrite

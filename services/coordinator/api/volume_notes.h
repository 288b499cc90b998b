// What is odd about the volumes that definitions and files name.
#ifndef SERVICES_COORDINATOR_API_VOLUME_NOTES_H_
#define SERVICES_COORDINATOR_API_VOLUME_NOTES_H_

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "closewrite/v1/file.pb.h"
#include "services/coordinator/core/fleet.h"
#include "services/coordinator/health_board.h"
#include "services/volume/ignore_list.h"

namespace closewrite {

// Notes that one answer has.
inline constexpr size_t kNotesMax = 100;

// Collects a sentence for each oddity, once. Not thread-safe.
class VolumeNotes {
 public:
  // Neither is owned. `watchers`: how their hosts do; may be null when no names are asked for.
  VolumeNotes(const Fleet* fleet, const HealthBoard* watchers);

  // Notes a volume that no watcher and no executor has told of. `whose` stands before it.
  void CheckKnown(std::string_view whose, const std::string& volume);
  // Why the volume's watcher does not look at the name, in words that go on from it; "" when it
  // does. Notes a volume of which that is not known here.
  std::string WhyIgnored(const v1::VolumePath& file);
  void Add(std::string note);

  std::vector<std::string> Take() { return std::move(notes_); }

 private:
  // Names that a volume ignores; nothing when that is not known.
  const std::optional<IgnoreList>& IgnoredBy(const std::string& volume);

  const Fleet& fleet_;
  const HealthBoard* const watchers_;
  const std::vector<std::string> told_;                       // volumes that somebody has told of
  std::map<std::string, std::optional<IgnoreList>> ignored_;  // by volume
  std::vector<std::string> notes_;
};

}  // namespace closewrite

#endif  // SERVICES_COORDINATOR_API_VOLUME_NOTES_H_

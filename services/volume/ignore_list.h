// Which names in a volume are not looked at.
#ifndef SERVICES_VOLUME_IGNORE_LIST_H_
#define SERVICES_VOLUME_IGNORE_LIST_H_

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "services/volume/glob.h"

namespace closewrite {

// Temporary names of editors, browsers, rsync and network file systems.
std::vector<std::string> DefaultIgnoreGlobs();

// A list of globs over relative paths. One that ends in '/' is for directories alone; the others
// are for files and directories. What lies below an ignored directory is ignored with it.
// `.closewrite/` always is. Thread-safe after construction.
class IgnoreList {
 public:
  // INVALID_ARGUMENT for a malformed glob, or for more than kIgnoreGlobsMax.
  static absl::StatusOr<IgnoreList> Parse(const std::vector<std::string>& globs);

  // Why a file of this path is ignored, by its own name or that of a directory above it, in words
  // that go on from its name; "" when it is not.
  std::string WhyIgnored(std::string_view path) const;

  // For a name whose directory is known not to be ignored.
  bool IgnoresFile(std::string_view path) const;
  bool IgnoresDirectory(std::string_view path) const;

 private:
  std::vector<Glob> any_;
  std::vector<Glob> directories_;
};

inline constexpr size_t kIgnoreGlobsMax = 256;

}  // namespace closewrite

#endif  // SERVICES_VOLUME_IGNORE_LIST_H_

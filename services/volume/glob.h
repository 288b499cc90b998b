// Globs over relative paths, as byte strings.
#ifndef SERVICES_VOLUME_GLOB_H_
#define SERVICES_VOLUME_GLOB_H_

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace closewrite {

// A compiled pattern. `*` and `?` do not match '/'; `**/` matches any number of directories, none
// too, and a trailing `**` everything below; `[a-z]` and `[!a-z]` are classes of bytes; `{a,b}` are
// choices (not nested);
// `\` takes the next byte as it is. A pattern without '/' is matched against the whole path, so
// "*.csv" matches files of the root alone, "**/*.csv" those of all directories. Copyable;
// thread-safe after construction. Matching takes time in O(pattern x path): no pattern can be made
// to explode.
class Glob {
 public:
  // INVALID_ARGUMENT for an empty pattern, one over kGlobBytesMax, or unbalanced brackets or
  // braces; the message shows the position.
  static absl::StatusOr<Glob> Parse(std::string_view pattern);

  bool Matches(std::string_view path) const;
  const std::string& pattern() const { return pattern_; }

 private:
  Glob() = default;
  std::string pattern_;
  std::vector<std::string> alternatives_;  // braces expanded; at most kGlobAlternativesMax
};

inline constexpr size_t kGlobBytesMax = 1024;
inline constexpr size_t kGlobAlternativesMax = 64;

}  // namespace closewrite

#endif  // SERVICES_VOLUME_GLOB_H_

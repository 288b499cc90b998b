// Globs over relative paths, as byte strings.
#ifndef SERVICES_VOLUME_GLOB_H_
#define SERVICES_VOLUME_GLOB_H_

#include <bitset>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace closewrite {

inline constexpr size_t kGlobBytesMax = 1024;
inline constexpr size_t kGlobAlternativesMax = 64;
// Of all choices written out.
inline constexpr size_t kGlobExpandedBytesMax = 16 << 10;

// A compiled pattern. `*` and `?` do not match '/'; `**/` matches any number of directories, none
// too, and a trailing `**` everything below, as does a trailing '/'; any other `**` is a `*`.
// `[a-z]` and `[!a-z]` (or `[^a-z]`) are classes of bytes, which never match '/'; `{a,b}` are
// choices (not nested); `\` takes the next byte as it is. A pattern without '/' is matched against
// the whole path, so "*.csv" matches files of the root alone, "**/*.csv" those of all directories.
// Copyable; thread-safe after construction. Matching takes time in O(pattern x path), with the
// choices written out: no pattern can be made to explode.
class Glob {
 public:
  // INVALID_ARGUMENT for an empty pattern, one over a limit above, unbalanced brackets or braces,
  // and for what can match no path (a leading '/', a part that is empty, "." or ".."); the message
  // shows the position.
  static absl::StatusOr<Glob> Parse(std::string_view pattern);

  bool Matches(std::string_view path) const;
  const std::string& pattern() const { return pattern_; }

 private:
  enum class Kind : uint8_t {
    kByte,   // itself
    kAny,    // ?
    kClass,  // [a-z]
    kStar,   // *
    kTree,   // **/
    kRest,   // ** at the end
  };
  struct Token {
    Kind kind;
    uint8_t byte = 0;          // of kByte
    uint16_t class_index = 0;  // of kClass
  };
  using Alternative = std::vector<Token>;

  Glob() = default;
  void Compile(std::string_view alternative);
  size_t CompileClass(std::string_view text, size_t at, Alternative* tokens);
  bool Accepts(const Token& token, uint8_t byte) const;
  bool MayMatch(const Alternative& tokens, std::string_view path) const;
  bool MatchesOne(const Alternative& tokens, std::string_view path) const;

  std::string pattern_;
  std::vector<std::bitset<256>> classes_;
  std::vector<Alternative> alternatives_;  // braces written out; at most kGlobAlternativesMax
};

}  // namespace closewrite

#endif  // SERVICES_VOLUME_GLOB_H_

// Likely typing errors.
#ifndef SERVICES_CONFIG_NEAREST_H_
#define SERVICES_CONFIG_NEAREST_H_

#include <string>
#include <string_view>
#include <vector>

namespace closewrite {

// Longer words than this are near to nothing.
inline constexpr size_t kNearestBytesMax = 128;

// The candidate with the smallest edit distance to `word`, if it is near enough to be a likely
// typing error (distance <= 1 + length/4, case folded; two swapped letters count as one); ""
// otherwise.
std::string Nearest(std::string_view word, const std::vector<std::string>& candidates);

// `did you mean "x"?`, or `known are a, b, c` when nothing is near.
std::string SuggestNearest(std::string_view word, const std::vector<std::string>& candidates);

}  // namespace closewrite

#endif  // SERVICES_CONFIG_NEAREST_H_

#include "services/config/nearest.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/str_join.h"
#include "services/log/str_cat.h"
#include "services/volume/path.h"

namespace closewrite {
namespace {

// Edit distance (optimal string alignment): insert, delete, replace, swap neighbours.
size_t Distance(const std::string& a, const std::string& b) {
  std::vector<std::vector<size_t>> d(a.size() + 1, std::vector<size_t>(b.size() + 1));
  for (size_t i = 0; i <= a.size(); ++i) d[i][0] = i;
  for (size_t j = 0; j <= b.size(); ++j) d[0][j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t replaced = d[i - 1][j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      d[i][j] = std::min({d[i - 1][j] + 1, d[i][j - 1] + 1, replaced});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        d[i][j] = std::min(d[i][j], d[i - 2][j - 2] + 1);
      }
    }
  }
  return d[a.size()][b.size()];
}

}  // namespace

std::string Nearest(std::string_view word, const std::vector<std::string>& candidates) {
  if (word.size() > kNearestBytesMax) return "";
  const std::string folded = absl::AsciiStrToLower(ToAbsl(word));
  size_t smallest = 2 + folded.size() / 4;
  std::string nearest;
  for (const std::string& candidate : candidates) {
    if (candidate.size() > kNearestBytesMax) continue;
    const size_t distance = Distance(folded, absl::AsciiStrToLower(candidate));
    // A word of which every letter is another one is not a slip of the finger.
    if (distance >= smallest || distance >= std::max(folded.size(), candidate.size())) continue;
    smallest = distance;
    nearest = candidate;
  }
  return nearest;
}

std::string SuggestNearest(std::string_view word, const std::vector<std::string>& candidates) {
  const std::string nearest = Nearest(word, candidates);
  if (!nearest.empty()) return StrCat("did you mean \"", Display(nearest), "\"?");
  if (candidates.empty()) return "none is known";
  return StrCat("known are ", Display(absl::StrJoin(candidates, ", ")));
}

}  // namespace closewrite

// Long lists for calls that take short ones.
#ifndef SERVICES_CLI_IN_PARTS_H_
#define SERVICES_CLI_IN_PARTS_H_

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"

namespace closewrite::cli {

// What one call of the API takes.
inline constexpr size_t kPartMax = 1000;

// Calls `call` with the elements in order, at most kPartMax at a time, until it fails.
template <class Element, class Call>
absl::Status CallInParts(absl::Span<const Element> elements, Call call) {
  for (size_t from = 0; from < elements.size(); from += kPartMax) {
    if (absl::Status s = call(elements.subspan(from, kPartMax)); !s.ok()) return s;
  }
  return absl::OkStatus();
}

// The same where some elements may be refused (NOT_FOUND, FAILED_PRECONDITION), with which their
// call fails as a whole: such a part is halved until it is known which, and `refuse` is told of
// each with its status. Any other error ends it.
template <class Element, class Call, class Refuse>
absl::Status CallInParts(absl::Span<const Element> elements, Call call, Refuse refuse) {
  std::vector<absl::Span<const Element>> left;  // the next one last
  for (size_t from = 0; from < elements.size(); from += kPartMax) {
    left.push_back(elements.subspan(from, kPartMax));
  }
  std::reverse(left.begin(), left.end());
  while (!left.empty()) {
    const absl::Span<const Element> part = left.back();
    left.pop_back();
    const absl::Status status = call(part);
    if (status.ok()) continue;
    if (!absl::IsNotFound(status) && !absl::IsFailedPrecondition(status)) return status;
    if (part.size() == 1) {
      refuse(part.front(), status);
      continue;
    }
    left.push_back(part.subspan(part.size() / 2));
    left.push_back(part.subspan(0, part.size() / 2));
  }
  return absl::OkStatus();
}

}  // namespace closewrite::cli

#endif  // SERVICES_CLI_IN_PARTS_H_

#include "services/access/role.h"

#include <string>
#include <utility>

#include "absl/status/status.h"
#include "services/log/str_cat.h"

namespace closewrite {
namespace {

// In the order of Role.
constexpr std::string_view kNames[] = {"anybody", "coordinator", "watcher", "executor", "portal",
                                       "viewer",  "uploader",    "program", "operator", "admin"};
static_assert(std::size(kNames) == static_cast<size_t>(Role::kAdmin) + 1);

}  // namespace

std::string_view RoleName(Role role) { return kNames[static_cast<size_t>(role)]; }

absl::StatusOr<Role> ParseRole(std::string_view name) {
  std::string known;
  for (size_t i = 1; i < std::size(kNames); ++i) {
    if (kNames[i] == name) return static_cast<Role>(i);
    StrAppend(&known, known.empty() ? "" : ", ", kNames[i]);
  }
  return absl::InvalidArgumentError(
      StrCat("\"", name, "\" is no role that can be given; use one of ", known));
}

}  // namespace closewrite

#include "services/access/role.h"

#include <array>
#include <string>
#include <utility>

#include "services/log/str_cat.h"
#include "services/volume/path.h"

namespace closewrite {
namespace {

constexpr std::array<std::pair<Role, std::string_view>, 10> kNames = {{
    {Role::kAnybody, "anybody"},
    {Role::kCoordinator, "coordinator"},
    {Role::kWatcher, "watcher"},
    {Role::kExecutor, "executor"},
    {Role::kPortal, "portal"},
    {Role::kViewer, "viewer"},
    {Role::kUploader, "uploader"},
    {Role::kProgram, "program"},
    {Role::kOperator, "operator"},
    {Role::kAdmin, "admin"},
}};

}  // namespace

std::string_view RoleName(Role role) {
  for (const auto& [each, name] : kNames) {
    if (each == role) return name;
  }
  return "anybody";  // who has the fewest rights
}

absl::StatusOr<Role> ParseRole(std::string_view name) {
  std::string known;
  for (const auto& [role, word] : kNames) {
    if (role == Role::kAnybody) continue;
    if (word == name) return role;
    StrAppend(&known, known.empty() ? "" : ", ", word);
  }
  return absl::InvalidArgumentError(
      StrCat(Quote(name), " is no role that can be given; there are ", known));
}

}  // namespace closewrite

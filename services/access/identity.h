// What a certificate says of its owner: one URI among its subject alternative names.
//
//   closewrite://coordinator/vm-a
//   closewrite://watcher/vm-b?volume=unenriched&volume=raw     home of these volumes; `*`: of any
//   closewrite://executor/vm-c?label=internet                  may have these labels; `*`: any
//   closewrite://operator/jane@example.org
//
// One identity has one spelling: nothing is escaped, folded or reordered.
#ifndef SERVICES_ACCESS_IDENTITY_H_
#define SERVICES_ACCESS_IDENTITY_H_

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "services/access/role.h"

namespace closewrite {

inline constexpr std::string_view kIdentityScheme = "closewrite://";
inline constexpr size_t kIdentityGrantsMax = 64;
inline constexpr size_t kIdentityUriBytesMax = 8192;
inline constexpr size_t kPersonNameBytesMax = 63;
// The one grant that stands for all.
inline constexpr std::string_view kAnyGrant = "*";

struct Identity {
  Role role = Role::kAnybody;
  // Of a service: its host's or its own, as CheckName has it. Of a person or a script it may have @
  // in it, too.
  std::string name;
  // Of a watcher: volumes, at least one; of an executor: labels.
  std::vector<std::string> grants;

  friend bool operator==(const Identity&, const Identity&) = default;
};

// What grants of a role are: "volume" or "label"; "" where it has none.
std::string_view GrantWord(Role role);

// OK when `name` may be that of somebody with this role; INVALID_ARGUMENT says what is possible.
absl::Status CheckIdentityName(Role role, std::string_view name);

// INVALID_ARGUMENT says what is wrong and what would be right; so do the two below.
absl::Status CheckIdentity(const Identity& identity);

absl::StatusOr<Identity> ParseIdentity(std::string_view uri);

// Of all URIs that a certificate has: there must be one of ours, and others do not matter.
absl::StatusOr<Identity> IdentityOfUris(const std::vector<std::string>& uris);

// Of one that CheckIdentity lets pass.
std::string IdentityUri(const Identity& identity);

}  // namespace closewrite

#endif  // SERVICES_ACCESS_IDENTITY_H_

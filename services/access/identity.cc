#include "services/access/identity.h"

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "services/log/str_cat.h"
#include "services/volume/path.h"

namespace closewrite {
namespace {

// What certificates of another form of ours begin with, too.
constexpr std::string_view kSchemeBegin = "closewrite:";

absl::Status Wrong(std::string_view what) { return absl::InvalidArgumentError(ToAbsl(what)); }

bool IsService(Role role) {
  return role == Role::kCoordinator || role == Role::kWatcher || role == Role::kExecutor ||
         role == Role::kPortal;
}

bool IsPersonName(std::string_view name) {
  if (name.empty() || name.size() > kPersonNameBytesMax) return false;
  const auto allowed = [](char c) {
    return absl::ascii_isalnum(c) || c == '.' || c == '_' || c == '@' || c == '-';
  };
  return absl::ascii_isalnum(name[0]) && std::all_of(name.begin(), name.end(), allowed);
}

absl::Status CheckGrants(const Identity& identity) {
  const std::string_view word = GrantWord(identity.role);
  const std::vector<std::string>& grants = identity.grants;
  if (word.empty()) {
    if (grants.empty()) return absl::OkStatus();
    return Wrong(StrCat("a certificate of the role ", RoleName(identity.role),
                        " names neither volumes nor labels; leave them out"));
  }
  if (grants.size() > kIdentityGrantsMax) {
    return Wrong(StrCat("more than ", kIdentityGrantsMax, " ", word, "s; `*` stands for any"));
  }
  if (grants.empty() && identity.role == Role::kWatcher) {
    return Wrong("a watcher needs the volumes that it may be home of; `*` stands for any");
  }
  for (auto grant = grants.begin(); grant != grants.end(); ++grant) {
    if (std::find(grants.begin(), grant, *grant) != grant) {
      return Wrong(StrCat(word, " ", Quote(*grant), " is there twice"));
    }
    if (*grant == kAnyGrant) {
      if (grants.size() == 1) continue;
      return Wrong(StrCat("`*` stands for any ", word, ", so it must be the only one"));
    }
    if (absl::Status s = CheckName(word, *grant); !s.ok()) return s;
  }
  return absl::OkStatus();
}

// `volume=a&volume=b`.
absl::Status ParseGrants(std::string_view query, Identity* identity) {
  const std::string_view word = GrantWord(identity->role);
  if (word.empty()) {
    return Wrong(StrCat("nothing may follow the name of a role such as ", RoleName(identity->role),
                        "; leave out ", Quote(StrCat("?", query))));
  }
  for (size_t start = 0; start <= query.size();) {
    const size_t end = std::min(query.find('&', start), query.size());
    const std::string_view pair = query.substr(start, end - start);
    const size_t equals = pair.find('=');
    if (equals == std::string_view::npos || pair.substr(0, equals) != word) {
      return Wrong(StrCat(Quote(pair), " says nothing of the role ", RoleName(identity->role),
                          "; write ", word, "=NAME, several with &"));
    }
    if (identity->grants.size() == kIdentityGrantsMax) {
      return Wrong(StrCat("more than ", kIdentityGrantsMax, " ", word, "s; `*` stands for any"));
    }
    identity->grants.emplace_back(pair.substr(equals + 1));
    start = end + 1;
  }
  return absl::OkStatus();
}

absl::StatusOr<Identity> Parse(std::string_view uri) {
  if (uri.size() > kIdentityUriBytesMax) {
    return Wrong(StrCat("is longer than ", kIdentityUriBytesMax, " bytes"));
  }
  if (!absl::StartsWith(ToAbsl(uri), ToAbsl(kIdentityScheme))) {
    return Wrong(StrCat("does not begin with ", kIdentityScheme));
  }
  uri.remove_prefix(kIdentityScheme.size());
  const size_t question = uri.find('?');
  const std::string_view path = uri.substr(0, question);
  const size_t slash = path.find('/');
  absl::StatusOr<Role> role = ParseRole(path.substr(0, slash));
  if (!role.ok()) return role.status();
  if (slash == std::string_view::npos) return Wrong("has no name");
  Identity identity{.role = *role, .name = std::string(path.substr(slash + 1))};
  if (question != std::string_view::npos) {
    if (absl::Status s = ParseGrants(uri.substr(question + 1), &identity); !s.ok()) return s;
  }
  if (absl::Status s = CheckIdentity(identity); !s.ok()) return s;
  return identity;
}

}  // namespace

std::string_view GrantWord(Role role) {
  if (role == Role::kWatcher) return "volume";
  if (role == Role::kExecutor) return "label";
  return "";
}

absl::Status CheckIdentityName(Role role, std::string_view name) {
  if (IsService(role)) return CheckName(RoleName(role), name);
  if (IsPersonName(name)) return absl::OkStatus();
  return Wrong(StrCat(RoleName(role), " name ", Quote(name), " is not allowed; use 1 to ",
                      kPersonNameBytesMax,
                      " of a-z A-Z 0-9 . _ @ -, starting with a letter or digit"));
}

absl::Status CheckIdentity(const Identity& identity) {
  if (identity.role == Role::kAnybody) {
    return Wrong("anybody is who has no certificate; no certificate can say so");
  }
  if (absl::Status s = CheckIdentityName(identity.role, identity.name); !s.ok()) return s;
  return CheckGrants(identity);
}

absl::StatusOr<Identity> ParseIdentity(std::string_view uri) {
  absl::StatusOr<Identity> identity = Parse(uri);
  if (identity.ok()) return identity;
  return Wrong(StrCat("certificate's URI ", Quote(uri), ": ", identity.status().message(),
                      "; it is closewrite://ROLE/NAME, with ?volume=V for watchers and ?label=L ",
                      "for executors"));
}

absl::StatusOr<Identity> IdentityOfUris(const std::vector<std::string>& uris) {
  const std::string* ours = nullptr;
  for (const std::string& uri : uris) {
    if (!absl::StartsWithIgnoreCase(uri, ToAbsl(kSchemeBegin))) continue;
    if (ours != nullptr) {
      return Wrong(StrCat("the certificate has two roles, ", Quote(*ours), " and ", Quote(uri),
                          "; issue one for each"));
    }
    ours = &uri;
  }
  if (ours != nullptr) return ParseIdentity(*ours);
  return Wrong(
      "the certificate has no role: it needs a URI closewrite://ROLE/NAME among its subject "
      "alternative names");
}

std::string IdentityUri(const Identity& identity) {
  std::string uri = StrCat(kIdentityScheme, RoleName(identity.role), "/", identity.name);
  char before = '?';
  for (const std::string& grant : identity.grants) {
    uri += std::exchange(before, '&');
    StrAppend(&uri, GrantWord(identity.role), "=", grant);
  }
  return uri;
}

}  // namespace closewrite

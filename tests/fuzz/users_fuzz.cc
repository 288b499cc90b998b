// The portal's file of users: who is in it can sign in as what it says, or the line is named.
#include <map>
#include <string>
#include <string_view>

#include "services/log/str_cat.h"
#include "services/mail/mail_address.h"
#include "services/portal/users.h"
#include "services/volume/path.h"
#include "tests/fuzz/require.h"

namespace closewrite::portal {
namespace {

const char* RoleName(v1::PortalRole role) {
  switch (role) {
    case v1::PORTAL_ROLE_UPLOADER:
      return "uploader";
    case v1::PORTAL_ROLE_OPERATOR:
      return "operator";
    case v1::PORTAL_ROLE_ADMIN:
      return "admin";
    default:
      Require(false, "a user has a role");
      return "";
  }
}

void CheckUsers(const std::map<std::string, User>& users) {
  std::string written;
  for (const auto& [name, user] : users) {
    Require(CheckName("user", name).ok(), "a user has a name", name);
    Require(user.hash.starts_with("$argon2id$"), "a password is hashed");
    Require(user.email.empty() || IsMailAddress(user.email), "an address is one", user.email);
    StrAppend(&written, name, " ", RoleName(user.role), " ", user.hash, " ", user.email, "\n");
  }
  const auto again = ParseUsers("users", written);
  Require(again.ok() && again->size() == users.size(), "users can be written");
  for (const auto& [name, user] : *again) {
    const User& was = users.at(name);
    Require(user.role == was.role && user.hash == was.hash && user.email == was.email,
            "they are who they were", name);
  }
}

}  // namespace
}  // namespace closewrite::portal

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using closewrite::Require;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto users = closewrite::portal::ParseUsers("users", text);
  if (users.ok()) {
    closewrite::portal::CheckUsers(*users);
    return 0;
  }
  const std::string_view said = closewrite::ToStd(users.status().message());
  Require(absl::IsInvalidArgument(users.status()), "a wrong file is an invalid argument", said);
  Require(said.starts_with("users:"), "an error names the line", said);
  Require(closewrite::IsUtf8(said) && said.find('\n') == std::string_view::npos,
          "an error is one line of text", said);
  return 0;
}

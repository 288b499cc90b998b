// Tokens: what people and scripts show in place of a certificate. The coordinator knows their
// hashes alone.
#ifndef SERVICES_ACCESS_TOKEN_H_
#define SERVICES_ACCESS_TOKEN_H_

#include <map>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "services/access/role.h"

namespace closewrite {

inline constexpr std::string_view kTokenPrefix = "cw_";
// Base64 of 256 random bits for URLs, without padding (RFC 4648, section 5).
inline constexpr size_t kTokenRandomBytes = 32;
inline constexpr size_t kTokenBytes = 3 + 43;
inline constexpr size_t kTokensMax = 10'000;
inline constexpr size_t kTokensFileBytesMax = 1 << 20;

struct TokenOwner {
  std::string name;
  Role role = Role::kAnybody;
};
// By the SHA-256 of the token, 32 bytes.
using TokenOwners = std::map<std::string, TokenOwner, std::less<>>;

// `cw_` and 43 characters, from the kernel's random bytes. As nobody can guess such a token, a
// plain hash of it gives nothing away.
std::string MakeToken();

// It looks like one of MakeToken's; others, which might be guessed, are nobody's.
bool IsToken(std::string_view text);

// SHA-256, 32 bytes.
std::string TokenHash(std::string_view token);

// OK when somebody of that role and name can have a token: people and scripts; services have
// certificates. INVALID_ARGUMENT tells who can.
absl::Status CheckTokenOwner(const TokenOwner& owner);

// `NAME ROLE sha256:HEX`, without a newline.
std::string TokenLine(const TokenOwner& owner, std::string_view hash);

// Such lines; empty ones and those that begin with # are left out. INVALID_ARGUMENT names the line.
absl::StatusOr<TokenOwners> ParseTokens(std::string_view file, std::string_view text);

// What stands in a file of tokens. FAILED_PRECONDITION when others may write to it, when it is no
// plain file or too large.
struct TokensFile {
  std::string text;
  // Changes when anything is done to the file.
  std::string version;
};
absl::StatusOr<TokensFile> ReadTokensFile(const std::string& file);
// The same as `version` above, "" when it can't be told.
std::string TokensFileVersion(const std::string& file);

}  // namespace closewrite

#endif  // SERVICES_ACCESS_TOKEN_H_

#include "services/access/token.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/sha.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <set>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "services/access/identity.h"
#include "services/log/str_cat.h"
#include "services/volume/file_system.h"
#include "services/volume/path.h"

namespace closewrite {
namespace {

constexpr std::string_view kHashPrefix = "sha256:";
constexpr std::array<Role, 5> kTokenRoles = {Role::kViewer, Role::kUploader, Role::kProgram,
                                             Role::kOperator, Role::kAdmin};

bool IsTokenCharacter(char c) { return absl::ascii_isalnum(c) || c == '-' || c == '_'; }

std::string VersionOf(const struct stat& st) {
  // The time of change too: it tells of a mode that was put right.
  return StrCat(st.st_dev, ":", st.st_ino, ":", st.st_size, ":", MtimeNs(st), ":",
                st.st_ctim.tv_sec, ".", st.st_ctim.tv_nsec);
}

// The 32 bytes of `sha256:HEX`; "" when it is none.
std::string HashOf(absl::string_view word) {
  if (!absl::ConsumePrefix(&word, ToAbsl(kHashPrefix))) return "";
  if (word.size() != 2 * SHA256_DIGEST_LENGTH) return "";
  if (!std::all_of(word.begin(), word.end(), absl::ascii_isxdigit)) return "";
  return absl::HexStringToBytes(word);
}

absl::StatusOr<std::pair<std::string, TokenOwner>> ParseLine(
    const std::vector<absl::string_view>& fields) {
  if (fields.size() != 3) {
    return absl::InvalidArgumentError("give NAME ROLE sha256:HEX, as `closewrite token new` does");
  }
  absl::StatusOr<Role> role = ParseRole(ToStd(fields[1]));
  if (!role.ok()) return role.status();
  TokenOwner owner{.name = std::string(fields[0]), .role = *role};
  if (absl::Status s = CheckTokenOwner(owner); !s.ok()) return s;
  std::string hash = HashOf(fields[2]);
  if (!hash.empty()) return std::make_pair(std::move(hash), std::move(owner));
  return absl::InvalidArgumentError(
      StrCat("the last word is not sha256: and 64 hexadecimal digits",
             IsToken(ToStd(fields[2])) ? "; it is a token, which nobody else should know: take it "
                                         "away, and make a new one with `closewrite token new`"
                                       : "; make such a line with `closewrite token new`"));
}

}  // namespace

std::string MakeToken() {
  std::string random(kTokenRandomBytes, '\0');
  for (size_t have = 0; have < random.size();) {
    const ssize_t got = getrandom(random.data() + have, random.size() - have, 0);
    if (got > 0) have += static_cast<size_t>(got);
  }
  return StrCat(kTokenPrefix, absl::WebSafeBase64Escape(random));
}

bool IsToken(std::string_view text) {
  return text.size() == kTokenBytes && text.substr(0, kTokenPrefix.size()) == kTokenPrefix &&
         std::all_of(text.begin(), text.end(), IsTokenCharacter);
}

std::string TokenHash(std::string_view token) {
  std::string hash(SHA256_DIGEST_LENGTH, '\0');
  SHA256(reinterpret_cast<const unsigned char*>(token.data()), token.size(),
         reinterpret_cast<unsigned char*>(hash.data()));
  return hash;
}

absl::Status CheckTokenOwner(const TokenOwner& owner) {
  if (std::find(kTokenRoles.begin(), kTokenRoles.end(), owner.role) == kTokenRoles.end()) {
    return absl::InvalidArgumentError(
        StrCat("the role ", RoleName(owner.role), " has no tokens; viewer, uploader, program, ",
               "operator and admin can have them, and services need certificates"));
  }
  return CheckIdentityName(owner.role, owner.name);
}

std::string TokenLine(const TokenOwner& owner, std::string_view hash) {
  return StrCat(owner.name, " ", RoleName(owner.role), " ", kHashPrefix,
                absl::BytesToHexString(ToAbsl(hash)));
}

absl::StatusOr<TokenOwners> ParseTokens(std::string_view file, std::string_view text) {
  TokenOwners owners;
  std::set<std::string> names;
  int number = 0;
  for (const absl::string_view line : absl::StrSplit(ToAbsl(text), '\n')) {
    ++number;
    const std::vector<absl::string_view> fields =
        absl::StrSplit(line, absl::ByAnyChar(" \t\r"), absl::SkipEmpty());
    if (fields.empty() || absl::StartsWith(fields[0], "#")) continue;
    const auto wrong = [&](std::string_view what) {
      return absl::InvalidArgumentError(StrCat(file, ":", number, ": ", what));
    };
    auto parsed = ParseLine(fields);
    if (!parsed.ok()) return wrong(ToStd(parsed.status().message()));
    const std::string name = parsed->second.name;
    if (!names.insert(name).second) return wrong(StrCat(name, " is there twice"));
    const auto [other, is_new] = owners.insert(*std::move(parsed));
    if (!is_new) return wrong(StrCat("this is the token of ", other->second.name, ", too"));
    if (owners.size() > kTokensMax) return wrong(StrCat("more than ", kTokensMax, " tokens"));
  }
  return owners;
}

absl::StatusOr<TokensFile> ReadTokensFile(const std::string& file) {
  const Fd fd(open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));  // it might be a pipe
  if (!fd.ok()) return ErrnoStatus(errno, "open tokens", file);
  struct stat st;
  if (fstat(fd.get(), &st) != 0) return ErrnoStatus(errno, "stat tokens", file);
  const auto refuse = [&](std::string_view why) {
    return absl::FailedPreconditionError(StrCat("tokens: ", Display(file), why));
  };
  if (!S_ISREG(st.st_mode)) return refuse(" is no plain file");
  if ((st.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
    return refuse(" may be written by others; say `chmod go-w` of it");
  }
  if (st.st_size > static_cast<off_t>(kTokensFileBytesMax)) {
    return refuse(StrCat(" has more than ", kTokensFileBytesMax, " bytes"));
  }
  TokensFile read{.text = std::string(static_cast<size_t>(st.st_size), '\0'),
                  .version = VersionOf(st)};
  size_t have = 0;
  while (have < read.text.size()) {
    const ssize_t got =
        pread(fd.get(), read.text.data() + have, read.text.size() - have, static_cast<off_t>(have));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return ErrnoStatus(errno, "read tokens", file);
    if (got == 0) break;  // it has just become shorter, which will be seen the next time
    have += static_cast<size_t>(got);
  }
  read.text.resize(have);
  return read;
}

std::string TokensFileVersion(const std::string& file) {
  struct stat st;
  return stat(file.c_str(), &st) == 0 ? VersionOf(st) : "";
}

}  // namespace closewrite

#include "services/portal/users.h"

#include <argon2.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_split.h"
#include "services/log/log.h"
#include "services/log/str_cat.h"
#include "services/mail/mail_address.h"
#include "services/volume/file_system.h"
#include "services/volume/path.h"

namespace closewrite::portal {
namespace {

constexpr size_t kSaltBytes = 16;
constexpr size_t kHashBytes = 32;
constexpr size_t kEncodedBytesMax = 256;
constexpr int kHashThreads = 1;
// Checked when there is no such user, so that it takes as long.
constexpr char kNobodysPassword[] = "nobody has this password";

constexpr int64_t kGone = -1;  // as a time of change: there is no such file

v1::PortalRole RoleNamed(absl::string_view name) {
  if (name == "uploader") return v1::PORTAL_ROLE_UPLOADER;
  if (name == "operator") return v1::PORTAL_ROLE_OPERATOR;
  if (name == "admin") return v1::PORTAL_ROLE_ADMIN;
  return v1::PORTAL_ROLE_UNSPECIFIED;
}

absl::StatusOr<std::string> ReadFile(const std::string& file, int64_t* changed_ns) {
  const Fd fd(open(file.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.ok()) return ErrnoStatus(errno, "open", file);
  struct stat st;
  if (fstat(fd.get(), &st) != 0) return ErrnoStatus(errno, "stat", file);
  if (!S_ISREG(st.st_mode)) {
    return absl::FailedPreconditionError(StrCat("users: ", file, " is no file"));
  }
  if ((st.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
    return absl::FailedPreconditionError(
        StrCat("users: ", file, " may be written by others; say `chmod go-w` of it"));
  }
  if (st.st_size > static_cast<off_t>(kUsersFileBytesMax)) {
    return absl::FailedPreconditionError(StrCat("users: ", file, " is too large"));
  }
  *changed_ns = MtimeNs(st);
  std::string text(static_cast<size_t>(st.st_size), '\0');
  const ssize_t got = pread(fd.get(), text.data(), text.size(), 0);
  if (got < 0) return ErrnoStatus(errno, "read", file);
  text.resize(static_cast<size_t>(got));
  return text;
}

}  // namespace

absl::StatusOr<std::string> HashPassword(std::string_view password) {
  if (password.empty() || password.size() > kPasswordBytesMax) {
    return absl::InvalidArgumentError(StrCat("a password has 1 to ", kPasswordBytesMax, " bytes"));
  }
  std::array<char, kSaltBytes> salt;
  if (getrandom(salt.data(), salt.size(), 0) != static_cast<ssize_t>(salt.size())) {
    return absl::UnavailableError("the kernel gives no random bytes");
  }
  std::array<char, kEncodedBytesMax> encoded = {};
  const int error = argon2id_hash_encoded(kHashPasses, kHashMemoryKib, kHashThreads,
                                          password.data(), password.size(), salt.data(),
                                          salt.size(), kHashBytes, encoded.data(), encoded.size());
  if (error != ARGON2_OK) return absl::InternalError(argon2_error_message(error));
  return std::string(encoded.data());
}

bool IsPasswordOf(const std::string& hash, std::string_view password) {
  return password.size() <= kPasswordBytesMax &&
         argon2id_verify(hash.c_str(), password.data(), password.size()) == ARGON2_OK;
}

absl::StatusOr<std::map<std::string, User>> ParseUsers(std::string_view file,
                                                       std::string_view text) {
  std::map<std::string, User> users;
  int number = 0;
  for (const absl::string_view line : absl::StrSplit(ToAbsl(text), '\n')) {
    ++number;
    const std::vector<absl::string_view> fields =
        absl::StrSplit(line, absl::ByAnyChar(" \t\r"), absl::SkipEmpty());
    if (fields.empty() || absl::StartsWith(fields[0], "#")) continue;
    const auto wrong = [&](std::string_view what) {
      return absl::InvalidArgumentError(StrCat(file, ":", number, ": ", what));
    };
    if (fields.size() < 3 || fields.size() > 4) {
      return wrong("give NAME ROLE HASH, and a mail address if there is one");
    }
    User user{.role = RoleNamed(fields[1]), .hash = std::string(fields[2])};
    if (user.role == v1::PORTAL_ROLE_UNSPECIFIED) {
      return wrong(StrCat(Quote(ToStd(fields[1])), " is no role; say uploader, operator or admin"));
    }
    if (!absl::StartsWith(fields[2], "$argon2id$")) {
      return wrong("the hash is no Argon2id; make one with `closewrite-portal --hash-password`");
    }
    if (fields.size() == 4) {
      if (!IsMailAddress(ToStd(fields[3]))) return wrong("the last word is no mail address");
      user.email = std::string(fields[3]);
    }
    if (!CheckName("user", ToStd(fields[0])).ok()) {
      return wrong(
          StrCat(Quote(ToStd(fields[0])), " is no name; give 1 to 63 of a-z A-Z 0-9 . _ -"));
    }
    if (!users.emplace(std::string(fields[0]), std::move(user)).second) {
      return wrong(StrCat(ToStd(fields[0]), " is there twice"));
    }
    if (users.size() > kUsersMax) return wrong(StrCat("more than ", kUsersMax, " users"));
  }
  return users;
}

absl::StatusOr<std::unique_ptr<Users>> Users::Load(const std::string& file) {
  auto users = std::unique_ptr<Users>(new Users(file));
  absl::MutexLock lock(&users->mutex_);
  if (absl::Status s = users->Read(); !s.ok()) return s;
  return users;
}

absl::Status Users::Read() {
  int64_t changed_ns = 0;
  const absl::StatusOr<std::string> text = ReadFile(file_, &changed_ns);
  if (!text.ok()) return text.status();
  absl::StatusOr<std::map<std::string, User>> users = ParseUsers(file_, *text);
  changed_ns_ = changed_ns;
  if (!users.ok()) return users.status();
  users_ = *std::move(users);
  return absl::OkStatus();
}

std::map<std::string, User> Users::All() {
  absl::MutexLock lock(&mutex_);
  struct stat st;
  const bool there = stat(file_.c_str(), &st) == 0;
  if (there ? MtimeNs(st) != changed_ns_ : changed_ns_ != kGone) {
    if (const absl::Status read = Read(); !read.ok()) {
      LogWarn("the users stay as they were", {{"error", read.message()}});
    }
    if (!there) changed_ns_ = kGone;  // said once
  }
  return users_;
}

absl::StatusOr<User> Users::SignIn(const std::string& name, std::string_view password) {
  const std::map<std::string, User> users = All();
  const auto found = users.find(name);
  absl::MutexLock lock(&hashing_);
  if (found != users.end() && IsPasswordOf(found->second.hash, password)) return found->second;
  if (found == users.end()) (void)HashPassword(kNobodysPassword).status();
  return absl::PermissionDeniedError("the name or the password is wrong");
}

}  // namespace closewrite::portal

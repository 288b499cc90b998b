#include "services/executor/allowed_commands.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "absl/strings/match.h"
#include "services/log/str_cat.h"
#include "services/volume/path.h"

namespace closewrite::executor {
namespace {

// Taken from what the dynamic loader ignores for set-user-ID programs (glibc,
// sysdeps/generic/unsecvars.h), from what sudo always removes (plugins/sudoers/env.c), and from the
// manuals of Perl, Python, R, Ruby, Node.js and Java.
constexpr const char* kNamesCode[] = {"BASHOPTS",
                                      "BASH_ENV",
                                      "CDPATH",
                                      "CLASSPATH",
                                      "ENV",
                                      "FPATH",
                                      "GCONV_PATH",
                                      "HOME",
                                      "IFS",
                                      "JAVA_TOOL_OPTIONS",
                                      "JDK_JAVA_OPTIONS",
                                      "PATH",
                                      "PS4",
                                      "SHELLOPTS",
                                      "ZDOTDIR",
                                      "_JAVA_OPTIONS"};
constexpr const char* kBeginsNamesOfCode[] = {"BASH_FUNC_", "LD_",  "NODE_", "PERL",
                                              "PYTHON",     "RUBY", "R_"};

// "" with errno when it does not exist.
std::string RealPath(const std::string& path) {
  char real[PATH_MAX];
  return realpath(path.c_str(), real) == nullptr ? "" : real;
}

bool IsFolder(const std::string& path) {
  struct stat st = {};
  return stat(path.c_str(), &st) == 0 && S_ISDIR(st.st_mode);
}

absl::Status CheckEntry(const std::string& entry) {
  const std::string shown = StrCat("allow_commands: ", Display(entry));
  if (entry.empty() || entry.front() != '/') {
    return absl::InvalidArgumentError(
        StrCat(shown, " is not an absolute path; start it with '/', as `command -v` shows it"));
  }
  struct stat st = {};
  if (stat(entry.c_str(), &st) != 0) {
    return absl::InvalidArgumentError(
        StrCat(shown, ": ", strerror(errno), "; install it, or remove it from allow_commands"));
  }
  if (S_ISDIR(st.st_mode) || S_ISREG(st.st_mode)) return absl::OkStatus();
  return absl::InvalidArgumentError(StrCat(shown, " is neither a program nor a folder"));
}

// Whether what `path` names can be changed, or, when it is a folder, added to.
bool CanWrite(const Account& user, const struct stat& st) {
  if (st.st_uid == user.uid) return (st.st_mode & S_IWUSR) != 0;
  const bool in_group =
      std::find(user.groups.begin(), user.groups.end(), st.st_gid) != user.groups.end();
  return (st.st_mode & (in_group ? S_IWGRP : S_IWOTH)) != 0;
}

// The first path, from the entry up to the root, by which somebody could have others run; "" when
// there is none.
std::string WayIn(std::string path, const Account& user, bool* by_everybody) {
  for (bool below = false;; below = true) {
    struct stat st = {};
    if (stat(path.c_str(), &st) != 0) return "";
    // Who owns a sticky folder, or a file in it, can rename it there; all others can not.
    const bool sticky = below && (st.st_mode & S_ISVTX) != 0 && st.st_uid != user.uid;
    *by_everybody = (st.st_mode & S_IWOTH) != 0;
    if (!sticky && (*by_everybody || CanWrite(user, st))) return path;
    if (path == "/") return "";
    const size_t slash = path.rfind('/');
    path.resize(slash == 0 ? 1 : slash);
  }
}

}  // namespace

absl::Status AllowedCommands::Check() const {
  if (entries_.size() > kAllowedCommandsMax) {
    return absl::InvalidArgumentError(StrCat("allow_commands: there are ", entries_.size(),
                                             "; at most ", kAllowedCommandsMax,
                                             " are allowed; name folders instead"));
  }
  for (const std::string& entry : entries_) {
    absl::Status good = CheckEntry(entry);
    if (!good.ok()) return good;
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> AllowedCommands::Resolve(const std::string& program) const {
  std::string real = RealPath(program);
  if (real.empty()) return absl::NotFoundError(strerror(errno));
  for (const std::string& entry : entries_) {
    const std::string allowed = RealPath(entry);
    if (allowed.empty()) continue;
    if (real == allowed && !IsFolder(real)) return real;
    const std::string folder = allowed == "/" ? allowed : StrCat(allowed, "/");
    if (absl::StartsWith(real, folder) && IsFolder(allowed)) return real;
  }
  return absl::PermissionDeniedError(real == program ? ""
                                                     : StrCat(", which is ", Display(real), ","));
}

std::vector<std::string> AllowedCommands::Warnings(const Account& user) const {
  std::vector<std::string> warnings;
  if (entries_.empty()) return warnings;
  if (user.uid == 0) {
    warnings.push_back(
        "allow_commands: commands run as root, which can replace what may run; set run_as");
  }
  for (const std::string& entry : entries_) {
    bool by_everybody = false;
    const std::string way_in = WayIn(RealPath(entry), user, &by_everybody);
    if (way_in.empty() || (user.uid == 0 && !by_everybody)) continue;
    warnings.push_back(StrCat("allow_commands: ", Display(entry), ": ",
                              by_everybody ? "everybody" : StrCat("user ", Display(user.name)),
                              " can write to ", Display(way_in), ", and so have anything run"));
  }
  return warnings;
}

bool NamesCode(std::string_view variable) {
  if (std::find(std::begin(kNamesCode), std::end(kNamesCode), variable) != std::end(kNamesCode)) {
    return true;
  }
  return std::any_of(std::begin(kBeginsNamesOfCode), std::end(kBeginsNamesOfCode),
                     [&](const char* name) { return variable.rfind(name, 0) == 0; });
}

}  // namespace closewrite::executor

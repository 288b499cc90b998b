#include "services/executor/account.h"

#include <grp.h>
#include <pwd.h>
#include <string.h>
#include <unistd.h>

#include <cstdint>

#include "absl/strings/numbers.h"
#include "services/executor/supervisor_protocol.h"
#include "services/log/str_cat.h"
#include "services/volume/path.h"

namespace closewrite::executor {
namespace {

// A line of the host's table of users.
constexpr size_t kEntryBytesMax = 64 << 10;

Account AccountOf(const passwd& entry) {
  return {.name = entry.pw_name,
          .home = entry.pw_dir,
          .shell = entry.pw_shell,
          .uid = entry.pw_uid,
          .gid = entry.pw_gid,
          .groups = {entry.pw_gid}};
}

}  // namespace

Account OwnAccount() {
  std::string buffer(kEntryBytesMax, '\0');
  passwd entry = {};
  passwd* found = nullptr;
  const int error = getpwuid_r(geteuid(), &entry, buffer.data(), buffer.size(), &found);
  if (error == 0 && found != nullptr) return AccountOf(entry);
  return {.name = StrCat(geteuid()),
          .home = "/",
          .shell = "/bin/sh",
          .uid = geteuid(),
          .gid = getegid(),
          .groups = {getegid()}};
}

absl::StatusOr<Account> FindAccount(const std::string& name) {
  std::string buffer(kEntryBytesMax, '\0');
  passwd entry = {};
  passwd* found = nullptr;
  int error = getpwnam_r(name.c_str(), &entry, buffer.data(), buffer.size(), &found);
  // As chown(1) does: a name of digits goes before a number.
  uint32_t number = 0;
  if (found == nullptr && absl::SimpleAtoi(name, &number)) {
    error = getpwuid_r(number, &entry, buffer.data(), buffer.size(), &found);
  }
  if (found == nullptr) {
    return absl::NotFoundError(
        StrCat("run_as: there is no user `", Display(name), "` on this host",
               error == 0 ? "; make it, or name another one" : StrCat(": ", strerror(error))));
  }
  Account account = AccountOf(entry);
  if (account.uid != geteuid() && geteuid() != 0) {
    return absl::PermissionDeniedError(StrCat("run_as: this executor runs as ", OwnAccount().name,
                                              ", and only one that runs as ",
                                              "root can run a command as ", name));
  }
  account.groups.resize(kSupervisorGroupsMax);
  int count = kSupervisorGroupsMax;
  if (getgrouplist(entry.pw_name, entry.pw_gid, account.groups.data(), &count) < 0) {
    return absl::NotFoundError(
        StrCat("run_as: user ", name, " is in more than ", kSupervisorGroupsMax, " groups"));
  }
  account.groups.resize(static_cast<size_t>(count));
  return account;
}

}  // namespace closewrite::executor

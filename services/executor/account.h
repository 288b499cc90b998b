// Users of this host that commands run as.
#ifndef SERVICES_EXECUTOR_ACCOUNT_H_
#define SERVICES_EXECUTOR_ACCOUNT_H_

#include <sys/types.h>

#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace closewrite::executor {

struct Account {
  std::string name;
  std::string home;
  std::string shell;
  uid_t uid = 0;
  gid_t gid = 0;
  std::vector<gid_t> groups;
};

// The executor's own. A user without an entry in the host's tables, as in some containers, has its
// number for a name and lives in `/`.
Account OwnAccount();

// Another one by name, or by its number, with its groups. Blocks for as long as the host's name
// services do. Errors are fit for people: NOT_FOUND when the host has no such user,
// PERMISSION_DENIED when the executor is not root and so can't become it. A user may be in
// kSupervisorGroupsMax groups.
absl::StatusOr<Account> FindAccount(const std::string& name);

}  // namespace closewrite::executor

#endif  // SERVICES_EXECUTOR_ACCOUNT_H_

// Who calls, as the coordinator knows them.
#ifndef SERVICES_ACCESS_CALLER_H_
#define SERVICES_ACCESS_CALLER_H_

#include <string>
#include <vector>

#include "services/access/role.h"

namespace closewrite {

// A caller of the API.
struct Caller {
  Role role = Role::kAnybody;
  // As the certificate or the token has it: the host of a watcher or an executor, else whose it is.
  // Empty for kAnybody.
  std::string name;
  // Who signed in at the portal; only of kPortal.
  std::string user;
  // Address that the call came from, as gRPC shows it.
  std::string peer;
  // Volumes that a watcher may be home of, labels that an executor may have; only of these two.
  std::vector<std::string> grants;
};

}  // namespace closewrite

#endif  // SERVICES_ACCESS_CALLER_H_

// Who may make which call: one table for all services.
#ifndef SERVICES_ACCESS_PERMISSIONS_H_
#define SERVICES_ACCESS_PERMISSIONS_H_

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "services/access/caller.h"

namespace closewrite {

struct Permission {
  std::string_view service;  // full name
  // "" stands for all calls of the service that have no line of their own.
  std::string_view method;
  std::vector<Role> roles;
};

// Each call that is served anywhere, once.
const std::vector<Permission>& Permissions();

// What a message calls it: "JobService.CancelJobs" for "/closewrite.v1.JobService/CancelJobs".
std::string ShownCall(std::string_view path);

// Whether `caller` may make the call `path` ("/closewrite.v1.JobService/CancelJobs").
//   UNAUTHENTICATED    it takes a certificate or a token, and there is none; says what to do.
//   PERMISSION_DENIED  the role does not do; says which ones would.
//   UNIMPLEMENTED      there is no such call.
absl::Status CheckPermission(const Caller& caller, std::string_view path);

}  // namespace closewrite

#endif  // SERVICES_ACCESS_PERMISSIONS_H_

// Who may make which call: one table for all services.
#ifndef SERVICES_ACCESS_PERMISSIONS_H_
#define SERVICES_ACCESS_PERMISSIONS_H_

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "services/access/caller.h"

namespace closewrite {

// A set of roles.
class Roles {
 public:
  constexpr Roles(std::initializer_list<Role> roles) {
    for (const Role role : roles) bits_ |= Bit(role);
  }
  constexpr bool Has(Role role) const { return (bits_ & Bit(role)) != 0; }
  friend constexpr Roles operator+(Roles a, Roles b) {
    a.bits_ |= b.bits_;
    return a;
  }

 private:
  static constexpr uint32_t Bit(Role role) { return 1U << static_cast<unsigned>(role); }
  uint32_t bits_ = 0;
};

struct Permission {
  std::string_view service;  // full name
  // "" stands for all calls of the service.
  std::string_view method;
  Roles roles;
};

// Each call that is served anywhere, once.
absl::Span<const Permission> Permissions();

// What a message calls it: "JobService.CancelJobs" for "/closewrite.v1.JobService/CancelJobs".
std::string ShownCall(std::string_view path);

// Whether `caller` may make the call `path` ("/closewrite.v1.JobService/CancelJobs").
//   UNAUTHENTICATED    it takes a certificate or a token, and there is none; says what to do.
//   PERMISSION_DENIED  the role does not do; says which ones would.
//   UNIMPLEMENTED      there is no such call.
absl::Status CheckPermission(const Caller& caller, std::string_view path);

}  // namespace closewrite

#endif  // SERVICES_ACCESS_PERMISSIONS_H_

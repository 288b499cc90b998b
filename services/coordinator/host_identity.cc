#include "services/coordinator/host_identity.h"

#include <algorithm>

#include "services/access/identity.h"
#include "services/log/str_cat.h"
#include "services/volume/path.h"

namespace closewrite {
namespace {

absl::Status Denied(const Caller& caller, std::string_view wanted) {
  return absl::PermissionDeniedError(StrCat("the certificate of ", RoleName(caller.role), " ",
                                            caller.name, " does not allow ", wanted,
                                            "; see `closewrite certs show` and `certs issue`"));
}

bool Grants(const Caller& caller, std::string_view what) {
  return std::any_of(caller.grants.begin(), caller.grants.end(),
                     [&](const std::string& each) { return each == kAnyGrant || each == what; });
}

absl::Status CheckHost(const Caller& caller, std::string_view host) {
  return caller.name == host ? absl::OkStatus()
                             : Denied(caller, StrCat("to speak for host ", Quote(host)));
}

}  // namespace

absl::Status CheckMayAttend(const Caller& caller, const ExecutorHello& hello) {
  if (caller.role == Role::kAnybody) return absl::OkStatus();
  if (absl::Status s = CheckHost(caller, hello.host); !s.ok()) return s;
  const bool own_name = hello.name == caller.name ||
                        std::string_view(hello.name).starts_with(StrCat(caller.name, "-"));
  if (!own_name) {
    return Denied(caller, StrCat("the executor's name ", Quote(hello.name), ", but ", caller.name,
                                 " and those that begin with ", caller.name, "-"));
  }
  for (const std::string& label : hello.labels) {
    if (!Grants(caller, label)) return Denied(caller, StrCat("the label ", Quote(label)));
  }
  return absl::OkStatus();
}

absl::Status CheckMayEnd(const Caller& caller, std::string_view host) {
  if (caller.role == Role::kAnybody) return absl::OkStatus();
  return CheckHost(caller, host);
}

absl::Status CheckMayObserve(const Caller& caller, std::string_view host,
                             const std::vector<VolumeReport>& volumes) {
  if (caller.role == Role::kAnybody) return absl::OkStatus();
  if (absl::Status s = CheckHost(caller, host); !s.ok()) return s;
  for (const VolumeReport& report : volumes) {
    if (!Grants(caller, report.volume)) {
      return Denied(caller, StrCat("to be home of volume ", Quote(report.volume)));
    }
  }
  return absl::OkStatus();
}

}  // namespace closewrite

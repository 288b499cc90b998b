// Who changed what: entries of the audit, which are appended by the commit that makes the change.
// Plain values.
#ifndef SERVICES_COORDINATOR_CORE_AUDIT_H_
#define SERVICES_COORDINATOR_CORE_AUDIT_H_

#include <cstdint>
#include <string>

#include "absl/time/time.h"

namespace closewrite {

// A change. Nothing rewrites one that was appended.
struct AuditEntry {
  int64_t id = 0;          // rises, never used again
  absl::Time at;           // when it was made; finite
  std::string role;        // of who made it: "operator"; "anybody"
  std::string name;        // theirs; may be empty
  std::string user;        // who signed in at the portal; may be empty
  std::string peer;        // address that the call came from
  std::string service;     // of the call: "JobService"
  std::string method;      // "CancelJobs"
  std::string request_id;  // may be empty
  std::string subject;     // what the call named, for people
  bool operator==(const AuditEntry&) const = default;
};

// Which entries; what is left as it is does not restrict.
struct AuditFilter {
  std::string who;  // the name or the user
  std::string service;
  std::string method;
  absl::Time since = absl::InfinitePast();  // made then or later
};

// A place in a list of entries, which has larger ones first; as it is made, before all. With an id
// of 0 it is behind all that were made at that time.
struct AuditPlace {
  absl::Time at = absl::InfiniteFuture();
  int64_t id = 0;
};

}  // namespace closewrite

#endif  // SERVICES_COORDINATOR_CORE_AUDIT_H_

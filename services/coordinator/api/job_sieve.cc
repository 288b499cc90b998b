#include "services/coordinator/api/job_sieve.h"

#include <utility>

#include "services/coordinator/api/violations.h"
#include "services/coordinator/convert.h"
#include "services/volume/path.h"

namespace closewrite {

absl::StatusOr<JobSieve> DecodeJobSieve(const v1::JobFilter& filter) {
  JobSieve sieve;
  Violations violations;
  if (filter.has_since()) sieve.since = FromProto(filter.since());
  if (!filter.match().empty()) {
    absl::StatusOr<Glob> glob = Glob::Parse(filter.match());
    violations.AddUnlessOk("filter.match", glob.status());
    if (glob.ok()) sieve.match = *std::move(glob);
  }
  if (!filter.host().empty()) {
    violations.AddUnlessOk("filter.host", CheckName("host", filter.host()));
    sieve.host = filter.host();
  }
  if (absl::Status s = violations.ToStatus(); !s.ok()) return s;
  return sieve;
}

}  // namespace closewrite

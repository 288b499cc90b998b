// What jobs are filtered by beside what stores find by themselves.
#ifndef SERVICES_COORDINATOR_API_JOB_SIEVE_H_
#define SERVICES_COORDINATOR_API_JOB_SIEVE_H_

#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "closewrite/v1/job.pb.h"
#include "services/coordinator/core/job.h"
#include "services/volume/glob.h"

namespace closewrite {

// Jobs are listed by falling number, and made in that order but for the length of a transaction and
// what clocks of several coordinators differ by: this much is looked at beyond `since`.
inline constexpr absl::Duration kSinceSlack = absl::Minutes(1);

struct JobSieve {
  absl::Time since = absl::InfinitePast();
  std::optional<Glob> match;
  std::string host;  // "": any

  bool empty() const { return since == absl::InfinitePast() && !match.has_value() && host.empty(); }
  bool Lets(const Job& job) const {
    return job.created_at >= since && (host.empty() || job.host == host) &&
           (!match.has_value() || match->Matches(job.input.path));
  }
  // Neither this job nor one with a lower number passes.
  bool Ends(const Job& job) const { return job.created_at < since - kSinceSlack; }
};

// INVALID_ARGUMENT names the fields.
absl::StatusOr<JobSieve> DecodeJobSieve(const v1::JobFilter& filter);

}  // namespace closewrite

#endif  // SERVICES_COORDINATOR_API_JOB_SIEVE_H_

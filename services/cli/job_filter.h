// Which jobs: the options that become a JobFilter.
#ifndef SERVICES_CLI_JOB_FILTER_H_
#define SERVICES_CLI_JOB_FILTER_H_

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "CLI/CLI.hpp"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "closewrite/v1/job.pb.h"
#include "services/cli/invocation.h"

namespace closewrite::cli {

// As the user wrote them; what is empty does not restrict.
struct JobFilterOptions {
  std::vector<std::string> states;
  std::string pipeline;
  std::string volume;
  std::string match;
  std::string since;
  std::string host;

  bool empty() const;
};

// For usage lines.
inline constexpr std::string_view kJobFilterUsage =
    "[--state S,...] [--pipeline P] [--volume V] [--match GLOB] [--since TIME] [--host H]";

// Adds --state, --pipeline, --volume, --match, --since and --host, which here is the executor's.
void DeclareJobFilter(CLI::App& app, JobFilterOptions* options);

// INVALID_ARGUMENT (usage) names the option that is wrong.
absl::StatusOr<v1::JobFilter> MakeJobFilter(const JobFilterOptions& options, absl::Time now);

// `2h` before `now`, `2026-11-26`, `2026-11-26T10:00` or `2026-11-26T10:00:05` in `zone`, or
// RFC 3339. INVALID_ARGUMENT (usage) says what is accepted.
absl::StatusOr<absl::Time> ParseSince(std::string_view text, absl::Time now, absl::TimeZone zone);
// The same of another option, which is named when it is wrong.
absl::StatusOr<absl::Time> ParseTimeOption(std::string_view option, std::string_view text,
                                           absl::Time now, absl::TimeZone zone);

// Hands over the jobs that match, newest first, as their pages come: at most `limit` (0: all), or
// until `take` returns false. `more` says that some may be left.
absl::Status ForEachJob(Invocation& invocation, const v1::JobFilter& filter, int64_t limit,
                        const std::function<bool(const v1::Job&)>& take, bool* more);

}  // namespace closewrite::cli

#endif  // SERVICES_CLI_JOB_FILTER_H_

#include "services/cli/job_filter.h"

#include <algorithm>

#include "absl/strings/str_split.h"
#include "services/config/duration.h"
#include "services/config/enum_name.h"
#include "services/log/str_cat.h"
#include "services/volume/glob.h"

namespace closewrite::cli {
bool JobFilterOptions::empty() const {
  return states.empty() && pipeline.empty() && volume.empty() && match.empty() && since.empty() &&
         host.empty();
}

void DeclareJobFilter(CLI::App& app, JobFilterOptions* options) {
  app.add_option("-s,--state", options->states, "Only in these states, with commas")
      ->expected(1)
      ->take_all();
  app.add_option("-p,--pipeline", options->pipeline, "Only of this pipeline");
  app.add_option("--volume", options->volume, "Only with inputs in this volume");
  app.add_option("--match", options->match, "Only with inputs that match this glob");
  app.add_option("--since", options->since,
                 "Only those made since then: 2h, 2026-11-26, 2026-11-26T10:00 or RFC 3339");
  app.add_option("--host", options->host,
                 "Only those whose executor is, or was last, on this host");
}

absl::StatusOr<absl::Time> ParseSince(std::string_view text, absl::Time now, absl::TimeZone zone) {
  return ParseTimeOption("--since", text, now, zone);
}

absl::StatusOr<absl::Time> ParseTimeOption(std::string_view option, std::string_view text,
                                           absl::Time now, absl::TimeZone zone) {
  const auto duration = ParseDuration(text);
  if (duration.ok()) return now - *duration;
  absl::Time time;
  for (const char* format : {absl::RFC3339_full, "%Y-%m-%dT%H:%M:%E*S", "%Y-%m-%dT%H:%M",
                             "%Y-%m-%d %H:%M:%E*S", "%Y-%m-%d %H:%M", "%Y-%m-%d"}) {
    // Abseil reads `infinite-past` as well.
    const bool read = absl::ParseTime(format, ToAbsl(text), zone, &time, nullptr);
    if (read && time != absl::InfinitePast() && time != absl::InfiniteFuture()) return time;
  }
  return UsageError(StrCat(option, " ", text, ": use a time span (2h, 3d), or a time (2026-11-26, ",
                           "2026-11-26T10:00, 2026-11-26T10:00:00Z)"));
}

absl::StatusOr<v1::JobFilter> MakeJobFilter(const JobFilterOptions& options, absl::Time now) {
  v1::JobFilter filter;
  filter.set_pipeline(options.pipeline);
  filter.set_input_volume(options.volume);
  filter.set_match(options.match);
  filter.set_host(options.host);
  for (const std::string& text : options.states) {
    for (const absl::string_view word : absl::StrSplit(text, ',', absl::SkipEmpty())) {
      const auto state = ParseEnum(*v1::JobState_descriptor(), ToStd(word));
      if (!state.ok()) return UsageError(StrCat("--state: ", state.status().message()));
      filter.add_states(static_cast<v1::JobState>((*state)->number()));
    }
  }
  if (!options.match.empty()) {
    const auto glob = Glob::Parse(options.match);
    if (!glob.ok()) return UsageError(StrCat("--match: ", glob.status().message()));
  }
  if (!options.since.empty()) {
    const auto since = ParseSince(options.since, now, absl::LocalTimeZone());
    if (!since.ok()) return since.status();
    *filter.mutable_since() = ToProto(*since);
  }
  return filter;
}

absl::Status ForEachJob(Invocation& invocation, const v1::JobFilter& filter, int64_t limit,
                        const std::function<bool(const v1::Job&)>& take, bool* more) {
  v1::ListJobsRequest request;
  *request.mutable_filter() = filter;
  Client& client = invocation.client();
  PageLoop pages{.limit = limit};
  bool enough = false;
  const absl::Status status = pages.Run<v1::ListJobsRequest, v1::ListJobsResponse>(
      client, request,
      [&](auto* context, const auto& page_request, auto* response) {
        if (enough) return grpc::Status::OK;  // an empty last page
        return client.jobs().ListJobs(context, page_request, response);
      },
      [&](const v1::ListJobsResponse& response) {
        for (const v1::Job& job : response.jobs()) enough = enough || !take(job);
        return response.jobs_size();
      });
  *more = pages.more;
  return status;
}

}  // namespace closewrite::cli

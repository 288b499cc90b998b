#include "services/cli/job_list.h"

#include <algorithm>
#include <functional>
#include <tuple>
#include <utility>

#include "services/cli/job_filter.h"
#include "services/cli/job_output.h"
#include "services/cli/time_text.h"
#include "services/cli/unknown_names.h"
#include "services/log/str_cat.h"

namespace closewrite::cli {
namespace {

using Before = std::function<bool(const v1::Job&, const v1::Job&)>;

// Of its newest attempt's command.
absl::Duration DurationOf(const v1::Job& job, absl::Time now) {
  if (!job.has_started_at()) return -absl::InfiniteDuration();  // below all that ran
  return (job.has_finished_at() ? ToTime(job.finished_at()) : now) - ToTime(job.started_at());
}

Before Order(std::string_view key, absl::Time now) {
  if (key == "created") {
    return [](const v1::Job& a, const v1::Job& b) {
      return ToTime(a.created_at()) > ToTime(b.created_at());
    };
  }
  if (key == "duration") {
    return [now](const v1::Job& a, const v1::Job& b) {
      return DurationOf(a, now) > DurationOf(b, now);
    };
  }
  if (key == "state") {
    return [](const v1::Job& a, const v1::Job& b) { return StateCell(a).text < StateCell(b).text; };
  }
  if (key == "pipeline") {
    return [](const v1::Job& a, const v1::Job& b) { return a.pipeline() < b.pipeline(); };
  }
  if (key == "input") {
    return [](const v1::Job& a, const v1::Job& b) {
      return std::tie(a.input().volume(), a.input().path()) <
             std::tie(b.input().volume(), b.input().path());
    };
  }
  return [](const v1::Job& a, const v1::Job& b) { return a.id() > b.id(); };
}

absl::StatusOr<int> ListSorted(Invocation& invocation, const JobListOptions& options) {
  std::vector<v1::Job> jobs;
  bool more = false;
  const absl::Status status = ForEachJob(
      invocation, options.filter, kSortedJobsMax,
      [&](const v1::Job& job) {
        jobs.push_back(job);
        return true;
      },
      &more);
  if (!status.ok()) return status;
  if (jobs.empty()) NoteUnknownNames(invocation, options.filter);
  if (more) {
    invocation.Note(StrCat("only the newest ", kSortedJobsMax,
                           " jobs were sorted, and there may be more: narrow them down"));
  }
  SortJobs(options.sort, options.reverse, invocation.now(), &jobs);
  const auto limit = static_cast<size_t>(options.limit);
  const bool cut = limit != 0 && jobs.size() > limit;
  if (cut) {
    invocation.Note(StrCat("there are ", jobs.size(), "; --limit 0 shows all"));
    jobs.resize(limit);
  }
  PrintJobs(invocation, jobs, Format::kTable);
  return kExitOk;
}

}  // namespace

void SortJobs(std::string_view key, bool reverse, absl::Time now, std::vector<v1::Job>* jobs) {
  std::sort(jobs->begin(), jobs->end(),
            [](const v1::Job& a, const v1::Job& b) { return a.id() > b.id(); });
  std::stable_sort(jobs->begin(), jobs->end(), Order(key, now));
  if (reverse) std::reverse(jobs->begin(), jobs->end());
}

absl::StatusOr<int> ListJobs(Invocation& invocation, const JobListOptions& options) {
  if (!options.sort.empty() || options.reverse) return ListSorted(invocation, options);
  JobPrinter printer(invocation, Format::kTable);
  bool more = false;
  bool some = false;
  const absl::Status status = ForEachJob(
      invocation, options.filter, options.limit,
      [&](const v1::Job& job) {
        printer.Add(job);
        some = true;
        return true;
      },
      &more);
  if (!status.ok()) return status;
  printer.Flush();
  if (!some) NoteUnknownNames(invocation, options.filter);
  if (more) {
    // A page that was asked for by these may be followed by empty ones.
    const bool sure = options.filter.match().empty() && options.filter.host().empty();
    invocation.Note(StrCat("there ", sure ? "are" : "may be", " more than ", options.limit,
                           "; --limit 0 shows all"));
  }
  return kExitOk;
}

}  // namespace closewrite::cli

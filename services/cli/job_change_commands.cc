#include "services/cli/job_change_commands.h"

#include <algorithm>
#include <memory>
#include <set>
#include <string>
#include <utility>

#include "services/cli/confirm.h"
#include "services/cli/in_parts.h"
#include "services/cli/job_filter.h"
#include "services/cli/job_output.h"
#include "services/cli/unknown_names.h"
#include "services/log/str_cat.h"

namespace closewrite::cli {
namespace {

// Jobs that one run changes by a filter.
constexpr int64_t kChangedJobsMax = 100'000;

struct Verb {
  std::string name;
  std::string past;
  std::vector<v1::JobState> takes;      // states in which a job can be changed so
  std::vector<v1::JobState> by_filter;  // those of a filter that names none
};

struct ChangeOptions {
  std::vector<int64_t> job_ids;
  JobFilterOptions filter;
  std::string reason;
  bool dry_run = false;
  bool yes = false;
};

bool IsIn(const std::vector<v1::JobState>& states, int state) {
  return std::find(states.begin(), states.end(), state) != states.end();
}

std::string CountText(size_t jobs) { return StrCat(jobs, jobs == 1 ? " job" : " jobs"); }

class JobChange {
 public:
  JobChange(Invocation& invocation, const Verb& verb, const ChangeOptions& options)
      : invocation_(invocation), verb_(verb), options_(options) {}

  absl::StatusOr<int> Run() {
    if (options_.job_ids.empty() && options_.filter.empty()) {
      return UsageError(StrCat(verb_.name, ": which jobs? Name them, or say which by --state, ",
                               "--pipeline, --volume, --match, --since or --host"));
    }
    if (!options_.job_ids.empty() && !options_.filter.empty()) {
      return UsageError(StrCat(verb_.name, ": name jobs, or filter them, but not both"));
    }
    if (options_.job_ids.empty()) return ByFilter();
    return options_.dry_run ? PreviewNamed() : ChangeNamed();
  }

 private:
  absl::StatusOr<int> ByFilter() {
    auto filter = MakeJobFilter(options_.filter, invocation_.now());
    if (!filter.ok()) return filter.status();
    for (const int state : filter->states()) {
      if (IsIn(verb_.takes, state)) continue;
      std::string states;
      for (const v1::JobState taken : verb_.takes) {
        StrAppend(&states, states.empty() ? "" : ", ", EnumName(*v1::JobState_descriptor(), taken));
      }
      return UsageError(StrCat("--state ", EnumName(*v1::JobState_descriptor(), state),
                               ": such jobs can't be ", verb_.past, ", only those in ", states));
    }
    if (filter->states().empty()) {
      for (const v1::JobState state : verb_.by_filter) filter->add_states(state);
    }
    std::vector<v1::Job> jobs;
    const absl::Status status = Find(*filter, &jobs);
    if (!status.ok()) return status;
    if (jobs.empty()) {
      NoteUnknownNames(invocation_, *filter);
      invocation_.Note(StrCat("no job matches that could be ", verb_.past));
      return kExitOk;
    }
    if (options_.dry_run) return Preview(jobs);
    if (jobs.size() > 1 && !options_.yes) {
      const auto yes = Confirm(invocation_, StrCat(verb_.name, " ", CountText(jobs.size())));
      if (!yes.ok()) return yes.status();
      if (!*yes) {
        invocation_.Note("nothing was changed");
        return kExitRefused;
      }
    }
    std::vector<int64_t> job_ids;
    job_ids.reserve(jobs.size());
    for (const v1::Job& job : jobs) job_ids.push_back(job.id());
    return ChangeFound(job_ids);
  }

  absl::Status Find(const v1::JobFilter& filter, std::vector<v1::Job>* jobs) {
    bool more = false;
    const absl::Status status = ForEachJob(
        invocation_, filter, kChangedJobsMax,
        [&](const v1::Job& job) {
          jobs->push_back(job);
          return true;
        },
        &more);
    if (more) {
      invocation_.Note(StrCat("there may be more jobs than ", kChangedJobsMax,
                              ", which is the limit of one run: repeat the command"));
    }
    return status;
  }

  int Preview(const std::vector<v1::Job>& jobs) {
    PrintJobs(invocation_, jobs, Format::kTable);
    invocation_.Note(StrCat("dry run: ", CountText(jobs.size()), " would be ", verb_.past,
                            "; nothing was changed"));
    return kExitOk;
  }

  absl::StatusOr<int> PreviewNamed() {
    std::set<int64_t> missing(options_.job_ids.begin(), options_.job_ids.end());
    std::vector<v1::Job> fit;
    int code = kExitOk;
    std::vector<v1::Job> found;
    const absl::Status status =
        CallInParts<int64_t>(options_.job_ids, [&](absl::Span<const int64_t> part) {
          v1::JobFilter filter;
          for (const int64_t id : part) filter.add_job_ids(id);
          return Find(filter, &found);
        });
    for (const v1::Job& job : found) {
      missing.erase(job.id());
      if (IsIn(verb_.takes, job.state())) {
        fit.push_back(job);
        continue;
      }
      code = kExitRefused;
      invocation_.Note(
          StrCat("job ", job.id(), " is ", StateCell(job).text, " and can't be ", verb_.past));
    }
    if (!status.ok()) return status;
    for (const int64_t id : missing) {
      code = kExitRefused;
      invocation_.Note(StrCat("there is no job ", id));
    }
    Preview(fit);
    return code;
  }

  absl::StatusOr<int> ChangeNamed() {
    JobPrinter printer(invocation_, Format::kTable);
    bool changed = false;
    const absl::Status status =
        CallInParts<int64_t>(options_.job_ids, [&](absl::Span<const int64_t> part) {
          const absl::Status called = ChangeSome(part, &printer);
          changed = changed || called.ok();
          return called;
        });
    if (changed) printer.Flush();
    if (!status.ok()) return status;
    return kExitOk;
  }

  // Some may have gone on since they were found.
  absl::StatusOr<int> ChangeFound(const std::vector<int64_t>& job_ids) {
    JobPrinter printer(invocation_, Format::kTable);
    size_t refusals = 0;
    const absl::Status status = CallInParts<int64_t>(
        job_ids, [&](absl::Span<const int64_t> part) { return ChangeSome(part, &printer); },
        [&](int64_t id, const absl::Status& why) {
          ++refusals;
          invocation_.Note(StrCat("job ", id, " was not ", verb_.past, ": ", why.message()));
        });
    if (refusals < job_ids.size()) printer.Flush();
    if (!status.ok()) return status;
    return refusals == 0 ? kExitOk : kExitRefused;
  }

  absl::Status ChangeSome(absl::Span<const int64_t> job_ids, JobPrinter* printer) {
    Client& client = invocation_.client();
    if (verb_.name == "cancel") {
      v1::CancelJobsRequest request;
      request.set_reason(options_.reason);
      return CallOnce<v1::CancelJobsResponse>(
          std::move(request), job_ids, printer, [&](auto* context, auto& made, auto* response) {
            return client.jobs().CancelJobs(context, made, response);
          });
    }
    v1::RetryJobsRequest request;
    request.set_redrive(verb_.name == "redrive");
    return CallOnce<v1::RetryJobsResponse>(
        std::move(request), job_ids, printer, [&](auto* context, auto& made, auto* response) {
          return client.jobs().RetryJobs(context, made, response);
        });
  }

  template <class Response, class Request, class Make>
  absl::Status CallOnce(Request request, absl::Span<const int64_t> job_ids, JobPrinter* printer,
                        Make make) {
    request.set_request_id(NewRequestId());
    for (const int64_t id : job_ids) request.add_job_ids(id);
    Response response;
    absl::Status status = invocation_.client().Call(
        [&](grpc::ClientContext* context) { return make(context, request, &response); });
    if (!status.ok()) return status;
    for (const v1::Job& job : response.jobs()) printer->Add(job);
    return status;
  }

  Invocation& invocation_;
  const Verb& verb_;
  const ChangeOptions& options_;
};

Verb RetryVerb() {
  return {"retry",
          "retried",
          {v1::JOB_STATE_FAILED, v1::JOB_STATE_CANCELLED, v1::JOB_STATE_RETRYING},
          {v1::JOB_STATE_FAILED, v1::JOB_STATE_RETRYING}};
}

// Who was cancelled comes again only when somebody asks for it by name.
Verb RedriveVerb() {
  return {"redrive",
          "redriven",
          {v1::JOB_STATE_FAILED, v1::JOB_STATE_CANCELLED, v1::JOB_STATE_RETRYING},
          {v1::JOB_STATE_FAILED}};
}

Verb CancelVerb() {
  const std::vector<v1::JobState> states = {v1::JOB_STATE_SCHEDULED, v1::JOB_STATE_AVAILABLE,
                                            v1::JOB_STATE_RUNNING, v1::JOB_STATE_RETRYING};
  return {"cancel", "cancelled", states, states};
}

Command MakeCommand(const Verb& verb, std::string summary, std::string examples) {
  const bool reason = verb.name == "cancel";
  Command command{verb.name,
                  StrCat("JOB... | ", kJobFilterUsage, " [--dry-run] [--yes]",
                         reason ? " [--reason TEXT]" : ""),
                  std::move(summary), std::move(examples)};
  command.names = true;
  command.declare = [verb, reason](CLI::App& app) -> Action {
    auto options = std::make_shared<ChangeOptions>();
    app.add_option("JOB", options->job_ids, "Numbers of jobs");
    DeclareJobFilter(app, &options->filter);
    app.add_flag("--dry-run", options->dry_run, "Only show which jobs; change nothing");
    app.add_flag("-y,--yes", options->yes, "Don't ask before several jobs of a filter are changed");
    if (reason) app.add_option("--reason", options->reason, "Why, for the record");
    return [verb, options](Invocation& invocation) {
      return JobChange(invocation, verb, *options).Run();
    };
  };
  return command;
}

}  // namespace

std::vector<Command> JobChangeCommands() {
  return {MakeCommand(RetryVerb(),
                      "Make failed, cancelled or retrying jobs available now, for one more "
                      "attempt. By a filter without --state: failed and retrying ones.",
                      "closewrite retry 41 42\n"
                      "closewrite retry --pipeline enrich --since 2h --yes\n"),
          MakeCommand(RedriveVerb(),
                      "Make failed jobs available again, with all their attempts. By a filter "
                      "without --state: failed ones, not those that were cancelled.",
                      "closewrite redrive --host vm-c --since 2026-11-26T10:00 --dry-run\n"),
          MakeCommand(CancelVerb(),
                      "Cancel jobs; running commands are killed and publish nothing. A job has "
                      "its slot, locks and place in line until its command is dead.",
                      "closewrite cancel 41 --reason 'wrong file'\n"
                      "closewrite cancel --state available --match '2025/**' --dry-run\n")};
}

}  // namespace closewrite::cli

#include "services/coordinator/core/job_rules.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

namespace closewrite {
namespace {

absl::Status WrongState(const Job& job, const char* wish) {
  return absl::FailedPreconditionError(absl::StrCat(
      "job ", job.id.value, " is ", job.cancelling ? "being cancelled" : StateName(job.state),
      ": it can't be ", wish));
}

absl::Status CheckToken(const Job& job, FencingToken token) {
  if (token == job.token) return absl::OkStatus();
  return absl::AbortedError(absl::StrCat("job ", job.id.value, " has token ", job.token.value,
                                         ": token ", token.value, " is stale"));
}

// One overload a command; each checks the state, then says what comes next.
class Rules {
 public:
  Rules(const Job& job, const Attempt& attempt, const RuleContext& context)
      : job_(job), attempt_(attempt), context_(context) {}

  absl::Status operator()(const Promote&) {
    const bool waits = job_.state == JobState::kScheduled || job_.state == JobState::kRetrying;
    if (!waits || job_.after.value != 0 || job_.due_at > context_.now) {
      return WrongState(job_, "made available yet");
    }
    job_.state = JobState::kAvailable;
    return absl::OkStatus();
  }

  absl::Status operator()(const MoveUp& line) {
    if (job_.after.value == 0) return WrongState(job_, "moved up in its line");
    job_.after = line.after;
    return absl::OkStatus();
  }

  absl::Status operator()(const LeaseTo& lease) {
    if (job_.state != JobState::kAvailable) return WrongState(job_, "leased");
    job_.state = JobState::kRunning;
    ++job_.token.value;
    ++job_.attempts;
    job_.session = lease.session;
    job_.executor = lease.executor;
    job_.host = lease.host;
    job_.pid = 0;
    job_.leased_at = context_.now;
    job_.started_at = absl::InfinitePast();
    return absl::OkStatus();
  }

  absl::Status operator()(const Started& started) {
    if (absl::Status s = CheckRunning(started.token, "started"); !s.ok()) return s;
    if (job_.pid == started.pid) return absl::OkStatus();
    job_.started_at = context_.now;
    job_.pid = started.pid;
    // What it says of an attempt before is told by that one.
    if (!job_.cancelling) job_.message.clear();
    return absl::OkStatus();
  }

  absl::Status operator()(const Finished& end) {
    if (end.outcome == Outcome::kKilled || end.outcome == Outcome::kLost) {
      return (*this)(Lost{end.token, end.outcome, end.message});
    }
    if (absl::Status s = CheckRunning(end.token, "finished"); !s.ok()) return s;
    attempt_.signal = end.signal;
    attempt_.cpu = end.cpu;
    attempt_.max_rss_bytes = end.max_rss_bytes;
    job_.exit_code = attempt_.exit_code = end.exit_code;
    EndAttempt(end.outcome, end.message);
    if (job_.cancelling) return BecomeCancelled();
    switch (end.outcome) {
      case Outcome::kSucceeded:
        Succeed(end.outputs);
        break;
      case Outcome::kHandedBack:
        Uncount();
        job_.state = JobState::kAvailable;
        break;
      case Outcome::kTemporaryFailure:
        RetryLater(end.message);
        break;
      case Outcome::kRefused:
        Fail(end.message);
        break;
      default:
        FailOrRetry(end.message);
    }
    return absl::OkStatus();
  }

  absl::Status operator()(const Lost& lost) {
    if (absl::Status s = CheckRunning(lost.token, "lost"); !s.ok()) return s;
    const bool started = job_.pid != 0;
    job_.exit_code.reset();
    EndAttempt(lost.outcome, lost.message);
    if (job_.cancelling) return BecomeCancelled();
    Uncount();
    // An executor that kills a command itself - drain, a lease that it could not renew - lives on:
    // that says nothing against the job.
    if (started && lost.outcome == Outcome::kLost) ++job_.crashes;
    if (context_.retry.on_lost == OnLost::kFail) {
      // Whether the command was started can't be known for certain of an executor that fell silent.
      Fail(absl::StrCat(lost.message, "; on_lost: fail forbids another attempt"));
    } else if (job_.crashes >= context_.retry.crash_attempts) {
      Fail(absl::StrCat(lost.message, "; its executor died under it ", job_.crashes, " times"));
    } else {
      job_.state = JobState::kAvailable;
      job_.message = lost.message;
    }
    return absl::OkStatus();
  }

  absl::Status operator()(const Published& published) {
    if (absl::Status s = CheckToken(job_, published.token); !s.ok()) return s;
    if (job_.state != JobState::kPublishing) return WrongState(job_, "published");
    if (published.error.empty()) {
      Finish(JobState::kSucceeded, "");
    } else {
      attempt_.outcome = Outcome::kPublishFailed;
      attempt_.message = published.error;
      attempt_changed_ = true;
      job_.outputs.clear();
      FailOrRetry(published.error);
    }
    return absl::OkStatus();
  }

  absl::Status operator()(const Cancel& cancel) {
    if (job_.state == JobState::kPublishing || IsFinal(job_.state)) {
      return WrongState(job_, "cancelled");
    }
    if (job_.cancelling) return absl::OkStatus();
    job_.message = cancel.reason;
    if (job_.state != JobState::kRunning) return BecomeCancelled();
    job_.cancelling = true;
    return absl::OkStatus();
  }

  absl::Status operator()(const Retry& retry) {
    const bool may = job_.state == JobState::kFailed || job_.state == JobState::kCancelled ||
                     job_.state == JobState::kRetrying;
    if (job_.state == JobState::kSucceeded) {
      return WrongState(job_, "retried; `closewrite replay` makes a new job of its file");
    }
    if (!may) return WrongState(job_, "retried");
    if (retry.redrive) {
      job_.attempts = job_.crashes = 0;
      job_.attempts_base = 0;
    } else {
      // One more attempt than the policy has left, and one more crash.
      job_.attempts_base =
          std::max(job_.attempts_base, job_.attempts + 1 - context_.retry.attempts);
      job_.crashes = std::min(job_.crashes, context_.retry.crash_attempts - 1);
    }
    if (IsFinal(job_.state)) job_.after = context_.last_in_line;
    job_.state = job_.after.value == 0 ? JobState::kAvailable : JobState::kScheduled;
    job_.due_at = context_.now;
    job_.finished_at = absl::InfinitePast();
    job_.message.clear();
    return absl::OkStatus();
  }

  absl::Status operator()(const AmendInput& amend) {
    job_.input = amend.input;
    job_.key = JobKey(job_.pipeline, job_.input);
    return absl::OkStatus();
  }

  JobChange Take() {
    JobChange change{std::move(job_), std::nullopt};
    if (attempt_changed_) change.attempt = std::move(attempt_);
    return change;
  }

 private:
  absl::Status CheckRunning(FencingToken token, const char* wish) {
    if (absl::Status s = CheckToken(job_, token); !s.ok()) return s;
    return job_.state == JobState::kRunning ? absl::OkStatus() : WrongState(job_, wish);
  }

  void EndAttempt(Outcome outcome, const std::string& message) {
    attempt_.outcome = outcome;
    attempt_.message = message;
    attempt_.ended_at = context_.now;
    attempt_changed_ = true;
    job_.session.clear();
  }

  void Uncount() {
    --job_.attempts;
    attempt_.number = 0;
  }

  void Succeed(const std::vector<OutputFile>& outputs) {
    if (job_.output_volume.empty() || outputs.empty()) {
      Finish(JobState::kSucceeded, "");
    } else {
      job_.state = JobState::kPublishing;
      job_.outputs = outputs;
      job_.message.clear();
    }
  }

  void FailOrRetry(const std::string& message) {
    if (job_.attempts - job_.attempts_base >= context_.retry.attempts) {
      Fail(message);
    } else {
      RetryLater(message);
    }
  }

  void RetryLater(const std::string& message) {
    job_.state = JobState::kRetrying;
    job_.message = message;
    job_.due_at = context_.now + BackoffAfter(context_.retry, job_.attempts, context_.jitter);
  }

  absl::Status BecomeCancelled() {
    job_.cancelling = false;
    Finish(JobState::kCancelled, job_.message);
    return absl::OkStatus();
  }

  void Fail(const std::string& message) { Finish(JobState::kFailed, message); }

  // `message` may be the job's own.
  void Finish(JobState state, const std::string& message) {
    job_.state = state;
    job_.after = JobId{};
    job_.session.clear();
    job_.message = message;
    job_.finished_at = context_.now;
  }

  Job job_;
  Attempt attempt_;
  bool attempt_changed_ = false;
  const RuleContext& context_;
};

}  // namespace

absl::StatusOr<JobChange> Apply(const Job& job, const Attempt& attempt, const JobCommand& command,
                                const RuleContext& context) {
  Rules rules(job, attempt, context);
  if (absl::Status status = std::visit(rules, command); !status.ok()) return status;
  return rules.Take();
}

absl::Duration BackoffAfter(const RetryPolicy& policy, int failures, double jitter) {
  absl::Duration pause = policy.backoff;
  for (int i = 1; i < failures && pause < policy.backoff_max; ++i) pause *= 2;
  pause = std::min(pause, policy.backoff_max);
  return pause - pause * (jitter / 2);
}

const char* StateName(JobState state) {
  switch (state) {
    case JobState::kScheduled:
      return "SCHEDULED";
    case JobState::kAvailable:
      return "AVAILABLE";
    case JobState::kRunning:
      return "RUNNING";
    case JobState::kPublishing:
      return "PUBLISHING";
    case JobState::kSucceeded:
      return "SUCCEEDED";
    case JobState::kRetrying:
      return "RETRYING";
    case JobState::kFailed:
      return "FAILED";
    case JobState::kCancelled:
      return "CANCELLED";
  }
  return "UNKNOWN";
}

}  // namespace closewrite

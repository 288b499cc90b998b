#include "tests/bench/queues/attender.h"

#include <algorithm>

#include "services/config/duration.h"

namespace closewrite {
namespace {

// Nothing runs, so any number will do for a process that does.
constexpr int kPid = 1;

void SetLease(const std::pair<int64_t, int64_t>& key, v1::LeaseRef* lease) {
  lease->set_job_id(key.first);
  lease->set_token(key.second);
}

}  // namespace

Attender::~Attender() {
  heartbeat_.reset();
  stream_->Cancel();
  absl::MutexLock lock(&mutex_);
  const auto ended = [this] {
    mutex_.AssertHeld();
    return end_.has_value();
  };
  mutex_.Await(absl::Condition(&ended));
}

absl::StatusOr<std::unique_ptr<Attender>> Attender::Open(v1::AttendService::Stub* stub,
                                                         Options options) {
  std::unique_ptr<Attender> attender(new Attender(std::move(options)));
  Attender& self = *attender;
  self.stream_ = Stream::Start(
      [stub](grpc::ClientContext* context, auto* reactor) {
        context->set_wait_for_ready(true);  // also for a coordinator that starts right now
        stub->async()->Attend(context, reactor);
      },
      {.on_message = [&self](const v1::AttendResponse& response) { self.OnAnswer(response); },
       .on_end = [&self](const absl::Status& status) { self.OnEnd(status); }});
  absl::Duration interval;
  {
    absl::MutexLock lock(&self.mutex_);
    self.Send(self.Hello());
    const auto heard = [&self] {
      self.mutex_.AssertHeld();
      return self.session_ttl_ > absl::ZeroDuration() || self.end_.has_value();
    };
    self.mutex_.AwaitWithTimeout(absl::Condition(&heard), self.options_.patience);
    if (self.end_.has_value()) return *self.end_;
    if (!heard()) return absl::DeadlineExceededError("no answer to the executor's hello");
    interval = self.session_ttl_ / 3;
  }
  self.heartbeat_ = std::make_unique<Heartbeat>(interval, [&self] { self.Beat(); });
  return attender;
}

v1::AttendRequest Attender::Hello() {
  v1::AttendRequest request;
  request.set_heartbeat(true);
  v1::ExecutorHello* executor = request.mutable_executor();
  executor->set_name(options_.name);
  executor->set_host(options_.name);
  executor->set_slots(options_.slots);
  executor->set_version("bench");
  for (const std::string& volume : options_.volumes) {
    (*executor->mutable_volume_roots())[volume] = "/srv/bench";
  }
  return request;
}

void Attender::Send(v1::AttendRequest request) {
  request.set_sequence(++sequence_);
  request.set_draining(stopping_);
  stream_->Send(std::move(request));
}

void Attender::OnAnswer(const v1::AttendResponse& response) {
  const int64_t now = StampNow();
  absl::MutexLock lock(&mutex_);
  if (response.has_session_ttl()) session_ttl_ = FromProto(response.session_ttl());
  answered_sequence_ = std::max(answered_sequence_, response.answered_sequence());
  for (const v1::LeaseRef& lease : response.settled()) OnSettled(lease, now);
  v1::AttendRequest request;
  for (const v1::Assignment& assignment : response.assignments()) {
    OnAssignment(assignment, now, &request);
  }
  if (request.results_size() > 0 || request.running_size() > 0) Send(std::move(request));
}

void Attender::OnAssignment(const v1::Assignment& assignment, int64_t now,
                            v1::AttendRequest* request) {
  const LeaseKey key(assignment.lease().job_id(), assignment.lease().token());
  // A lease may be sent again while its result is on the way.
  if (unsettled_.contains(key)) return;
  if (auto done = done_.find(key.first); done != done_.end()) {
    if (done->second == key.second) return;
    ++result_.rerun;
  }
  if (options_.hold) {
    if (std::find(held_.begin(), held_.end(), key) != held_.end()) return;
    held_.push_back(key);
    *request->add_running()->mutable_lease() = assignment.lease();
    request->mutable_running(request->running_size() - 1)->set_pid(kPid);
    options_.on_held(assignment.lease());
    return;
  }
  if (result_.first_assigned == 0) result_.first_assigned = now;
  if (answered_ >= options_.jobs_max) stopping_ = true;
  if (!stopping_) {
    ++answered_;
    if (options_.due_at != 0) {
      result_.latencies.Add(now - options_.due_at);
    } else if (auto stamp = StampIn(assignment.input().path()); stamp.has_value()) {
      result_.latencies.Add(now - *stamp);
    }
  }
  const v1::AttemptOutcome outcome =
      stopping_ ? v1::ATTEMPT_OUTCOME_HANDED_BACK : v1::ATTEMPT_OUTCOME_SUCCEEDED;
  unsettled_[key] = outcome;
  v1::AttemptResult* result = request->add_results();
  *result->mutable_lease() = assignment.lease();
  result->set_outcome(outcome);
}

void Attender::OnSettled(const v1::LeaseRef& lease, int64_t now) {
  const auto found = unsettled_.find(LeaseKey(lease.job_id(), lease.token()));
  if (found == unsettled_.end()) return;
  if (found->second == v1::ATTEMPT_OUTCOME_SUCCEEDED) {
    ++result_.settled;
    result_.last_settled = now;
    result_.settled_jobs.push_back(lease.job_id());
    done_[lease.job_id()] = lease.token();
  }
  unsettled_.erase(found);
}

void Attender::OnEnd(const absl::Status& status) {
  absl::MutexLock lock(&mutex_);
  end_ = status.ok() ? absl::UnavailableError("the coordinator ended the stream") : status;
}

void Attender::Beat() {
  absl::MutexLock lock(&mutex_);
  v1::AttendRequest request;
  request.set_heartbeat(true);
  for (const LeaseKey& key : held_) {
    v1::RunningAttempt* running = request.add_running();
    SetLease(key, running->mutable_lease());
    running->set_pid(kPid);
  }
  for (const auto& [key, outcome] : unsettled_) {
    v1::AttemptResult* result = request.add_results();
    SetLease(key, result->mutable_lease());
    result->set_outcome(outcome);
  }
  Send(std::move(request));
}

absl::StatusOr<Attended> Attender::Run(absl::Duration duration_max) {
  absl::MutexLock lock(&mutex_);
  const auto enough = [this] {
    mutex_.AssertHeld();
    return end_.has_value() || result_.settled >= options_.jobs_max;
  };
  mutex_.AwaitWithTimeout(absl::Condition(&enough), duration_max);
  // Leases may still be on their way: they are handed back, or they would wait for the session's
  // expiry. Once this message is answered, none follows.
  stopping_ = true;
  Send(v1::AttendRequest());
  const int64_t last_sequence = sequence_;
  const auto idle = [this, last_sequence] {
    mutex_.AssertHeld();
    return end_.has_value() || (unsettled_.empty() && answered_sequence_ >= last_sequence);
  };
  const bool settled = mutex_.AwaitWithTimeout(absl::Condition(&idle), options_.patience);
  if (!settled) return absl::DeadlineExceededError("results are not settled any more");
  if (end_.has_value()) return *end_;
  return result_;
}

absl::Status Attender::Answer() {
  absl::MutexLock lock(&mutex_);
  if (end_.has_value()) return *end_;
  v1::AttendRequest request;
  for (const LeaseKey& key : held_) {
    unsettled_[key] = v1::ATTEMPT_OUTCOME_SUCCEEDED;
    v1::AttemptResult* result = request.add_results();
    SetLease(key, result->mutable_lease());
    result->set_outcome(v1::ATTEMPT_OUTCOME_SUCCEEDED);
  }
  held_.clear();
  Send(std::move(request));
  const auto settled = [this] {
    mutex_.AssertHeld();
    return end_.has_value() || unsettled_.empty();
  };
  mutex_.AwaitWithTimeout(absl::Condition(&settled), options_.patience);
  return end_.value_or(absl::OkStatus());
}

bool Attender::AwaitSettled(int64_t jobs) {
  absl::MutexLock lock(&mutex_);
  const auto reached = [this, jobs] {
    mutex_.AssertHeld();
    return end_.has_value() || result_.settled >= jobs;
  };
  mutex_.Await(absl::Condition(&reached));
  return !end_.has_value();
}

Attended Attender::Progress() {
  absl::MutexLock lock(&mutex_);
  return result_;
}

}  // namespace closewrite

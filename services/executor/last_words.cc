#include "services/executor/last_words.h"

#include <utility>
#include <vector>

#include "absl/synchronization/mutex.h"
#include "closewrite/v1/attend.grpc.pb.h"
#include "services/clock/clock.h"
#include "services/executor/attempt_table.h"
#include "services/executor/bell.h"
#include "services/log/log.h"
#include "services/transport/errors.h"
#include "services/transport/stream.h"

namespace closewrite::executor {
namespace {

// ABORTED: another stream has resumed the session, which may be one of our own that was late.
bool IsPassing(const absl::Status& status) {
  return absl::IsUnavailable(status) || absl::IsDeadlineExceeded(status) ||
         absl::IsResourceExhausted(status) || absl::IsCancelled(status) || absl::IsAborted(status);
}

using Stream = ClientStream<v1::AttendRequest, v1::AttendResponse>;

class Speaker {
 public:
  Speaker(const std::shared_ptr<grpc::Channel>& channel, const Journal* journal)
      : stub_(v1::AttendService::NewStub(channel)), table_(TableOptions(journal)) {}

  absl::Status Speak(const v1::ExecutorHello& hello, std::vector<JournalEntry> left,
                     absl::Duration within) {
    table_.Drain();
    table_.TakeUpDead(std::move(left));
    table_.StartStream();
    const absl::Duration deadline = SinceBoot() + within;
    stream_ = Stream::Start(
        [this](grpc::ClientContext* context, auto* reactor) {
          stub_->async()->Attend(context, reactor);
        },
        {.on_message = [this](const v1::AttendResponse& response) { OnMessage(response); },
         .on_end = [this](const absl::Status& status) { OnEnd(status); }});
    v1::AttendRequest first;
    *first.mutable_executor() = hello;
    first.set_heartbeat(true);
    Send(std::move(first));
    for (absl::Duration now = SinceBoot(); !Done() && now < deadline; now = SinceBoot()) {
      bell_.Wait(deadline - now);
      if (table_.TakeChange() || table_.TakeOutput()) Send({});
    }
    stream_->Cancel();
    absl::MutexLock lock(&mutex_);
    const bool cut_off = ended_;
    mutex_.Await(absl::Condition(&ended_));
    if (table_.unsettled() == 0) return absl::OkStatus();
    if (cut_off) return end_;
    if (!answered_) return absl::DeadlineExceededError("the coordinator did not answer");
    LogWarn("not all that was left could be told in time", {{"results", table_.unsettled()}});
    return absl::OkStatus();
  }

 private:
  AttemptTable::Options TableOptions(const Journal* journal) {
    AttemptTable::Options options;
    // No volumes: nothing of theirs is touched, and a hung mount must not delay us.
    options.context.journal = journal;
    options.wake = [this] { bell_.Ring(); };
    return options;
  }

  // All that there is to say, as far as the windows of the logs are open.
  void Send(v1::AttendRequest request) {
    for (bool more = true; more;) {
      more = table_.Fill(request.heartbeat(), &request);
      request.set_sequence(++sequence_);
      request.set_draining(true);
      if (!stream_->Send(std::exchange(request, {}))) return;
    }
  }

  bool Done() {
    absl::MutexLock lock(&mutex_);
    return ended_ || table_.unsettled() == 0;
  }

  void OnMessage(const v1::AttendResponse& response) {
    table_.AcknowledgeLogs(response.log_acks());
    table_.Settle(response.settled());
    absl::MutexLock lock(&mutex_);
    answered_ = true;
    bell_.Ring();
  }

  void OnEnd(const absl::Status& status) {
    absl::MutexLock lock(&mutex_);
    ended_ = true;
    end_ = status.ok() ? absl::UnavailableError("the coordinator ended the stream") : status;
    bell_.Ring();
  }

  const std::unique_ptr<v1::AttendService::Stub> stub_;
  Bell bell_;
  AttemptTable table_;
  std::shared_ptr<Stream> stream_;
  int64_t sequence_ = 0;
  absl::Mutex mutex_;
  bool answered_ ABSL_GUARDED_BY(mutex_) = false;
  bool ended_ ABSL_GUARDED_BY(mutex_) = false;
  absl::Status end_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace

absl::Status EndSessionOfTheDead(const std::shared_ptr<grpc::Channel>& channel,
                                 v1::ExecutorHello hello, const Journal& journal) {
  const std::string session = journal.Session();
  if (session.empty()) return absl::OkStatus();
  absl::Status marked;
  if (!journal.SessionIsEnding()) marked = journal.RecordEnding();
  if (!marked.ok()) return marked;
  hello.set_session_id(session);
  if (std::vector<JournalEntry> left = journal.Left(); !left.empty()) {
    const absl::Status status =
        Speaker(channel, &journal).Speak(hello, std::move(left), kLastWordsMax);
    if (IsPassing(status)) return absl::UnavailableError(status.message());
    if (!status.ok() && !absl::IsNotFound(status)) {
      LogWarn("the last words were refused", {{"error", status.ToString()}});
    }
  }
  v1::EndSessionRequest request;
  request.set_session_id(session);
  request.set_executor(hello.name());
  request.set_reason("the executor was killed, and all its commands are dead");
  v1::EndSessionResponse response;
  grpc::ClientContext context;
  context.set_deadline(absl::ToChronoTime(SteadyClock().Now() + kEndSessionMax));
  const auto stub = v1::AttendService::NewStub(channel);
  const absl::Status ended = FromGrpc(stub->EndSession(&context, request, &response));
  if (IsPassing(ended)) return absl::UnavailableError(ended.message());
  // Should this fail, it is ended once more.
  if (ended.ok()) (void)journal.RecordSession("");
  return ended;
}

}  // namespace closewrite::executor

// The client's end of a stream, from which anything can be said.
#ifndef TESTS_HOSTILE_TALK_H_
#define TESTS_HOSTILE_TALK_H_

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "closewrite/v1/attend.grpc.pb.h"
#include "closewrite/v1/observe.grpc.pb.h"
#include "grpcpp/grpcpp.h"
#include "services/transport/stream.h"

namespace closewrite::hostile {

// How long an answer is waited for.
inline constexpr absl::Duration kPatience = absl::Seconds(30);
// Answers that nobody has asked for yet; the oldest are forgotten.
inline constexpr size_t kHeardMax = 256;

// Breaks the stream off when it goes, and waits for its end. Thread-safe.
template <class Request, class Response>
class Talk {
 public:
  using Stream = ClientStream<Request, Response>;

  explicit Talk(const typename Stream::Starter& starter) {
    stream_ = Stream::Start(
        starter,
        {.on_message = [state = state_](Response response) { state->Hear(std::move(response)); },
         .on_end = [state = state_](const absl::Status& status) { state->End(status); }});
  }
  ~Talk() {
    Cancel();
    (void)AwaitEnd(kPatience);
  }
  Talk(const Talk&) = delete;
  Talk& operator=(const Talk&) = delete;

  // False when the stream has ended.
  bool Say(const Request& request) { return stream_->Send(request); }
  void Cancel() { stream_->Cancel(); }

  // The next answer that `wanted` takes; those before it are dropped. What the stream has ended
  // with when there is none, CANCELLED when it ended well; DEADLINE_EXCEEDED when none came.
  absl::StatusOr<Response> Hear(const std::function<bool(const Response&)>& wanted) {
    absl::MutexLock lock(&state_->mutex);
    std::optional<Response> found;
    const auto arrived = [&] {
      state_->mutex.AssertHeld();
      while (!state_->heard.empty() && !found.has_value()) {
        if (wanted(state_->heard.front())) found = std::move(state_->heard.front());
        state_->heard.pop_front();
      }
      return found.has_value() || state_->end.has_value();
    };
    if (!state_->mutex.AwaitWithTimeout(absl::Condition(&arrived), kPatience)) {
      return absl::DeadlineExceededError("nothing was answered");
    }
    if (found.has_value()) return *std::move(found);
    if (!state_->end->ok()) return *state_->end;
    return absl::CancelledError("the coordinator has ended the stream without an error");
  }

  // What it has ended with; nothing when it goes on.
  std::optional<absl::Status> AwaitEnd(absl::Duration patience) {
    absl::MutexLock lock(&state_->mutex);
    const auto ended = [this] {
      state_->mutex.AssertHeld();
      return state_->end.has_value();
    };
    state_->mutex.AwaitWithTimeout(absl::Condition(&ended), patience);
    return state_->end;
  }

 private:
  // Outlives the talk for as long as gRPC calls back.
  struct State {
    void Hear(Response response) {
      absl::MutexLock lock(&mutex);
      if (heard.size() >= kHeardMax) heard.pop_front();
      heard.push_back(std::move(response));
    }
    void End(const absl::Status& status) {
      absl::MutexLock lock(&mutex);
      end = status;
    }
    absl::Mutex mutex;
    std::deque<Response> heard ABSL_GUARDED_BY(mutex);
    std::optional<absl::Status> end ABSL_GUARDED_BY(mutex);
  };

  const std::shared_ptr<State> state_ = std::make_shared<State>();
  std::shared_ptr<Stream> stream_;
};

using ExecutorTalk = Talk<v1::AttendRequest, v1::AttendResponse>;
using WatcherTalk = Talk<v1::ObserveRequest, v1::ObserveResponse>;

// Opens a stream; nothing is said on it yet.
inline std::unique_ptr<ExecutorTalk> Attend(const std::shared_ptr<grpc::Channel>& channel) {
  return std::make_unique<ExecutorTalk>([&](grpc::ClientContext* context, auto* reactor) {
    v1::AttendService::NewStub(channel)->async()->Attend(context, reactor);
  });
}
inline std::unique_ptr<WatcherTalk> Observe(const std::shared_ptr<grpc::Channel>& channel) {
  return std::make_unique<WatcherTalk>([&](grpc::ClientContext* context, auto* reactor) {
    v1::ObserveService::NewStub(channel)->async()->Observe(context, reactor);
  });
}

}  // namespace closewrite::hostile

#endif  // TESTS_HOSTILE_TALK_H_

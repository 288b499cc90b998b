#include "tests/bench/queues/echo.h"

#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/synchronization/mutex.h"
#include "services/transport/stream.h"

namespace closewrite {
namespace {

constexpr absl::Duration kAnswerMax = absl::Seconds(10);
// About what an assignment weighs.
constexpr size_t kBytes = 200;

// What has come back so far.
struct Echoes {
  absl::Mutex mutex;
  int64_t answered ABSL_GUARDED_BY(mutex) = 0;
  int64_t answered_at ABSL_GUARDED_BY(mutex) = 0;
  std::optional<absl::Status> end ABSL_GUARDED_BY(mutex);

  // Waits for an answer's stamp; 0 when none comes.
  int64_t Await(int64_t sequence) {
    absl::MutexLock lock(&mutex);
    const auto heard = [this, sequence] {
      mutex.AssertHeld();
      return answered >= sequence || end.has_value();
    };
    mutex.AwaitWithTimeout(absl::Condition(&heard), kAnswerMax);
    return answered >= sequence ? answered_at : 0;
  }

  // Waits for the end of the stream, as long as may be.
  bool AwaitEnd(absl::Duration patience) {
    absl::MutexLock lock(&mutex);
    const auto ended = [this] {
      mutex.AssertHeld();
      return end.has_value();
    };
    return mutex.AwaitWithTimeout(absl::Condition(&ended), patience);
  }
};

}  // namespace

grpc::ServerBidiReactor<v1::AttendRequest, v1::AttendResponse>* EchoService::Attend(
    grpc::CallbackServerContext*) {
  using Stream = ServerStream<v1::AttendRequest, v1::AttendResponse>;
  std::shared_ptr<Stream> stream = Stream::Make();
  Stream* reactor = stream.get();
  reactor->Begin({.on_message =
                      [stream](const v1::AttendRequest& request) {
                        v1::AttendResponse response;
                        response.set_answered_sequence(request.sequence());
                        response.set_session_id(std::string(kBytes, 's'));
                        stream->Send(std::move(response));
                      },
                  .on_end = [] {}});
  return reactor;
}

absl::StatusOr<Latencies> MeasureEcho(v1::AttendService::Stub* stub, int64_t rounds,
                                      absl::Duration pause) {
  using Stream = ClientStream<v1::AttendRequest, v1::AttendResponse>;
  auto echoes = std::make_shared<Echoes>();
  Stream::Callbacks callbacks;
  callbacks.on_message = [echoes](const v1::AttendResponse& response) {
    absl::MutexLock lock(&echoes->mutex);
    echoes->answered = response.answered_sequence();
    echoes->answered_at = StampNow();
  };
  callbacks.on_end = [echoes](const absl::Status& status) {
    absl::MutexLock lock(&echoes->mutex);
    echoes->end = status;
  };
  std::shared_ptr<Stream> stream = Stream::Start(
      [stub](grpc::ClientContext* context, auto* reactor) {
        context->set_wait_for_ready(true);
        stub->async()->Attend(context, reactor);
      },
      std::move(callbacks));
  Latencies latencies;
  bool broken = false;
  for (int64_t round = 1; round <= rounds && !broken; ++round) {
    if (pause > absl::ZeroDuration()) broken = echoes->AwaitEnd(pause);
    v1::AttendRequest request;
    request.set_sequence(round);
    request.mutable_executor()->set_name(std::string(kBytes, 'n'));
    const int64_t sent_at = StampNow();
    stream->Send(std::move(request));
    const int64_t answered_at = echoes->Await(round);
    broken = broken || answered_at == 0;
    latencies.Add(answered_at - sent_at);
  }
  stream->Cancel();
  echoes->AwaitEnd(kAnswerMax);
  if (broken) return absl::UnavailableError("the echo did not come back");
  return latencies;
}

}  // namespace closewrite

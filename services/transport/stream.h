// One side of a bidirectional stream, over gRPC's callback API: reads are delivered one at a time,
// writes are queued and never block the caller.
#ifndef SERVICES_TRANSPORT_STREAM_H_
#define SERVICES_TRANSPORT_STREAM_H_

#include <algorithm>
#include <deque>
#include <functional>
#include <memory>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "grpcpp/grpcpp.h"
#include "grpcpp/support/client_callback.h"
#include "grpcpp/support/server_callback.h"
#include "services/transport/errors.h"

namespace closewrite {

// Messages that may wait to be written on one stream; past that the stream is ended with
// RESOURCE_EXHAUSTED, and the peer comes again and hears the newest state.
inline constexpr size_t kQueuedMessagesMax = 4096;
// While so much of what a stream has delivered is unsettled, a server reads no more from it: a peer
// that sends faster than the store commits waits, and costs no memory. One message always comes.
inline constexpr size_t kUnsettledBytesMax = size_t{1} << 20;

// Server side. Keeps itself alive until gRPC is done with it. Callbacks are called from gRPC's
// threads, one at a time per stream; `on_end` exactly once, last. Thread-safe.
template <class Request, class Response>
class ServerStream : public grpc::ServerBidiReactor<Request, Response> {
 public:
  struct Callbacks {
    std::function<void(Request)> on_message;
    std::function<void()> on_end;
  };

  // Makes a stream; call Begin, then hand `get()` to gRPC as the reactor. It must be handed over.
  static std::shared_ptr<ServerStream> Make() {
    auto stream = std::shared_ptr<ServerStream>(new ServerStream);
    stream->self_ = stream;
    return stream;
  }

  // Starts reading. Callbacks may hold a reference to the stream; they are dropped at the end. With
  // `settles` what was delivered counts until it is settled.
  void Begin(Callbacks callbacks, bool settles = false) {
    callbacks_ = std::move(callbacks);
    settles_ = settles;
    this->StartRead(&request_);
  }

  // Queues a message. False when the stream has ended or its queue is full (it is then being
  // ended).
  bool Send(Response response) {
    absl::MutexLock lock(&mutex_);
    if (finishing_) return false;
    if (queue_.size() >= kQueuedMessagesMax) {
      queue_.resize(writing_ ? 1 : 0);  // gRPC still reads the one that is being written
      FinishLocked(absl::ResourceExhaustedError("the peer reads too slowly; come again"));
      return false;
    }
    queue_.push_back(std::move(response));
    WriteNextLocked();
    return true;
  }

  // A message that was delivered is dealt with; `bytes` is what TakesBytes said of it. To be called
  // once for each, unless the stream has ended.
  void Settle(size_t bytes) {
    absl::MutexLock lock(&mutex_);
    unsettled_ -= std::min(unsettled_, bytes);
    ReadOnLocked();
  }
  static size_t TakesBytes(const Request& request) { return request.SpaceUsedLong(); }

  // Ends the stream after what is queued has been written. Only the first call counts. After it no
  // message is delivered any more, but one that is being delivered may not have returned yet.
  void End(const absl::Status& status) {
    absl::MutexLock lock(&mutex_);
    FinishLocked(status);
  }

 private:
  ServerStream() = default;

  bool IsFinishing() {
    absl::MutexLock lock(&mutex_);
    return finishing_;
  }

  void WriteNextLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (writing_ || finished_) return;
    if (!queue_.empty()) {
      writing_ = true;
      this->StartWrite(&queue_.front());
    } else if (finishing_) {
      finished_ = true;
      this->Finish(ToGrpc(final_status_));
    }
  }

  void ReadOnLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (!paused_ || finishing_ || unsettled_ >= kUnsettledBytesMax) return;
    paused_ = false;
    this->StartRead(&request_);
  }

  void FinishLocked(const absl::Status& status) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (finishing_) return;
    finishing_ = true;
    final_status_ = status;
    WriteNextLocked();
  }

  void OnReadDone(bool ok) override {
    if (!ok) return End(absl::OkStatus());
    if (IsFinishing()) return;
    if (settles_) {
      absl::MutexLock lock(&mutex_);
      unsettled_ += TakesBytes(request_);
    }
    callbacks_.on_message(std::move(request_));
    request_ = Request();
    absl::MutexLock lock(&mutex_);
    paused_ = true;
    ReadOnLocked();
  }

  void OnWriteDone(bool ok) override {
    absl::MutexLock lock(&mutex_);
    writing_ = false;
    queue_.pop_front();
    if (!ok) {
      queue_.clear();
      FinishLocked(absl::UnavailableError("the peer is gone"));
    }
    WriteNextLocked();
  }

  void OnCancel() override { End(absl::CancelledError("the peer is gone")); }

  void OnDone() override {
    if (callbacks_.on_end) callbacks_.on_end();
    callbacks_ = {};
    auto self = std::move(self_);  // the last reference of ours; may delete this
  }

  std::shared_ptr<ServerStream> self_;
  Callbacks callbacks_;
  bool settles_ = false;
  Request request_;
  absl::Mutex mutex_;
  size_t unsettled_ ABSL_GUARDED_BY(mutex_) = 0;
  bool paused_ ABSL_GUARDED_BY(mutex_) = false;  // nothing is being read
  std::deque<Response> queue_ ABSL_GUARDED_BY(mutex_);
  bool writing_ ABSL_GUARDED_BY(mutex_) = false;
  bool finishing_ ABSL_GUARDED_BY(mutex_) = false;
  bool finished_ ABSL_GUARDED_BY(mutex_) = false;
  absl::Status final_status_ ABSL_GUARDED_BY(mutex_);
};

// Client side; the same rules. `on_end` gets the server's status.
template <class Request, class Response>
class ClientStream : public grpc::ClientBidiReactor<Request, Response> {
 public:
  struct Callbacks {
    std::function<void(Response)> on_message;
    std::function<void(const absl::Status&)> on_end;
  };
  // Binds the reactor to a call, such as
  //   [&](grpc::ClientContext* context, auto* reactor) { stub->async()->Attend(context, reactor); }
  using Starter =
      std::function<void(grpc::ClientContext*, grpc::ClientBidiReactor<Request, Response>*)>;

  static std::shared_ptr<ClientStream> Start(const Starter& starter, Callbacks callbacks) {
    auto stream = std::shared_ptr<ClientStream>(new ClientStream);
    stream->self_ = stream;
    stream->callbacks_ = std::move(callbacks);
    starter(&stream->context_, stream.get());
    stream->AddHold();  // writes come from outside of reactions; released once, by CloseLocked
    stream->StartRead(&stream->response_);
    stream->StartCall();
    return stream;
  }

  // Queues a message. False when the stream has ended or its queue is full (it is then being
  // cancelled).
  bool Send(Request request) {
    absl::MutexLock lock(&mutex_);
    if (closed_) return false;
    if (queue_.size() >= kQueuedMessagesMax) {
      CloseLocked();
      context_.TryCancel();
      return false;
    }
    queue_.push_back(std::move(request));
    WriteNextLocked();
    return true;
  }

  // Breaks the stream off; `on_end` follows.
  void Cancel() {
    absl::MutexLock lock(&mutex_);
    CloseLocked();
    context_.TryCancel();
  }

 private:
  ClientStream() = default;

  void WriteNextLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (writing_ || closed_ || queue_.empty()) return;
    writing_ = true;
    this->StartWrite(&queue_.front());
  }

  void CloseLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (closed_) return;
    closed_ = true;
    this->RemoveHold();
  }

  void OnReadDone(bool ok) override {
    if (!ok) {
      absl::MutexLock lock(&mutex_);
      CloseLocked();
      return;
    }
    callbacks_.on_message(std::move(response_));
    response_ = Response();
    this->StartRead(&response_);
  }

  void OnWriteDone(bool ok) override {
    absl::MutexLock lock(&mutex_);
    writing_ = false;
    queue_.pop_front();
    if (!ok) CloseLocked();
    WriteNextLocked();
  }

  void OnDone(const grpc::Status& status) override {
    if (callbacks_.on_end) callbacks_.on_end(FromGrpc(status));
    callbacks_ = {};
    auto self = std::move(self_);
  }

  std::shared_ptr<ClientStream> self_;
  Callbacks callbacks_;
  grpc::ClientContext context_;
  Response response_;
  absl::Mutex mutex_;
  std::deque<Request> queue_ ABSL_GUARDED_BY(mutex_);
  bool writing_ ABSL_GUARDED_BY(mutex_) = false;
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace closewrite

#endif  // SERVICES_TRANSPORT_STREAM_H_

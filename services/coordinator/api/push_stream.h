// A server-streaming call that is fed from a source.
#ifndef SERVICES_COORDINATOR_API_PUSH_STREAM_H_
#define SERVICES_COORDINATOR_API_PUSH_STREAM_H_

#include <deque>
#include <memory>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "grpcpp/grpcpp.h"
#include "services/coordinator/api/stream_pump.h"
#include "services/coordinator/change_feed.h"
#include "services/transport/errors.h"

namespace closewrite {

// What a stream says. Knows nothing of gRPC. Next and OnChange are called from different threads.
template <class Response>
class StreamSource {
 public:
  struct Batch {
    std::vector<Response> messages;
    bool more = false;  // ask again without waiting for a change
    bool last = false;  // the stream ends with OK after these messages
  };

  virtual ~StreamSource() = default;
  // The next messages; none when there is nothing to say now. A bounded piece of work. An error
  // ends the stream.
  virtual absl::StatusOr<Batch> Next() = 0;
  // Called on the store loop's thread after a commit; must be quick. True when Next is to be
  // called.
  virtual bool OnChange(const Effects& effects) = 0;
  // The stream has ended: what Next does is in vain. Called while it may run, once; must be quick.
  virtual void OnEnd() {}
};

// Keeps itself alive until gRPC is done with it. Messages are produced only when the ones before
// are written, so a slow reader costs no more memory than its source's own, limited queue.
// Thread-safe.
template <class Response>
class PushStream : public grpc::ServerWriteReactor<Response>, public PumpedStream {
 public:
  using Source = StreamSource<Response>;
  struct Options {
    StreamPump* pump = nullptr;  // not owned; outlives the stream
    ChangeFeed* feed = nullptr;  // likewise
    std::unique_ptr<Source> source;
  };

  // Listens to changes from here on, then sends initial metadata, by which a caller can know.
  static grpc::ServerWriteReactor<Response>* Open(Options options) {
    std::shared_ptr<PushStream> stream(
        new PushStream(options.pump, options.feed, std::move(options.source)));
    stream->self_ = stream;
    if (absl::Status s = stream->pump_.Add(stream); !s.ok()) {
      stream->End(s);
      return stream.get();
    }
    stream->subscription_ =
        stream->feed_.Subscribe([weak = std::weak_ptr<PushStream>(stream)](const Effects& effects) {
          std::shared_ptr<PushStream> live = weak.lock();
          if (live != nullptr && live->source_->OnChange(effects)) live->pump_.Wake(live.get());
        });
    stream->StartSendInitialMetadata();
    stream->pump_.Wake(stream.get());
    return stream.get();
  }

  void Pump() override {
    {
      absl::MutexLock lock(&mutex_);
      if (ended_ || writing_) return;  // OnWriteDone wakes again
    }
    absl::StatusOr<typename Source::Batch> batch = source_->Next();
    if (!batch.ok()) return End(batch.status());
    absl::MutexLock lock(&mutex_);
    if (ended_) return;
    for (Response& message : batch->messages) queue_.push_back(std::move(message));
    last_ = batch->last;
    if (queue_.empty() && batch->more) pump_.Wake(this);
    WriteNextLocked();
  }

  void End(const absl::Status& status) override {
    absl::MutexLock lock(&mutex_);
    EndLocked(status);
  }

 private:
  PushStream(StreamPump* pump, ChangeFeed* feed, std::unique_ptr<Source> source)
      : pump_(*pump), feed_(*feed), source_(std::move(source)) {}

  void WriteNextLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (!queue_.empty()) {
      writing_ = true;
      this->StartWrite(&queue_.front());
    } else if (last_) {
      EndLocked(absl::OkStatus());
    }
  }

  void EndLocked(const absl::Status& status) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (ended_) return;
    ended_ = true;
    source_->OnEnd();
    final_status_ = status;
    // gRPC takes no Finish while a write is under way.
    if (!writing_) this->Finish(ToGrpc(final_status_));
  }

  void OnWriteDone(bool ok) override {
    absl::MutexLock lock(&mutex_);
    writing_ = false;
    queue_.pop_front();
    if (ended_) {
      this->Finish(ToGrpc(final_status_));
    } else if (!ok) {
      EndLocked(absl::CancelledError("the reader is gone"));
    } else {
      WriteNextLocked();
      if (!writing_ && !ended_) pump_.Wake(this);
    }
  }

  void OnCancel() override { End(absl::CancelledError("the reader is gone")); }

  void OnDone() override {
    // Waits for a call of the listener that is under way: after it nobody but the pump can hold a
    // reference, so the feed never destroys a stream, and with it a subscription, inside a call.
    subscription_.reset();
    pump_.Remove(this);
    auto self = std::move(self_);  // may delete this
  }

  StreamPump& pump_;
  ChangeFeed& feed_;
  const std::unique_ptr<Source> source_;
  std::shared_ptr<PushStream> self_;
  std::unique_ptr<ChangeFeed::Subscription> subscription_;
  absl::Mutex mutex_;
  std::deque<Response> queue_ ABSL_GUARDED_BY(mutex_);
  bool writing_ ABSL_GUARDED_BY(mutex_) = false;
  bool last_ ABSL_GUARDED_BY(mutex_) = false;
  bool ended_ ABSL_GUARDED_BY(mutex_) = false;
  absl::Status final_status_ ABSL_GUARDED_BY(mutex_);
};

// A streaming call that is refused at once.
template <class Response>
class RefusedStream : public grpc::ServerWriteReactor<Response> {
 public:
  static grpc::ServerWriteReactor<Response>* Open(const absl::Status& status) {
    return new RefusedStream(status);
  }

 private:
  explicit RefusedStream(const absl::Status& status) { this->Finish(ToGrpc(status)); }
  void OnDone() override { delete this; }
};

}  // namespace closewrite

#endif  // SERVICES_COORDINATOR_API_PUSH_STREAM_H_

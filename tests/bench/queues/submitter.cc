#include "tests/bench/queues/submitter.h"

#include <algorithm>
#include <utility>

#include "absl/random/random.h"
#include "absl/strings/str_cat.h"

namespace closewrite {
namespace {

constexpr int kEventsPerMessageMax = 512;  // see observe.proto
constexpr size_t kIdBytes = 16;
constexpr absl::Duration kHeartbeatInterval = absl::Seconds(3);

// The same for each client of one host: it is a watcher that comes again, whose sequences rise with
// the time.
std::string IdOf(std::string host) {
  host.resize(kIdBytes, '.');
  return host;
}

uint64_t RandomSeed() {
  absl::BitGen random;
  return absl::Uniform<uint64_t>(random);
}

}  // namespace

Submitter::Submitter(const Options& options)
    : options_(options),
      ledger_id_(IdOf(options.host)),
      names_(RandomSeed(), options.path_bytes, options.ordered_names) {}

Submitter::~Submitter() {
  heartbeat_.reset();
  stream_->Cancel();
  absl::MutexLock lock(&mutex_);
  const auto ended = [this] {
    mutex_.AssertHeld();
    return end_.has_value();
  };
  mutex_.Await(absl::Condition(&ended));
}

absl::StatusOr<std::unique_ptr<Submitter>> Submitter::Open(v1::ObserveService::Stub* stub,
                                                           const Options& options) {
  std::unique_ptr<Submitter> submitter(new Submitter(options));
  Submitter& self = *submitter;
  self.stream_ = Stream::Start(
      [stub](grpc::ClientContext* context, auto* reactor) {
        context->set_wait_for_ready(true);  // also for a coordinator that starts right now
        stub->async()->Observe(context, reactor);
      },
      {.on_message = [&self](const v1::ObserveResponse& response) { self.OnAnswer(response); },
       .on_end = [&self](const absl::Status& status) { self.OnEnd(status); }});
  self.stream_->Send(self.Hello());
  {
    absl::MutexLock lock(&self.mutex_);
    const auto heard = [&self] {
      self.mutex_.AssertHeld();
      return self.greeted_ || self.end_.has_value();
    };
    self.mutex_.AwaitWithTimeout(absl::Condition(&heard), options.patience);
    if (self.end_.has_value()) return *self.end_;
    if (!self.greeted_) return absl::DeadlineExceededError("no answer to the watcher's hello");
  }
  self.heartbeat_ = std::make_unique<Heartbeat>(kHeartbeatInterval, [&self] {
    v1::ObserveRequest request;
    self.AddVolume(&request);
    self.stream_->Send(std::move(request));
  });
  return submitter;
}

v1::ObserveRequest Submitter::Hello() {
  v1::ObserveRequest request;
  request.set_host(options_.host);
  request.set_ledger_id(ledger_id_);
  request.set_version("bench");
  AddVolume(&request);
  return request;
}

void Submitter::AddVolume(v1::ObserveRequest* request) {
  request->set_heartbeat(true);
  v1::VolumeStatus* volume = request->add_volumes();
  volume->set_volume(options_.volume);
  volume->set_root("/srv/bench");
  volume->set_volume_id(ledger_id_);
  volume->set_state(v1::VOLUME_STATE_LIVE);
  volume->set_backend(v1::WATCH_BACKEND_INOTIFY);
}

void Submitter::OnAnswer(const v1::ObserveResponse& response) {
  const int64_t now = StampNow();
  absl::MutexLock lock(&mutex_);
  greeted_ = true;
  while (!flight_.empty() && flight_.front().last_sequence <= response.acked_sequence()) {
    const Call& call = flight_.front();
    result_.latencies.Add(now - call.sent_at);
    result_.events += call.events;
    result_.ended = now;
    flight_.pop_front();
  }
  FillFlight();
}

void Submitter::OnEnd(const absl::Status& status) {
  absl::MutexLock lock(&mutex_);
  end_ = status.ok() ? absl::UnavailableError("the coordinator ended the stream") : status;
}

void Submitter::BeginCall() {
  Call call{.last_sequence = sequence_ + shape_.events_per_call,
            .events = shape_.events_per_call,
            .sent_at = StampNow()};
  ++calls_begun_;
  flight_.push_back(call);
  const int messages = (call.events + kEventsPerMessageMax - 1) / kEventsPerMessageMax;
  for (int message = 0; message < messages; ++message) {
    v1::ObserveRequest request;
    const int64_t last = call.last_sequence - call.events * (messages - 1 - message) / messages;
    while (sequence_ < last) {
      v1::FileEvent* event = request.add_events();
      event->set_sequence(++sequence_);
      const int64_t number = sequence_ - first_sequence_;
      event->set_kind(options_.create ? v1::EVENT_KIND_CREATE : v1::EVENT_KIND_CLOSE_WRITE);
      if (!options_.create) event->set_evidence(v1::EVIDENCE_CLOSED);
      event->set_source(v1::EVENT_SOURCE_INOTIFY);
      event->mutable_observed_at()->set_seconds(1'700'000'000 + number);
      v1::FileVersion* file = event->mutable_file();
      file->set_volume(options_.volume);
      file->set_path(names_.Next(call.sent_at));
      file->set_inode(1'000'000 + number);
      file->set_size(100 + number % 1'000'000);
      file->set_mtime_ns(1'700'000'000'000'000'000 + number * 1'000'003);
    }
    stream_->Send(std::move(request));
  }
}

void Submitter::FillFlight() {
  if (!refills_) return;
  while (calls_begun_ < shape_.calls_max &&
         flight_.size() < static_cast<size_t>(shape_.in_flight_max)) {
    if (calls_begun_ > 0 && StampNow() > deadline_) {
      refills_ = false;
      return;
    }
    BeginCall();
  }
}

absl::StatusOr<Submitted> Submitter::Run(const Shape& shape) {
  {
    absl::MutexLock lock(&mutex_);
    shape_ = shape;
    calls_begun_ = 0;
    result_ = Submitted{.began = StampNow()};
    const absl::Duration limit = std::min(shape.duration_max, absl::Hours(24));
    deadline_ = result_.began + absl::ToInt64Nanoseconds(limit);
    refills_ = true;
    FillFlight();
  }
  return Finish();
}

absl::StatusOr<Submitted> Submitter::RunPaced(const Shape& shape, absl::Duration interval) {
  const int64_t step = absl::ToInt64Nanoseconds(interval);
  {
    absl::MutexLock lock(&mutex_);
    shape_ = shape;
    calls_begun_ = 0;
    refills_ = false;
    result_ = Submitted{.began = StampNow()};
    const auto ended = [this] {
      mutex_.AssertHeld();
      return end_.has_value();
    };
    while (calls_begun_ < shape.calls_max && !end_.has_value()) {
      const int64_t due = result_.began + (calls_begun_ + 1) * step;
      mutex_.AwaitWithTimeout(absl::Condition(&ended), absl::Nanoseconds(due - StampNow()));
      BeginCall();
    }
  }
  return Finish();
}

bool Submitter::Settled() const {
  const bool all_begun = !refills_ || calls_begun_ >= shape_.calls_max;
  return end_.has_value() || (all_begun && flight_.empty());
}

absl::StatusOr<Submitted> Submitter::Finish() {
  absl::MutexLock lock(&mutex_);
  const auto settled = [this] {
    mutex_.AssertHeld();
    return Settled();
  };
  for (int64_t before = -1; !Settled() && before < result_.events;) {
    before = result_.events;
    mutex_.AwaitWithTimeout(absl::Condition(&settled), options_.patience);
  }
  refills_ = false;
  if (end_.has_value()) return *end_;
  if (!flight_.empty()) return absl::DeadlineExceededError("acknowledgements do not come any more");
  return std::move(result_);
}

}  // namespace closewrite

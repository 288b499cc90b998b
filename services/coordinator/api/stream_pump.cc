#include "services/coordinator/api/stream_pump.h"

#include <utility>
#include <vector>

namespace closewrite {

void StreamPump::Start() {
  absl::MutexLock thread_lock(&thread_mutex_);
  if (thread_.joinable()) return;
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = false;
  }
  thread_ = std::thread([this] { Run(); });
}

void StreamPump::Shutdown() {
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
  }
  {
    absl::MutexLock thread_lock(&thread_mutex_);
    if (thread_.joinable()) thread_.join();
  }
  std::vector<std::shared_ptr<PumpedStream>> open;
  {
    absl::MutexLock lock(&mutex_);
    for (const auto& [key, entry] : streams_) open.push_back(entry.stream.lock());
  }
  for (const auto& stream : open) {
    if (stream != nullptr) stream->End(absl::UnavailableError("the coordinator is stopping"));
  }
}

absl::Status StreamPump::Add(const std::shared_ptr<PumpedStream>& stream) {
  absl::MutexLock lock(&mutex_);
  if (stopping_) return absl::UnavailableError("the coordinator is stopping");
  if (streams_.size() >= kOpenStreamsMax) {
    return absl::ResourceExhaustedError("too many streams are open: close some, or try later");
  }
  streams_.emplace(stream.get(), Entry{stream});
  return absl::OkStatus();
}

void StreamPump::Remove(const PumpedStream* stream) {
  absl::MutexLock lock(&mutex_);
  auto it = streams_.find(stream);
  if (it == streams_.end()) return;
  if (it->second.queued) std::erase(queue_, stream);
  streams_.erase(it);
}

void StreamPump::Wake(const PumpedStream* stream) {
  absl::MutexLock lock(&mutex_);
  auto it = streams_.find(stream);
  if (it == streams_.end() || it->second.queued) return;
  it->second.queued = true;
  queue_.push_back(stream);
}

std::shared_ptr<PumpedStream> StreamPump::Next(bool* running) {
  const auto ready = [this] {
    mutex_.AssertHeld();
    return stopping_ || !queue_.empty();
  };
  absl::MutexLock lock(&mutex_, absl::Condition(&ready));
  *running = !stopping_;
  if (stopping_) return nullptr;
  auto it = streams_.find(queue_.front());
  queue_.pop_front();
  it->second.queued = false;
  return it->second.stream.lock();
}

void StreamPump::Run() {
  for (bool running = true; running;) {
    const std::shared_ptr<PumpedStream> stream = Next(&running);
    if (stream != nullptr) stream->Pump();
  }
}

}  // namespace closewrite

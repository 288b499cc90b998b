#include "services/coordinator/api/stream_pump.h"

#include <utility>
#include <vector>

namespace closewrite {

void StreamPump::Shutdown() {
  std::thread thread;
  std::vector<std::shared_ptr<PumpedStream>> open;
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
    thread.swap(thread_);
    for (const auto& [key, entry] : streams_) open.push_back(entry.stream.lock());
  }
  // Before the thread, which may be in the midst of something long for one of them.
  for (const auto& stream : open) {
    if (stream != nullptr) stream->End(absl::UnavailableError("the coordinator is stopping"));
  }
  open.clear();
  if (thread.joinable()) thread.join();
}

absl::Status StreamPump::Add(const std::shared_ptr<PumpedStream>& stream) {
  absl::MutexLock lock(&mutex_);
  if (stopping_) return absl::UnavailableError("the coordinator is stopping");
  if (streams_.size() >= kOpenStreamsMax) {
    return absl::ResourceExhaustedError("too many streams are open: close some, or try later");
  }
  streams_.emplace(stream.get(), Entry{stream});
  if (!thread_.joinable()) thread_ = std::thread([this] { Run(); });
  return absl::OkStatus();
}

void StreamPump::Remove(const PumpedStream* stream) {
  absl::MutexLock lock(&mutex_);
  auto it = streams_.find(stream);
  if (it == streams_.end()) return;
  if (it->second.queued) std::erase(queue_, stream);
  streams_.erase(it);
}

void StreamPump::Queue(const PumpedStream* stream, Entry* entry) {
  if (entry->queued) return;
  entry->queued = true;
  queue_.push_back(stream);
}

void StreamPump::Wake(const PumpedStream* stream) {
  absl::MutexLock lock(&mutex_);
  auto it = streams_.find(stream);
  if (it != streams_.end()) Queue(stream, &it->second);
}

void StreamPump::WakeAll() {
  absl::MutexLock lock(&mutex_);
  for (auto& [stream, entry] : streams_) Queue(stream, &entry);
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

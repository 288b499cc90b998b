#include "services/coordinator/flush_board.h"

#include <utility>

#include "services/log/str_cat.h"
#include "services/transport/errors.h"
#include "services/volume/path.h"

namespace closewrite {
namespace {

absl::Status Lost(const VolumeReport& report) {
  return absl::FailedPreconditionError(
      StrCat("volume ", report.volume, " is LOST: ", Display(report.message)));
}

absl::Status Away(const std::string& volume, std::string_view what) {
  return WithReason(absl::UnavailableError(StrCat("the watcher of volume ", volume, " ", what)),
                    kWatcherAway, {{"volume", volume}});
}

}  // namespace

void FlushBoard::SetStream(StreamKey stream, std::vector<VolumeReport> volumes, Send send) {
  absl::MutexLock lock(&mutex_);
  if (!stopping_) streams_[stream] = {std::move(volumes), std::move(send)};
}

void FlushBoard::RemoveStream(StreamKey stream) {
  Stream dropped;  // its function may hold what must not be destroyed under the lock
  {
    absl::MutexLock lock(&mutex_);
    const auto found = streams_.find(stream);
    if (found == streams_.end()) return;
    dropped = std::move(found->second);
    streams_.erase(found);
  }
  End([&](int64_t, const Waiting& waiting) -> std::optional<absl::Status> {
    if (waiting.stream != stream) return std::nullopt;
    return Away(waiting.volume, "was lost while it was asked: try again");
  });
}

absl::StatusOr<int64_t> FlushBoard::Ask(const std::string& volume, Done done) {
  int64_t id = 0;
  Send send;
  {
    absl::MutexLock lock(&mutex_);
    if (stopping_) return absl::UnavailableError("the coordinator is stopping");
    const VolumeReport* report = nullptr;
    StreamKey key = nullptr;
    for (const auto& [stream, entry] : streams_) {
      for (const VolumeReport& candidate : entry.volumes) {
        if (candidate.volume != volume) continue;
        report = &candidate;
        key = stream;
        send = entry.send;
      }
    }
    if (report == nullptr) return Away(volume, "is not connected");
    if (report->state == VolumeState::kLost) return Lost(*report);
    if (waiting_.size() >= kFlushesWaitingMax) {
      return absl::ResourceExhaustedError(
          StrCat(kFlushesWaitingMax, " callers wait for a flush already: try again later"));
    }
    id = ++last_id_;
    waiting_[id] = {key, volume, std::move(done)};
  }
  send(id, volume);
  return id;
}

void FlushBoard::Cancel(int64_t id) {
  Waiting dropped;
  absl::MutexLock lock(&mutex_);
  const auto found = waiting_.find(id);
  if (found == waiting_.end()) return;
  dropped = std::move(found->second);
  waiting_.erase(found);
}

void FlushBoard::Answer(StreamKey stream, int64_t id, const std::string& error) {
  End([&](int64_t each, const Waiting& waiting) -> std::optional<absl::Status> {
    if (each != id || waiting.stream != stream) return std::nullopt;
    return error.empty() ? absl::OkStatus() : absl::FailedPreconditionError(Display(error));
  });
}

void FlushBoard::Shutdown() {
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
  }
  End([](int64_t, const Waiting&) {
    return absl::UnavailableError("the coordinator is stopping");
  });
}

void FlushBoard::End(const Verdict& verdict) {
  std::vector<std::pair<Done, absl::Status>> ended;
  {
    absl::MutexLock lock(&mutex_);
    for (auto it = waiting_.begin(); it != waiting_.end();) {
      std::optional<absl::Status> status = verdict(it->first, it->second);
      if (!status.has_value()) {
        ++it;
        continue;
      }
      ended.emplace_back(std::move(it->second.done), *std::move(status));
      it = waiting_.erase(it);
    }
  }
  for (const auto& [done, status] : ended) done(status);
}

}  // namespace closewrite

#include "services/coordinator/watcher_board.h"

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

void WatcherBoard::SetStream(StreamKey stream, std::vector<VolumeReport> volumes, Send send) {
  absl::MutexLock lock(&mutex_);
  if (!stopping_) streams_[stream] = {std::move(volumes), std::move(send)};
}

void WatcherBoard::RemoveStream(StreamKey stream) {
  Stream dropped;  // its function may hold what must not be destroyed under the lock
  {
    absl::MutexLock lock(&mutex_);
    const auto found = streams_.find(stream);
    if (found == streams_.end()) return;
    dropped = std::move(found->second);
    streams_.erase(found);
  }
  End([&](int64_t, const Waiting& waiting) -> std::optional<Answered> {
    if (waiting.stream != stream) return std::nullopt;
    return Away(waiting.volume, "was lost while it was asked: try again");
  });
}

absl::StatusOr<int64_t> WatcherBoard::Ask(const WatcherQuestion& question, Done done) {
  int64_t id = 0;
  Send send;
  {
    absl::MutexLock lock(&mutex_);
    if (stopping_) return absl::UnavailableError("the coordinator is stopping");
    const VolumeReport* report = nullptr;
    StreamKey key = nullptr;
    for (const auto& [stream, entry] : streams_) {
      for (const VolumeReport& candidate : entry.volumes) {
        if (candidate.volume != question.volume) continue;
        report = &candidate;
        key = stream;
        send = entry.send;
      }
    }
    if (report == nullptr) return Away(question.volume, "is not connected");
    if (report->state == VolumeState::kLost) return Lost(*report);
    if (waiting_.size() >= kQuestionsWaitingMax) {
      return absl::ResourceExhaustedError(
          StrCat(kQuestionsWaitingMax, " callers wait for watchers already: try again later"));
    }
    id = ++last_id_;
    waiting_[id] = {key, question.volume, std::move(done)};
  }
  send(id, question);
  return id;
}

void WatcherBoard::Cancel(int64_t id) {
  Waiting dropped;
  absl::MutexLock lock(&mutex_);
  const auto found = waiting_.find(id);
  if (found == waiting_.end()) return;
  dropped = std::move(found->second);
  waiting_.erase(found);
}

void WatcherBoard::Answer(StreamKey stream, int64_t id, const Answered& answer) {
  End([&](int64_t each, const Waiting& waiting) -> std::optional<Answered> {
    if (each != id || waiting.stream != stream) return std::nullopt;
    return answer;
  });
}

void WatcherBoard::Shutdown() {
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
  }
  End([](int64_t, const Waiting&) {
    return absl::UnavailableError("the coordinator is stopping");
  });
}

void WatcherBoard::End(const Verdict& verdict) {
  std::vector<std::pair<Done, Answered>> ended;
  {
    absl::MutexLock lock(&mutex_);
    for (auto it = waiting_.begin(); it != waiting_.end();) {
      std::optional<Answered> answer = verdict(it->first, it->second);
      if (!answer.has_value()) {
        ++it;
        continue;
      }
      ended.emplace_back(std::move(it->second.done), *std::move(answer));
      it = waiting_.erase(it);
    }
  }
  for (const auto& [done, answer] : ended) done(answer);
}

}  // namespace closewrite

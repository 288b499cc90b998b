#include "services/watcher/upload_placer.h"

#include <utility>

#include "services/log/log.h"
#include "services/watcher/publishing.h"
#include "services/watcher/upload_placing.h"

namespace closewrite::watcher {
namespace {

v1::UploadOutcome OutcomeOf(const absl::Status& status) {
  if (status.ok()) return v1::UPLOAD_OUTCOME_DONE;
  if (absl::IsAlreadyExists(status)) return v1::UPLOAD_OUTCOME_NAME_TAKEN;
  return IsFinal(status) ? v1::UPLOAD_OUTCOME_REFUSED : v1::UPLOAD_OUTCOME_TRY_AGAIN;
}

}  // namespace

void UploadPlacer::Start() {
  if (!thread_.joinable()) thread_ = std::thread([this] { Run(); });
}

void UploadPlacer::Shutdown() {
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
  }
  if (thread_.joinable()) thread_.join();
}

void UploadPlacer::Submit(int64_t stream, v1::UploadOrder order) {
  bool answered = false;
  {
    absl::MutexLock lock(&mutex_);
    const int64_t number = order.upload();
    const auto found = entries_.find(number);
    if (found != entries_.end()) {
      found->second.stream = stream;
      found->second.order.set_id(order.id());
    } else if (entries_.size() >= kUploadOrdersMax) {
      AddAnswer({stream, std::move(order)}, absl::UnavailableError("too many uploads wait"));
      answered = true;
    } else {
      entries_[number] = {stream, std::move(order)};
      queue_.push_back(number);
    }
  }
  if (answered) options_.on_news();
}

std::vector<v1::UploadResult> UploadPlacer::Take(int64_t stream) {
  absl::MutexLock lock(&mutex_);
  std::vector<v1::UploadResult> results;
  for (Answer& answer : answers_) {
    if (answer.stream == stream) results.push_back(std::move(answer.result));
  }
  answers_.clear();
  return results;
}

void UploadPlacer::AddAnswer(const Entry& entry, const absl::Status& status) {
  v1::UploadResult result;
  result.set_id(entry.order.id());
  result.set_outcome(OutcomeOf(status));
  result.set_message(std::string(status.message()));
  answers_.push_back({entry.stream, std::move(result)});
}

void UploadPlacer::Run() {
  while (true) {
    v1::UploadOrder order;
    {
      absl::MutexLock lock(&mutex_);
      mutex_.Await(absl::Condition(this, &UploadPlacer::SomethingToDo));
      if (stopping_) return;
      order = entries_.at(queue_.front()).order;
      queue_.pop_front();
    }
    const absl::Status status = Execute(order);
    LogInfo("upload", {{"upload", order.upload()},
                       {"volume", order.file().volume()},
                       {"outcome", v1::UploadOutcome_Name(OutcomeOf(status))},
                       {"error", status.message()}});
    {
      absl::MutexLock lock(&mutex_);
      const auto entry = entries_.find(order.upload());
      AddAnswer(entry->second, status);
      entries_.erase(entry);
    }
    options_.on_news();
  }
}

absl::Status UploadPlacer::Execute(const v1::UploadOrder& order) const {
  const absl::StatusOr<VolumeRoot> root = options_.open_root(order.file().volume());
  if (!root.ok()) return root.status();
  return PlaceUpload(root->fd(), {.number = order.upload(),
                                  .path = order.file().path(),
                                  .size = order.size(),
                                  .sha256 = order.sha256()});
}

}  // namespace closewrite::watcher

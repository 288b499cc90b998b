// PendingFiles against a list that is searched from the start.
#include <fuzzer/FuzzedDataProvider.h>

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "services/watcher/pending_files.h"
#include "tests/fuzz/require.h"

namespace closewrite::watcher {
namespace {

constexpr const char* kPaths[] = {"a", "b", "c", "d/a"};
constexpr Cause kCauses[] = {kCausedByClose, kCausedByMove, kCausedByPoll, kCausedByLink};
constexpr int kTicksMax = 200;
constexpr int kBarrierMax = 5;

absl::Time At(int ticks) { return absl::UnixEpoch() + ticks * absl::Seconds(1); }

bool Same(const PendingFile& a, const PendingFile& b) {
  return a.path == b.path && a.reason == b.reason && a.cause == b.cause && a.order == b.order &&
         a.looks_left == b.looks_left && a.version == b.version && a.barrier == b.barrier &&
         a.backoff == b.backoff && a.due == b.due;
}

class Model {
 public:
  const PendingFile* Find(std::string_view path) const {
    for (const PendingFile& file : files_) {
      if (file.path == path) return &file;
    }
    return nullptr;
  }

  void Put(PendingFile file) {
    Erase(file.path);
    if (file.order == 0) file.order = next_order_++;
    files_.push_back(std::move(file));
  }

  void Erase(std::string_view path) {
    std::erase_if(files_, [&](const PendingFile& file) { return file.path == path; });
  }

  // The first of those that wait for a time, or for a barrier; nullopt when it is past `limit`.
  std::optional<PendingFile> TakeFirst(bool confirmed, absl::Time due, int64_t barrier) {
    auto first = files_.end();
    const auto key = [](const PendingFile& file) {
      return std::make_tuple(file.barrier == 0 ? file.due : absl::Time(), file.barrier, file.path);
    };
    for (auto file = files_.begin(); file != files_.end(); ++file) {
      if ((file->barrier != 0) != confirmed) continue;
      if (confirmed ? file->barrier > barrier : file->due > due) continue;
      if (first == files_.end() || key(*file) < key(*first)) first = file;
    }
    if (first == files_.end()) return std::nullopt;
    PendingFile taken = *first;
    files_.erase(first);
    if (confirmed) taken.barrier = 0;
    return taken;
  }

  absl::Time NextDue() const {
    absl::Time next = absl::InfiniteFuture();
    for (const PendingFile& file : files_) {
      if (file.barrier == 0) next = std::min(next, file.due);
    }
    return next;
  }

  bool AnyBefore(int64_t order) const {
    return std::any_of(files_.begin(), files_.end(), [&](const PendingFile& file) {
      const bool has_writer =
          file.reason == PendingReason::kWritten ||
          (file.reason == PendingReason::kQuiet && file.cause.source != ChangeSource::kPoll);
      return !has_writer && file.order < order;
    });
  }

  size_t size() const { return files_.size(); }
  int64_t next_order() const { return next_order_; }

 private:
  std::vector<PendingFile> files_;
  int64_t next_order_ = 1;
};

// Both, side by side, and what was taken out and may be put back in.
class Pair {
 public:
  void Step(FuzzedDataProvider* input) {
    const char* const path = input->PickValueInArray(kPaths);
    const int ticks = input->ConsumeIntegralInRange(0, kTicksMax);
    switch (input->ConsumeIntegralInRange(0, 7)) {
      case 0:
        Written(input, path, ticks);
        break;
      case 1:
        Defer(input, path, ticks);
        break;
      case 2:
        Quiet(input, path, ticks);
        break;
      case 3:
        PutBack(input, ticks);
        break;
      case 4:
        files_.Erase(path);
        model_.Erase(path);
        break;
      case 5:
        TakeDue(ticks, input->ConsumeIntegralInRange<size_t>(0, 4));
        break;
      case 6:
        TakeConfirmed(input->ConsumeIntegralInRange(0, kBarrierMax));
        break;
      default:
        if (input->ConsumeIntegralInRange(0, 9) == 0) {
          files_.Clear();
          for (const char* each : kPaths) model_.Erase(each);
        }
    }
    Compare(input->ConsumeIntegralInRange<int64_t>(0, 50));
  }

 private:
  void Written(FuzzedDataProvider* input, const char* path, int ticks) {
    PendingFile file;
    file.path = path;
    file.cause = input->PickValueInArray(kCauses);
    const absl::Duration before = absl::Seconds(input->ConsumeIntegralInRange(0, 100));
    Require(files_.Written(path, file.cause, At(ticks), before), "there is room");
    file.backoff = std::clamp(2 * before, kWrittenRetryMin, kWrittenRetryMax);
    file.due = At(ticks) + file.backoff;
    model_.Put(file);
  }

  void Defer(FuzzedDataProvider* input, const char* path, int ticks) {
    PendingFile file;
    file.path = path;
    file.cause = kCausedByLink;
    file.reason = input->PickValueInArray(
        {PendingReason::kLink, PendingReason::kAttrib, PendingReason::kAudit});
    file.due = At(ticks);
    Require(files_.Defer(path, file.reason, file.due), "there is room");
    const PendingFile* const waits = model_.Find(path);
    if (waits != nullptr && waits->reason == file.reason && waits->barrier == 0) return;
    model_.Put(file);
  }

  void Quiet(FuzzedDataProvider* input, const char* path, int ticks) {
    PendingFile file;
    file.path = path;
    file.reason = PendingReason::kQuiet;
    file.cause = input->PickValueInArray(kCauses);
    file.version.size = ticks;
    file.looks_left = input->ConsumeIntegralInRange(0, 3);
    file.due = At(ticks);
    Require(files_.Quiet(path, file.cause, file.version, file.looks_left, file.due),
            "there is room");
    model_.Put(file);
  }

  void PutBack(FuzzedDataProvider* input, int ticks) {
    if (taken_.empty()) return;
    PendingFile file = taken_.back();
    taken_.pop_back();
    if (input->ConsumeBool()) {
      Require(files_.Again(file, At(ticks)), "there is room");
      file.due = At(ticks);
    } else {
      file.version.size = ticks;
      const int64_t barrier = input->ConsumeIntegralInRange(1, kBarrierMax);
      Require(files_.Confirm(file, file.version, barrier), "there is room");
      file.barrier = barrier;
    }
    model_.Put(file);
  }

  void TakeDue(int ticks, size_t files_max) {
    const std::vector<PendingFile> due = files_.TakeDue(At(ticks), files_max);
    Require(due.size() <= files_max, "no more than were asked for");
    for (const PendingFile& file : due) Took(file, model_.TakeFirst(false, At(ticks), 0));
    if (due.size() < files_max) Require(files_.NextDue() > At(ticks), "all that are due");
  }

  void TakeConfirmed(int64_t barrier) {
    for (const PendingFile& file : files_.TakeConfirmed(barrier)) {
      Took(file, model_.TakeFirst(true, absl::Time(), barrier));
    }
    Require(!model_.TakeFirst(true, absl::Time(), barrier).has_value(), "all that are confirmed");
  }

  void Took(const PendingFile& file, const std::optional<PendingFile>& expected) {
    Require(expected.has_value() && Same(file, *expected), "the same files, in the same order");
    taken_.push_back(file);
  }

  void Compare(int64_t order) const {
    Require(files_.size() == model_.size(), "as many files");
    Require(files_.NextDue() == model_.NextDue(), "due at the same time");
    Require(files_.next_order() == model_.next_order(), "the same numbers");
    Require(files_.AnyBefore(order) == model_.AnyBefore(order), "the same are waited for");
    for (const char* path : kPaths) {
      const PendingFile* const file = model_.Find(path);
      Require(files_.WaitsAtAll(path) == (file != nullptr), "the same files");
      Require(file == nullptr || files_.Waits(path, file->reason), "for the same reason");
    }
  }

  PendingFiles files_;
  Model model_;
  std::vector<PendingFile> taken_;
};

}  // namespace
}  // namespace closewrite::watcher

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  FuzzedDataProvider input(data, size);
  closewrite::watcher::Pair pair;
  while (input.remaining_bytes() > 0) pair.Step(&input);
  return 0;
}

// Memory of what was received and is not committed yet.
#ifndef SERVICES_COORDINATOR_WORK_BUDGET_H_
#define SERVICES_COORDINATOR_WORK_BUDGET_H_

#include <atomic>
#include <cstddef>
#include <memory>

#include "absl/status/status.h"
#include "services/log/str_cat.h"

namespace closewrite {

// Of all streams of a service together. Each stream alone is read from only while little of what it
// sent waits, see ServerStream; so honest peers come near to this only when there are very many.
inline constexpr size_t kWorkBytesMax = size_t{256} << 20;

// Thread-safe.
class WorkBudget {
 public:
  explicit WorkBudget(size_t bytes_max = kWorkBytesMax) : bytes_max_(bytes_max) {}

  // RESOURCE_EXHAUSTED when it can't be taken in; then nothing is to be given back.
  absl::Status Take(size_t bytes) {
    if (bytes_.fetch_add(bytes) + bytes <= bytes_max_) return absl::OkStatus();
    Give(bytes);
    return absl::ResourceExhaustedError(
        StrCat("more than ", bytes_max_ >> 20,
               " MiB of messages wait to be recorded; come again, nothing of this one was"));
  }
  void Give(size_t bytes) { bytes_ -= bytes; }
  size_t taken() const { return bytes_; }

  // A message of a stream that was taken in, until the last copy goes: then its bytes are given
  // back, and its stream goes on. nullptr when it can't be taken in; the stream is then ended.
  template <class Stream>
  std::shared_ptr<void> TakeFor(const std::shared_ptr<Stream>& stream, size_t bytes) {
    if (absl::Status s = Take(bytes); !s.ok()) {
      stream->End(s);
      return nullptr;
    }
    return std::shared_ptr<void>(stream.get(), [this, stream, bytes](void*) {
      Give(bytes);
      stream->Settle(bytes);
    });
  }

 private:
  const size_t bytes_max_;
  std::atomic<size_t> bytes_ = 0;
};

}  // namespace closewrite

#endif  // SERVICES_COORDINATOR_WORK_BUDGET_H_

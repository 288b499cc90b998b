// Puts uploads into place, beside the watching and the publishing.
#ifndef SERVICES_WATCHER_UPLOAD_PLACER_H_
#define SERVICES_WATCHER_UPLOAD_PLACER_H_

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "closewrite/v1/observe.pb.h"
#include "services/watcher/volume_root.h"

namespace closewrite::watcher {

// Orders that may wait; more are to be said again later.
inline constexpr size_t kUploadOrdersMax = 1024;

// One thread: large files are read once more, and need not be read side by side. Thread-safe.
class UploadPlacer {
 public:
  struct Options {
    // Opens the root of a volume of this host, as of Publisher.
    std::function<absl::StatusOr<VolumeRoot>(const std::string& volume)> open_root;
    std::function<void()> on_news;  // called from the thread when there is an answer
  };
  explicit UploadPlacer(Options options) : options_(std::move(options)) {}
  ~UploadPlacer() { Shutdown(); }

  void Start();
  // Waits for what is being done. May be called any number of times.
  void Shutdown();

  // `stream`: who is to be answered, a number that no other stream has had. An order that comes
  // again by another stream is answered there.
  void Submit(int64_t stream, v1::UploadOrder order);
  // The answers for a stream; those for others are dropped.
  std::vector<v1::UploadResult> Take(int64_t stream);

 private:
  struct Entry {
    int64_t stream = 0;
    v1::UploadOrder order;
  };
  struct Answer {
    int64_t stream = 0;
    v1::UploadResult result;
  };

  void Run();
  absl::Status Execute(const v1::UploadOrder& order) const;
  bool SomethingToDo() const { return stopping_ || !queue_.empty(); }
  void AddAnswer(const Entry& entry, const absl::Status& status);

  const Options options_;
  std::thread thread_;
  absl::Mutex mutex_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::map<int64_t, Entry> entries_ ABSL_GUARDED_BY(mutex_);  // by number of the upload
  std::deque<int64_t> queue_ ABSL_GUARDED_BY(mutex_);
  std::vector<Answer> answers_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace closewrite::watcher

#endif  // SERVICES_WATCHER_UPLOAD_PLACER_H_

// Calls that may take minutes, one after another on a thread of their own: gRPC's threads are for
// all callers.
#ifndef SERVICES_COORDINATOR_API_SLOW_CALLS_H_
#define SERVICES_COORDINATOR_API_SLOW_CALLS_H_

#include <deque>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/functional/any_invocable.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"

namespace closewrite {

// Calls that wait for their turn.
inline constexpr size_t kSlowCallsMax = 16;

// Thread-safe. The first call starts the thread.
class SlowCalls {
 public:
  // `go_on` says whether to go on; to be asked every few milliseconds of work.
  using Work = absl::AnyInvocable<absl::Status(absl::FunctionRef<bool()> go_on)>;
  // Called once.
  using Done = absl::AnyInvocable<void(const absl::Status&)>;

  SlowCalls() = default;
  ~SlowCalls() { Shutdown(); }

  // Runs `work`, then `done` with its status, both on the thread. RESOURCE_EXHAUSTED beyond
  // kSlowCallsMax and UNAVAILABLE after Shutdown: at once, and `work` is not run.
  void Submit(Work work, Done done);
  // Work that is being done is told to end; all that has not ended well is answered with
  // UNAVAILABLE. May be called any number of times.
  void Shutdown();

 private:
  struct Call {
    Work work;
    Done done;
  };

  void Run();
  bool stopping();
  // The next one; false when there will be none.
  bool Next(Call* call);

  absl::Mutex mutex_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::deque<Call> queue_ ABSL_GUARDED_BY(mutex_);
  std::thread thread_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace closewrite

#endif  // SERVICES_COORDINATOR_API_SLOW_CALLS_H_

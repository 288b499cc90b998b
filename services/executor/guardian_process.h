// The executor's side of its guardian.
#ifndef SERVICES_EXECUTOR_GUARDIAN_PROCESS_H_
#define SERVICES_EXECUTOR_GUARDIAN_PROCESS_H_

#include <sys/types.h>

#include <memory>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "closewrite/v1/config.pb.h"
#include "services/volume/file_system.h"

namespace closewrite::executor {

// How long a dismissed guardian may take to be gone, before it is killed.
inline constexpr absl::Duration kDismissMax = absl::Seconds(1);

// A guardian (see guardian.h) that runs. Not thread-safe.
class GuardianProcess {
 public:
  // Starts the program of this process once more, as a guardian, with what `config` (complete) says
  // of the executor. UNAVAILABLE when no process can be made.
  static absl::StatusOr<std::unique_ptr<GuardianProcess>> Start(const v1::ExecutorConfig& config);
  // Dismisses it.
  ~GuardianProcess();

  // The executor ends in good order: waits until the guardian is gone. May be called any number of
  // times.
  void Dismiss();

 private:
  GuardianProcess() = default;

  Fd lifeline_;
  pid_t pid_ = 0;
};

}  // namespace closewrite::executor

#endif  // SERVICES_EXECUTOR_GUARDIAN_PROCESS_H_

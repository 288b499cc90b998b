// What the end of a command means for its attempt.
#ifndef SERVICES_EXECUTOR_ATTEMPT_RESULT_H_
#define SERVICES_EXECUTOR_ATTEMPT_RESULT_H_

#include <optional>
#include <string>
#include <string_view>

#include "absl/time/time.h"
#include "closewrite/v1/attend.pb.h"
#include "services/executor/command.h"
#include "services/executor/missing_program.h"

namespace closewrite::executor {

// That the lease was lost.
inline constexpr char kLeaseGone[] = "the lease could not be renewed in time";

// What one has to know beside the end itself.
struct EndedCommand {
  std::string program;
  ProgramPlace place;
  absl::Duration timeout;
  int64_t memory_bytes = 0;                // its limit, if there is one
  std::optional<std::string> stop_reason;  // why this process told it to end, if it did
  bool adopted = false;                    // an earlier process had started it
};

// Without the lease and files: whether a command that has succeeded leaves a good result is to be
// seen.
v1::AttemptResult ResultOf(const CommandEnd& end, const EndedCommand& command);

v1::AttemptResult EndedAs(v1::AttemptOutcome outcome, std::string_view message);

}  // namespace closewrite::executor

#endif  // SERVICES_EXECUTOR_ATTEMPT_RESULT_H_

#include "services/executor/attempt_result.h"

#include <errno.h>
#include <string.h>
#include <sys/wait.h>
#include <sysexits.h>

#include "services/config/config.h"
#include "services/log/str_cat.h"
#include "services/volume/path.h"

namespace closewrite::executor {
namespace {

std::string DescribeStartError(const EndedCommand& command, int error) {
  const std::string shown = Display(command.program);
  if (error == kJoinError) {
    return StrCat("program `", shown, "` was not started: it could not join its control groups");
  }
  if (error > kSandboxErrors) {
    return StrCat("program `", shown, "` was not started: it could not be shut in ",
                  "(sandbox: read_only): ", strerror(error - kSandboxErrors));
  }
  if (error == ENOENT) return DescribeMissingProgram(command.program, command.place);
  if (error == EACCES) {
    return StrCat("program `", shown, "` may not be run by the user that it runs as; chmod +x it?");
  }
  return StrCat("program `", shown, "` could not be started: ", strerror(error));
}

v1::AttemptResult Interpret(const CommandEnd& end, const EndedCommand& command) {
  const int status = end.wait_status;
  if (end.lost && command.adopted) {
    return EndedAs(v1::ATTEMPT_OUTCOME_LOST,
                   "its supervisor was killed, beside its executor, and so was the command");
  }
  if (end.lost) {
    return EndedAs(v1::ATTEMPT_OUTCOME_FAILED, "its supervisor was killed, and so was the command");
  }
  if (end.cause == SupervisorReport::kLease) {
    return EndedAs(end.started ? v1::ATTEMPT_OUTCOME_KILLED : v1::ATTEMPT_OUTCOME_HANDED_BACK,
                   kLeaseGone);
  }
  if (!end.started) {
    return EndedAs(v1::ATTEMPT_OUTCOME_FAILED, DescribeStartError(command, end.error));
  }
  if (end.cause == SupervisorReport::kTold && command.stop_reason.has_value()) {
    return EndedAs(v1::ATTEMPT_OUTCOME_KILLED, *command.stop_reason);
  }
  if (end.cause == SupervisorReport::kTold) {
    return EndedAs(v1::ATTEMPT_OUTCOME_LOST, "the executor died while the command ran");
  }
  if (end.cause == SupervisorReport::kTimeout) {
    return EndedAs(v1::ATTEMPT_OUTCOME_TIMED_OUT, StrCat("ran longer than its timeout of ",
                                                         absl::FormatDuration(command.timeout)));
  }
  if (status == 0) return EndedAs(v1::ATTEMPT_OUTCOME_SUCCEEDED, "");
  if (WIFEXITED(status) && WEXITSTATUS(status) == EX_TEMPFAIL) {
    return EndedAs(v1::ATTEMPT_OUTCOME_TEMPORARY_FAILURE, "exit code 75: try again later");
  }
  std::string message = DescribeWaitStatus(status);
  if (end.ran_out_of_memory && command.memory_bytes > 0) {
    message += StrCat("; the kernel killed it, or a part of it, at its limit of ",
                      command.memory_bytes, " bytes of memory (limits.memory)");
  }
  return EndedAs(v1::ATTEMPT_OUTCOME_FAILED, message);
}

}  // namespace

v1::AttemptResult ResultOf(const CommandEnd& end, const EndedCommand& command) {
  v1::AttemptResult result = Interpret(end, command);
  const int status = end.wait_status;
  if (!end.started) return result;
  if (WIFEXITED(status)) result.set_exit_code(WEXITSTATUS(status));
  if (WIFSIGNALED(status)) result.set_signal(WTERMSIG(status));
  *result.mutable_cpu() = ToProto(end.cpu);
  result.set_max_rss_bytes(end.max_rss_bytes);
  return result;
}

v1::AttemptResult EndedAs(v1::AttemptOutcome outcome, std::string_view message) {
  v1::AttemptResult result;
  result.set_outcome(outcome);
  result.set_message(std::string(message));
  return result;
}

}  // namespace closewrite::executor

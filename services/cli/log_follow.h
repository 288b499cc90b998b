// Logs of attempts, over coordinator restarts.
#ifndef SERVICES_CLI_LOG_FOLLOW_H_
#define SERVICES_CLI_LOG_FOLLOW_H_

#include <cstdint>
#include <ostream>

#include "absl/status/status.h"
#include "services/cli/invocation.h"

namespace closewrite::cli {

struct LogOptions {
  int64_t job_id = 0;
  int64_t token = 0;       // of the attempt; 0: the newest
  int64_t tail_lines = 0;  // 0: all
  bool follow = false;     // until the job is finished, later attempts included
};

// Copies the bytes of a log to `to`, each once and in order, though the coordinator may restart
// meanwhile. OK at the end of the log, or when `to` takes no more. Otherwise as Client::Follow.
absl::Status CopyLog(Invocation& invocation, const LogOptions& options, std::ostream& to);

}  // namespace closewrite::cli

#endif  // SERVICES_CLI_LOG_FOLLOW_H_

// Logs of attempts, over coordinator restarts.
#ifndef SERVICES_CLI_LOG_FOLLOW_H_
#define SERVICES_CLI_LOG_FOLLOW_H_

#include <cstdint>
#include <functional>
#include <ostream>
#include <vector>

#include "absl/status/status.h"
#include "services/cli/invocation.h"

namespace closewrite::cli {

struct LogOptions {
  int64_t job_id = 0;
  int64_t token = 0;                        // of the attempt; 0: the newest
  int64_t tail_lines = 0;                   // 0: all
  bool follow = false;                      // until the job is finished, later attempts included
  std::vector<v1::LogStream> streams = {};  // empty: all
  bool parts = false;                       // parts in place of bytes
  bool tells_silence = false;               // on stderr, when there was nothing to hand over
};

// Hands over a log piece by piece, each once and in order, though the coordinator may restart
// meanwhile; says on stderr where the next attempt begins. OK at the end of the log, or when
// `on_piece` returns false. Otherwise as Client::Follow.
absl::Status FollowLog(Invocation& invocation, const LogOptions& options,
                       const std::function<bool(const v1::ReadLogResponse&)>& on_piece);

// Copies the bytes of a log to `to`. OK, too, when it takes no more.
absl::Status CopyLog(Invocation& invocation, const LogOptions& options, std::ostream& to);

}  // namespace closewrite::cli

#endif  // SERVICES_CLI_LOG_FOLLOW_H_

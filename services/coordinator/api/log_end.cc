#include "services/coordinator/api/log_end.h"

#include <algorithm>

#include "absl/strings/str_split.h"
#include "services/coordinator/core/log_pieces.h"
#include "services/volume/path.h"

namespace closewrite {

bool WentWrong(const Attempt& attempt) {
  return attempt.outcome != Outcome::kNone && attempt.outcome != Outcome::kSucceeded &&
         attempt.outcome != Outcome::kHandedBack;
}

LogEnd ReadLogEnd(StoreReader& reader, const Attempt& attempt, size_t lines_max, size_t bytes_max) {
  LogEnd end;
  const Lease lease{attempt.job, attempt.token};
  const int64_t length = reader.LogLength(lease);
  if (length == 0) return end;
  std::string log;
  for (const LogPart& part :
       ReadLogPieceBefore(reader, lease, length, static_cast<int64_t>(bytes_max)).parts) {
    log += part.bytes;
    if (part.time_us != 0) end.at = absl::FromUnixMicros(part.time_us);
  }
  log.erase(0, log.size() - std::min(log.size(), bytes_max));
  if (log.empty()) return end;
  if (log.back() == '\n') log.pop_back();
  const std::vector<std::string> lines = absl::StrSplit(log, '\n');
  const size_t skip = lines.size() - std::min(lines.size(), lines_max);
  for (size_t i = skip; i < lines.size(); ++i) end.lines.push_back(Display(lines[i]));
  return end;
}

}  // namespace closewrite

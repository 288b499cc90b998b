// Small results of a job, to be attached to a mail.
#ifndef SERVICES_COORDINATOR_ALERTS_RESULT_FETCH_H_
#define SERVICES_COORDINATOR_ALERTS_RESULT_FETCH_H_

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "services/coordinator/core/job.h"
#include "services/coordinator/watcher_board.h"
#include "services/mail/mail_client.h"

namespace closewrite {

inline constexpr int64_t kResultBytesMax = 2 << 20;  // as a watcher sends
inline constexpr size_t kResultsAttachedMax = kMailAttachmentsMax;
inline constexpr size_t kResultsMissingMax = 50;
// For the answer about one file.
inline constexpr absl::Duration kResultWaitMax = absl::Seconds(10);

struct FetchedResults {
  std::vector<Attachment> attachments;
  // Of those that are not attached: a line each, with the reason.
  std::vector<std::string> missing;
};

// Asks the watcher of the job's volume, which must attend this coordinator, for its results: as
// many as have `bytes_max` together. What has another hash than the job's is left out. Blocks;
// `stop` is asked between files.
FetchedResults FetchResults(const Job& job, int64_t bytes_max, WatcherBoard& board,
                            const std::function<bool()>& stop);

}  // namespace closewrite

#endif  // SERVICES_COORDINATOR_ALERTS_RESULT_FETCH_H_

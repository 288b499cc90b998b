// Names that only the coordinator knows, for shells that complete words.
#ifndef SERVICES_CLI_LIVE_NAMES_H_
#define SERVICES_CLI_LIVE_NAMES_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "closewrite/v1/job.pb.h"
#include "services/cli/client.h"
#include "services/cli/console.h"

namespace closewrite::cli {

struct Candidate {
  std::string text;
  std::string description;  // may be empty
};

// Whoever presses Tab waits no longer.
inline constexpr absl::Duration kLiveNamesTimeout = absl::Seconds(1);
// More than fit a screen help nobody.
inline constexpr int kLiveJobsMax = 50;
inline constexpr int kLiveNamesMax = 1000;

// Answers what it has learned within kLiveNamesTimeout of its construction. Used by one thread.
class LiveNames {
 public:
  LiveNames(const std::string& coordinator, std::shared_ptr<grpc::ChannelCredentials> credentials,
            const Console& console);

  // The newest, in these states or in any.
  std::vector<Candidate> Jobs(const std::vector<v1::JobState>& states);
  std::vector<Candidate> Pipelines();
  std::vector<Candidate> Tasks();
  std::vector<Candidate> Executors();
  // What executors can be drained by: their names, and those of their hosts.
  std::vector<Candidate> DrainedNames();
  std::vector<Candidate> Hosts();
  std::vector<Candidate> Volumes();
  std::vector<Candidate> Locks();
  std::vector<Candidate> Rates();

  // All that was asked for so far was answered.
  bool answered() const { return answered_; }

 private:
  template <class Request, class Response, class Make>
  Response Ask(Request request, Make call);
  v1::ListExecutorsResponse AskExecutors();
  v1::ListWatchersResponse AskWatchers();

  const absl::Time deadline_;
  Client client_;
  bool answered_ = true;
};

}  // namespace closewrite::cli

#endif  // SERVICES_CLI_LIVE_NAMES_H_

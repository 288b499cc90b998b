// What a fake coordinator keeps, and what its services share.
#ifndef SERVICES_CLI_FAKE_COORDINATOR_STATE_H_
#define SERVICES_CLI_FAKE_COORDINATOR_STATE_H_

#include <algorithm>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "closewrite/v1/alert.pb.h"
#include "closewrite/v1/audit.pb.h"
#include "closewrite/v1/event.pb.h"
#include "closewrite/v1/fleet.pb.h"
#include "closewrite/v1/job.pb.h"
#include "closewrite/v1/monitor.pb.h"
#include "closewrite/v1/pipeline.pb.h"
#include "grpcpp/grpcpp.h"
#include "services/log/str_cat.h"
#include "services/transport/errors.h"

namespace closewrite::cli {

// How often a stream that has nothing to say looks whether its caller is gone: gRPC's synchronous
// API tells by no signal.
inline constexpr absl::Duration kCancelPoll = absl::Milliseconds(20);

// Page tokens are positions.
template <class Request, class Elements, class Add>
std::string Page(const Request& request, const Elements& elements, Add add) {
  const size_t from = request.page_token().empty() ? 0 : std::stoul(request.page_token());
  const size_t size = request.page_size() == 0 ? 100 : static_cast<size_t>(request.page_size());
  const size_t end = std::min(elements.size(), from + size);
  for (size_t i = from; i < end; ++i) add(elements[i]);
  return end < elements.size() ? StrCat(end) : "";
}

// All but `mutex` is guarded by it.
struct FakeState {
  mutable absl::Mutex mutex;
  bool stopping = false;
  int streams = 0;
  int64_t change = 0;  // rises with every change
  std::map<int64_t, v1::Job> jobs;
  std::map<int64_t, int64_t> job_changes;
  std::set<int64_t> stuck_jobs;      // can't be changed
  std::set<std::string> gone_files;  // can't be submitted
  size_t page_max = 0;               // of ListJobs, whatever is asked for; 0: as it is asked for
  std::map<int64_t, std::vector<v1::Attempt>> attempts;
  std::map<std::pair<int64_t, int64_t>, std::vector<v1::LogPart>> logs;  // all `data`
  std::vector<v1::EventRecord> events;
  std::set<int64_t> quiet_events;
  std::vector<v1::ExecutorStatus> executors;
  bool drained_stay = false;
  std::vector<v1::WatcherStatus> watchers;
  std::vector<v1::PipelineStatus> pipelines;
  v1::TestPipelinesResponse verdicts;
  v1::ExplainResponse story;
  std::vector<v1::Execution> executions;
  std::vector<v1::Load> loads;
  std::vector<v1::Incident> incidents;
  std::vector<v1::Message> messages;
  std::vector<v1::AuditEntry> audit;
  v1::GetReportResponse report;
  std::vector<v1::Job> flushed_jobs;
  absl::Status flush_status;
  v1::GetVersionResponse version;
  v1::GetOverviewResponse overview;
  std::vector<std::string> backup;
  int64_t backup_size = 0;
  bool backup_breaks = false;
  absl::Status backup_status;
  int failures = 0;
  absl::Status failure;
  std::vector<std::string> request_ids;
  std::vector<std::string> requests;

  void Put(const v1::Job& job) {
    jobs[job.id()] = job;
    job_changes[job.id()] = ++change;
  }

  // What every unary call does first: note it down, fail when asked to.
  grpc::Status Enter(const google::protobuf::Message& request) {
    requests.push_back(StrCat(request.GetDescriptor()->name(), " ", request.ShortDebugString()));
    const auto* field = request.GetDescriptor()->FindFieldByName("request_id");
    if (field != nullptr) {
      request_ids.push_back(request.GetReflection()->GetString(request, field));
    }
    if (failures == 0) return grpc::Status::OK;
    --failures;
    return ToGrpc(failure);
  }

  // Waits for something newer than `seen`; false when the stream is to end.
  bool AwaitChange(grpc::ServerContext* context, int64_t seen) {
    while (!stopping && !context->IsCancelled()) {
      if (change > seen) return true;
      const auto news = [&] { return stopping || change > seen; };
      mutex.AwaitWithTimeout(absl::Condition(&news), kCancelPoll);
    }
    return false;
  }
};

}  // namespace closewrite::cli

#endif  // SERVICES_CLI_FAKE_COORDINATOR_STATE_H_

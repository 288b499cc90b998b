// Jobs, for people and programs: converts, calls, converts.
#ifndef SERVICES_COORDINATOR_API_JOB_SERVICE_H_
#define SERVICES_COORDINATOR_API_JOB_SERVICE_H_

#include <optional>

#include "absl/time/time.h"
#include "closewrite/v1/job.grpc.pb.h"
#include "services/coordinator/api/api_options.h"
#include "services/coordinator/api/stream_pump.h"
#include "services/coordinator/watcher_board.h"

namespace closewrite {

inline constexpr int kFilesPerSubmitMax = 1000;
inline constexpr size_t kCancelReasonBytesMax = 1000;
// More lines than this are asked for as all of them.
inline constexpr int64_t kTailLinesMax = 1'000'000;
// Jobs that one page of a list looks at, one by one, for those that are asked for by time, name or
// host. The page is short then, and the next one goes on.
inline constexpr int64_t kRowsSievedMax = 20'000;
// How long a story waits for the watcher to look at its file.
inline constexpr absl::Duration kLookPatience = absl::Seconds(2);

// Thread-safe.
class JobService : public v1::JobService::CallbackService {
 public:
  // `board` is not owned and must outlive the server.
  JobService(const ApiOptions& options, WatcherBoard* board);

  // Ends all open streams with UNAVAILABLE. May be called any number of times.
  void Shutdown() { pump_.Shutdown(); }

  grpc::ServerUnaryReactor* SubmitJobs(grpc::CallbackServerContext* context,
                                       const v1::SubmitJobsRequest* request,
                                       v1::SubmitJobsResponse* response) override;
  grpc::ServerUnaryReactor* GetJob(grpc::CallbackServerContext* context,
                                   const v1::GetJobRequest* request,
                                   v1::GetJobResponse* response) override;
  grpc::ServerUnaryReactor* ListJobs(grpc::CallbackServerContext* context,
                                     const v1::ListJobsRequest* request,
                                     v1::ListJobsResponse* response) override;
  grpc::ServerWriteReactor<v1::WatchJobsResponse>* WatchJobs(
      grpc::CallbackServerContext* context, const v1::WatchJobsRequest* request) override;
  grpc::ServerUnaryReactor* CancelJobs(grpc::CallbackServerContext* context,
                                       const v1::CancelJobsRequest* request,
                                       v1::CancelJobsResponse* response) override;
  grpc::ServerUnaryReactor* RetryJobs(grpc::CallbackServerContext* context,
                                      const v1::RetryJobsRequest* request,
                                      v1::RetryJobsResponse* response) override;
  grpc::ServerWriteReactor<v1::ReadLogResponse>* ReadLog(
      grpc::CallbackServerContext* context, const v1::ReadLogRequest* request) override;
  grpc::ServerUnaryReactor* Explain(grpc::CallbackServerContext* context,
                                    const v1::ExplainRequest* request,
                                    v1::ExplainResponse* response) override;

 private:
  absl::Status List(const v1::ListJobsRequest& request, v1::ListJobsResponse* response);
  absl::Status Tell(const v1::ExplainRequest& request, const std::optional<v1::FileLook>& look,
                    v1::ExplainResponse* response);

  const ApiOptions api_;
  StoreLoop& loop_;
  ChangeFeed& feed_;
  WatcherBoard& board_;
  StreamPump pump_;
};

}  // namespace closewrite

#endif  // SERVICES_COORDINATOR_API_JOB_SERVICE_H_

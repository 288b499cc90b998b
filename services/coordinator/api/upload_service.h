// Files that people hand in: converts, calls, converts.
#ifndef SERVICES_COORDINATOR_API_UPLOAD_SERVICE_H_
#define SERVICES_COORDINATOR_API_UPLOAD_SERVICE_H_

#include <cstdint>
#include <set>
#include <string>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "closewrite/v1/upload.grpc.pb.h"
#include "services/coordinator/api/api_options.h"
#include "services/coordinator/core/upload.h"
#include "services/coordinator/watcher_board.h"

namespace closewrite {

inline constexpr int kUploadPagesMax = 1000;
inline constexpr int64_t kUploadJobsMax = 20;
inline constexpr size_t kUploaderBytesMax = 255;
inline constexpr size_t kUploadPageUrlBytesMax = 500;
// For one result.
inline constexpr absl::Duration kUploadResultPatience = absl::Seconds(10);
inline constexpr int64_t kUploadResultBytesMax = 2 << 20;  // as a watcher sends
// ErrorInfo reason of FAILED_PRECONDITION when a page refuses.
inline constexpr char kUploadPageBusy[] = "UPLOAD_PAGE_BUSY";

// How often watchers are asked again about uploads that are to be put into place.
inline constexpr absl::Duration kUploadOrderEvery = absl::Seconds(1);

// Thread-safe. Uploads that are whole are put into place whether or not the portal that brought
// them is still there: of several coordinators the one that has the watcher's stream does it.
class UploadService : public v1::UploadService::CallbackService {
 public:
  // `board` is not owned and must outlive the server. `mails`: mails can be sent.
  UploadService(const ApiOptions& options, WatcherBoard* board, bool mails)
      : api_(options), loop_(*options.loop), board_(*board), mails_(mails) {}
  ~UploadService() override { Shutdown(); }

  // From now on watchers are asked again.
  void Start();
  // May be called any number of times.
  void Shutdown();

  grpc::ServerUnaryReactor* ListUploadPages(grpc::CallbackServerContext* context,
                                            const v1::ListUploadPagesRequest* request,
                                            v1::ListUploadPagesResponse* response) override;
  grpc::ServerUnaryReactor* BeginUpload(grpc::CallbackServerContext* context,
                                        const v1::BeginUploadRequest* request,
                                        v1::BeginUploadResponse* response) override;
  grpc::ServerUnaryReactor* TouchUpload(grpc::CallbackServerContext* context,
                                        const v1::TouchUploadRequest* request,
                                        v1::TouchUploadResponse* response) override;
  grpc::ServerUnaryReactor* PublishUpload(grpc::CallbackServerContext* context,
                                          const v1::PublishUploadRequest* request,
                                          v1::PublishUploadResponse* response) override;
  grpc::ServerUnaryReactor* GetUpload(grpc::CallbackServerContext* context,
                                      const v1::GetUploadRequest* request,
                                      v1::GetUploadResponse* response) override;
  grpc::ServerUnaryReactor* DropUpload(grpc::CallbackServerContext* context,
                                       const v1::DropUploadRequest* request,
                                       v1::DropUploadResponse* response) override;
  grpc::ServerUnaryReactor* ReadUploadResult(grpc::CallbackServerContext* context,
                                             const v1::ReadUploadResultRequest* request,
                                             v1::ReadUploadResultResponse* response) override;

 private:
  absl::Status Show(const v1::GetUploadRequest& request, v1::GetUploadResponse* response);
  void Run();
  // Has the watcher put it into place, unless it is at it already, or away.
  void Order(const Upload& upload);
  void Record(const Upload& upload, const WatcherBoard::Answered& answer);

  const ApiOptions api_;
  StoreLoop& loop_;
  WatcherBoard& board_;
  const bool mails_;
  std::thread thread_;
  absl::Mutex mutex_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::set<int64_t> ordered_ ABSL_GUARDED_BY(mutex_);  // uploads that a watcher was asked about
};

}  // namespace closewrite

#endif  // SERVICES_COORDINATOR_API_UPLOAD_SERVICE_H_

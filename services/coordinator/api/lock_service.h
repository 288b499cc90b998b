// Locks and rates for programs: converts, calls, converts.
#ifndef SERVICES_COORDINATOR_API_LOCK_SERVICE_H_
#define SERVICES_COORDINATOR_API_LOCK_SERVICE_H_

#include "closewrite/v1/lock.grpc.pb.h"
#include "services/coordinator/api/api_options.h"
#include "services/coordinator/api/stream_pump.h"

namespace closewrite {

inline constexpr size_t kLockSessionBytesMin = 16;
inline constexpr size_t kLockSessionBytesMax = 64;
inline constexpr size_t kLockTextBytesMax = 255;
inline constexpr size_t kLocksListedMax = 1000;

// Thread-safe.
class LockService : public v1::LockService::CallbackService {
 public:
  explicit LockService(const ApiOptions& options)
      : api_(options), loop_(*options.loop), feed_(*options.feed) {}

  // Ends all streams with UNAVAILABLE. May be called any number of times.
  void Shutdown() { pump_.Shutdown(); }

  grpc::ServerWriteReactor<v1::AcquireLockResponse>* AcquireLock(
      grpc::CallbackServerContext* context, const v1::AcquireLockRequest* request) override;
  grpc::ServerUnaryReactor* RenewLocks(grpc::CallbackServerContext* context,
                                       const v1::RenewLocksRequest* request,
                                       v1::RenewLocksResponse* response) override;
  grpc::ServerUnaryReactor* ReleaseLock(grpc::CallbackServerContext* context,
                                        const v1::ReleaseLockRequest* request,
                                        v1::ReleaseLockResponse* response) override;
  grpc::ServerUnaryReactor* BreakLock(grpc::CallbackServerContext* context,
                                      const v1::BreakLockRequest* request,
                                      v1::BreakLockResponse* response) override;
  grpc::ServerUnaryReactor* SetLock(grpc::CallbackServerContext* context,
                                    const v1::SetLockRequest* request,
                                    v1::SetLockResponse* response) override;
  grpc::ServerUnaryReactor* ListLocks(grpc::CallbackServerContext* context,
                                      const v1::ListLocksRequest* request,
                                      v1::ListLocksResponse* response) override;
  grpc::ServerWriteReactor<v1::WatchLockResponse>* WatchLock(
      grpc::CallbackServerContext* context, const v1::WatchLockRequest* request) override;
  grpc::ServerUnaryReactor* TakeRate(grpc::CallbackServerContext* context,
                                     const v1::TakeRateRequest* request,
                                     v1::TakeRateResponse* response) override;
  grpc::ServerUnaryReactor* SetRate(grpc::CallbackServerContext* context,
                                    const v1::SetRateRequest* request,
                                    v1::SetRateResponse* response) override;
  grpc::ServerUnaryReactor* ListRates(grpc::CallbackServerContext* context,
                                      const v1::ListRatesRequest* request,
                                      v1::ListRatesResponse* response) override;

 private:
  const ApiOptions api_;
  StoreLoop& loop_;
  ChangeFeed& feed_;
  StreamPump pump_;
};

}  // namespace closewrite

#endif  // SERVICES_COORDINATOR_API_LOCK_SERVICE_H_

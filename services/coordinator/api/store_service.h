// Copies of the store, for people and programs.
#ifndef SERVICES_COORDINATOR_API_STORE_SERVICE_H_
#define SERVICES_COORDINATOR_API_STORE_SERVICE_H_

#include <atomic>
#include <string>
#include <utility>

#include "closewrite/v1/store.grpc.pb.h"
#include "services/coordinator/api/api_options.h"
#include "services/coordinator/api/stream_pump.h"

namespace closewrite {

// Stated in closewrite/v1/store.proto.
inline constexpr size_t kBackupPieceBytes = 1 << 20;

// Thread-safe. One copy is made at a time, on a thread of this service; who asked for it is in the
// audit before it begins.
class StoreService : public v1::StoreService::CallbackService {
 public:
  // `sqlite_path`: the store's file; "": it is not SQLite's.
  StoreService(const ApiOptions& options, std::string sqlite_path)
      : api_(options), sqlite_path_(std::move(sqlite_path)) {}

  // Ends all open streams with UNAVAILABLE, and gives up a copy that is being made. May be called
  // any number of times.
  void Shutdown() { pump_.Shutdown(); }

  grpc::ServerWriteReactor<v1::BackUpStoreResponse>* BackUpStore(
      grpc::CallbackServerContext* context, const v1::BackUpStoreRequest* request) override;

 private:
  const ApiOptions api_;
  const std::string sqlite_path_;
  std::atomic<bool> busy_ = false;
  StreamPump pump_;
};

}  // namespace closewrite

#endif  // SERVICES_COORDINATOR_API_STORE_SERVICE_H_

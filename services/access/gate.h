// Who comes in: says of each call whose it is and whether they may make it.
#ifndef SERVICES_ACCESS_GATE_H_
#define SERVICES_ACCESS_GATE_H_

#include <cstdint>
#include <memory>
#include <string_view>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "grpcpp/grpcpp.h"
#include "services/access/callers.h"
#include "services/access/token_book.h"

namespace closewrite {

// Metadata by which the portal says for whom it calls. Believed of the portal alone.
inline constexpr std::string_view kUserMetadata = "closewrite-user-bin";
inline constexpr size_t kActingUserBytesMax = 256;

// The gate of a server with TLS. A token counts for more than the certificate of the connection
// that it came by. Thread-safe.
class Gate final : public Callers {
 public:
  // Calls that were not let in.
  struct Numbers {
    int64_t unauthenticated = 0;
    int64_t forbidden = 0;
  };

  // Without `tokens`, certificates alone count.
  explicit Gate(std::unique_ptr<TokenBook> tokens = nullptr) : tokens_(std::move(tokens)) {}

  Caller Of(const grpc::ServerContextBase& context) const override;
  Numbers numbers() const;

  // What credentials ask before each call; as long as they live, the gate must.
  std::shared_ptr<grpc::AuthMetadataProcessor> Processor();

 private:
  class Door;
  using Metadata = std::multimap<grpc::string_ref, grpc::string_ref>;

  // UNAUTHENTICATED when what the caller shows is not good.
  absl::StatusOr<Caller> Recognize(const grpc::AuthContext& connection,
                                   const Metadata& metadata) const;
  void Refused(const absl::Status& why, std::string_view path);

  const std::unique_ptr<TokenBook> tokens_;
  mutable absl::Mutex mutex_;
  Numbers numbers_ ABSL_GUARDED_BY(mutex_);
  absl::Duration told_at_ ABSL_GUARDED_BY(mutex_) = -absl::InfiniteDuration();
  int64_t untold_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace closewrite

#endif  // SERVICES_ACCESS_GATE_H_

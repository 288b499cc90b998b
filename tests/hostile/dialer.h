// Connections to the coordinator that is lied to.
#ifndef TESTS_HOSTILE_DIALER_H_
#define TESTS_HOSTILE_DIALER_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "grpcpp/grpcpp.h"
#include "tests/hostile/options.h"

namespace closewrite::hostile {

// Thread-safe.
class Dialer {
 public:
  // INVALID_ARGUMENT names a file that can't be read.
  static absl::StatusOr<Dialer> Make(const Options& options);

  // A connection of its own, as of another program. It sends messages of any size, and is kept
  // until the process ends: a call that holds the last of a channel must not be the one to drop it.
  std::shared_ptr<grpc::Channel> Dial() const;

 private:
  Dialer(std::string address, std::shared_ptr<grpc::ChannelCredentials> credentials)
      : address_(std::move(address)), credentials_(std::move(credentials)) {}

  std::string address_;
  std::shared_ptr<grpc::ChannelCredentials> credentials_;
};

}  // namespace closewrite::hostile

#endif  // TESTS_HOSTILE_DIALER_H_

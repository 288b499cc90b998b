// What a message there and back costs on a stream of the product's kind, without a product.
#ifndef TESTS_BENCH_QUEUES_ECHO_H_
#define TESTS_BENCH_QUEUES_ECHO_H_

#include <cstdint>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "closewrite/v1/attend.grpc.pb.h"
#include "tests/bench/queues/stamps.h"

namespace closewrite {

// Answers each message with its number at once. Thread-safe.
class EchoService final : public v1::AttendService::CallbackService {
 public:
  grpc::ServerBidiReactor<v1::AttendRequest, v1::AttendResponse>* Attend(
      grpc::CallbackServerContext* context) override;
};

// Sends `rounds` messages, one at a time, each `pause` after the answer to the one before.
absl::StatusOr<Latencies> MeasureEcho(v1::AttendService::Stub* stub, int64_t rounds,
                                      absl::Duration pause);

}  // namespace closewrite

#endif  // TESTS_BENCH_QUEUES_ECHO_H_

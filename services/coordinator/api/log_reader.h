// What JobService.ReadLog says: the log of an attempt, and of those that follow it.
#ifndef SERVICES_COORDINATOR_API_LOG_READER_H_
#define SERVICES_COORDINATOR_API_LOG_READER_H_

#include <cstdint>
#include <optional>

#include "absl/status/status.h"
#include "closewrite/v1/job.pb.h"
#include "services/coordinator/api/log_tail.h"
#include "services/coordinator/api/push_stream.h"
#include "services/coordinator/core/store.h"

namespace closewrite {

// Bytes of log in one message.
inline constexpr int64_t kLogPageBytesMax = 256 << 10;

class LogReader : public StreamSource<v1::ReadLogResponse> {
 public:
  struct Options {
    JobId job;
    FencingToken token;      // 0: the newest attempt
    int64_t tail_lines = 0;  // 0: all
    bool follow = false;
  };
  // `store` is not owned. NOT_FOUND comes out of Next.
  LogReader(Store* store, const Options& options);

  absl::StatusOr<Batch> Next() override;
  bool OnChange(const Effects& effects) override;

 private:
  absl::StatusOr<Batch> Step(StoreReader& reader);
  // Chooses the attempt to begin with. Leaves `token_` 0 while the job has none.
  absl::Status Begin(StoreReader& reader, const Job& job);
  Batch AtEnd(StoreReader& reader, const Job& job);

  Store& store_;
  const Options options_;
  // Used by Next alone.
  FencingToken token_;
  int64_t offset_ = 0;
  int64_t end_ = 0;  // without `follow`: what was recorded when the call came
  std::optional<LogTail> tail_;
};

}  // namespace closewrite

#endif  // SERVICES_COORDINATOR_API_LOG_READER_H_

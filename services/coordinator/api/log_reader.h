// What JobService.ReadLog says: the log of an attempt, and of those that follow it.
#ifndef SERVICES_COORDINATOR_API_LOG_READER_H_
#define SERVICES_COORDINATOR_API_LOG_READER_H_

#include <cstdint>
#include <optional>
#include <string_view>

#include "absl/status/status.h"
#include "closewrite/v1/job.pb.h"
#include "services/coordinator/api/log_tail.h"
#include "services/coordinator/api/push_stream.h"
#include "services/coordinator/core/log_pieces.h"
#include "services/coordinator/core/store.h"

namespace closewrite {

// Bytes of log that are read for one message; what a row has more of them comes along.
inline constexpr int64_t kLogPageBytesMax = 128 << 10;

class LogReader : public StreamSource<v1::ReadLogResponse> {
 public:
  struct Options {
    JobId job;
    FencingToken token;      // 0: the newest attempt
    int64_t tail_lines = 0;  // 0: all
    bool follow = false;
    LogStreams streams = LogStreams::All();
    bool parts = false;  // parts in place of bytes
    int64_t offset = 0;  // where to begin; needs `token`
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
  // A message about what is wanted of a piece.
  v1::ReadLogResponse Show(const LogPiece& piece);
  void ShowPart(const LogPart& part, std::string_view bytes, v1::ReadLogResponse* message);

  Store& store_;
  const Options options_;
  // Used by Next alone.
  FencingToken token_;
  LogPlace place_;
  bool in_line_ = false;  // what was said last did not end with a newline
  int64_t end_ = 0;       // without `follow`: what was recorded when the call came
  std::optional<LogTail> tail_;
};

}  // namespace closewrite

#endif  // SERVICES_COORDINATOR_API_LOG_READER_H_

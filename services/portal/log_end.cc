#include "services/portal/log_end.h"

#include "services/clock/clock.h"

namespace closewrite::portal {

std::string LogEnd(CoordinatorCalls* calls, int64_t job_id) {
  v1::ReadLogRequest request;
  request.set_job_id(job_id);
  request.set_tail_lines(kLogLinesShown);
  grpc::ClientContext context;
  context.set_deadline(absl::ToChronoTime(WallTime() + kPageCallTime));
  const auto stub = v1::JobService::NewStub(calls->channel());
  const auto reader = stub->ReadLog(&context, request);
  std::string log;
  v1::ReadLogResponse part;
  while (reader->Read(&part)) {
    log += part.data();
    if (log.size() > 2 * kLogBytesShown) log.erase(0, log.size() - kLogBytesShown);
  }
  (void)reader->Finish();
  if (log.size() > kLogBytesShown) log.erase(0, log.size() - kLogBytesShown);
  return log;
}

}  // namespace closewrite::portal

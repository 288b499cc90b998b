#include "tests/hostile/torrents.h"

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "services/clock/clock.h"
#include "services/log_record/log_record.h"
#include "services/transport/errors.h"
#include "tests/hostile/sayings.h"
#include "tests/hostile/talk.h"

namespace closewrite::hostile {
namespace {

// Whatever `seconds` says.
constexpr int64_t kChunksMax = 1'000'000;
constexpr int64_t kEventMessagesMax = 20'000;
constexpr int kAnswersReadMax = 64;
// As attend.proto and observe.proto allow.
constexpr size_t kChunkBytes = 250'000;
constexpr int kEventsPerMessage = 512;

// Breaks a call off when its time is over, whatever it waits for: its flood, or what comes before.
class Timer {
 public:
  Timer(grpc::ClientContext* context, absl::Duration after)
      : thread_([this, context, after] {
          if (!done_.WaitForNotificationWithTimeout(after)) context->TryCancel();
        }) {}
  ~Timer() {
    done_.Notify();
    thread_.join();
  }

 private:
  absl::Notification done_;
  std::thread thread_;
};

// It was ended by our own time, or by the coordinator for a reason.
bool EndedWell(const absl::Status& end) { return absl::IsCancelled(end) || IsRefusal(end); }

using AttendStream = grpc::ClientReaderWriter<v1::AttendRequest, v1::AttendResponse>;

// Reads until there is a session, and a job if one is waited for. Nothing when the stream ended.
std::optional<v1::LeaseRef> TakeJob(AttendStream& stream, const Options& options) {
  const bool waits_for_job = !options.roots.empty();
  v1::AttendResponse response;
  for (int i = 0; i < kAnswersReadMax && stream.Read(&response); ++i) {
    if (response.assignments_size() > 0) return response.assignments(0).lease();
    if (!waits_for_job && !response.session_id().empty()) {
      return Lease(options.job, options.token);
    }
  }
  return std::nullopt;
}

std::string Chunk() {
  std::string records;
  const std::string line(1000, 'x');
  while (records.size() < kChunkBytes) AppendLogRecord(1, LogStream::kStdout, line, &records);
  return records;
}

int64_t PourLogs(AttendStream& stream, const v1::LeaseRef& lease) {
  const std::string chunk = Chunk();
  v1::AttendRequest request;
  v1::LogChunk* const log = request.add_logs();
  *log->mutable_lease() = lease;
  log->set_data(chunk);
  for (int64_t number = 0; number < kChunksMax; ++number) {
    request.set_sequence(number + 2);
    log->set_offset(number * static_cast<int64_t>(chunk.size()));
    if (!stream.Write(request)) return number;
  }
  return kChunksMax;
}

v1::ObserveRequest Events(const std::string& volume, int64_t message) {
  v1::ObserveRequest request;
  for (int i = 0; i < kEventsPerMessage; ++i) {
    request.MergeFrom(Closed(volume, absl::StrCat("flood/", message, "/", i, ".csv")));
  }
  return request;
}

}  // namespace

void FloodLogs(const Stage& stage) {
  const std::optional<v1::GetJobResponse> before = LookAtJob(stage);
  grpc::ClientContext context;
  const auto stub = v1::AttendService::NewStub(stage.dialer.Dial());
  const auto stream = stub->Attend(&context);
  stream->Write(ExecutorHello(stage.options, FreshName(stage.options)));
  std::optional<v1::LeaseRef> lease;
  {
    const Timer timer(&context, kPatience);
    lease = TakeJob(*stream, stage.options);
  }
  int64_t chunks = 0;
  if (lease.has_value()) {
    const Timer timer(&context, absl::Seconds(stage.options.seconds));
    chunks = PourLogs(*stream, *lease);
  }
  context.TryCancel();
  const absl::Status end = FromGrpc(stream->Finish());
  stage.findings.Add("flood logs", end, lease.has_value() && chunks > 0 && EndedWell(end));
  stage.findings.Number("chunks", chunks);
  stage.findings.Number("bytes", chunks * static_cast<int64_t>(kChunkBytes));
  if (lease.has_value()) stage.findings.Number("job", lease->job_id());
  AddUnchanged(stage, before);
}

void FloodEvents(const Stage& stage) {
  const std::optional<v1::GetJobResponse> before = LookAtJob(stage);
  grpc::ClientContext context;
  const auto stub = v1::ObserveService::NewStub(stage.dialer.Dial());
  const auto stream = stub->Observe(&context);
  stream->Write(WatcherHello(stage.options, {stage.options.volume}));
  std::atomic<int64_t> answers = 0;
  std::thread reader([&] {
    v1::ObserveResponse response;
    while (stream->Read(&response)) ++answers;
  });
  int64_t messages = 0;
  {
    const Timer timer(&context, absl::Seconds(stage.options.seconds));
    while (messages < kEventMessagesMax && stream->Write(Events(stage.options.volume, messages))) {
      ++messages;
    }
  }
  context.TryCancel();
  reader.join();
  const absl::Status end = FromGrpc(stream->Finish());
  stage.findings.Add("flood events", end, messages > 0 && answers > 0 && EndedWell(end));
  stage.findings.Number("events", messages * kEventsPerMessage);
  stage.findings.Number("answers", answers);
  AddUnchanged(stage, before);
}

}  // namespace closewrite::hostile

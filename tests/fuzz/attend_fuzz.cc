// What executors say: the coordinator takes what it can keep and show again, and refuses the rest.
#include <optional>
#include <string>
#include <string_view>

#include "closewrite/v1/attend.pb.h"
#include "services/coordinator/convert.h"
#include "services/coordinator/store/record_codec.h"
#include "services/volume/path.h"
#include "tests/fuzz/messages.h"
#include "tests/fuzz/require.h"

namespace closewrite {
namespace {

void CheckRefused(const absl::Status& status) {
  const std::string_view said(status.message().data(), status.message().size());
  Require(absl::IsInvalidArgument(status), "what is wrong is an invalid argument", said);
  Require(!said.empty() && IsUtf8(said), "an error is text", said);
}

// A session is kept in a row, and is the same when it is read back.
void CheckKept(const ExecutorHello& hello, const std::optional<AttendReport::Health>& health) {
  SessionRecord session{.executor = hello};
  if (health.has_value()) {
    session.findings.unusable_volumes = health->unusable_volumes;
    const absl::Duration ahead = health->sent_at - absl::FromUnixSeconds(1'800'000'000);
    session.findings.clock_ahead = absl::Nanoseconds(absl::ToInt64Nanoseconds(ahead));
  }
  SessionRecord read;
  const absl::Status status = DecodeHello(EncodeHello(session), &read);
  Require(status.ok(), "what is known of an executor can be kept", status.ToString());
  Require(read == session, "it is kept as it is");
}

void CheckHello(const v1::ExecutorHello& proto, const std::optional<AttendReport::Health>& health) {
  const absl::StatusOr<ExecutorHello> hello = FromProto(proto);
  if (!hello.ok()) return CheckRefused(hello.status());
  Require(hello->slots > 0, "it has a slot");
  Require(CheckName("host", hello->host).ok(), "its host has a name");
  CheckKept(*hello, health);
}

void CheckResult(const AttendReport::Result& result) {
  const Finished& end = result.end;
  const Attempt attempt{.job = result.job,
                        .token = end.token,
                        .outcome = end.outcome,
                        .exit_code = end.exit_code,
                        .signal = end.signal,
                        .message = end.message,
                        .cpu = end.cpu,
                        .max_rss_bytes = end.max_rss_bytes};
  RequireReadable(ToProto(attempt), "an attempt");
  Require(end.outcome != Outcome::kSucceeded || end.exit_code == 0, "success is an exit with 0");
  Job job{.id = result.job, .token = end.token, .outputs = end.outputs};
  RequireReadable(ToPublishOrder(job), "an order to publish");
  for (const OutputFile& file : end.outputs) {
    Require(CheckRelativePath(file.path).ok() && !IsPrivate(file.path),
            "what is published stays in its volume");
  }
  const auto kept = DecodeOutputs(EncodeOutputs(end.outputs));
  Require(kept.ok() && *kept == end.outputs, "outputs are kept as they are");
}

void CheckRequest(const v1::AttendRequest& request) {
  const absl::StatusOr<AttendReport> report = FromProto(request);
  if (!report.ok()) CheckRefused(report.status());
  if (request.has_executor()) {
    CheckHello(request.executor(), report.ok() ? report->health : std::nullopt);
  }
  if (!report.ok()) return;
  for (const AttendReport::Result& result : report->results) CheckResult(result);
  for (const AttendReport::Log& log : report->logs) {
    Require(log.offset >= 0, "a log begins at 0");
  }
  if (!report->health.has_value()) return;
  for (const auto& [volume, why] : report->health->unusable_volumes) {
    Require(CheckName("volume", volume).ok(), "a volume has a name");
    Require(!why.empty() && IsUtf8(why), "it is said why it can't be used");
  }
}

}  // namespace
}  // namespace closewrite

extern "C" int LLVMFuzzerInitialize(int*, char***) {
  closewrite::QuietProtobuf();
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  closewrite::v1::AttendRequest request;
  if (!request.ParseFromArray(data, static_cast<int>(size))) return 0;
  closewrite::CheckRequest(request);
  // Texts that are longer than an input can be.
  for (auto& result : *request.mutable_results()) {
    std::string message;
    while (!result.message().empty() && message.size() < 5000) message += result.message();
    result.set_message(message);
  }
  closewrite::CheckRequest(request);
  return 0;
}

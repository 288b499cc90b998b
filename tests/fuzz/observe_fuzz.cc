// What watchers say: the coordinator takes what it can keep and show again, and refuses the rest.
#include <string>
#include <string_view>

#include "closewrite/v1/observe.pb.h"
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

void CheckEvent(const v1::FileEvent& proto) {
  const absl::StatusOr<FileEvent> event = FromProto(proto);
  if (!event.ok()) return CheckRefused(event.status());
  Require(event->sequence > 0 && event->caused_by_job >= 0, "its numbers count");
  Require(CheckRelativePath(event->file.path).ok(), "its path stays in its volume");
  Require(CheckName("volume", event->file.volume).ok(), "its volume has a name");
  Require(event->kind >= EventKind::kCloseWrite && event->kind <= EventKind::kAttrib,
          "its kind is known");
  const v1::FileEvent shown = ToProto(*event);
  RequireReadable(shown, "an event");
  const absl::StatusOr<FileEvent> again = FromProto(shown);
  Require(again.ok() && *again == *event, "an event is the same when it has travelled");
  // A column of a store holds no more.
  Require(absl::FromUnixNanos(absl::ToUnixNanos(event->observed_at)) == event->observed_at,
          "its time can be kept");
}

void CheckVolume(const v1::VolumeStatus& proto) {
  const absl::StatusOr<VolumeReport> report = FromProto(proto);
  if (!report.ok()) return CheckRefused(report.status());
  Require(report->state >= VolumeState::kUnknown && report->state <= VolumeState::kLost,
          "its state is known");
  RequireReadable(ToProto(*report), "a volume");
  const auto kept = DecodeVolumes(EncodeVolumes({*report, *report}));
  Require(kept.ok() && kept->size() == 2, "what is known of a volume can be kept");
  Require(kept->front() == *report && kept->back() == *report, "it is kept as it is");
}

}  // namespace
}  // namespace closewrite

extern "C" int LLVMFuzzerInitialize(int*, char***) {
  closewrite::QuietProtobuf();
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  closewrite::v1::ObserveRequest request;
  if (!request.ParseFromArray(data, static_cast<int>(size))) return 0;
  for (const auto& event : request.events()) closewrite::CheckEvent(event);
  for (const auto& volume : request.volumes()) closewrite::CheckVolume(volume);
  return 0;
}

#include "services/coordinator/api/upload_view.h"

#include <string>

#include "services/config/duration.h"
#include "services/coordinator/api/job_view.h"
#include "services/coordinator/convert.h"

namespace closewrite {

v1::UploadStatus ToProto(const Upload& upload) {
  v1::UploadStatus shown;
  shown.set_number(upload.number);
  shown.set_pipeline(upload.pipeline);
  shown.set_state(static_cast<v1::UploadState>(upload.state));
  shown.set_message(upload.message);
  shown.set_name(upload.name);
  shown.mutable_file()->set_volume(upload.volume);
  shown.mutable_file()->set_path(upload.path);
  shown.set_size(upload.size);
  shown.set_received(upload.received);
  shown.set_who(upload.who);
  for (const std::string& email : upload.emails) shown.add_email(email);
  SetTime(upload.begun_at, shown.mutable_begun_at());
  if (IsKnown(upload.published_at)) SetTime(upload.published_at, shown.mutable_published_at());
  return shown;
}

v1::UploadPage ToProto(const Pipeline& pipeline, const UploadPageState& state) {
  v1::UploadPage shown;
  shown.set_pipeline(pipeline.name);
  v1::Pipeline definition;
  if (definition.ParseFromString(pipeline.definition)) {
    *shown.mutable_page() = definition.portal();
  }
  shown.set_max_size_bytes(pipeline.uploads->bytes_max);
  shown.set_volume(pipeline.volume);
  shown.set_busy(state.busy);
  shown.set_busy_message(state.busy_message);
  if (IsKnown(state.busy_since)) SetTime(state.busy_since, shown.mutable_busy_since());
  shown.set_before(state.before);
  if (IsKnown(state.done_at)) SetTime(state.done_at, shown.mutable_done_at());
  if (state.usual > absl::ZeroDuration()) *shown.mutable_usual_duration() = ToProto(state.usual);
  shown.set_trouble(state.trouble);
  return shown;
}

}  // namespace closewrite

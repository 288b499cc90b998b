#include "services/transport/errors.h"

#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "absl/strings/cord.h"
#include "google/rpc/error_details.pb.h"
#include "services/log/str_cat.h"
#include "services/volume/path.h"

namespace closewrite {
namespace {

constexpr std::string_view kDomain = "closewrite";
constexpr std::string_view kTypePrefix = "type.googleapis.com/";

// Statuses travel in HTTP/2 trailers, of which many gRPC clients take 8 KiB and no more
// (GRPC_ARG_MAX_METADATA_SIZE): past that the caller would see another error in place of ours. The
// worst case is a message of which each byte is percent-encoded, and details in base64.
constexpr size_t kStatusMessageBytesMax = 1024;
constexpr size_t kStatusDetailsBytesMax = 3072;

template <class Detail>
std::string TypeUrl() {
  return StrCat(kTypePrefix, Detail::descriptor()->full_name());
}

template <class Detail>
std::optional<Detail> GetDetail(const absl::Status& status) {
  const auto payload = status.GetPayload(TypeUrl<Detail>());
  Detail detail;
  if (!payload || !detail.ParseFromString(std::string(*payload))) return std::nullopt;
  return detail;
}

template <class Detail>
void SetDetail(const Detail& detail, absl::Status* status) {
  status->SetPayload(TypeUrl<Detail>(), absl::Cord(detail.SerializeAsString()));
}

// Fields of type `string` must be UTF-8, or the peer drops the whole message.
std::string Text(std::string_view bytes) {
  return IsUtf8(bytes) ? std::string(bytes) : Display(bytes);
}

std::string CutMessage(std::string_view message) {
  std::string text = Text(message);
  if (text.size() <= kStatusMessageBytesMax) return text;
  size_t end = kStatusMessageBytesMax - 3;
  while (end > 0 && (text[end] & 0xC0) == 0x80) --end;  // not inside a UTF-8 sequence
  return StrCat(std::string_view(text).substr(0, end), "...");
}

// Adds the details that fit; of field violations the first ones.
void AddDetails(const absl::Status& status, google::rpc::Status* out) {
  const std::string bad_request_url = TypeUrl<google::rpc::BadRequest>();
  status.ForEachPayload([&](absl::string_view type_url, const absl::Cord& payload) {
    if (type_url == bad_request_url) return;
    google::protobuf::Any* any = out->add_details();
    any->set_type_url(std::string(type_url));
    any->set_value(std::string(payload));
    if (out->ByteSizeLong() > kStatusDetailsBytesMax) out->mutable_details()->RemoveLast();
  });
  auto bad_request = GetDetail<google::rpc::BadRequest>(status);
  while (bad_request && bad_request->field_violations_size() > 0) {
    google::protobuf::Any* any = out->add_details();
    any->set_type_url(bad_request_url);
    any->set_value(bad_request->SerializeAsString());
    if (out->ByteSizeLong() <= kStatusDetailsBytesMax) return;
    out->mutable_details()->RemoveLast();
    bad_request->mutable_field_violations()->RemoveLast();
  }
}

}  // namespace

absl::Status WithReason(absl::Status status, std::string_view reason,
                        const std::map<std::string, std::string>& metadata) {
  google::rpc::ErrorInfo info;
  info.set_reason(Text(reason));
  info.set_domain(std::string(kDomain));
  for (const auto& [key, value] : metadata) (*info.mutable_metadata())[Text(key)] = Text(value);
  SetDetail(info, &status);
  return status;
}

absl::Status WithField(absl::Status status, std::string_view field, std::string_view description) {
  auto bad_request = GetDetail<google::rpc::BadRequest>(status).value_or(google::rpc::BadRequest());
  auto* violation = bad_request.add_field_violations();
  violation->set_field(Text(field));
  violation->set_description(Text(description));
  SetDetail(bad_request, &status);
  return status;
}

std::string Reason(const absl::Status& status) {
  const auto info = GetDetail<google::rpc::ErrorInfo>(status);
  return info ? info->reason() : "";
}

grpc::Status ToGrpc(const absl::Status& status) {
  if (status.ok()) return grpc::Status::OK;
  google::rpc::Status details;
  details.set_code(static_cast<int>(status.code()));
  details.set_message(CutMessage(ToStd(status.message())));
  AddDetails(status, &details);
  return grpc::Status(static_cast<grpc::StatusCode>(status.code()), details.message(),
                      details.details().empty() ? "" : details.SerializeAsString());
}

absl::Status FromGrpc(const grpc::Status& status) {
  if (status.ok()) return absl::OkStatus();
  absl::Status result(static_cast<absl::StatusCode>(status.error_code()), status.error_message());
  google::rpc::Status details;
  if (!details.ParseFromString(status.error_details())) return result;
  for (const auto& any : details.details()) {
    result.SetPayload(any.type_url(), absl::Cord(any.value()));
  }
  return result;
}

}  // namespace closewrite

#include "services/coordinator/api/upload_codec.h"

#include <string>

#include "absl/strings/ascii.h"
#include "services/config/size.h"
#include "services/log/str_cat.h"
#include "services/volume/path.h"

namespace closewrite {
namespace {

void CheckText(std::string_view field, const std::string& text, size_t bytes_max,
               RunDecoder* decoder) {
  if (text.size() <= bytes_max) return;
  decoder->Wrong(field, StrCat("has ", text.size(), " bytes; at most ", bytes_max));
}

std::vector<std::string> DecodeAccept(const v1::Upload& upload, RunDecoder* decoder) {
  std::vector<std::string> accept;
  if (upload.accept_size() > kUploadAcceptMax) {
    decoder->Wrong("portal.accept",
                   StrCat("has ", upload.accept_size(), " ends; at most ", kUploadAcceptMax));
    return accept;
  }
  for (int i = 0; i < upload.accept_size(); ++i) {
    const std::string& end = upload.accept(i);
    const bool right = end.size() > 1 && end.size() <= kUploadAcceptBytesMax && end[0] == '.' &&
                       CheckName("end", end.substr(1)).ok();
    if (!right) {
      decoder->Wrong(StrCat("portal.accept[", i, "]"),
                     StrCat("is ", Quote(end), "; give the end of a name, such as \".xlsx\""));
    }
    accept.push_back(absl::AsciiStrToLower(end));
  }
  return accept;
}

int64_t DecodeMaxSize(v1::Upload* upload, RunDecoder* decoder) {
  if (upload->max_size().empty()) upload->set_max_size(kUploadSizeDefault);
  const absl::StatusOr<int64_t> size = ParseSize(upload->max_size());
  decoder->Check("portal.max_size", size.status());
  if (!size.ok()) return 0;
  if (*size < 1 || *size > kUploadSizeBytesMax) {
    decoder->Wrong("portal.max_size",
                   StrCat("is ", upload->max_size(), "; give 1B to 1TiB, such as 200MiB"));
  }
  return *size;
}

}  // namespace

UploadPolicy DecodeUpload(v1::Upload* upload, const Pipeline& pipeline, RunDecoder* decoder) {
  UploadPolicy policy;
  const bool by_names = pipeline.when == When::kNames && !pipeline.on_create;
  if (pipeline.when == When::kMarker || pipeline.when == When::kDelete || by_names) {
    decoder->Wrong("portal",
                   "needs a pipeline that a file starts which is moved into place; a marker or a "
                   "deletion never comes with an upload");
  }
  CheckText("portal.title", upload->title(), kUploadTitleBytesMax, decoder);
  CheckText("portal.help", upload->help(), kUploadHelpBytesMax, decoder);
  if (upload->title().empty()) upload->set_title(pipeline.name);
  policy.title = upload->title();
  policy.help = upload->help();
  policy.accept = DecodeAccept(*upload, decoder);
  policy.bytes_max = DecodeMaxSize(upload, decoder);
  if (upload->lock().empty() && !pipeline.locks.empty()) upload->set_lock(pipeline.locks[0]);
  if (!upload->lock().empty()) {
    policy.lock = decoder->Name("portal.lock", "lock", upload->lock());
  }
  if (upload->when_busy() == v1::WHEN_BUSY_UNSPECIFIED) upload->set_when_busy(v1::WHEN_BUSY_QUEUE);
  if (!v1::WhenBusy_IsValid(upload->when_busy())) {
    decoder->Wrong("portal.when_busy", "is unknown; use queue or refuse");
  }
  policy.refuse = upload->when_busy() == v1::WHEN_BUSY_REFUSE;
  if (policy.refuse && upload->lock().empty()) {
    decoder->Wrong("portal.when_busy",
                   "is refuse, but there is no lock to be busy by; name one in `locks`");
  }
  policy.folder = upload->folder();
  if (!policy.folder.empty()) {
    decoder->Check("portal.folder", CheckRelativePath(policy.folder));
    if (IsPrivate(policy.folder)) {
      decoder->Wrong("portal.folder", "is .closewrite, which is never watched; name another one");
    }
  }
  policy.show_log = upload->show_log();
  return policy;
}

}  // namespace closewrite

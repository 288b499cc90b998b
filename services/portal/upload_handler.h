// Takes files in: in one form, or in pieces that can be resumed; and gives results out.
#ifndef SERVICES_PORTAL_UPLOAD_HANDLER_H_
#define SERVICES_PORTAL_UPLOAD_HANDLER_H_

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "closewrite/v1/upload.pb.h"
#include "services/portal/access.h"
#include "services/portal/coordinator_calls.h"
#include "services/portal/page_frame.h"
#include "services/portal/staging_area.h"
#include "services/portal/upload_pages.h"
#include "services/portal/web.h"

namespace closewrite::portal {

// Fields of a form besides its file, and all of them together.
inline constexpr size_t kFieldBytesMax = 4096;
inline constexpr size_t kFieldsBytesMax = 64 << 10;
// What a form is larger than its file.
inline constexpr int64_t kFormExtraBytesMax = 256 << 10;
// One piece that is sent by PATCH.
inline constexpr int64_t kPieceBytesMax = int64_t{64} << 20;
inline constexpr int kEmailsMax = 5;

// Thread-safe.
class UploadHandler {
 public:
  // None is owned. `volumes`: where they are mounted, by name.
  UploadHandler(CoordinatorCalls* calls, Access* access, const Site* site,
                std::map<std::string, std::string> volumes)
      : calls_(*calls), access_(*access), site_(*site), volumes_(std::move(volumes)) {}

  Page List();
  Page Show(const std::string& pipeline, const Visitor& visitor);
  // A form with a file, from a browser without scripts.
  Page TakeForm(WebRequest& request, const std::string& pipeline);
  // `{"page", "name", "size", "email"}` as form fields; the file comes in pieces.
  Page Begin(WebRequest& request, const std::map<std::string, std::string>& fields);
  // How much has come: `Upload-Offset`. Or the next piece, which `Upload-Offset` says the place of.
  WebResponse Offset(const UploadAddress& address);
  WebResponse TakePiece(WebRequest& request, const UploadAddress& address);
  Page Status(const std::string& text);
  Page Drop(const UploadAddress& address);
  WebResponse Result(const UploadAddress& address, int64_t job, int index);

 private:
  struct Form;  // one that is being read

  // `patiently`: waits for a coordinator that is away, as for a file that is on its way.
  absl::StatusOr<v1::UploadPage> FindPage(const std::string& pipeline, bool patiently);
  absl::StatusOr<v1::BeginUploadResponse> BeginUpload(const std::string& pipeline,
                                                      const std::string& name, int64_t size,
                                                      const std::string& emails,
                                                      const Visitor& visitor);
  absl::StatusOr<std::string> RootOf(const std::string& volume) const;
  absl::StatusOr<v1::UploadStatus> Touch(const UploadAddress& address, int64_t received);
  absl::Status BeginFile(Form* form, const FormPart& part, const Visitor& visitor);
  bool TakePart(Form* form, const FormPart& part, const Visitor& visitor);
  bool TakeBytesOf(Form* form, const char* data, size_t size);
  // Is it what its name says, as far as it has come?
  absl::Status CheckKind(const UploadAddress& address, const std::string& name,
                         const StagedUpload& staged);
  absl::Status Finish(const UploadAddress& address, StagedUpload* staged);
  void GiveUp(const UploadAddress& address);

  CoordinatorCalls& calls_;
  Access& access_;
  const Site& site_;
  const std::map<std::string, std::string> volumes_;
  StagingArea staging_;
};

}  // namespace closewrite::portal

#endif  // SERVICES_PORTAL_UPLOAD_HANDLER_H_

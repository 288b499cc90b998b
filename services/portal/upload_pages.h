// The pages of people who upload files. Functions of what the coordinator has answered.
#ifndef SERVICES_PORTAL_UPLOAD_PAGES_H_
#define SERVICES_PORTAL_UPLOAD_PAGES_H_

#include <set>
#include <string>
#include <string_view>

#include "absl/time/time.h"
#include "closewrite/v1/upload.pb.h"
#include "services/portal/page_frame.h"
#include "services/portal/web.h"

namespace closewrite::portal {

// All pages that take files.
Page UploadListPage(const v1::ListUploadPagesResponse& pages);

// One of them. `mounted`: the portal has its volume.
Page UploadPage(const v1::UploadPage& page, const Visitor& visitor, bool mounted, absl::Time now);

// What became of one upload. `log`: the end of what its command prints, when that may be seen.
struct UploadView {
  std::string address;  // `<number>-<key>`
  v1::GetUploadResponse upload;
  std::string log;
  absl::Time now;
};
Page UploadStatusPage(const UploadView& view);

// `12-abc`: what opens an upload.
struct UploadAddress {
  int64_t number = 0;
  std::string key;
};
bool ParseUploadAddress(std::string_view text, UploadAddress* address);

}  // namespace closewrite::portal

#endif  // SERVICES_PORTAL_UPLOAD_PAGES_H_

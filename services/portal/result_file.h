// Results as downloads.
#ifndef SERVICES_PORTAL_RESULT_FILE_H_
#define SERVICES_PORTAL_RESULT_FILE_H_

#include <string>

#include "absl/status/statusor.h"
#include "closewrite/v1/job.pb.h"
#include "services/portal/web.h"

namespace closewrite::portal {

// From the mount of its volume. FAILED_PRECONDITION: another file lies there by now.
absl::StatusOr<WebResponse> ResultFile(const std::string& root, const v1::OutputFile& output);
WebResponse ResultBytes(const v1::OutputFile& output, std::string content);

}  // namespace closewrite::portal

#endif  // SERVICES_PORTAL_RESULT_FILE_H_

// Pages for uploads: protos -> plain values, checked and completed.
#ifndef SERVICES_COORDINATOR_API_UPLOAD_CODEC_H_
#define SERVICES_COORDINATOR_API_UPLOAD_CODEC_H_

#include "closewrite/v1/upload.pb.h"
#include "services/coordinator/api/run_codec.h"
#include "services/coordinator/core/pipeline.h"
#include "services/coordinator/core/upload_policy.h"

namespace closewrite {

inline constexpr size_t kUploadTitleBytesMax = 200;
inline constexpr size_t kUploadHelpBytesMax = 4000;
inline constexpr int kUploadAcceptMax = 64;
inline constexpr size_t kUploadAcceptBytesMax = 32;
inline constexpr int64_t kUploadSizeBytesMax = int64_t{1} << 40;
inline constexpr char kUploadSizeDefault[] = "1GiB";

// Completes the definition in place. `pipeline`: its name and locks are known. Violations are named
// as in `portal.max_size`.
UploadPolicy DecodeUpload(v1::Upload* upload, const Pipeline& pipeline, RunDecoder* decoder);

}  // namespace closewrite

#endif  // SERVICES_COORDINATOR_API_UPLOAD_CODEC_H_

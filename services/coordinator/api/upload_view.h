// Uploads and their pages as people see them: plain values -> protos.
#ifndef SERVICES_COORDINATOR_API_UPLOAD_VIEW_H_
#define SERVICES_COORDINATOR_API_UPLOAD_VIEW_H_

#include "closewrite/v1/upload.pb.h"
#include "services/coordinator/core/pipeline.h"
#include "services/coordinator/core/upload_desk.h"

namespace closewrite {

v1::UploadStatus ToProto(const Upload& upload);
v1::UploadPage ToProto(const Pipeline& pipeline, const UploadPageState& state);

}  // namespace closewrite

#endif  // SERVICES_COORDINATOR_API_UPLOAD_VIEW_H_

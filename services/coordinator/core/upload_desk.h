// The rules of uploads: how things stand with a page, and what becomes of a file that is handed in.
#ifndef SERVICES_COORDINATOR_CORE_UPLOAD_DESK_H_
#define SERVICES_COORDINATOR_CORE_UPLOAD_DESK_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "services/coordinator/core/fleet.h"
#include "services/coordinator/core/pipeline.h"
#include "services/coordinator/core/store.h"
#include "services/coordinator/core/upload.h"

namespace closewrite {

inline constexpr size_t kUploadNameBytesMax = 200;
inline constexpr int kUploadEmailsMax = 5;
// Names that are tried for one upload, while others have them.
inline constexpr int kUploadNamesMax = 50;
// Past jobs that tell how long one takes.
inline constexpr int64_t kUsualJobs = 20;

// How things stand with the page of a pipeline, for somebody who is about to use it.
struct UploadPageState {
  bool busy = false;
  std::string busy_message;  // who is before: by role, not by name
  absl::Time busy_since = absl::InfinitePast();
  int before = 0;  // that a new one would wait for
  absl::Time done_at = absl::InfiniteFuture();
  absl::Duration usual;  // zero: nobody knows
  std::string trouble;   // why nothing would be done with it just now
};
UploadPageState StateOfPage(const Pipeline& pipeline, const Fleet& fleet, StoreReader& reader,
                            absl::Time now);

// OK for a name that is a name and nothing else on any system that sees the volume.
// INVALID_ARGUMENT says what is wrong.
absl::Status CheckUploadName(std::string_view name);

// Registers `upload`, whose number, key, name, size and people are filled in. FAILED_PRECONDITION:
// the page refuses. `queued`: its job will have to wait.
absl::StatusOr<Upload> BeginUpload(StoreTransaction& tx, const Pipeline& pipeline,
                                   const Fleet& fleet, Upload upload, absl::Time now, bool* queued);
// It is whole: what is left is to put it into place.
absl::StatusOr<Upload> SealUpload(StoreTransaction& tx, Upload upload, int64_t size,
                                  const std::string& sha256, absl::Time now);
// It is in place.
void FinishUpload(StoreTransaction& tx, Upload upload, absl::Time now);
// It can't be put into place.
void FailUpload(StoreTransaction& tx, Upload upload, std::string message, absl::Time now);
// Somebody else has its name: it gets the next one, such as `report-2.xlsx`.
void RenameUpload(StoreTransaction& tx, Upload upload, absl::Time now);

}  // namespace closewrite

#endif  // SERVICES_COORDINATOR_CORE_UPLOAD_DESK_H_

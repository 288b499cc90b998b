// The supervisor's program, which lies inside the executor's own file.
#ifndef SERVICES_EXECUTOR_SUPERVISOR_IMAGE_H_
#define SERVICES_EXECUTOR_SUPERVISOR_IMAGE_H_

#include "absl/status/statusor.h"
#include "services/volume/file_system.h"

namespace closewrite::executor {

// Copies the program into memory (memfd_create(2)), sealed, for execution as /proc/self/fd/N; N is
// at least kImageFdMin, so that the files that a supervisor starts with can't take its place.
// Closed on exec. UNAVAILABLE when the kernel refuses.
absl::StatusOr<Fd> OpenSupervisorImage();

inline constexpr int kImageFdMin = 16;

}  // namespace closewrite::executor

#endif  // SERVICES_EXECUTOR_SUPERVISOR_IMAGE_H_

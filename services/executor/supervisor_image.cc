#include "services/executor/supervisor_image.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

// Made by the linker from the file's name; see the BUILD file.
extern const char _binary_supervisor_image_start[];  // NOLINT
extern const char _binary_supervisor_image_end[];    // NOLINT

namespace closewrite::executor {

absl::StatusOr<Fd> OpenSupervisorImage() {
  constexpr char kName[] = "closewrite-supervisor";
  Fd memory(memfd_create(kName, MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!memory.ok()) return ErrnoStatus(errno, "memfd_create", kName);
  const char* next = _binary_supervisor_image_start;
  while (next != _binary_supervisor_image_end) {
    const ssize_t count = write(memory.get(), next, _binary_supervisor_image_end - next);
    if (count < 0) return ErrnoStatus(errno, "write", kName);
    next += count;
  }
  if (fcntl(memory.get(), F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)) {
    return ErrnoStatus(errno, "seal", kName);
  }
  Fd high(fcntl(memory.get(), F_DUPFD_CLOEXEC, kImageFdMin));
  if (!high.ok()) return ErrnoStatus(errno, "dup", kName);
  return high;
}

}  // namespace closewrite::executor

// One process at a time, by a lock on a file.
#ifndef SERVICES_COORDINATOR_STORE_FILE_LOCK_H_
#define SERVICES_COORDINATOR_STORE_FILE_LOCK_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"

namespace closewrite {

// Holds flock(2) on a file as long as it lives. The kernel frees it when the process dies, however
// that happens. The file itself stays: removing it would let two processes lock two files of one
// name.
class FileLock {
 public:
  // Creates the file when it is not there, locks it and writes the process id into it. What the
  // last holder noted stays until it is replaced.
  // FAILED_PRECONDITION: another process (or another FileLock of this one) holds it; the message
  // names the holder. UNAVAILABLE: the file can't be created or locked.
  static absl::StatusOr<std::unique_ptr<FileLock>> Acquire(const std::string& path);
  ~FileLock();
  // What the last holder wrote by SetNote; "" when it wrote nothing.
  const std::string& note() const { return note_; }
  // Keeps one line for the next holder. A power cut may lose it.
  void SetNote(const std::string& note);
  FileLock(const FileLock&) = delete;
  FileLock& operator=(const FileLock&) = delete;

 private:
  explicit FileLock(int fd) : fd_(fd) {}
  const int fd_;
  std::string note_;
};

}  // namespace closewrite

#endif  // SERVICES_COORDINATOR_STORE_FILE_LOCK_H_

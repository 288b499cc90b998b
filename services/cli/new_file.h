// A file that appears under its name when it is complete, or not at all.
#ifndef SERVICES_CLI_NEW_FILE_H_
#define SERVICES_CLI_NEW_FILE_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace closewrite::cli {

// Who may read it: its owner alone, or whoever the umask lets.
enum class Readers { kOwner, kAll };

// Written as NAME.part in the same folder, which goes with its destructor unless it was published.
// Not thread-safe.
class NewFile {
 public:
  // ALREADY_EXISTS when `name` does and `replace` is false; FAILED_PRECONDITION when it is no plain
  // file, when somebody else is writing it, or for what the system says.
  static absl::StatusOr<std::unique_ptr<NewFile>> Make(const std::string& name, bool replace,
                                                       Readers readers = Readers::kOwner);
  ~NewFile();
  NewFile(const NewFile&) = delete;
  NewFile& operator=(const NewFile&) = delete;

  // FAILED_PRECONDITION when its disk has no room for so many bytes.
  absl::Status CheckRoom(int64_t bytes) const;
  absl::Status Write(std::string_view bytes);
  // Forgets what was written.
  absl::Status Restart();
  // Makes it durable and gives it its name.
  absl::Status Publish();

 private:
  NewFile(std::string name, bool replace) : name_(std::move(name)), replace_(replace) {}
  absl::Status Failed(std::string_view what) const;

  const std::string name_;
  const bool replace_;
  int fd_ = -1;
  bool published_ = false;
};

}  // namespace closewrite::cli

#endif  // SERVICES_CLI_NEW_FILE_H_

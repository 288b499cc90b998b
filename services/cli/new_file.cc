#include "services/cli/new_file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <utility>

#include "services/cli/table.h"
#include "services/cli/time_text.h"
#include "services/log/str_cat.h"

namespace closewrite::cli {
namespace {

constexpr mode_t kOwnersMode = 0600;
constexpr mode_t kAllMode = 0666;

absl::Status CheckName(const std::string& name, bool replace) {
  struct stat found = {};
  if (lstat(name.c_str(), &found) != 0) return absl::OkStatus();
  if (!S_ISREG(found.st_mode)) {
    return absl::FailedPreconditionError(StrCat(Printable(name), " exists and is no plain file"));
  }
  if (replace) return absl::OkStatus();
  return absl::AlreadyExistsError(StrCat(Printable(name), " exists; --force replaces it"));
}

}  // namespace

absl::Status NewFile::Failed(std::string_view what) const {
  return absl::FailedPreconditionError(
      StrCat("can't ", what, " ", Printable(name_), ".part: ", std::strerror(errno)));
}

absl::StatusOr<std::unique_ptr<NewFile>> NewFile::Make(const std::string& name, bool replace,
                                                       Readers readers) {
  if (absl::Status s = CheckName(name, replace); !s.ok()) return s;
  std::unique_ptr<NewFile> file(new NewFile(name, replace));
  const std::string part = name + ".part";
  const int fd = open(part.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW,
                      readers == Readers::kAll ? kAllMode : kOwnersMode);
  if (fd < 0) return file->Failed("write");
  // One that was left behind by a kill is nobody's.
  if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
    absl::Status busy =
        errno == EWOULDBLOCK
            ? absl::FailedPreconditionError(StrCat("somebody else is writing ", Printable(part)))
            : file->Failed("lock");
    close(fd);
    return busy;
  }
  file->fd_ = fd;
  if (absl::Status s = file->Restart(); !s.ok()) return s;
  return file;
}

NewFile::~NewFile() {
  if (fd_ < 0) return;
  if (!published_) unlink((name_ + ".part").c_str());
  close(fd_);
}

absl::Status NewFile::CheckRoom(int64_t bytes) const {
  struct statvfs space = {};
  // Some file systems do not say how large they are.
  if (fstatvfs(fd_, &space) != 0 || space.f_blocks == 0) return absl::OkStatus();
  const auto free = static_cast<int64_t>(space.f_bavail) * static_cast<int64_t>(space.f_frsize);
  if (free >= bytes) return absl::OkStatus();
  return absl::FailedPreconditionError(StrCat(Printable(name_), " will need ", BytesText(bytes),
                                              ", and its disk has ", BytesText(free),
                                              " free: free some, or write it elsewhere"));
}

absl::Status NewFile::Write(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = write(fd_, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return Failed("write");
    bytes.remove_prefix(static_cast<size_t>(written));
  }
  return absl::OkStatus();
}

absl::Status NewFile::Restart() {
  if (ftruncate(fd_, 0) != 0 || lseek(fd_, 0, SEEK_SET) != 0) return Failed("write");
  return absl::OkStatus();
}

absl::Status NewFile::Publish() {
  if (fsync(fd_) != 0) return Failed("sync");
  if (absl::Status s = CheckName(name_, replace_); !s.ok()) return s;
  if (rename((name_ + ".part").c_str(), name_.c_str()) != 0) return Failed("rename");
  published_ = true;
  const std::filesystem::path folder = std::filesystem::path(name_).parent_path();
  const int fd = open(folder.empty() ? "." : folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return Failed("sync the folder of");
  const bool synced = fsync(fd) == 0;
  absl::Status status = synced ? absl::OkStatus() : Failed("sync the folder of");
  close(fd);
  return status;
}

}  // namespace closewrite::cli

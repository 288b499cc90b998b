#include "services/portal/staging_area.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <utility>

#include "services/log/str_cat.h"
#include "services/volume/path.h"

namespace closewrite::portal {
namespace {

constexpr char kContent[] = "content";
constexpr mode_t kFileMode = 0666;  // less the umask: whoever runs the command is to read it
constexpr size_t kPieceBytes = 64 << 10;

absl::Status Sync(int fd, std::string_view path) {
  // Some network mounts can't sync; there the server decides.
  if (fsync(fd) == 0 || errno == EINVAL || errno == ENOSYS || errno == EOPNOTSUPP) {
    return absl::OkStatus();
  }
  return ErrnoStatus(errno, "sync", path);
}

}  // namespace

absl::StatusOr<std::unique_ptr<StagedUpload>> StagedUpload::Open(const std::string& root,
                                                                 int64_t number) {
  auto upload = std::unique_ptr<StagedUpload>(new StagedUpload);
  absl::StatusOr<Fd> opened = OpenRoot(root);
  if (!opened.ok()) return opened.status();
  upload->root_ = *std::move(opened);
  upload->directory_ = StagingPath(0, number);
  // The watcher makes it in each volume: where it is not, it is another folder that is mounted.
  const std::string_view all = DirName(DirName(upload->directory_));
  if (absl::IsNotFound(OpenBeneath(upload->root_.get(), all, O_PATH | O_DIRECTORY).status())) {
    return absl::NotFoundError(StrCat(root, " has no ", all, ": is it still mounted?"));
  }
  const absl::Status made = MakeDirectories(upload->root_.get(), upload->directory_);
  if (!made.ok()) return made;
  const std::string content = Join(upload->directory_, kContent);
  absl::StatusOr<Fd> file =
      OpenFileBeneath(upload->root_.get(), content, O_RDWR | O_CREAT, kFileMode);
  if (!file.ok()) return file.status();
  struct stat st;
  if (fstat(file->get(), &st) != 0) return ErrnoStatus(errno, "stat", content);
  if (st.st_nlink > 1) {
    return absl::FailedPreconditionError(
        StrCat(Display(content),
               " has another name, too: an upload would be written into "
               "somebody else's file; remove it"));
  }
  upload->file_ = *std::move(file);
  if (absl::Status s = upload->HashWhatIsThere(); !s.ok()) return s;
  return upload;
}

absl::Status StagedUpload::HashWhatIsThere() {
  EVP_DigestInit_ex(hash_.get(), EVP_sha256(), nullptr);
  std::array<char, kPieceBytes> piece;
  for (;;) {
    const ssize_t got = pread(file_.get(), piece.data(), piece.size(), size_);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return ErrnoStatus(errno, "read", directory_);
    if (got == 0) return absl::OkStatus();
    const size_t size = static_cast<size_t>(got);
    EVP_DigestUpdate(hash_.get(), piece.data(), size);
    head_.append(piece.data(), std::min(size, kStagedHeadBytes - head_.size()));
    size_ += got;
  }
}

absl::Status StagedUpload::Append(const char* data, size_t size) {
  while (size > 0) {
    const ssize_t written = pwrite(file_.get(), data, size, size_);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return ErrnoStatus(errno, "write", directory_);
    const size_t step = static_cast<size_t>(written);
    EVP_DigestUpdate(hash_.get(), data, step);
    head_.append(data, std::min(step, kStagedHeadBytes - head_.size()));
    size_ += written;
    data += step;
    size -= step;
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> StagedUpload::Seal() {
  if (absl::Status s = Sync(file_.get(), directory_); !s.ok()) return s;
  const absl::StatusOr<Fd> directory = OpenBeneath(root_.get(), directory_, O_RDONLY | O_DIRECTORY);
  if (!directory.ok()) return directory.status();
  if (absl::Status s = Sync(directory->get(), directory_); !s.ok()) return s;
  // A copy, so that it can be sealed again.
  const Hash so_far(EVP_MD_CTX_new(), EVP_MD_CTX_free);
  std::string digest(EVP_MD_size(EVP_sha256()), '\0');
  EVP_MD_CTX_copy_ex(so_far.get(), hash_.get());
  EVP_DigestFinal_ex(so_far.get(), reinterpret_cast<unsigned char*>(digest.data()), nullptr);
  return digest;
}

absl::StatusOr<StagingArea::Lease> StagingArea::Take(const std::string& root, int64_t number,
                                                     absl::Time now) {
  {
    absl::MutexLock lock(&mutex_);
    std::erase_if(entries_, [&](const auto& entry) {
      return !entry.second.taken && now - entry.second.used_at > kStagedIdleMax;
    });
    const auto found = entries_.find(number);
    if (found != entries_.end()) {
      if (found->second.taken) {
        return absl::AbortedError("it is being sent by another connection just now");
      }
      found->second.taken = true;
      found->second.used_at = now;
      return Lease(this, number, found->second.upload.get());
    }
    if (entries_.size() >= kStagedOpenMax) {
      return absl::ResourceExhaustedError(
          StrCat(kStagedOpenMax, " uploads are being sent already: try again later"));
    }
    entries_[number].used_at = now;
  }
  absl::StatusOr<std::unique_ptr<StagedUpload>> opened = StagedUpload::Open(root, number);
  absl::MutexLock lock(&mutex_);
  if (!opened.ok()) {
    entries_.erase(number);
    return opened.status();
  }
  Entry& entry = entries_.at(number);
  entry.upload = *std::move(opened);
  return Lease(this, number, entry.upload.get());
}

void StagingArea::Forget(int64_t number) {
  absl::MutexLock lock(&mutex_);
  const auto found = entries_.find(number);
  if (found == entries_.end()) return;
  found->second.forgotten = true;
  if (!found->second.taken) entries_.erase(found);
}

void StagingArea::Release(int64_t number) {
  absl::MutexLock lock(&mutex_);
  const auto found = entries_.find(number);
  if (found == entries_.end()) return;
  found->second.taken = false;
  if (found->second.forgotten) entries_.erase(found);
}

}  // namespace closewrite::portal

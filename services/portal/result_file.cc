#include "services/portal/result_file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "services/log/str_cat.h"
#include "services/portal/page_frame.h"
#include "services/volume/file_system.h"
#include "services/volume/path.h"

namespace closewrite::portal {
namespace {

// Larger ones are known again by their size alone.
constexpr int64_t kHashedBytesMax = 32 << 20;

// Never shown by the browser, whatever it is: it may be a page with a script.
WebResponse Download(const v1::OutputFile& output) {
  WebResponse response{.type = "application/octet-stream"};
  response.headers.emplace_back("Content-Disposition", StrCat("attachment; filename*=UTF-8''",
                                                              UrlPart(BaseName(output.path()))));
  response.headers.emplace_back("Cache-Control", "no-store");
  return response;
}

}  // namespace

absl::StatusOr<WebResponse> ResultFile(const std::string& root, const v1::OutputFile& output) {
  if (absl::Status s = CheckRelativePath(output.path()); !s.ok()) return s;
  const absl::StatusOr<Fd> opened = OpenRoot(root);
  if (!opened.ok()) return opened.status();
  absl::StatusOr<Fd> file = OpenFileBeneath(opened->get(), output.path(), O_RDONLY);
  if (!file.ok()) return file.status();
  struct stat st;
  if (fstat(file->get(), &st) != 0) return ErrnoStatus(errno, "stat", output.path());
  bool is_it = st.st_size == output.size();
  if (is_it && output.size() <= kHashedBytesMax) {
    const absl::StatusOr<Digest> digest = DigestFile(file->get());
    if (!digest.ok()) return digest.status();
    is_it = digest->sha256 == output.sha256();
  }
  if (!is_it) {
    return absl::FailedPreconditionError("another file lies there by now; it is not given out");
  }
  WebResponse response = Download(output);
  if (output.size() == 0) return response;
  response.file_size = output.size();
  response.file = [fd = std::make_shared<Fd>(*std::move(file))](int64_t offset, int64_t size,
                                                                const SendBytes& send) {
    std::string piece(static_cast<size_t>(size), '\0');
    const ssize_t got = pread(fd->get(), piece.data(), piece.size(), offset);
    return got > 0 && send(std::string_view(piece).substr(0, static_cast<size_t>(got)));
  };
  return response;
}

WebResponse ResultBytes(const v1::OutputFile& output, std::string content) {
  WebResponse response = Download(output);
  response.body = std::move(content);
  return response;
}

}  // namespace closewrite::portal

#include "services/watcher/file_look.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_join.h"
#include "absl/time/time.h"
#include "services/config/nearest.h"
#include "services/log/str_cat.h"
#include "services/volume/file_system.h"
#include "services/volume/path.h"
#include "services/watcher/writer_check.h"

namespace closewrite::watcher {
namespace {

v1::FileLook Look(v1::FileFinding finding, std::string message) {
  v1::FileLook look;
  look.set_finding(finding);
  look.set_message(std::move(message));
  return look;
}

// Calls `visit` with the names in a directory until it returns false. Nothing for one that can't
// be read.
void VisitNames(Fd directory, const std::function<bool(const char* name)>& visit) {
  DIR* const opened = directory.ok() ? fdopendir(directory.get()) : nullptr;
  if (opened == nullptr) return;
  directory.Release();  // closed with the stream
  const std::unique_ptr<DIR, int (*)(DIR*)> stream(opened, closedir);
  while (const dirent* entry = readdir(stream.get())) {
    if (entry->d_name[0] == '.' && (entry->d_name[1] == '\0' || entry->d_name[1] == '.')) continue;
    if (!visit(entry->d_name)) return;
  }
}

Fd OpenDirectory(const std::string& path) {
  return Fd(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
}

// False when /proc/PID/fdinfo/FD rules it out that it is the file, open for writing: by its
// `flags:` in octal digits, and by `ino:`, since Linux 5.14. To look at the file itself could hang,
// if it is another one on a dead mount.
bool MayWrite(const std::string& process, const char* descriptor, const struct stat& file) {
  std::ifstream info(StrCat(process, "/fdinfo/", descriptor));
  std::string key;
  std::string value;
  bool writes = false;
  bool other = false;
  while (info >> key >> value) {
    if (key == "flags:") writes = (strtoul(value.c_str(), nullptr, 8) & O_ACCMODE) != O_RDONLY;
    if (key == "ino:") other = strtoull(value.c_str(), nullptr, 10) != file.st_ino;
  }
  return writes && !other;
}

bool Writes(const std::string& process, const struct stat& file) {
  bool writes = false;
  int left = kDescriptorsMax;
  VisitNames(OpenDirectory(process + "/fd"), [&](const char* name) {
    struct stat st;
    writes = MayWrite(process, name, file) &&
             stat(StrCat(process, "/fd/", name).c_str(), &st) == 0 && st.st_ino == file.st_ino &&
             st.st_dev == file.st_dev;
    return !writes && --left > 0;
  });
  return writes;
}

// `python3 (pid 4711)` of each.
std::vector<std::string> WritersOf(const struct stat& file) {
  std::vector<std::string> writers;
  int left = kProcessesMax;
  VisitNames(OpenDirectory("/proc"), [&](const char* name) {
    int pid = 0;
    if (!absl::SimpleAtoi(name, &pid)) return true;
    const std::string process = StrCat("/proc/", pid);
    if (Writes(process, file)) {
      std::string program;
      std::getline(std::ifstream(process + "/comm") >> std::ws, program);
      writers.push_back(StrCat(Display(program), " (pid ", pid, ")"));
    }
    return writers.size() < kWritersNamedMax && --left > 0;
  });
  return writers;
}

// The name in the same directory that was probably meant; "" for none.
std::string NearestName(int root, std::string_view path) {
  const std::string directory(DirName(path));
  absl::StatusOr<Fd> opened = OpenBeneath(root, directory, O_RDONLY | O_DIRECTORY);
  if (!opened.ok()) return "";
  std::vector<std::string> names;
  VisitNames(*std::move(opened), [&](const char* name) {
    names.emplace_back(name);
    return names.size() < kNamesComparedMax;
  });
  const std::string nearest = Nearest(BaseName(path), names);
  if (nearest.empty()) return "";
  return directory.empty() ? nearest : StrCat(directory, "/", nearest);
}

v1::FileLook Missing(int root, std::string_view path) {
  const std::string nearest = NearestName(root, path);
  return Look(v1::FILE_FINDING_MISSING,
              StrCat("there is no such file",
                     nearest.empty() ? "" : StrCat(", but there is ", Display(nearest))));
}

std::string Described(const struct stat& st) {
  return StrCat("it is there, ", st.st_size, " bytes, last written ",
                absl::FormatTime("%Y-%m-%dT%H:%M:%E3SZ", absl::FromUnixNanos(MtimeNs(st)),
                                 absl::UTCTimeZone()));
}

// What stands there instead of a file, and that it is left alone.
std::string NotAFile(mode_t mode) {
  const std::string_view how = S_ISDIR(mode)   ? ""
                               : S_ISLNK(mode) ? ", which is not followed"
                                               : ", which is not opened";
  return StrCat("it is ", KindOf(mode), how);
}

}  // namespace

v1::FileLook LookAtFile(int root, const IgnoreList& ignore, std::string_view path) {
  const absl::StatusOr<Fd> file = OpenBeneath(root, path, O_PATH | O_NOFOLLOW);
  if (absl::IsNotFound(file.status())) return Missing(root, path);
  struct stat st;
  if (!file.ok() || fstat(file->get(), &st) != 0) {
    const absl::Status why = file.ok() ? ErrnoStatus(errno, "stat", path) : file.status();
    return Look(v1::FILE_FINDING_UNKNOWN, StrCat("it can't be looked at: ", why.message()));
  }
  if (!S_ISREG(st.st_mode)) {
    return Look(v1::FILE_FINDING_NOT_A_FILE, NotAFile(st.st_mode));
  }
  if (std::string why = ignore.WhyIgnored(path); !why.empty()) {
    return Look(v1::FILE_FINDING_IGNORED, std::move(why));
  }
  const absl::StatusOr<CheckedFile> checked = CheckWriter(root, path);
  if (absl::IsNotFound(checked.status())) return Missing(root, path);
  if (checked.ok() && checked->state == WriterState::kFree) {
    return Look(v1::FILE_FINDING_FINISHED, StrCat(Described(st), ", and nobody writes it"));
  }
  const std::vector<std::string> writers = WritersOf(st);
  if (!writers.empty()) {
    return Look(v1::FILE_FINDING_OPEN,
                StrCat("it is not finished: ", absl::StrJoin(writers, ", "),
                       writers.size() == 1 ? " has" : " have", " it open for writing"));
  }
  if (checked.ok() && checked->state == WriterState::kWritten) {
    return Look(v1::FILE_FINDING_OPEN,
                "it is not finished: a process that can't be seen from here has it open for "
                "writing");
  }
  return Look(v1::FILE_FINDING_FINISHED,
              StrCat(Described(st), "; whether somebody writes it can't be told here"));
}

void AddContent(int root, std::string_view path, int64_t bytes_max, v1::FileLook* look) {
  if (look->finding() != v1::FILE_FINDING_FINISHED) return;
  const absl::StatusOr<Fd> file = OpenFileBeneath(root, path, O_RDONLY);
  struct stat st;
  if (!file.ok() || fstat(file->get(), &st) != 0 ||
      st.st_size > std::min(bytes_max, kLookContentBytesMax)) {
    return;
  }
  std::string content(static_cast<size_t>(st.st_size), '\0');
  size_t read_bytes = 0;
  while (read_bytes < content.size()) {
    const ssize_t got = read(file->get(), content.data() + read_bytes, content.size() - read_bytes);
    if (got <= 0) return;
    read_bytes += static_cast<size_t>(got);
  }
  look->set_content(std::move(content));
}

}  // namespace closewrite::watcher

#include "services/executor/missing_program.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string_view>
#include <vector>

#include "absl/strings/str_split.h"
#include "services/log/str_cat.h"
#include "services/volume/file_system.h"
#include "services/volume/path.h"

namespace closewrite::executor {
namespace {

// The kernel reads no more of a first line (BINPRM_BUF_SIZE, since Linux 5.1).
constexpr size_t kFirstLineBytesMax = 256;

bool Exists(const std::string& path) { return access(path.c_str(), F_OK) == 0; }

std::string Absolute(const std::string& path, const ProgramPlace& place) {
  return path.front() == '/' ? path : StrCat(place.directory, "/", path);
}

// What execvp(3) passes over in PATH.
bool CanBeRun(const std::string& path) {
  struct stat st = {};
  return stat(path.c_str(), &st) == 0 && S_ISREG(st.st_mode) && access(path.c_str(), X_OK) == 0;
}

std::string FirstBytes(const std::string& file) {
  const Fd fd(open(file.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  struct stat st = {};
  if (!fd.ok() || fstat(fd.get(), &st) != 0 || !S_ISREG(st.st_mode)) return "";
  std::string bytes(kFirstLineBytesMax, '\0');
  const ssize_t got = read(fd.get(), bytes.data(), bytes.size());
  bytes.resize(got > 0 ? static_cast<size_t>(got) : 0);
  return bytes;
}

// Of a script's first bytes; "" when there is none.
std::string InterpreterOf(std::string_view bytes) {
  if (bytes.substr(0, 2) != "#!") return "";
  bytes.remove_prefix(2);
  bytes = bytes.substr(0, bytes.find('\n'));
  const size_t begin = bytes.find_first_not_of(" \t");
  if (begin == std::string_view::npos) return "";
  bytes.remove_prefix(begin);
  return std::string(bytes.substr(0, bytes.find_first_of(" \t")));
}

std::string DescribeAbsent(const std::string& program, const std::string& host) {
  const std::string what = StrCat("program `", Display(program), "` was not found on ", host, "; ");
  if (program.find(' ') == std::string::npos) {
    return StrCat(what, "install it, or give its full path in run.command");
  }
  return StrCat(what,
                "no shell splits it: give the program and each argument as entries of their own, "
                "or `sh`, `-c` and the line");
}

}  // namespace

std::string FindProgram(const std::string& program, const ProgramPlace& place) {
  if (program.empty()) return "";
  if (program.find('/') != std::string::npos) {
    const std::string file = Absolute(program, place);
    return Exists(file) ? file : "";
  }
  std::string first;
  for (const absl::string_view folder : absl::StrSplit(place.path, ':', absl::SkipEmpty())) {
    const std::string file = Absolute(StrCat(ToStd(folder), "/", program), place);
    if (CanBeRun(file)) return file;
    if (first.empty() && Exists(file)) first = file;
  }
  return first;
}

std::string DescribeMissingProgram(const std::string& program, const ProgramPlace& place) {
  const std::string file = FindProgram(program, place);
  if (file.empty()) return DescribeAbsent(program, place.host);
  const std::string bytes = FirstBytes(file);
  const std::string interpreter = InterpreterOf(bytes);
  if (!interpreter.empty() && !Exists(Absolute(interpreter, place))) {
    const bool from_windows = interpreter.back() == '\r';
    return StrCat("program `", Display(program), "` starts with `#!", Display(interpreter),
                  "`, which does not exist on ", place.host, "; ",
                  from_windows ? "save its lines with LF at their ends, not CR LF"
                               : "install that, or correct the line");
  }
  if (bytes.substr(0, 4) ==
      "\x7f"
      "ELF") {
    return StrCat("program `", Display(program),
                  "` is there, but the loader that it asks for does ", "not exist on ", place.host,
                  "; is it made for another system?");
  }
  return StrCat("program `", Display(program), "` is there, but something that it needs to start ",
                "does not exist on ", place.host);
}

}  // namespace closewrite::executor

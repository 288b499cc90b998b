#include "services/executor/secrets.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string_view>

#include "absl/strings/match.h"
#include "absl/strings/str_split.h"
#include "services/log/str_cat.h"
#include "services/volume/file_system.h"
#include "services/volume/path.h"

namespace closewrite::executor {
namespace {

bool IsVariable(absl::string_view name) {
  return !name.empty() && !absl::StartsWith(name, "CLOSEWRITE_") &&
         name.find_first_of(" \t\r'\"") == absl::string_view::npos;
}

// Whom else a file may not be open to, and how that is told.
struct Privacy {
  mode_t forbidden;
  const char* words;
};

constexpr Privacy kSecret = {S_IROTH | S_IWOTH, "read or written"};
constexpr Privacy kTrusted = {S_IWOTH, "written"};

// `what` is the key in the configuration that names the file.
absl::StatusOr<std::string> ReadWhole(const std::string& file, std::string_view what,
                                      const Privacy& privacy) {
  const std::string shown = StrCat(what, ": ", Display(file));
  const Fd fd(open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (!fd.ok() && errno == ENOENT) {
    return absl::NotFoundError(StrCat(shown, " is not there on this host; make it, with mode 600"));
  }
  struct stat st = {};
  if (!fd.ok() || fstat(fd.get(), &st) != 0) {
    return absl::PermissionDeniedError(StrCat(shown, " can't be read: ", strerror(errno)));
  }
  if (!S_ISREG(st.st_mode)) return absl::InvalidArgumentError(StrCat(shown, " is no file"));
  if ((st.st_mode & privacy.forbidden) != 0) {
    return absl::PermissionDeniedError(
        StrCat(shown, " can be ", privacy.words, " by everybody on this host; chmod 600 it"));
  }
  std::string content(kSecretsBytesMax + 1, '\0');
  size_t size = 0;
  while (size < content.size()) {
    const ssize_t count = read(fd.get(), content.data() + size, content.size() - size);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) {
      return absl::PermissionDeniedError(StrCat(shown, " can't be read: ", strerror(errno)));
    }
    if (count == 0) break;
    size += static_cast<size_t>(count);
  }
  if (size > kSecretsBytesMax) {
    return absl::InvalidArgumentError(StrCat(shown, " has more than ", kSecretsBytesMax, " bytes"));
  }
  content.resize(size);
  return content;
}

}  // namespace

absl::StatusOr<std::map<std::string, std::string>> ReadSecrets(const std::string& file) {
  const absl::StatusOr<std::string> content = ReadWhole(file, "secrets_from", kSecret);
  if (!content.ok()) return content.status();
  std::map<std::string, std::string> secrets;
  int number = 0;
  for (const absl::string_view line : absl::StrSplit(*content, '\n')) {
    ++number;
    if (line.empty() || line.front() == '#') continue;
    const size_t equals = line.find('=');
    const bool good = equals != absl::string_view::npos && IsVariable(line.substr(0, equals)) &&
                      line.find('\0') == absl::string_view::npos;
    if (!good) {
      return absl::InvalidArgumentError(
          StrCat("secrets_from: line ", number, " of ", Display(file),
                 " is not NAME=value; a name holds no spaces or quotes, does not begin with "
                 "CLOSEWRITE_, and no value holds a NUL byte"));
    }
    secrets[std::string(line.substr(0, equals))] = std::string(line.substr(equals + 1));
  }
  return secrets;
}

absl::StatusOr<std::map<std::string, std::string>> ReadEnvironmentFiles(
    const std::map<std::string, std::string>& files) {
  std::map<std::string, std::string> values;
  for (const auto& [variable, file] : files) {
    const std::string what = StrCat("env_files: ", Display(variable));
    absl::StatusOr<std::string> content = ReadWhole(file, what, kTrusted);
    if (!content.ok()) return content.status();
    if (!content->empty() && content->back() == '\n') content->pop_back();
    if (content->find('\0') != std::string::npos) {
      return absl::InvalidArgumentError(
          StrCat(what, ": ", Display(file), " holds a NUL byte, which no variable can"));
    }
    values[variable] = *std::move(content);
  }
  return values;
}

std::string WarningOfEnvironmentFile(const std::string& variable, const std::string& file) {
  struct stat st = {};
  if (stat(file.c_str(), &st) != 0) {
    return StrCat("env_files: ", Display(variable), ": ", Display(file), ": ", strerror(errno),
                  "; until it can be read no command is started");
  }
  if ((st.st_mode & S_IROTH) == 0) return "";
  return StrCat("env_files: ", Display(variable), ": ", Display(file),
                " can be read by everybody on this host");
}

}  // namespace closewrite::executor

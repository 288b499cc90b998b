#include "services/cli/contexts.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "google/protobuf/util/message_differencer.h"
#include "nlohmann/json.hpp"
#include "services/cli/exit_code.h"
#include "services/config/config.h"
#include "services/log/str_cat.h"
#include "services/transport/address.h"
#include "services/volume/file_system.h"
#include "services/volume/path.h"

namespace closewrite::cli {
namespace {

// JSON's strings are YAML's as well.
std::string Quoted(const std::string& text) { return nlohmann::json(text).dump(); }

// Names as YAML takes them without quotes; all but `null` and `~` are text to our reader.
std::string Key(const std::string& name) {
  return CheckName("context", name).ok() && name != "null" ? name : Quoted(name);
}

std::string Line(const std::string& name, const Context& context) {
  std::vector<std::string> fields;
  if (!context.coordinator().empty()) {
    fields.push_back(StrCat("coordinator: ", Quoted(context.coordinator())));
  }
  if (!context.host().empty()) fields.push_back(StrCat("host: ", Quoted(context.host())));
  if (!context.tls().empty()) fields.push_back(StrCat("tls: ", Quoted(context.tls())));
  if (!context.access_token_file().empty()) {
    fields.push_back(StrCat("access_token_file: ", Quoted(context.access_token_file())));
  }
  return StrCat("  ", Key(name), ": {", absl::StrJoin(fields, ", "), "}");
}

std::string Text(const ContextsFile& file) {
  const std::map<std::string, Context> sorted(file.contexts().begin(), file.contexts().end());
  std::string text = StrCat("current: ", Key(file.current()), "\ncontexts:\n");
  for (const auto& [name, context] : sorted) StrAppend(&text, Line(name, context), "\n");
  return text;
}

// The old text with the lines changed that say what is current and what its context is. It may be
// wrong where the file is written in another way.
std::string Edited(const std::string& text, const std::string& name, const ContextsFile& file) {
  const std::string current = StrCat("current: ", Key(name));
  const std::string line = Line(name, file.contexts().at(name));
  std::vector<std::string> lines = absl::StrSplit(text, '\n');
  bool has_current = false;
  bool has_line = false;
  for (std::string& each : lines) {
    if (absl::StartsWith(each, "current:")) {
      each = current;
      has_current = true;
    } else if (absl::StartsWith(each, StrCat("  ", Key(name), ":"))) {
      has_line = true;
    }
  }
  for (std::string& each : lines) {
    if (!has_line && absl::StartsWith(each, "contexts:")) StrAppend(&each, "\n", line);
    if (has_line && absl::StartsWith(each, StrCat("  ", Key(name), ":"))) each = line;
  }
  if (!has_current) lines.insert(lines.begin(), current);
  return absl::StrJoin(lines, "\n");
}

bool Says(const std::string& text, const ContextsFile& file) {
  ContextsFile parsed;
  return ParseYaml("", text, &parsed).ok() &&
         google::protobuf::util::MessageDifferencer::Equals(parsed, file);
}

// The file that is meant by a name that may be a link, so that the link stays one.
std::string Target(const std::string& path) {
  std::error_code error;
  const auto target = std::filesystem::weakly_canonical(path, error);
  return error ? path : target.native();
}

// False, with errno, when it fails.
bool WriteAndSync(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = write(fd, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return false;
    text.remove_prefix(static_cast<size_t>(written));
  }
  return fsync(fd) == 0;
}

// Readers see the old text or the new one. Other people may not read a new file.
absl::Status Replace(const std::string& path, std::string_view text) {
  const std::string target = Target(path);
  std::error_code error;
  const std::filesystem::path folder = std::filesystem::path(target).parent_path();
  if (!folder.empty()) std::filesystem::create_directories(folder, error);
  if (error) return ErrnoStatus(error.value(), "make the folder of", path);
  std::string temporary = StrCat(target, ".XXXXXX");
  const Fd fd(mkostemp(temporary.data(), O_CLOEXEC));
  if (!fd.ok()) return ErrnoStatus(errno, "create a file beside", path);
  struct stat old = {};
  if (stat(target.c_str(), &old) == 0 && fchmod(fd.get(), old.st_mode & 07777) != 0) {
    unlink(temporary.c_str());
    return ErrnoStatus(errno, "set the mode of", path);
  }
  if (WriteAndSync(fd.get(), text) && rename(temporary.c_str(), target.c_str()) == 0) {
    return absl::OkStatus();
  }
  const int why = errno;
  unlink(temporary.c_str());
  return ErrnoStatus(why, "write", path);
}

absl::Status CheckAddresses(const std::string& coordinator) {
  for (const absl::string_view each : absl::StrSplit(coordinator, ',')) {
    const auto address = ParseHostPort("--coordinator", ToStd(each));
    if (!address.ok()) return UsageError(ToStd(address.status().message()));
  }
  return absl::OkStatus();
}

}  // namespace

std::string Contexts::PathOf(const Console& console) {
  const std::string path = console.environment("CLOSEWRITE_CONFIG");
  if (!path.empty()) return path;
  const std::string folder = console.environment("XDG_CONFIG_HOME");
  if (!folder.empty()) return StrCat(folder, "/closewrite/config.yaml");
  const std::string home = console.environment("HOME");
  return home.empty() ? "" : StrCat(home, "/.config/closewrite/config.yaml");
}

absl::StatusOr<Contexts> Contexts::Load(const std::string& path) {
  Contexts contexts;
  contexts.path_ = path;
  if (path.empty()) return contexts;
  const absl::Status status = LoadYaml(path, &contexts.file_);
  if (absl::IsNotFound(status)) return contexts;
  if (!status.ok()) return UsageError(ToStd(status.message()));
  std::ifstream stream(path, std::ios::binary);
  contexts.text_.assign(std::istreambuf_iterator<char>(stream), {});
  return contexts;
}

absl::StatusOr<const Context*> Contexts::Find(std::string_view asked_by,
                                              const std::string& name) const {
  const auto found = file_.contexts().find(name);
  if (found != file_.contexts().end() && !found->second.coordinator().empty()) {
    return &found->second;
  }
  if (found != file_.contexts().end()) {
    return UsageError(StrCat(asked_by, ": context ", name, " of ", Display(path_),
                             " has no coordinator; write `coordinator: HOST:PORT` there"));
  }
  if (file_.contexts().empty()) {
    return UsageError(StrCat(asked_by, ": there are no contexts in ",
                             path_.empty() ? "any file" : Display(path_), " yet; `closewrite ",
                             "context use ", Display(name), " --coordinator HOST:PORT` makes one"));
  }
  std::vector<std::string> names;
  for (const auto& [each, context] : file_.contexts()) names.push_back(each);
  std::sort(names.begin(), names.end());
  return UsageError(
      StrCat(asked_by, ": no such context in ", Display(path_), "; ", SuggestNearest(name, names)));
}

absl::Status Contexts::Use(const std::string& name, const Context& fields) {
  if (path_.empty()) {
    return UsageError("nobody says where the file of contexts is; set CLOSEWRITE_CONFIG or HOME");
  }
  if (fields.coordinator().empty() && file_.contexts().count(name) == 0) {
    return Find(StrCat("context use ", Display(name)), name).status();
  }
  if (const absl::Status valid = CheckName("context", name); !valid.ok()) {
    return UsageError(ToStd(valid.message()));
  }
  if (!fields.coordinator().empty()) {
    const absl::Status valid = CheckAddresses(fields.coordinator());
    if (!valid.ok()) return valid;
  }
  file_.set_current(name);
  (*file_.mutable_contexts())[name].MergeFrom(fields);
  std::string text = Edited(text_, name, file_);
  if (!Says(text, file_)) text = Text(file_);
  const absl::Status written = Replace(path_, text);
  if (written.ok()) text_ = std::move(text);
  return written;
}

}  // namespace closewrite::cli

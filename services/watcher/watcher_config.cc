#include "services/watcher/watcher_config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "services/config/duration.h"
#include "services/log/str_cat.h"
#include "services/volume/file_system.h"
#include "services/volume/ignore_list.h"
#include "services/volume/mount.h"
#include "services/volume/path.h"

namespace closewrite::watcher {
namespace {

constexpr char kListenDefault[] = "0.0.0.0:7401";
constexpr mode_t kStateMode = 0700;
constexpr int kPollUnchangedMax = 100;
constexpr absl::Duration kPollMin = absl::Seconds(1);
constexpr absl::Duration kPollMax = absl::Hours(1);
constexpr absl::Duration kAuditMin = absl::Seconds(1);
constexpr absl::Duration kAuditMax = absl::Hours(7 * 24);

absl::Status Wrong(std::string_view where, std::string_view why) {
  return absl::InvalidArgumentError(StrCat(where, ": ", why));
}

// The path without links, ".." and double slashes. For one that does not exist yet, that of its
// nearest parent that does, with the rest behind it.
std::string Canonical(const std::string& path) {
  const std::unique_ptr<char, void (*)(void*)> real(realpath(path.c_str(), nullptr), free);
  if (real != nullptr) return real.get();
  const size_t end = path.find_last_not_of('/');
  const size_t slash = end == std::string::npos ? end : path.find_last_of('/', end);
  if (slash == std::string::npos || end == std::string::npos) return path;
  const std::string parent = slash == 0 ? "/" : Canonical(path.substr(0, slash));
  return StrCat(parent == "/" ? "" : parent, "/", path.substr(slash + 1, end - slash));
}

// Whether `path` is `directory` or lies below it; both canonical.
bool LiesIn(std::string_view path, std::string_view directory) {
  if (path == directory || directory == "/") return true;
  return path.size() > directory.size() && path.substr(0, directory.size()) == directory &&
         path[directory.size()] == '/';
}

absl::Status CheckFolder(const std::string& where, const std::string& path, bool polled) {
  if (path.empty()) return Wrong(where, "path is missing; write {path: /absolute/path}");
  if (path[0] != '/') return Wrong(where, StrCat(Display(path), " is not absolute"));
  const absl::StatusOr<Mount> mount = FindMount(path);
  if (!mount.ok()) return Wrong(where, ToStd(mount.status().message()));
  const absl::Status local = polled ? absl::OkStatus() : CheckLocal(*mount, path);
  if (!local.ok()) return Wrong(where, ToStd(local.message()));
  const Fd fd(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd.ok() || faccessat(fd.get(), ".", R_OK | X_OK, AT_EACCESS) != 0) {
    return Wrong(where, ToStd(ErrnoStatus(errno, "read directory", path).message()));
  }
  return absl::OkStatus();
}

// "" or what is wrong with a duration.
std::string Outside(const google::protobuf::Duration& duration, absl::Duration min,
                    absl::Duration max) {
  const absl::Duration value = closewrite::FromProto(duration);
  if (value >= min && value <= max) return "";
  return StrCat(FormatDuration(value), "; must be ", FormatDuration(min), " to ",
                FormatDuration(max));
}

absl::Status CheckWatching(const std::string& where, const v1::WatchedVolume& volume) {
  const bool polled = volume.backend() == v1::WATCH_BACKEND_POLL;
  if (volume.has_poll() && !polled) {
    return Wrong(where, "poll: is for backend: poll only; remove one of the two");
  }
  if (volume.poll_unchanged() != 0 && !polled) {
    return Wrong(where, "poll_unchanged: is for polled volumes only; set poll: 5s, or remove it");
  }
  if (polled && (volume.has_audit() || volume.nfs_exported())) {
    return Wrong(where, "a polled volume needs no audit: and no nfs_exported:; remove them");
  }
  if (volume.poll_unchanged() < 0 || volume.poll_unchanged() == 1 ||
      volume.poll_unchanged() > kPollUnchangedMax) {
    return Wrong(where, StrCat("poll_unchanged: ", volume.poll_unchanged(), "; must be 2 to ",
                               kPollUnchangedMax));
  }
  std::string outside;
  if (volume.has_poll()) outside = Outside(volume.poll(), kPollMin, kPollMax);
  if (!outside.empty()) return Wrong(where, StrCat("poll: ", outside));
  if (volume.has_audit()) outside = Outside(volume.audit(), kAuditMin, kAuditMax);
  if (!outside.empty()) return Wrong(where, StrCat("audit: ", outside));
  return absl::OkStatus();
}

absl::Status CheckVolumes(const v1::WatcherConfig& config) {
  if (config.volumes().empty()) {
    return Wrong("volumes", "none; write volumes: {NAME: {path: /absolute/path}}");
  }
  if (config.volumes_size() > kVolumesMax) {
    return Wrong("volumes", StrCat(config.volumes_size(), " of them; at most ", kVolumesMax));
  }
  const std::map<std::string, v1::WatchedVolume> volumes(config.volumes().begin(),
                                                         config.volumes().end());
  std::map<std::string, std::string> roots;  // canonical path: name
  for (const auto& [name, volume] : volumes) {
    const std::string where = StrCat("volumes.", name);
    if (absl::Status named = CheckName("volume", name); !named.ok()) return named;
    if (absl::Status watching = CheckWatching(where, volume); !watching.ok()) return watching;
    const bool polled = volume.backend() == v1::WATCH_BACKEND_POLL;
    if (absl::Status folder = CheckFolder(where, volume.path(), polled); !folder.ok()) {
      return folder;
    }
    const std::vector<std::string> globs(volume.ignore().begin(), volume.ignore().end());
    const absl::StatusOr<IgnoreList> ignore = IgnoreList::Parse(globs);
    if (!ignore.ok()) return Wrong(where, ToStd(ignore.status().message()));
    const std::string root = Canonical(volume.path());
    for (const auto& [other, other_name] : roots) {
      if (!LiesIn(root, other) && !LiesIn(other, root)) continue;
      return Wrong(where, StrCat(Display(volume.path()), " and that of volume ", other_name,
                                 " lie in each other; a file belongs to one volume"));
    }
    roots[root] = name;
  }
  const std::string state = Canonical(config.state());
  for (const auto& [root, name] : roots) {
    if (!LiesIn(state, root)) continue;
    return Wrong("state", StrCat(Display(config.state()), " lies in volume ", name,
                                 "; name a directory outside of all volumes"));
  }
  return absl::OkStatus();
}

absl::Status MakeState(const std::string& path) {
  for (size_t slash = path.find('/', 1);; slash = path.find('/', slash + 1)) {
    const std::string part = path.substr(0, slash);
    if (mkdir(part.c_str(), kStateMode) != 0 && errno != EEXIST) {
      return Wrong("state", ToStd(ErrnoStatus(errno, "make directory", part).message()));
    }
    if (slash == std::string::npos) break;
  }
  if (access(path.c_str(), R_OK | W_OK | X_OK) != 0) {
    return Wrong("state", ToStd(ErrnoStatus(errno, "write into", path).message()));
  }
  return absl::OkStatus();
}

}  // namespace

void SetDefaults(v1::WatcherConfig* config) {
  if (config->listen().empty()) config->set_listen(kListenDefault);
  for (auto& [name, volume] : *config->mutable_volumes()) {
    if (volume.backend() == v1::WATCH_BACKEND_UNSPECIFIED) {
      volume.set_backend(volume.has_poll() ? v1::WATCH_BACKEND_POLL : v1::WATCH_BACKEND_AUTO);
    }
    if (!volume.ignore().empty()) continue;
    for (const std::string& glob : DefaultIgnoreGlobs()) volume.add_ignore(glob);
  }
}

absl::Status CheckConfig(const v1::WatcherConfig& config) {
  if (config.host().empty()) return Wrong("host", "missing; write the name of this host");
  if (absl::Status named = CheckName("host", config.host()); !named.ok()) return named;
  if (config.coordinator().empty()) {
    return Wrong("coordinator", "missing; write coordinator: HOST:7400");
  }
  if (config.state().empty() || config.state()[0] != '/') {
    return Wrong("state", "must be the absolute path of a directory for the ledger");
  }
  if (absl::Status volumes = CheckVolumes(config); !volumes.ok()) return volumes;
  return MakeState(config.state());
}

}  // namespace closewrite::watcher

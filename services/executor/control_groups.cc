#include "services/executor/control_groups.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <map>
#include <memory>
#include <optional>
#include <sstream>
#include <string_view>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_split.h"
#include "absl/synchronization/mutex.h"
#include "services/executor/process_group.h"
#include "services/log/str_cat.h"

namespace closewrite::executor {
namespace {

constexpr int kLinesMax = 100'000;
// Of the executor and the supervisors of its commands, where limits are in v2.
constexpr char kAside[] = "closewrite-executor";
constexpr int64_t kPeriodUs = 100'000;  // of a share of processors: the kernel's default
constexpr int kMovesMax = 1000;

std::string ReadText(const std::string& path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

// A file of the kernel takes a value by one write.
absl::Status Write(const std::string& path, const std::string& value) {
  const Fd file(open(path.c_str(), O_WRONLY | O_CLOEXEC));
  if (!file.ok()) return ErrnoStatus(errno, "open", path);
  const ssize_t count = write(file.get(), value.data(), value.size());
  return count < 0 ? ErrnoStatus(errno, "write", path) : absl::OkStatus();
}

bool HasWord(const std::string& text, const std::string& word) {
  std::istringstream words(text);
  for (std::string each; words >> each;) {
    if (each == word) return true;
  }
  return false;
}

// The number behind a name at the beginning of a line; 0 when there is none.
int64_t Count(const std::string& text, const std::string& name) {
  std::istringstream words(text);
  std::string each;
  int64_t count = 0;
  while (words >> each) {
    if (each == name) return words >> count ? count : 0;
  }
  return 0;
}

// Where this process is, by the controllers of a hierarchy, "" for v2. See cgroups(7),
// /proc/pid/cgroup.
std::map<std::string, std::string> OwnPaths() {
  std::map<std::string, std::string> paths;
  std::ifstream file("/proc/self/cgroup");
  std::string line;
  for (int lines = 0; lines < kLinesMax && std::getline(file, line); ++lines) {
    const std::vector<std::string> fields = absl::StrSplit(line, absl::MaxSplits(':', 2));
    if (fields.size() == 3) paths[fields[1]] = fields[2];
  }
  return paths;
}

// A path of the whole hierarchy, below what is mounted of it; none when it is not there.
std::optional<std::string> Below(const std::string& mounted, const std::string& path) {
  if (mounted == "/") return path == "/" ? "" : path;
  if (path == mounted) return "";
  if (path.rfind(mounted + "/", 0) != 0) return std::nullopt;
  return path.substr(mounted.size());
}

// A line of /proc/pid/mountinfo (proc(5)); none when it is no hierarchy that this process is in.
std::optional<ControlGroups::Hierarchy> HierarchyOf(const std::string& line,
                                                    const std::map<std::string, std::string>& own) {
  const std::vector<std::string> fields = absl::StrSplit(line, ' ');
  const auto dash = std::find(fields.begin(), fields.end(), "-");
  if (fields.size() < 5 || fields.end() - dash < 4) return std::nullopt;
  const bool unified = dash[1] == "cgroup2";
  if (!unified && dash[1] != "cgroup") return std::nullopt;
  const std::set<std::string> options = absl::StrSplit(dash[3], ',');
  const auto is_it = [&](const std::string& names) {
    const std::string first = names.substr(0, names.find(','));
    return unified ? names.empty() : !names.empty() && options.count(first) != 0;
  };
  for (const auto& [names, path] : own) {
    if (!is_it(names)) continue;
    const std::optional<std::string> below = Below(fields[3], path);
    if (!below.has_value()) return std::nullopt;
    ControlGroups::Hierarchy hierarchy;
    hierarchy.folder = fields[4] + *below;
    hierarchy.unified = unified;
    if (!unified) hierarchy.controllers = absl::StrSplit(names, ',');
    // This process has moved there before it became another program, or was started by one that
    // has.
    const std::string aside = StrCat("/", kAside);
    if (unified && absl::EndsWith(hierarchy.folder, aside)) {
      hierarchy.folder.resize(hierarchy.folder.size() - aside.size());
    }
    return hierarchy;
  }
  return std::nullopt;
}

absl::Status Refusal(std::string_view limit, std::string_view why) {
  return absl::FailedPreconditionError(
      StrCat(limit, " can't be kept on this executor: ", why,
             "; start it in a control group of its own that it may divide, such as a systemd unit "
             "with Delegate=yes, choose another executor by a label, or leave the limit out"));
}

absl::Status WriteMemoryLimit(const std::string& folder, bool unified, int64_t bytes) {
  const std::string limit = StrCat(bytes);
  // Swap is not counted by every kernel, and a part of a command is worse than none of it.
  const auto try_to = [&folder](const char* file, const std::string& value) {
    Write(StrCat(folder, "/", file), value).IgnoreError();
  };
  if (unified) {
    try_to("memory.swap.max", "0");
    try_to("memory.oom.group", "1");
    return Write(folder + "/memory.max", limit);
  }
  absl::Status status = Write(folder + "/memory.limit_in_bytes", limit);
  if (status.ok()) try_to("memory.memsw.limit_in_bytes", limit);
  return status;
}

absl::Status WriteCpuLimit(const std::string& folder, bool unified, int64_t millis) {
  const std::string quota = StrCat(millis * kPeriodUs / 1000);
  if (unified) return Write(folder + "/cpu.max", StrCat(quota, " ", kPeriodUs));
  absl::Status status = Write(folder + "/cpu.cfs_period_us", StrCat(kPeriodUs));
  return status.ok() ? Write(folder + "/cpu.cfs_quota_us", quota) : status;
}

// Of the executor: itself, what it has started, and supervisors that an earlier one has.
bool IsOurs(const std::string& pid) {
  if (pid == StrCat(getpid())) return true;
  const std::string folder = StrCat("/proc/", pid);
  const std::string name = ReadText(folder + "/comm");
  if (name == "cw-guardian\n" || name == "cw-supervisor\n") return true;
  return Count(ReadText(folder + "/status"), "PPid:") == getpid();
}

// What has ended meanwhile; "0" stands for one that this process can't see (pid_namespaces(7)).
bool IsGone(const std::string& pid) {
  return pid != "0" && kill(std::stoi(pid), 0) != 0 && errno == ESRCH;
}

}  // namespace

ControlGroups ControlGroups::Find(const std::string& state) {
  ControlGroups groups;
  struct stat st = {};
  if (stat(state.c_str(), &st) != 0) return groups;
  // Two executors may be in one group; their state directories are never the same.
  groups.prefix_ = StrCat("closewrite-", st.st_dev, "-", st.st_ino, "-");
  const auto own = OwnPaths();
  std::ifstream mounts("/proc/self/mountinfo");
  std::string line;
  for (int lines = 0; lines < kLinesMax && std::getline(mounts, line); ++lines) {
    auto hierarchy = HierarchyOf(line, own);
    if (hierarchy.has_value()) groups.hierarchies_.push_back(*std::move(hierarchy));
  }
  return groups;
}

const ControlGroups::Hierarchy* ControlGroups::Unified() const {
  for (const Hierarchy& each : hierarchies_) {
    if (each.unified) return &each;
  }
  return nullptr;
}

const ControlGroups::Hierarchy* ControlGroups::Controlling(const std::string& controller) const {
  for (const Hierarchy& each : hierarchies_) {
    if (each.unified ? HasWord(ReadText(each.folder + "/cgroup.controllers"), controller)
                     : each.controllers.count(controller) != 0) {
      return &each;
    }
  }
  return nullptr;
}

std::string ControlGroups::Folder(const Hierarchy& hierarchy, const std::string& command) const {
  return StrCat(hierarchy.folder, "/", prefix_, command);
}

absl::StatusOr<GroupFds> ControlGroups::Make(const std::string& command,
                                             const GroupLimits& limits) const {
  struct Limit {
    const char* field;
    const char* controller;
    int64_t value;
    absl::Status (*write)(const std::string&, bool, int64_t);
  };
  const Limit wanted[] = {{"limits.memory", "memory", limits.memory_bytes, WriteMemoryLimit},
                          {"limits.cpu", "cpu", limits.cpu_millis, WriteCpuLimit}};
  GroupFds fds;
  // What can be killed as a whole; without it commands run as well.
  const Hierarchy* unified = Unified();
  if (unified != nullptr) fds.unified = Open(*unified, command).value_or(Fd());
  std::map<const Hierarchy*, Fd> made;
  for (const Limit& limit : wanted) {
    if (limit.value == 0) continue;
    const Hierarchy* hierarchy = Controlling(limit.controller);
    if (hierarchy == nullptr) {
      return Refusal(limit.field, StrCat("its control group has no controller `", limit.controller,
                                         "`, see cgroup.controllers there"));
    }
    absl::Status status =
        hierarchy->unified ? Enable(*hierarchy, limit.controller) : absl::OkStatus();
    if (status.ok() && made.count(hierarchy) == 0) {
      absl::StatusOr<Fd> folder = Open(*hierarchy, command);
      status = folder.status();
      if (status.ok()) made.emplace(hierarchy, *std::move(folder));
    }
    if (status.ok()) {
      status = limit.write(Folder(*hierarchy, command), hierarchy->unified, limit.value);
    }
    if (!status.ok()) {
      Remove(command);
      return Refusal(limit.field, ToStd(status.message()));
    }
  }
  // Between groups with the controller of processors, niceness is a matter of the group.
  if (unified != nullptr && limits.nice != 0) {
    Write(Folder(*unified, command) + "/cpu.weight.nice", StrCat(limits.nice)).IgnoreError();
  }
  for (auto& [hierarchy, folder] : made) {
    if (hierarchy->unified) {
      fds.unified = std::move(folder);
      fds.must_join = true;
    } else {
      fds.limits.push_back(std::move(folder));
    }
  }
  return fds;
}

absl::StatusOr<Fd> ControlGroups::Open(const Hierarchy& hierarchy,
                                       const std::string& command) const {
  const std::string path = Folder(hierarchy, command);
  if (mkdir(path.c_str(), 0755) != 0 && errno != EEXIST) return ErrnoStatus(errno, "make", path);
  Fd folder(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!folder.ok()) return ErrnoStatus(errno, "open", path);
  return folder;
}

// Gives a controller to the groups of commands.
absl::Status ControlGroups::Enable(const Hierarchy& unified, const std::string& controller) const {
  static absl::Mutex one_at_a_time(absl::kConstInit);
  absl::MutexLock lock(&one_at_a_time);
  const std::string control = unified.folder + "/cgroup.subtree_control";
  if (HasWord(ReadText(control), controller)) return absl::OkStatus();
  if (Write(control, "+" + controller).ok()) return absl::OkStatus();
  absl::Status status = MoveAside(unified);
  return status.ok() ? Write(control, "+" + controller) : status;
}

// A group with limits below it may hold no process itself.
absl::Status ControlGroups::MoveAside(const Hierarchy& unified) const {
  const std::string aside = StrCat(unified.folder, "/", kAside);
  for (int moves = 0; moves < kMovesMax; ++moves) {
    std::istringstream pids(ReadText(unified.folder + "/cgroup.procs"));
    std::string pid;
    if (!(pids >> pid)) return absl::OkStatus();
    if (IsGone(pid)) continue;
    if (!IsOurs(pid)) {
      return absl::FailedPreconditionError(
          StrCat("process ", pid, " shares its control group ", unified.folder));
    }
    if (mkdir(aside.c_str(), 0755) != 0 && errno != EEXIST) {
      return ErrnoStatus(errno, "make", aside);
    }
    absl::Status status = Write(aside + "/cgroup.procs", pid);
    if (!status.ok() && !IsGone(pid)) return status;
  }
  return absl::UnavailableError("its processes could not be moved into a group of their own");
}

bool ControlGroups::Kill(const std::string& command) const {
  const Hierarchy* unified = Unified();
  if (unified == nullptr) return true;
  const std::string folder = Folder(*unified, command);
  if (!Write(folder + "/cgroup.kill", "1").ok()) return true;  // no group, or Linux before 5.14
  for (int looks = 0; looks < kGroupLooksMax; ++looks) {
    if (Count(ReadText(folder + "/cgroup.events"), "populated") == 0) return true;
    poll(nullptr, 0, kGroupLookMs);  // nobody tells when it is empty
  }
  return false;
}

bool ControlGroups::RanOutOfMemory(const std::string& command) const {
  const Hierarchy* memory = Controlling("memory");
  if (memory == nullptr) return false;
  const char* file = memory->unified ? "/memory.events" : "/memory.oom_control";
  return Count(ReadText(Folder(*memory, command) + file), "oom_kill") > 0;
}

void ControlGroups::Remove(const std::string& command) const {
  for (const Hierarchy& hierarchy : hierarchies_) rmdir(Folder(hierarchy, command).c_str());
}

void ControlGroups::RemoveAllBut(const std::set<std::string>& commands) const {
  for (const Hierarchy& hierarchy : hierarchies_) {
    const std::unique_ptr<DIR, int (*)(DIR*)> entries(opendir(hierarchy.folder.c_str()), closedir);
    if (entries == nullptr) continue;
    while (const dirent* entry = readdir(entries.get())) {
      const std::string_view name = entry->d_name;
      if (name.substr(0, prefix_.size()) != prefix_) continue;
      const std::string command(name.substr(prefix_.size()));
      if (commands.count(command) == 0) rmdir(Folder(hierarchy, command).c_str());
    }
  }
}

}  // namespace closewrite::executor

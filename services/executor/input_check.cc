#include "services/executor/input_check.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "services/log/str_cat.h"
#include "services/volume/file_system.h"
#include "services/volume/mount.h"
#include "services/volume/path.h"

namespace closewrite::executor {
namespace {

constexpr int64_t kSecondNs = 1000000000;

// What one look has found.
struct Look {
  bool absent = false;  // the volume is there, the file is not
  bool seen = false;
  int64_t size = 0;
  int64_t mtime_ns = 0;
  bool readable = false;  // to its last byte, and no further
  std::string problem;    // why it was not seen or is not readable
};

int64_t FloorSeconds(int64_t ns) {
  return ns >= 0 ? ns / kSecondNs : -((-ns + kSecondNs - 1) / kSecondNs);
}

bool IsLocal(const std::string& path) {
  const auto mount = FindMount(path);
  return mount.ok() && CheckLocal(*mount, path).ok();
}

bool SameMtime(const AnnouncedInput& input, int64_t mtime_ns) {
  if (mtime_ns == input.mtime_ns) return true;
  if (mtime_ns % kSecondNs != 0) return false;
  const uint32_t ours = static_cast<uint32_t>(FloorSeconds(mtime_ns));
  const uint32_t announced = static_cast<uint32_t>(FloorSeconds(input.mtime_ns));
  return ours == announced && !IsLocal(input.root);
}

// By seconds, so that a mount without fractions does not make everything look older.
bool IsNewer(const AnnouncedInput& input, int64_t mtime_ns) {
  return mtime_ns % kSecondNs == 0 ? FloorSeconds(mtime_ns) > FloorSeconds(input.mtime_ns)
                                   : mtime_ns > input.mtime_ns;
}

// Reads the last byte and asks for one behind it.
bool ReadsToItsEnd(int fd, int64_t size, std::string* problem) {
  char bytes[2];
  const int64_t from = std::max<int64_t>(0, size - 1);
  const ssize_t count = pread(fd, bytes, sizeof bytes, from);
  if (count == size - from) return true;
  *problem = count < 0 ? StrCat("it can't be read: ", strerror(errno))
                       : StrCat("reading stops at ", from + count, " bytes");
  return false;
}

Look LookOnce(const AnnouncedInput& input) {
  Look look;
  const auto root = OpenRoot(input.root);
  if (!root.ok()) {
    look.problem = std::string(root.status().message());
    return look;
  }
  const auto fd = OpenFileBeneath(root->get(), input.path, O_RDONLY);
  if (!fd.ok()) {
    look.absent = absl::IsNotFound(fd.status());
    look.problem = std::string(fd.status().message());
    return look;
  }
  struct statx st = {};
  const int flags = AT_EMPTY_PATH | AT_STATX_FORCE_SYNC;
  if (statx(fd->get(), "", flags, STATX_SIZE | STATX_MTIME, &st) != 0) {
    look.problem = StrCat("its size can't be asked for: ", strerror(errno));
    return look;
  }
  look.seen = true;
  look.size = static_cast<int64_t>(st.stx_size);
  look.mtime_ns = st.stx_mtime.tv_sec * kSecondNs + st.stx_mtime.tv_nsec;
  look.readable = ReadsToItsEnd(fd->get(), look.size, &look.problem);
  return look;
}

// Reading a directory makes network mounts refresh what they know of its names.
void ListParent(const AnnouncedInput& input) {
  const auto root = OpenRoot(input.root);
  if (!root.ok()) return;
  auto fd = OpenBeneath(root->get(), DirName(input.path), O_RDONLY | O_DIRECTORY);
  if (!fd.ok()) return;
  DIR* directory = fdopendir(fd->get());
  if (directory == nullptr) return;
  fd->Release();
  for (int entries = 0; entries < kListedEntriesMax && readdir(directory) != nullptr; ++entries) {
  }
  closedir(directory);
}

bool IsAnnounced(const AnnouncedInput& input, const Look& look) {
  return look.seen && look.readable && look.size == input.size && SameMtime(input, look.mtime_ns);
}

std::string DescribeLook(const AnnouncedInput& input, const Look& look) {
  if (!look.seen) return look.problem;
  if (look.size != input.size) {
    return StrCat("its size is ", look.size, ", announced were ", input.size, " bytes");
  }
  if (!SameMtime(input, look.mtime_ns)) {
    return StrCat("its mtime is ", look.mtime_ns, ", announced was ", input.mtime_ns, " ns");
  }
  return look.problem;
}

InputFinding Finding(const AnnouncedInput& input, InputState state, const Look& look) {
  InputFinding finding;
  finding.state = state;
  finding.seen = look.seen;
  finding.size = look.size;
  finding.mtime_ns = look.mtime_ns;
  const std::string file = Display(StrCat(input.root, "/", input.path));
  if (state == InputState::kNotVisible) {
    finding.message = StrCat("the announced version of ", file,
                             " does not show on this host: ", DescribeLook(input, look),
                             "; is the volume mounted, and is its home reachable?");
  } else if (state == InputState::kChanged) {
    finding.message =
        StrCat(file, " is another version than was announced: ", DescribeLook(input, look));
  } else if (state == InputState::kInterrupted) {
    finding.message = "stopped before the command was started";
  }
  return finding;
}

}  // namespace

InputFinding CheckInput(const AnnouncedInput& input, const InputCheckOptions& options) {
  const absl::Duration start = options.now();
  absl::Duration pause = kLookPauseMin;
  absl::Duration same_since = start;
  Look before;
  for (;;) {
    Look look = LookOnce(input);
    if (IsAnnounced(input, look)) return Finding(input, InputState::kAnnounced, look);
    // Nothing is cached here: it is what it is.
    const bool final = look.seen && !options.as_if_cached && IsLocal(input.root);
    if (final) return Finding(input, InputState::kChanged, look);
    const absl::Duration now = options.now();
    const bool same =
        look.seen && before.seen && look.size == before.size && look.mtime_ns == before.mtime_ns;
    if (!same) same_since = now;
    if (same && IsNewer(input, look.mtime_ns) && now - same_since >= options.change_confirm) {
      return Finding(input, InputState::kChanged, look);
    }
    if (now - start >= options.visible_within) {
      // What was there all the time with another look is no cached memory of an older version.
      const bool all_the_time = same && same_since - start <= kLookPauseMin;
      return Finding(input, all_the_time ? InputState::kChanged : InputState::kNotVisible, look);
    }
    before = std::move(look);
    if (!before.seen) ListParent(input);
    const absl::Duration left = start + options.visible_within - options.now();
    if (!options.pause(std::min(pause, std::max(left, absl::ZeroDuration())))) {
      return Finding(input, InputState::kInterrupted, before);
    }
    pause = std::min(pause * 2, kLookPauseMax);
  }
}

InputFinding RecheckInput(const AnnouncedInput& input, const InputCheckOptions& options) {
  Look look = LookOnce(input);
  if (look.absent) {
    ListParent(input);
    look = LookOnce(input);
  }
  if (look.absent || IsAnnounced(input, look)) {
    return Finding(input, InputState::kAnnounced, look);
  }
  InputFinding finding = CheckInput(input, options);
  if (finding.state == InputState::kNotVisible && finding.seen) {
    finding.state = InputState::kChanged;
  }
  return finding;
}

}  // namespace closewrite::executor

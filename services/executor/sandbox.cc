#include "services/executor/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/capability.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "services/executor/supervisor_protocol.h"

namespace closewrite::executor {
namespace {

constexpr const char* kAsTheyAre[] = {"/dev", "/proc"};
constexpr int kAsTheyAreCount = 2;
constexpr int kEscapes[] = {CAP_SYS_ADMIN, CAP_SYS_PTRACE};

bool WriteFile(const char* path, const char* format, ...) {
  char text[64];
  va_list arguments;
  va_start(arguments, format);
  const int size = vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  const int file = open(path, O_WRONLY | O_CLOEXEC);
  if (file < 0) return false;
  const bool written = write(file, text, static_cast<size_t>(size)) == size;
  const int error = errno;
  close(file);
  errno = error;
  return written;
}

// Of a process that is not root: user and group are themselves in the new namespace, too.
bool MapUser(uid_t uid, gid_t gid) {
  return WriteFile("/proc/self/setgroups", "deny") &&
         WriteFile("/proc/self/uid_map", "%u %u 1", uid, uid) &&
         WriteFile("/proc/self/gid_map", "%u %u 1", gid, gid);
}

bool SetReadOnly(int at, const char* path, unsigned flags) {
  mount_attr attributes = {};
  attributes.attr_set = MOUNT_ATTR_RDONLY;
  return mount_setattr(at, path, flags, &attributes, sizeof attributes) == 0;
}

// What is no mount point of its own stays read-only, which devices do not mind.
void SetWritable(const char* path) {
  mount_attr attributes = {};
  attributes.attr_clr = MOUNT_ATTR_RDONLY;
  mount_setattr(AT_FDCWD, path, 0, &attributes, sizeof attributes);
}

bool IsReadOnly(const char* path) {
  struct statvfs file_system = {};
  return statvfs(path, &file_system) != 0 || (file_system.f_flag & ST_RDONLY) != 0;
}

// False when a private folder could not be made; what the host does not have needs none.
bool MountPrivateFolders() {
  char options[64];
  snprintf(options, sizeof options, "mode=1777,size=%s", kSandboxTmpBytesMax);
  for (const char* folder : kSandboxPrivate) {
    if (mount("tmpfs", folder, "tmpfs", MS_NOSUID | MS_NODEV, options) != 0 && errno != ENOENT) {
      return false;
    }
  }
  return true;
}

// Makes what `tree` is to be mounted on, where a private folder has hidden it.
bool MakePlace(const char* path, int tree) {
  struct stat st = {};
  if (stat(path, &st) == 0) return true;
  if (fstat(tree, &st) != 0) return false;
  char part[PATH_MAX];
  const size_t size = strlen(path);
  if (size >= sizeof part) {
    errno = ENAMETOOLONG;
    return false;
  }
  memcpy(part, path, size + 1);
  for (char* slash = strchr(part + 1, '/'); slash != nullptr; slash = strchr(slash + 1, '/')) {
    *slash = '\0';
    if (mkdir(part, 0755) != 0 && errno != EEXIST) return false;
    *slash = '/';
  }
  if (S_ISDIR(st.st_mode)) return mkdir(part, 0755) == 0;
  const int file = open(part, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
  return file >= 0 && close(file) == 0;
}

// Copies, mounted nowhere yet, of what is kept.
class Trees {
 public:
  Trees(char* const* kept, int count) : kept_(kept), count_(count) {}

  // Those with this letter in front.
  bool Open(char letter) {
    // No more than the directory itself is to be written.
    const unsigned depth = letter == 'w' ? 0 : AT_RECURSIVE;
    for (int i = 0; i < count_; ++i) {
      if (kept_[i][0] != letter) continue;
      trees_[i] = open_tree(AT_FDCWD, kept_[i] + 1, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | depth);
      if (trees_[i] < 0) return false;
    }
    return true;
  }

  // Where they were.
  bool Mount(char letter) {
    for (int i = 0; i < count_; ++i) {
      if (kept_[i][0] != letter) continue;
      const char* path = kept_[i] + 1;
      if (!MakePlace(path, trees_[i]) ||
          move_mount(trees_[i], "", AT_FDCWD, path,
                     MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_SYMLINKS) != 0) {
        return false;
      }
      close(trees_[i]);
    }
    return true;
  }

 private:
  char* const* const kept_;
  const int count_;
  int trees_[kSandboxKeptMax] = {};
};

// Of root, who could make everything writable again, or look for files by the mounts of others.
bool DropEscapes() {
  __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {};
  if (syscall(SYS_capget, &header, data) != 0) return false;
  for (const int capability : kEscapes) {
    if (prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) != 0) return false;
    __user_cap_data_struct& word = data[CAP_TO_INDEX(capability)];
    word.effective &= ~CAP_TO_MASK(capability);
    word.permitted &= ~CAP_TO_MASK(capability);
    word.inheritable &= ~CAP_TO_MASK(capability);
  }
  return syscall(SYS_capset, &header, data) == 0;
}

}  // namespace

SandboxProblem EnterSandbox(char* const* kept, int count) {
  const auto failed = [](const char* step) { return SandboxProblem{step, errno}; };
  if (count > kSandboxKeptMax) return {"too many paths", E2BIG};
  const uid_t uid = geteuid();
  const gid_t gid = getegid();
  char directory[PATH_MAX];
  if (getcwd(directory, sizeof directory) == nullptr) return failed("find the working directory");
  if (uid == 0) {
    if (unshare(CLONE_NEWNS) != 0) return failed("make a mount namespace");
  } else {
    if (unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0) return failed("make a user namespace");
    if (!MapUser(uid, gid)) return failed("map the user into its namespace");
  }
  // What the host mounts from now on would not be read-only.
  if (mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) {
    return failed("part with the mounts of the host");
  }
  bool as_it_was[kAsTheyAreCount];
  for (int i = 0; i < kAsTheyAreCount; ++i) as_it_was[i] = IsReadOnly(kAsTheyAre[i]);
  Trees trees(kept, count);
  if (!trees.Open('w')) return failed("open what can be written");
  if (!SetReadOnly(AT_FDCWD, "/", AT_RECURSIVE)) return failed("make all mounts read-only");
  if (!trees.Open('r')) return failed("open what is kept");
  for (int i = 0; i < kAsTheyAreCount; ++i) {
    if (!as_it_was[i]) SetWritable(kAsTheyAre[i]);
  }
  if (!MountPrivateFolders()) return failed("mount a private /tmp");
  if (!trees.Mount('r') || !trees.Mount('w')) return failed("mount what is kept");
  if (chdir(directory) != 0) return failed("enter the working directory");
  if (uid == 0 && !DropEscapes()) return failed("drop capabilities");
  return {};
}

}  // namespace closewrite::executor

#include "services/cli/lock/process_tree.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

namespace closewrite::cli {
namespace {

// A tree that grows while it is walked has an end, too.
constexpr size_t kDescendantsMax = 100'000;
constexpr size_t kPathBytesMax = 128;

void AddChildrenOfThread(pid_t process, const char* thread, std::vector<pid_t>* children) {
  char path[kPathBytesMax];
  snprintf(path, sizeof path, "/proc/%d/task/%.32s/children", process, thread);
  FILE* file = fopen(path, "re");
  if (file == nullptr) return;
  int child = 0;
  while (fscanf(file, "%d", &child) == 1) children->push_back(child);
  fclose(file);
}

}  // namespace

std::vector<pid_t> ChildrenOf(pid_t process) {
  std::vector<pid_t> children;
  char path[kPathBytesMax];
  snprintf(path, sizeof path, "/proc/%d/task", process);
  DIR* threads = opendir(path);
  if (threads == nullptr) return children;
  while (const dirent* thread = readdir(threads)) {
    if (thread->d_name[0] != '.') AddChildrenOfThread(process, thread->d_name, &children);
  }
  closedir(threads);
  return children;
}

void SignalDescendants(int signal) {
  std::vector<pid_t> all = ChildrenOf(getpid());
  for (size_t i = 0; i < all.size() && all.size() < kDescendantsMax; ++i) {
    const std::vector<pid_t> children = ChildrenOf(all[i]);
    all.insert(all.end(), children.begin(), children.end());
  }
  for (const pid_t each : all) kill(each, signal);
}

// Only children are killed, for their numbers can't be given to others before they are reaped; what
// is below them comes up when they are dead. So each death is followed by another look.
void EndDescendants(absl::FunctionRef<void(pid_t process, int wait_status)> reaped) {
  for (;;) {
    for (const pid_t child : ChildrenOf(getpid())) kill(child, SIGKILL);
    int status = 0;
    const pid_t dead = waitpid(-1, &status, __WALL);
    if (dead > 0) {
      reaped(dead, status);
    } else if (errno != EINTR) {
      return;  // there are no children
    }
  }
}

}  // namespace closewrite::cli

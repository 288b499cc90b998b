#include "services/executor/sandbox_trial.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <set>
#include <system_error>

#include "absl/strings/match.h"
#include "services/executor/supervisor_protocol.h"
#include "services/log/str_cat.h"
#include "services/volume/file_system.h"

namespace closewrite::executor {
namespace {

constexpr size_t kReasonBytesMax = 1024;

bool IsHidden(const std::string& path) {
  return std::any_of(std::begin(kSandboxPrivate), std::end(kSandboxPrivate),
                     [&path](const char* folder) {
                       return path == folder || absl::StartsWith(path, StrCat(folder, "/"));
                     });
}

absl::Status Refusal(std::string_view why) {
  return absl::FailedPreconditionError(
      StrCat("sandbox: read_only can't be had on this host: ", why,
             "; it needs Linux 5.12, and an executor that runs as root with CAP_SYS_ADMIN, or a "
             "kernel that lets its user make user namespaces (sysctl user.max_user_namespaces, "
             "kernel.unprivileged_userns_clone, kernel.apparmor_restrict_unprivileged_userns); "
             "allow that, or say `sandbox: none`"));
}

// All that it writes before it ends.
std::string ReadAll(int pipe) {
  std::string text(kReasonBytesMax, '\0');
  size_t size = 0;
  while (size < text.size()) {
    const ssize_t count = read(pipe, text.data() + size, text.size() - size);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) break;
    size += static_cast<size_t>(count);
  }
  text.resize(size);
  return text;
}

}  // namespace

std::vector<std::string> KeptInSandbox(const std::vector<std::string>& paths) {
  // What lies in another goes on top of it, and a link comes after what it leads to.
  std::set<std::string> reals;
  std::set<std::string> links;
  for (const std::string& path : paths) {
    std::error_code error;
    const std::string real = std::filesystem::canonical(path, error).string();
    if (!error && IsHidden(real)) reals.insert(StrCat("r", real));
    if ((error || real != path) && IsHidden(path)) links.insert(StrCat("r", path));
  }
  std::vector<std::string> kept(reals.begin(), reals.end());
  kept.insert(kept.end(), links.begin(), links.end());
  return kept;
}

absl::Status TrySandbox(int supervisor_image, const std::vector<std::string>& kept) {
  int pipe[2];
  if (pipe2(pipe, O_CLOEXEC) != 0) return ErrnoStatus(errno, "pipe", "the trial of a sandbox");
  const Fd ours(pipe[0]);
  Fd theirs(pipe[1]);
  std::vector<std::string> arguments = {"closewrite-supervisor", kTrySandbox};
  arguments.insert(arguments.end(), kept.begin(), kept.end());
  std::vector<char*> pointers;
  for (std::string& argument : arguments) pointers.push_back(argument.data());
  pointers.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, theirs.get(), STDOUT_FILENO);
  const std::string program = StrCat("/proc/self/fd/", supervisor_image);
  pid_t child = 0;
  const int error =
      posix_spawn(&child, program.c_str(), &actions, nullptr, pointers.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  if (error != 0) return ErrnoStatus(error, "start", "the trial of a sandbox");
  theirs.Reset();
  const std::string reason = ReadAll(ours.get());
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (status == 0) return absl::OkStatus();
  return Refusal(reason.empty() ? StrCat("the trial ended with status ", status) : reason);
}

}  // namespace closewrite::executor

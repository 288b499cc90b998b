// What a command under `sandbox: read_only` is shut in. Like the supervisor it links no library.
#ifndef SERVICES_EXECUTOR_SANDBOX_H_
#define SERVICES_EXECUTOR_SANDBOX_H_

namespace closewrite::executor {

// Of each of the private /tmp, /var/tmp and /dev/shm. What lies there is memory.
inline constexpr char kSandboxTmpBytesMax[] = "1g";  // as mount(8) of tmpfs has it: 1 GiB

// What did not work, and errno; 0: all did.
struct SandboxProblem {
  const char* step = "";
  int error = 0;
};

// Moves this process, which has one thread, into mounts of its own. All of them are read-only but
// /dev and /proc, which stay as they are, and /tmp, /var/tmp and /dev/shm, which are new and empty.
// `kept` are `count` absolute paths: behind a `w` a directory that can be written nevertheless, and
// behind an `r` one, or a file, that would be hidden by what is new. The working directory stays
// the same by its name.
//
// Root needs CAP_SYS_ADMIN, and loses it and CAP_SYS_PTRACE for good, which lead out again. Others
// need a kernel that lets them make user namespaces, in which they keep user and group; of their
// further groups they keep the rights, not the numbers. Linux 5.12.
SandboxProblem EnterSandbox(char* const* kept, int count);

}  // namespace closewrite::executor

#endif  // SERVICES_EXECUTOR_SANDBOX_H_

/* LD_PRELOAD: the process kills itself at its n-th call that changes the watcher's ledger.
 *
 *   STORM_DIE_AT=n      counts write, pwrite, fsync, fdatasync and ftruncate of files whose path
 *                       ends in STORM_DIE_FILE or STORM_DIE_FILE-wal, from 1
 *   STORM_DIE_WHEN=before|half|after
 *                       `half` writes half of the bytes first; a call without bytes is left out
 *
 * SQLite calls these through the dynamic linker, so that nothing in the program has to know.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

static long die_at;
static const char* die_when = "before";
static const char* die_file = "ledger.db";
static atomic_long calls;

__attribute__((constructor)) static void read_environment(void) {
  const char* at = getenv("STORM_DIE_AT");
  if (at != NULL) die_at = atol(at);
  if (getenv("STORM_DIE_WHEN") != NULL) die_when = getenv("STORM_DIE_WHEN");
  if (getenv("STORM_DIE_FILE") != NULL) die_file = getenv("STORM_DIE_FILE");
}

static int ends_with(const char* text, const char* end) {
  const size_t text_length = strlen(text);
  const size_t end_length = strlen(end);
  return text_length >= end_length && strcmp(text + text_length - end_length, end) == 0;
}

static int is_ledger(int fd) {
  char link[64];
  char path[4096];
  snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
  const ssize_t got = readlink(link, path, sizeof(path) - 1);
  if (got <= 0) return 0;
  path[got] = '\0';
  if (ends_with(path, "-wal")) path[got - 4] = '\0';
  return ends_with(path, die_file);
}

/* True when this call is the last one. */
static int is_last(int fd) {
  if (die_at <= 0 || !is_ledger(fd)) return 0;
  return atomic_fetch_add(&calls, 1) + 1 == die_at;
}

static void die(const char* call) {
  dprintf(STDERR_FILENO, "dies at call %ld to the ledger, %s, %s\n", die_at, call, die_when);
  kill(getpid(), SIGKILL);
  for (;;) pause();
}

static int when_is(const char* when) { return strcmp(die_when, when) == 0; }

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

ssize_t write(int fd, const void* data, size_t size) {
  static __typeof__(&write) real;
  if (real == NULL) real = REAL(write);
  if (!is_last(fd)) return real(fd, data, size);
  if (!when_is("before")) real(fd, data, when_is("half") ? size / 2 : size);
  die("write");
  return -1;
}

ssize_t pwrite(int fd, const void* data, size_t size, off_t offset) {
  static __typeof__(&pwrite) real;
  if (real == NULL) real = REAL(pwrite);
  if (!is_last(fd)) return real(fd, data, size, offset);
  if (!when_is("before")) real(fd, data, when_is("half") ? size / 2 : size, offset);
  die("pwrite");
  return -1;
}

ssize_t pwrite64(int fd, const void* data, size_t size, off64_t offset) {
  static __typeof__(&pwrite64) real;
  if (real == NULL) real = REAL(pwrite64);
  if (!is_last(fd)) return real(fd, data, size, offset);
  if (!when_is("before")) real(fd, data, when_is("half") ? size / 2 : size, offset);
  die("pwrite64");
  return -1;
}

int fsync(int fd) {
  static __typeof__(&fsync) real;
  if (real == NULL) real = REAL(fsync);
  if (!is_last(fd)) return real(fd);
  if (when_is("after")) real(fd);
  die("fsync");
  return -1;
}

int fdatasync(int fd) {
  static __typeof__(&fdatasync) real;
  if (real == NULL) real = REAL(fdatasync);
  if (!is_last(fd)) return real(fd);
  if (when_is("after")) real(fd);
  die("fdatasync");
  return -1;
}

int ftruncate(int fd, off_t size) {
  static __typeof__(&ftruncate) real;
  if (real == NULL) real = REAL(ftruncate);
  if (!is_last(fd)) return real(fd, size);
  if (when_is("after")) real(fd, size);
  die("ftruncate");
  return -1;
}

int ftruncate64(int fd, off64_t size) {
  static __typeof__(&ftruncate64) real;
  if (real == NULL) real = REAL(ftruncate64);
  if (!is_last(fd)) return real(fd, size);
  if (when_is("after")) real(fd, size);
  die("ftruncate64");
  return -1;
}

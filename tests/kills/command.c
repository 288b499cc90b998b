/* The command of the jobs: notes when it begins and ends, and whom it finds alive then.
 *
 *   command EVIDENCE MS_MAX [LOCK...]
 *
 * EVIDENCE is a folder outside the fleet; the rest comes by the command contract's environment.
 *
 *   1. It connects to the socket `recorder`, says who it is, and never closes the connection: the
 *      recorder sees by it until when this process lived, however it died.
 *   2. It locks (flock(2)) one file of its own below `alive/` for its job and one for each LOCK,
 *      and looks which others there are still locked. Whoever comes second finds the first, so two
 *      that live at one time can't miss each other.
 *   3. It appends a BEGIN line to `journal-HOST`, works for up to MS_MAX, writes its result, and
 *      appends an END line. Both lines are synced to the disk.
 *
 * A name starts with what must be in the file: `CRC32-SIZE-MODE-...`. With the MODE `temporary` the
 * first attempt ends with EX_TEMPFAIL, with `slow` it works four times as long. All times are
 * nanoseconds of CLOCK_BOOTTIME, which is one clock for all namespaces of a machine.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define LINE_MAX_BYTES 3000
#define PATH_MAX_BYTES 4000
#define FILE_BYTES_MAX (1 << 22)
#define PIECES 4
#define SLOW 4
#define EXIT_BROKEN 70 /* the apparatus does not work */
#define EXIT_WRONG_INPUT 9
#define EXIT_TEMPORARY 75

static const char* evidence;
static const char* job;
static const char* token;
static char journal[PATH_MAX_BYTES];
static char found[LINE_MAX_BYTES / 2]; /* those that were alive: `NAME/JOB.TOKEN,` */

static int64_t now_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_BOOTTIME, &now);
  return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static void broken(const char* what) {
  perror(what);
  exit(EXIT_BROKEN);
}

static const char* fact(const char* name) {
  const char* value = getenv(name);
  if (value == NULL) {
    fprintf(stderr, "%s is not set\n", name);
    exit(EXIT_BROKEN);
  }
  return value;
}

/* One write, which O_APPEND puts behind all others, and a sync. */
static void append(const char* line) {
  const int fd = open(journal, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
  if (fd < 0) broken(journal);
  const ssize_t size = (ssize_t)strlen(line);
  if (write(fd, line, (size_t)size) != size || fsync(fd) != 0) broken(journal);
  close(fd);
}

static void tell_recorder(const char* line) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  const int length = snprintf(address.sun_path, sizeof(address.sun_path), "%s/recorder", evidence);
  if (length >= (int)sizeof(address.sun_path)) {
    errno = ENAMETOOLONG;
    broken("recorder");
  }
  const int fd = socket(AF_UNIX, SOCK_STREAM, 0);
  if (fd < 0 || connect(fd, (struct sockaddr*)&address, sizeof(address)) != 0) broken("recorder");
  if (write(fd, line, strlen(line)) != (ssize_t)strlen(line)) broken("recorder");
  /* Stays open. */
}

static int is_locked(int folder, const char* name) {
  const int fd = openat(folder, name, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return 0; /* Nobody removes them; one that can't be opened is none. */
  const int locked = flock(fd, LOCK_SH | LOCK_NB) != 0;
  close(fd);
  return locked;
}

/* Takes the file `alive/NAME/JOB.TOKEN` and adds those that are locked there to `found`. */
static void be_alive(const char* name) {
  char path[PATH_MAX_BYTES];
  char self[200];
  snprintf(self, sizeof(self), "%s.%s.%d", job, token, getpid());
  snprintf(path, sizeof(path), "%s/alive/%s", evidence, name);
  if (mkdir(path, 0755) != 0 && errno != EEXIST) broken(path);
  const int folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (folder < 0) broken(path);
  const int own = openat(folder, self, O_RDWR | O_CREAT, 0644); /* Stays open, and locked. */
  if (own < 0 || flock(own, LOCK_EX) != 0) broken(self);
  DIR* names = fdopendir(folder);
  if (names == NULL) broken(path);
  for (const struct dirent* entry = readdir(names); entry != NULL; entry = readdir(names)) {
    if (entry->d_name[0] == '.' || strcmp(entry->d_name, self) == 0) continue;
    if (!is_locked(folder, entry->d_name)) continue;
    const size_t used = strlen(found);
    snprintf(found + used, sizeof(found) - used, "%s/%s,", name, entry->d_name);
  }
  closedir(names);
}

static uint32_t crc32_of(const unsigned char* bytes, size_t size) {
  uint32_t crc = ~UINT32_C(0);
  for (size_t i = 0; i < size; ++i) {
    crc ^= bytes[i];
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ (UINT32_C(0xEDB88320) & -(crc & 1));
  }
  return ~crc;
}

static size_t read_input(unsigned char* bytes) {
  const int fd = open(fact("CLOSEWRITE_INPUT"), O_RDONLY | O_CLOEXEC);
  if (fd < 0) broken("input");
  size_t size = 0;
  for (;;) {
    const ssize_t got = read(fd, bytes + size, FILE_BYTES_MAX - size);
    if (got < 0) broken("input");
    if (got == 0) break;
    size += (size_t)got;
  }
  close(fd);
  return size;
}

static void write_all(int fd, const void* bytes, size_t size) {
  const char* from = bytes;
  while (size > 0) {
    const ssize_t put = write(fd, from, size);
    if (put < 0) broken("output");
    from += put;
    size -= (size_t)put;
  }
}

/* This stands for work: it leaves time to be killed with half a result. */
static void work(long ms_max) {
  uint32_t random = 0;
  if (getrandom(&random, sizeof(random), 0) != sizeof(random)) broken("getrandom");
  const long us = (long)(random % (uint32_t)(ms_max * 1000 / PIECES + 1));
  const struct timespec pause = {us / 1000000, us % 1000000 * 1000};
  nanosleep(&pause, NULL);
}

/* The input's bytes in reverse order, then who made it. */
static void write_result(unsigned char* bytes, size_t size, long ms_max) {
  for (size_t i = 0; i < size / 2; ++i) {
    const unsigned char kept = bytes[i];
    bytes[i] = bytes[size - 1 - i];
    bytes[size - 1 - i] = kept;
  }
  const int fd = open(fact("CLOSEWRITE_OUTPUT"), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (fd < 0) broken("output");
  for (int piece = 0; piece < PIECES; ++piece) {
    const size_t from = size * (size_t)piece / PIECES;
    write_all(fd, bytes + from, size * (size_t)(piece + 1) / PIECES - from);
    work(ms_max);
  }
  char trailer[200];
  snprintf(trailer, sizeof(trailer), "\njob=%s token=%s attempt=%s\n", job, token,
           fact("CLOSEWRITE_ATTEMPT"));
  write_all(fd, trailer, strlen(trailer));
  if (close(fd) != 0) broken("output");
}

static int run(long ms_max) {
  static unsigned char bytes[FILE_BYTES_MAX];
  const char* name = fact("CLOSEWRITE_NAME");
  const size_t size = read_input(bytes);
  unsigned wanted_crc = 0;
  size_t wanted_size = 0;
  if (sscanf(name, "%8x-%zu-", &wanted_crc, &wanted_size) != 2 || size != wanted_size ||
      crc32_of(bytes, size) != wanted_crc) {
    fprintf(stderr, "WRONG INPUT of %zu bytes\n", size);
    return EXIT_WRONG_INPUT;
  }
  if (strstr(name, "-temporary-") != NULL && strcmp(fact("CLOSEWRITE_ATTEMPT"), "1") == 0) {
    work(ms_max);
    return EXIT_TEMPORARY;
  }
  write_result(bytes, size, strstr(name, "-slow-") != NULL ? ms_max * SLOW : ms_max);
  return 0;
}

int main(int argc, char** argv) {
  const int64_t begin_ns = now_ns();
  if (argc < 3) {
    fputs("command EVIDENCE MS_MAX [LOCK...]\n", stderr);
    return EXIT_BROKEN;
  }
  evidence = argv[1];
  job = fact("CLOSEWRITE_JOB");
  token = fact("CLOSEWRITE_TOKEN");
  char host[100];
  if (gethostname(host, sizeof(host)) != 0) broken("gethostname");
  snprintf(journal, sizeof(journal), "%s/journal-%s", evidence, host);
  char locks[500] = "";
  for (int i = 3; i < argc; ++i) {
    const size_t used = strlen(locks);
    snprintf(locks + used, sizeof(locks) - used, "%s%s", used > 0 ? "," : "", argv[i]);
  }
  char self[LINE_MAX_BYTES / 3];
  snprintf(self, sizeof(self),
           "t=%" PRId64 " job=%s token=%s attempt=%s host=%s executor=%s pid=%d locks=%s path=%s",
           begin_ns, job, token, fact("CLOSEWRITE_ATTEMPT"), host, fact("KILLS_EXECUTOR"), getpid(),
           locks, fact("CLOSEWRITE_PATH"));
  char line[LINE_MAX_BYTES];
  snprintf(line, sizeof(line), "ALIVE %s\n", self);
  tell_recorder(line);
  char name[200];
  snprintf(name, sizeof(name), "job-%s", job);
  be_alive(name);
  for (int i = 3; i < argc; ++i) {
    snprintf(name, sizeof(name), "lock-%s", argv[i]);
    be_alive(name);
  }
  snprintf(line, sizeof(line), "BEGIN %s found=%s\n", self, found);
  append(line);
  const int status = run(strtol(argv[2], NULL, 10));
  snprintf(line, sizeof(line), "END t=%" PRId64 " job=%s token=%s pid=%d status=%d\n", now_ns(),
           job, token, getpid(), status);
  append(line);
  return status;
}

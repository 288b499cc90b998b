/* The command of a job: appends `<nanoseconds> <name>` to a file, the moment being its first.
 *
 *   stamp FILE NAME */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

int main(int argc, char** argv) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  if (argc != 3) return 2;
  char line[4096];
  const int length = snprintf(line, sizeof(line), "%lld %s\n",
                              (long long)now.tv_sec * 1000000000 + now.tv_nsec, argv[2]);
  const int fd = open(argv[1], O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (fd < 0 || length <= 0) return 1;
  return write(fd, line, (size_t)length) == length ? 0 : 1;
}

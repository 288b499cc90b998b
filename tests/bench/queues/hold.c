/* A job's command that says when it began, and never ends: `hold FILE` appends a line of the time
 * (nanoseconds of CLOCK_BOOTTIME) to FILE. */
#include <fcntl.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

int main(int argc, char** argv) {
  struct timespec now;
  clock_gettime(CLOCK_BOOTTIME, &now);
  char line[32];
  const int size =
      snprintf(line, sizeof(line), "%" PRId64 "\n", now.tv_sec * INT64_C(1000000000) + now.tv_nsec);
  const int fd = argc == 2 ? open(argv[1], O_WRONLY | O_APPEND | O_CREAT, 0644) : -1;
  if (fd < 0 || write(fd, line, size) != size) return 1;
  for (;;) pause();
}

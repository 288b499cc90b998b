/* Makes files: create, write, close.
 *
 *   writer DIRECTORY PREFIX COUNT BYTES INTERVAL_US RECORDS
 *
 * The files are PREFIX0, PREFIX1 ...; it begins when standard input ends, makes one each
 * INTERVAL_US (0: as fast as it can), and records the moment just before each close(). */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "record.h"

static void wait_until(const struct timespec* due) {
  while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, due, NULL) != 0) continue;
}

static void advance(struct timespec* due, long us) {
  due->tv_nsec += us % 1000000 * 1000;
  due->tv_sec += us / 1000000 + due->tv_nsec / 1000000000;
  due->tv_nsec %= 1000000000;
}

int main(int argc, char** argv) {
  if (argc != 7) {
    fprintf(stderr, "usage: writer DIRECTORY PREFIX COUNT BYTES INTERVAL_US RECORDS\n");
    return 2;
  }
  const long count = atol(argv[3]);
  const size_t bytes = (size_t)atol(argv[4]);
  const long interval_us = atol(argv[5]);
  const int directory = open(argv[1], O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (directory < 0) record_fail(argv[1]);
  record_open(argv[6]);
  char* content = malloc(bytes + 1);
  if (content == NULL) record_fail("memory");
  memset(content, 'x', bytes);
  char ignored;
  while (read(STDIN_FILENO, &ignored, 1) > 0) continue;
  struct timespec due;
  clock_gettime(CLOCK_MONOTONIC, &due);
  record_add(record_now(), "began", 5, 1);
  for (long i = 0; i < count; ++i) {
    char name[256];
    const int length = snprintf(name, sizeof(name), "%s%ld", argv[2], i);
    if (interval_us > 0) {
      advance(&due, interval_us);
      wait_until(&due);
    }
    const int fd = openat(directory, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    if (fd < 0) record_fail(name);
    if (write(fd, content, bytes) != (ssize_t)bytes) record_fail(name);
    const int64_t closing = record_now();
    if (close(fd) != 0) record_fail(name);
    record_add(closing, name, (size_t)length, 1);
  }
  record_add(record_now(), "ended", 5, 1);
  record_close();
  return 0;
}

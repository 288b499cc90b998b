#define _GNU_SOURCE
#include "record.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define DRAIN_BYTES (256 << 10)

static FILE* out;
static char* text_of_all;
static size_t bytes_used;
static size_t bytes_room;
static volatile int64_t* count;
static volatile sig_atomic_t stopping;

void record_fail(const char* what) {
  perror(what);
  exit(1);
}

int64_t record_now(void) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

void record_open(const char* file) {
  char counter[4096];
  snprintf(counter, sizeof(counter), "%s.count", file);
  out = fopen(file, "we");
  if (out == NULL) record_fail(file);
  const int fd = open(counter, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (fd < 0 || ftruncate(fd, sizeof(*count)) != 0) record_fail(counter);
  void* shared = mmap(NULL, sizeof(*count), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (shared == MAP_FAILED) record_fail(counter);
  count = shared;
  close(fd);
}

void record_add(int64_t at, const char* text, size_t length, int64_t files) {
  const size_t bytes = sizeof(at) + sizeof(length) + length;
  if (bytes_used + bytes > bytes_room) {
    bytes_room = 2 * (bytes_room + bytes) + (1 << 20);
    text_of_all = realloc(text_of_all, bytes_room);
    if (text_of_all == NULL) record_fail("memory");
  }
  char* to = text_of_all + bytes_used;
  memcpy(to, &at, sizeof(at));
  memcpy(to + sizeof(at), &length, sizeof(length));
  memcpy(to + sizeof(at) + sizeof(length), text, length);
  bytes_used += bytes;
  *count += files;
}

void record_close(void) {
  for (size_t at = 0; at < bytes_used;) {
    int64_t when;
    size_t length;
    memcpy(&when, text_of_all + at, sizeof(when));
    memcpy(&length, text_of_all + at + sizeof(when), sizeof(length));
    at += sizeof(when) + sizeof(length);
    fprintf(out, "%lld ", (long long)when);
    fwrite(text_of_all + at, 1, length, out);
    fputc('\n', out);
    at += length;
  }
  if (fclose(out) != 0) record_fail("records");
}

static void stop(int number) {
  (void)number;
  stopping = 1;
}

void record_handle_signals(void) {
  struct sigaction action = {.sa_handler = stop};
  sigaction(SIGTERM, &action, NULL);
  sigaction(SIGINT, &action, NULL);
}

int record_stopping(void) { return stopping; }

/* False when there was nothing to be read. */
static int read_once(int source, char* buffer, record_take take) {
  const ssize_t got = read(source, buffer, DRAIN_BYTES);
  if (got <= 0) return 0;
  take(buffer, got, record_now());
  return 1;
}

void record_drain(int source, record_take take, long pause_us) {
  const struct timespec pause_time = {0, pause_us * 1000};
  char* buffer = malloc(DRAIN_BYTES);
  while (!stopping) {
    struct pollfd waiting = {.fd = source, .events = POLLIN};
    if (poll(&waiting, 1, -1) <= 0) continue;
    if (pause_time.tv_nsec > 0) nanosleep(&pause_time, NULL);
    read_once(source, buffer, take);
  }
  while (read_once(source, buffer, take)) continue;
}

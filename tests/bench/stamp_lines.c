/* Records when each line of its standard input was read.
 *
 *   stamp_lines RECORDS WANTED
 *
 * Only lines in which WANTED stands, each as often as it stands there. Ends with its input, or by
 * SIGTERM. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "record.h"

#define READ_BYTES (1 << 20)

static char* line;
static size_t length;
static size_t room;

static void append(const char* bytes, size_t count) {
  if (length + count > room) {
    room = 2 * (length + count);
    line = realloc(line, room);
    if (line == NULL) record_fail("memory");
  }
  memcpy(line + length, bytes, count);
  length += count;
}

static long occurrences(const char* wanted) {
  long found = 0;
  const char* at = line;
  while (at != NULL) {
    at = memmem(at, (size_t)(line + length - at), wanted, strlen(wanted));
    if (at == NULL) break;
    ++found;
    at += strlen(wanted);
  }
  return found;
}

int main(int argc, char** argv) {
  if (argc != 3) {
    fprintf(stderr, "usage: stamp_lines RECORDS WANTED\n");
    return 2;
  }
  record_open(argv[1]);
  record_handle_signals();
  char* buffer = malloc(READ_BYTES);
  while (!record_stopping()) {
    const ssize_t got = read(STDIN_FILENO, buffer, READ_BYTES);
    if (got == 0 || (got < 0 && errno != EINTR)) break;
    const int64_t now = record_now();
    for (ssize_t at = 0; at < got;) {
      const char* end = memchr(buffer + at, '\n', (size_t)(got - at));
      const ssize_t next = end == NULL ? got : end - buffer;
      append(buffer + at, (size_t)(next - at));
      if (end != NULL) {
        const long found = occurrences(argv[2]);
        if (found > 0) record_add(now, line, length, found);
        length = 0;
      }
      at = next + 1;
    }
  }
  record_close();
  return 0;
}

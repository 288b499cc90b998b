/* Makes a tree: TOP directories with BELOW each, and FILES empty files in every one of them.
 *
 *   tree ROOT TOP BELOW FILES */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "record.h"

static void fill(const char* path, long files) {
  if (mkdir(path, 0755) != 0) record_fail(path);
  const int directory = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (directory < 0) record_fail(path);
  for (long i = 0; i < files; ++i) {
    char name[32];
    snprintf(name, sizeof(name), "old-%ld", i);
    const int fd = openat(directory, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    if (fd < 0) record_fail(path);
    close(fd);
  }
  close(directory);
}

int main(int argc, char** argv) {
  if (argc != 5) {
    fprintf(stderr, "usage: tree ROOT TOP BELOW FILES\n");
    return 2;
  }
  const long files = atol(argv[4]);
  for (long i = 0; i < atol(argv[2]); ++i) {
    char path[4096];
    snprintf(path, sizeof(path), "%s/d%ld", argv[1], i);
    fill(path, files);
    for (long j = 0; j < atol(argv[3]); ++j) {
      snprintf(path, sizeof(path), "%s/d%ld/e%ld", argv[1], i, j);
      fill(path, files);
    }
  }
  return 0;
}

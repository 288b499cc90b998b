/* The least that catches all files that are closed after writing: watch first, then list.
 *
 *   inotify_loop ROOT RECORDS PAUSE_US
 *
 * Prints one line when it watches every directory. Records the name of each file when the event was
 * read; of files in new directories when they were listed. After it was woken up it lets events
 * gather for PAUSE_US. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "record.h"

#define MASK \
  (IN_CLOSE_WRITE | IN_MOVED_TO | IN_CREATE | IN_ONLYDIR | IN_DONT_FOLLOW | IN_EXCL_UNLINK)

static int inotify;
static char** paths; /* by watch descriptor */
static int paths_room;
static long directories;
static int listening; /* false during the first walk */

static void remember(int watch, const char* path) {
  if (watch >= paths_room) {
    const int room = 2 * watch + 1024;
    paths = realloc(paths, (size_t)room * sizeof(*paths));
    if (paths == NULL) record_fail("memory");
    memset(paths + paths_room, 0, (size_t)(room - paths_room) * sizeof(*paths));
    paths_room = room;
  }
  free(paths[watch]);
  paths[watch] = strdup(path);
}

static void enter(const char* path) {
  const int watch = inotify_add_watch(inotify, path, MASK);
  if (watch < 0) {
    if (errno == ENOENT || errno == ENOTDIR) return;
    record_fail(path);
  }
  remember(watch, path);
  ++directories;
  DIR* stream = opendir(path);
  if (stream == NULL) return;
  for (struct dirent* entry; (entry = readdir(stream)) != NULL;) {
    if (entry->d_type == DT_DIR && strcmp(entry->d_name, ".") != 0 &&
        strcmp(entry->d_name, "..") != 0) {
      char child[4096];
      snprintf(child, sizeof(child), "%s/%s", path, entry->d_name);
      enter(child);
    } else if (entry->d_type == DT_REG && listening) {
      record_add(record_now(), entry->d_name, strlen(entry->d_name), 1);
    }
  }
  closedir(stream);
}

static void interpret(const struct inotify_event* event, int64_t now) {
  if (event->mask & IN_Q_OVERFLOW) {
    fprintf(stderr, "overflow\n");
  } else if (event->mask & IN_ISDIR) {
    char child[4096];
    if (event->wd >= paths_room || paths[event->wd] == NULL || event->len == 0) return;
    snprintf(child, sizeof(child), "%s/%s", paths[event->wd], event->name);
    enter(child);
  } else if (event->mask & (IN_CLOSE_WRITE | IN_MOVED_TO)) {
    record_add(now, event->name, strlen(event->name), 1);
  }
}

static void take(const char* buffer, ssize_t size, int64_t now) {
  for (ssize_t at = 0; at < size;) {
    const struct inotify_event* event = (const struct inotify_event*)(buffer + at);
    interpret(event, now);
    at += (ssize_t)sizeof(*event) + event->len;
  }
}

int main(int argc, char** argv) {
  if (argc != 4) {
    fprintf(stderr, "usage: inotify_loop ROOT RECORDS PAUSE_US\n");
    return 2;
  }
  record_open(argv[2]);
  record_handle_signals();
  inotify = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
  if (inotify < 0) record_fail("inotify");
  enter(argv[1]);
  listening = 1;
  printf("ready %ld\n", directories);
  fflush(stdout);
  record_drain(inotify, take, atol(argv[3]));
  record_close();
  return 0;
}

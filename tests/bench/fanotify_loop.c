/* As inotify_loop, with one fanotify mark on the whole file system.
 *
 *   fanotify_loop ROOT RECORDS PAUSE_US
 *
 * Directories of events are resolved once, by their handles; files outside of ROOT are left out. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fanotify.h>
#include <unistd.h>

#include "record.h"

#define SLOTS (1 << 16)
#define HANDLE_BYTES_MAX 128

struct directory {
  unsigned bytes; /* 0: empty */
  int below;
  unsigned char handle[HANDLE_BYTES_MAX];
};

static struct directory known[SLOTS];
static int known_count;
static int fanotify;
static int mount_fd;
static char root[4096];

static unsigned hash(const unsigned char* bytes, unsigned count) {
  unsigned value = 2166136261u;
  for (unsigned i = 0; i < count; ++i) value = (value ^ bytes[i]) * 16777619u;
  return value % SLOTS;
}

static int resolve(struct file_handle* handle) {
  const int fd = open_by_handle_at(mount_fd, handle, O_PATH | O_CLOEXEC);
  if (fd < 0) return 0;
  char link[64];
  char path[4096];
  snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
  const ssize_t got = readlink(link, path, sizeof(path) - 1);
  close(fd);
  if (got <= 0) return 0;
  path[got] = '\0';
  const size_t length = strlen(root);
  return strncmp(path, root, length) == 0 && (path[length] == '/' || path[length] == '\0');
}

static int below_root(struct file_handle* handle) {
  if (handle->handle_bytes > HANDLE_BYTES_MAX || known_count > SLOTS / 2) return resolve(handle);
  unsigned slot = hash(handle->f_handle, handle->handle_bytes);
  while (known[slot].bytes != 0) {
    if (known[slot].bytes == handle->handle_bytes &&
        memcmp(known[slot].handle, handle->f_handle, handle->handle_bytes) == 0) {
      return known[slot].below;
    }
    slot = (slot + 1) % SLOTS;
  }
  known[slot].bytes = handle->handle_bytes;
  memcpy(known[slot].handle, handle->f_handle, handle->handle_bytes);
  ++known_count;
  return known[slot].below = resolve(handle);
}

static void interpret(const struct fanotify_event_metadata* event, int64_t now) {
  if (event->mask & FAN_Q_OVERFLOW) {
    fprintf(stderr, "overflow\n");
    return;
  }
  const struct fanotify_event_info_fid* info = (const void*)(event + 1);
  if (event->event_len <= sizeof(*event) || info->hdr.info_type != FAN_EVENT_INFO_TYPE_DFID_NAME) {
    return;
  }
  struct file_handle* handle = (struct file_handle*)info->handle;
  const char* name = (const char*)handle->f_handle + handle->handle_bytes;
  if (below_root(handle)) record_add(now, name, strlen(name), 1);
}

static void take(const char* buffer, ssize_t left, int64_t now) {
  const struct fanotify_event_metadata* event = (const void*)buffer;
  for (; FAN_EVENT_OK(event, left); event = FAN_EVENT_NEXT(event, left)) interpret(event, now);
}

int main(int argc, char** argv) {
  if (argc != 4) {
    fprintf(stderr, "usage: fanotify_loop ROOT RECORDS PAUSE_US\n");
    return 2;
  }
  if (realpath(argv[1], root) == NULL) record_fail(argv[1]);
  mount_fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  record_open(argv[2]);
  record_handle_signals();
  fanotify = fanotify_init(
      FAN_CLASS_NOTIF | FAN_REPORT_DFID_NAME | FAN_UNLIMITED_QUEUE | FAN_CLOEXEC | FAN_NONBLOCK,
      O_RDONLY);
  if (fanotify < 0) record_fail("fanotify");
  if (fanotify_mark(fanotify, FAN_MARK_ADD | FAN_MARK_FILESYSTEM, FAN_CLOSE_WRITE | FAN_MOVED_TO,
                    AT_FDCWD, root) != 0) {
    record_fail("fanotify_mark");
  }
  printf("ready 1\n");
  fflush(stdout);
  record_drain(fanotify, take, atol(argv[3]));
  record_close();
  return 0;
}

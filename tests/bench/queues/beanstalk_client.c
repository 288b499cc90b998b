/* A client of beanstalkd, by its own protocol.
 *
 *   beanstalk_client PORT put IN_FLIGHT PER_CALL CALLS SECONDS PAUSE_US
 *       one connection; calls of PER_CALL puts each, with IN_FLIGHT of them unanswered
 *   beanstalk_client PORT work CONNECTIONS JOBS SECONDS
 *       each connection reserves a job and deletes it; deleting one and asking for the next travel
 *       together. Prints `ready` once all have asked for one.
 *
 * A job's body begins with the time of its put, from which the latencies of `work` count; those of
 * `put` are of calls. Prints what sample_print() does.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "sample.h"

#define CONNECTIONS_MAX 128
#define BUFFER_BYTES (1 << 16)
#define CALLS_IN_FLIGHT_MAX 128
#define SILENCE_MS_MAX 60000

static uint16_t port;

static int connect_to_server(void) {
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  const struct sockaddr_in address = {
      .sin_family = AF_INET, .sin_port = htons(port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
  const int on = 1;
  if (fd < 0 || connect(fd, (const struct sockaddr*)&address, sizeof(address)) != 0 ||
      setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) != 0) {
    sample_fail("connect", strerror(errno));
  }
  return fd;
}

static void send_all(int fd, const char* bytes, size_t size) {
  while (size > 0) {
    const ssize_t sent = write(fd, bytes, size);
    if (sent < 0) sample_fail("write", strerror(errno));
    bytes += sent;
    size -= sent;
  }
}

/* Waits for `fd` as long as a server may be silent. */
static void await_answer(int fd) {
  struct pollfd waiting = {.fd = fd, .events = POLLIN};
  if (poll(&waiting, 1, SILENCE_MS_MAX) != 1) sample_fail("beanstalkd", "does not answer");
}

/* Reads what has come and returns how many answers `INSERTED <id>` ended in it. */
static int64_t read_inserted(int fd) {
  static char buffer[BUFFER_BYTES];
  static int at_line_start = 1;
  const ssize_t size = read(fd, buffer, sizeof(buffer));
  if (size <= 0) sample_fail("read", size == 0 ? "the server is gone" : strerror(errno));
  int64_t answers = 0;
  for (ssize_t i = 0; i < size; ++i) {
    if (at_line_start && buffer[i] != 'I') sample_fail("put", "was refused");
    at_line_start = buffer[i] == '\n';
    answers += at_line_start;
  }
  return answers;
}

static char* write_puts(char* end, int64_t per_call, int64_t now) {
  for (int64_t i = 0; i < per_call; ++i) {
    end += sprintf(end, "put 100 0 60 %d\r\n", SAMPLE_PAYLOAD_BYTES);
    sample_payload(end, now, i);
    end += SAMPLE_PAYLOAD_BYTES;
    end = (char*)memcpy(end, "\r\n", 2) + 2;
  }
  return end;
}

static void put(int64_t in_flight, int64_t per_call, int64_t calls, double seconds,
                int64_t pause_us) {
  const int fd = connect_to_server();
  char* request = malloc(per_call * (SAMPLE_PAYLOAD_BYTES + 40));
  int64_t sent_at[CALLS_IN_FLIGHT_MAX];
  int64_t sent = 0;
  int64_t answers = 0;
  struct sample sample = {0};
  const int64_t began = sample_now();
  int64_t now = began;
  while (sent < calls || (int64_t)sample.count < sent) {
    if (now - began > seconds * 1e9) calls = sent;
    while (sent < calls && sent - (int64_t)sample.count < in_flight) {
      if (pause_us > 0) usleep(pause_us);
      sent_at[sent++ % CALLS_IN_FLIGHT_MAX] = now = sample_now();
      send_all(fd, request, write_puts(request, per_call, now) - request);
    }
    if ((int64_t)sample.count == sent) break;
    await_answer(fd);
    answers += read_inserted(fd);
    now = sample_now();
    while (((int64_t)sample.count + 1) * per_call <= answers) {
      sample_add(&sample, now - sent_at[sample.count % CALLS_IN_FLIGHT_MAX]);
    }
  }
  sample_print(&sample, answers, now - began);
}

/* One connection of a worker, and what it has read of the answer that comes. */
struct slot {
  char buffer[BUFFER_BYTES];
  size_t filled;
};

static int64_t deleted;
static int64_t reserved_first;
static int64_t deleted_last;

/* Takes one whole answer off a slot's buffer. Returns 0 when there is none yet. */
static int take_answer(struct slot* slot, int fd, struct sample* sample) {
  char* line_end = memchr(slot->buffer, '\n', slot->filled);
  if (line_end == NULL) return 0;
  size_t size = line_end + 1 - slot->buffer;
  int64_t id = 0;
  int bytes = 0;
  const int64_t now = sample_now();
  if (sscanf(slot->buffer, "RESERVED %" SCNd64 " %d", &id, &bytes) == 2) {
    size += bytes + 2;
    if (slot->filled < size) return 0;
    if (reserved_first == 0) reserved_first = now;
    sample_add(sample, now - strtoll(line_end + 1, NULL, 10));
    char request[64];
    send_all(fd, request, sprintf(request, "delete %" PRId64 "\r\nreserve\r\n", id));
  } else if (strncmp(slot->buffer, "DELETED", 7) == 0) {
    ++deleted;
    deleted_last = now;
  } else {
    sample_fail("work: beanstalkd answers", slot->buffer);
  }
  memmove(slot->buffer, slot->buffer + size, slot->filled - size);
  slot->filled -= size;
  return 1;
}

static void work(int64_t connections, int64_t jobs, double seconds) {
  static struct slot slots[CONNECTIONS_MAX];
  static struct pollfd waiting[CONNECTIONS_MAX];
  struct sample sample = {0};
  for (int64_t i = 0; i < connections; ++i) {
    waiting[i] = (struct pollfd){.fd = connect_to_server(), .events = POLLIN};
    send_all(waiting[i].fd, "reserve\r\n", 9);
  }
  printf("ready\n");
  fflush(stdout);
  const int64_t deadline = sample_now() + (int64_t)(seconds * 1e9);
  while (deleted < jobs && sample_now() < deadline) {
    if (poll(waiting, connections, 100) < 0) sample_fail("poll", strerror(errno));
    for (int64_t i = 0; i < connections; ++i) {
      if (waiting[i].revents == 0) continue;
      struct slot* slot = &slots[i];
      const ssize_t size =
          read(waiting[i].fd, slot->buffer + slot->filled, BUFFER_BYTES - 1 - slot->filled);
      if (size <= 0) sample_fail("read", size == 0 ? "the server is gone" : strerror(errno));
      slot->filled += size;
      slot->buffer[slot->filled] = '\0';
      while (take_answer(slot, waiting[i].fd, &sample)) continue;
    }
  }
  sample_print(&sample, deleted, deleted == 0 ? 0 : deleted_last - reserved_first);
}

int main(int argc, char** argv) {
  if (argc < 3) sample_fail(argv[0], "see the head of beanstalk_client.c");
  port = sample_number(argv[1]);
  if (argc == 8 && strcmp(argv[2], "put") == 0) {
    const int64_t in_flight = sample_number(argv[3]);
    if (in_flight < 1 || in_flight > CALLS_IN_FLIGHT_MAX) sample_fail(argv[3], "out of range");
    put(in_flight, sample_number(argv[4]), sample_number(argv[5]), atof(argv[6]),
        sample_number(argv[7]));
  } else if (argc == 6 && strcmp(argv[2], "work") == 0) {
    const int64_t connections = sample_number(argv[3]);
    if (connections < 1 || connections > CONNECTIONS_MAX) sample_fail(argv[3], "out of range");
    work(connections, sample_number(argv[4]), atof(argv[5]));
  } else {
    sample_fail(argv[0], "see the head of beanstalk_client.c");
  }
  return 0;
}

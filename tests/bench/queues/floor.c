/* What the parts of a durable queue can do at most, each alone.
 *
 *   floor sync FILE GROUP SECONDS PAUSE_US
 *       appends GROUP records of 200 bytes and calls fdatasync, again and again
 *   floor sqlite FILE GROUP JOBS SECONDS
 *       inserts JOBS rows by GROUP a transaction; prints; then claims and acknowledges them by
 *       GROUP, in two transactions; prints. WAL, synchronous=FULL, no index but the primary key.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sqlite3.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sample.h"

static void sync_loop(const char* path, int64_t group, double seconds, int64_t pause_us) {
  const int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
  if (fd < 0) sample_fail(path, strerror(errno));
  const size_t bytes = group * SAMPLE_PAYLOAD_BYTES;
  char* records = calloc(1, bytes);
  struct sample sample = {0};
  const int64_t began = sample_now();
  int64_t now = began;
  while (now - began < seconds * 1e9) {
    if (pause_us > 0) usleep(pause_us);
    const int64_t before = sample_now();
    if (write(fd, records, bytes) != (ssize_t)bytes || fdatasync(fd) != 0) {
      sample_fail(path, strerror(errno));
    }
    now = sample_now();
    sample_add(&sample, now - before);
  }
  const int64_t jobs = sample.count * group;
  sample_print(&sample, jobs, now - began);
}

static sqlite3* db;

static void must(int code, const char* what) {
  if (code != SQLITE_OK && code != SQLITE_DONE) sample_fail(what, sqlite3_errmsg(db));
}

static void execute(const char* sql) { must(sqlite3_exec(db, sql, NULL, NULL, NULL), sql); }

static sqlite3_stmt* prepare(const char* sql) {
  sqlite3_stmt* statement = NULL;
  must(sqlite3_prepare_v2(db, sql, -1, &statement, NULL), sql);
  return statement;
}

static void step(sqlite3_stmt* statement) {
  while (sqlite3_step(statement) == SQLITE_ROW) {
    /* A real queue would read the payload here. */
    (void)sqlite3_column_text(statement, 1);
  }
  must(sqlite3_reset(statement), "step");
}

/* One transaction for the rows from `first` on. */
static void apply(sqlite3_stmt* statement, int64_t first, int64_t rows, const char* payload) {
  execute("BEGIN IMMEDIATE");
  for (int64_t row = first; row < first + rows; ++row) {
    must(sqlite3_bind_int64(statement, 1, row), "bind");
    if (payload) {
      must(sqlite3_bind_text(statement, 2, payload, SAMPLE_PAYLOAD_BYTES, SQLITE_STATIC), "bind");
    }
    step(statement);
  }
  execute("COMMIT");
}

static void sqlite_loops(const char* path, int64_t group, int64_t jobs, double seconds) {
  must(sqlite3_open(path, &db), path);
  execute("PRAGMA journal_mode=WAL");
  execute("PRAGMA synchronous=FULL");
  execute(
      "CREATE TABLE jobs (id INTEGER PRIMARY KEY, state INTEGER NOT NULL, "
      "token INTEGER NOT NULL, payload TEXT NOT NULL)");
  char payload[SAMPLE_PAYLOAD_BYTES];
  sample_payload(payload, sample_now(), 0);
  sqlite3_stmt* insert = prepare("INSERT INTO jobs VALUES (?, 0, 0, ?)");
  sqlite3_stmt* claim =
      prepare("UPDATE jobs SET state = 1, token = token + 1 WHERE id = ? RETURNING token, payload");
  sqlite3_stmt* acknowledge = prepare("DELETE FROM jobs WHERE id = ?");

  struct sample inserts = {0};
  int64_t rows = 0;
  const int64_t began = sample_now();
  int64_t now = began;
  for (; rows < jobs && now - began < seconds * 1e9; rows += group) {
    const int64_t before = now;
    apply(insert, rows + 1, group, payload);
    now = sample_now();
    sample_add(&inserts, now - before);
  }
  sample_print(&inserts, rows, now - began);

  struct sample claims = {0};
  int64_t done = 0;
  const int64_t began_claims = now = sample_now();
  for (; done < rows && now - began_claims < seconds * 1e9; done += group) {
    const int64_t before = now;
    apply(claim, done + 1, group, NULL);
    apply(acknowledge, done + 1, group, NULL);
    now = sample_now();
    sample_add(&claims, now - before);
  }
  sample_print(&claims, done, now - began_claims);
}

int main(int argc, char** argv) {
  if (argc == 6 && strcmp(argv[1], "sync") == 0) {
    sync_loop(argv[2], sample_number(argv[3]), atof(argv[4]), sample_number(argv[5]));
  } else if (argc == 6 && strcmp(argv[1], "sqlite") == 0) {
    sqlite_loops(argv[2], sample_number(argv[3]), sample_number(argv[4]), atof(argv[5]));
  } else {
    sample_fail(argv[0], "see the head of floor.c");
  }
  return 0;
}

/* A queue in one table of PostgreSQL, as people write it by hand, by libpq.
 *
 *   postgres_client CONNINFO setup
 *   postgres_client CONNINFO insert CONNECTIONS JOBS SECONDS  one row a statement
 *   postgres_client CONNINFO batch ROWS JOBS SECONDS          ROWS rows a statement, by unnest()
 *   postgres_client CONNINFO rowlock CONNECTIONS JOBS SECONDS
 *       lock a row and skip locked ones, work, delete it, commit: one commit a job
 *   postgres_client CONNINFO lease CONNECTIONS JOBS SECONDS ROWS
 *       claim ROWS rows in one commit, delete them in another
 *
 * Each connection has a thread. Statements are prepared; those of one transaction that need no
 * answer in between travel together. Prints what sample_print() does.
 */
#include <inttypes.h>
#include <libpq-fe.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sample.h"

#define CONNECTIONS_MAX 128
#define ROWS_MAX 1000
#define NUMBER_BYTES 24

struct worker {
  pthread_t thread;
  PGconn* connection;
  struct sample sample;
  int64_t ended;
};

static const char* conninfo;
static int64_t connections = 1;
static int64_t rows = 1;
static int64_t jobs_max;
static int64_t deadline;
static atomic_llong taken;
static atomic_llong done;

static PGresult* checked(PGconn* connection, PGresult* result, const char* what) {
  const ExecStatusType status = PQresultStatus(result);
  if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK && status != PGRES_PIPELINE_SYNC) {
    sample_fail(what, PQerrorMessage(connection));
  }
  return result;
}

static void execute(PGconn* connection, const char* sql) {
  PQclear(checked(connection, PQexec(connection, sql), sql));
}

static void prepare(PGconn* connection, const char* name, const char* sql) {
  PQclear(checked(connection, PQprepare(connection, name, sql, 0, NULL), sql));
}

static PGconn* open_connection(void) {
  PGconn* connection = PQconnectdb(conninfo);
  if (PQstatus(connection) != CONNECTION_OK) sample_fail("connect", PQerrorMessage(connection));
  return connection;
}

static void setup(void) {
  PGconn* connection = open_connection();
  execute(connection,
          "DROP TABLE IF EXISTS queue;"
          "CREATE TABLE queue (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,"
          " state smallint NOT NULL DEFAULT 0, token bigint NOT NULL DEFAULT 0,"
          " payload text NOT NULL) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.01,"
          " autovacuum_vacuum_cost_delay = 0);"
          "CREATE INDEX queue_ready ON queue (id) WHERE state = 0");
  PQfinish(connection);
}

/* Reserves up to `count` of the jobs that are to be done; 0 at the end. */
static int64_t reserve(int64_t count) {
  if (sample_now() > deadline) return 0;
  const int64_t first = atomic_fetch_add(&taken, count);
  if (first >= jobs_max) return 0;
  return first + count > jobs_max ? jobs_max - first : count;
}

static void finish(struct worker* worker, int64_t count, int64_t before) {
  worker->ended = sample_now();
  sample_add(&worker->sample, worker->ended - before);
  atomic_fetch_add(&done, count);
}

static void* insert(void* argument) {
  struct worker* worker = argument;
  prepare(worker->connection, "insert", "INSERT INTO queue (payload) VALUES ($1)");
  char payload[SAMPLE_PAYLOAD_BYTES + 1] = {0};
  const char* values[] = {payload};
  while (reserve(1) > 0) {
    const int64_t before = sample_now();
    sample_payload(payload, before, worker->sample.count);
    PQclear(checked(worker->connection,
                    PQexecPrepared(worker->connection, "insert", 1, values, NULL, NULL, 0),
                    "insert"));
    finish(worker, 1, before);
  }
  return NULL;
}

static void* batch(void* argument) {
  struct worker* worker = argument;
  prepare(worker->connection, "batch", "INSERT INTO queue (payload) SELECT unnest($1::text[])");
  char* array = malloc(ROWS_MAX * (SAMPLE_PAYLOAD_BYTES + 3) + 3);
  const char* values[] = {array};
  for (int64_t count; (count = reserve(rows)) > 0;) {
    const int64_t before = sample_now();
    char* end = array;
    for (int64_t i = 0; i < count; ++i) {
      *end++ = i == 0 ? '{' : ',';
      *end++ = '"';
      sample_payload(end, before, i);
      end += SAMPLE_PAYLOAD_BYTES;
      *end++ = '"';
    }
    strcpy(end, "}");
    PQclear(checked(worker->connection,
                    PQexecPrepared(worker->connection, "batch", 1, values, NULL, NULL, 0),
                    "batch"));
    finish(worker, count, before);
  }
  free(array);
  return NULL;
}

/* Reads the answers of one pipeline. Returns the rows of the last one that had any, or NULL. */
static PGresult* read_pipeline(PGconn* connection) {
  PGresult* found = NULL;
  for (;;) {
    PGresult* result = PQgetResult(connection);
    if (result == NULL) continue; /* the end of one statement's answers */
    checked(connection, result, "a statement of a pipeline");
    if (PQresultStatus(result) == PGRES_PIPELINE_SYNC) {
      PQclear(result);
      return found;
    }
    if (PQresultStatus(result) == PGRES_TUPLES_OK && found == NULL) {
      found = result;
    } else {
      PQclear(result);
    }
  }
}

static void send_prepared(PGconn* connection, const char* name, const char* value) {
  const char* values[] = {value};
  if (!PQsendQueryPrepared(connection, name, value != NULL, values, NULL, NULL, 0)) {
    sample_fail(name, PQerrorMessage(connection));
  }
}

static void* rowlock(void* argument) {
  struct worker* worker = argument;
  PGconn* connection = worker->connection;
  prepare(connection, "begin", "BEGIN");
  prepare(connection, "lock",
          "SELECT id, payload FROM queue WHERE state = 0 ORDER BY id LIMIT 1 "
          "FOR UPDATE SKIP LOCKED");
  prepare(connection, "delete", "DELETE FROM queue WHERE id = $1::bigint");
  prepare(connection, "commit", "COMMIT");
  if (!PQenterPipelineMode(connection)) sample_fail("pipeline", PQerrorMessage(connection));
  while (reserve(1) > 0) {
    const int64_t before = sample_now();
    send_prepared(connection, "begin", NULL);
    send_prepared(connection, "lock", NULL);
    if (!PQpipelineSync(connection)) sample_fail("sync", PQerrorMessage(connection));
    PGresult* locked = read_pipeline(connection);
    const int found = locked != NULL && PQntuples(locked) == 1;
    if (found) send_prepared(connection, "delete", PQgetvalue(locked, 0, 0));
    send_prepared(connection, "commit", NULL);
    if (!PQpipelineSync(connection)) sample_fail("sync", PQerrorMessage(connection));
    PQclear(read_pipeline(connection));
    PQclear(locked);
    if (!found) break;
    finish(worker, 1, before);
  }
  return NULL;
}

/* Writes one column of a result as an array. */
static void write_array(const PGresult* result, int column, char* into) {
  char* end = into;
  *end++ = '{';
  for (int i = 0; i < PQntuples(result); ++i) {
    end += sprintf(end, i == 0 ? "%s" : ",%s", PQgetvalue(result, i, column));
  }
  strcpy(end, "}");
}

static void* lease(void* argument) {
  struct worker* worker = argument;
  prepare(worker->connection, "claim",
          "UPDATE queue SET state = 1, token = token + 1 WHERE id IN (SELECT id FROM queue "
          "WHERE state = 0 ORDER BY id LIMIT $1::bigint FOR UPDATE SKIP LOCKED) "
          "RETURNING id, token, payload");
  prepare(worker->connection, "settle",
          "DELETE FROM queue USING unnest($1::bigint[], $2::bigint[]) AS ended(id, token) "
          "WHERE queue.id = ended.id AND queue.token = ended.token");
  char* ids = malloc(ROWS_MAX * NUMBER_BYTES);
  char* tokens = malloc(ROWS_MAX * NUMBER_BYTES);
  for (int64_t count; (count = reserve(rows)) > 0;) {
    const int64_t before = sample_now();
    char limit[NUMBER_BYTES];
    snprintf(limit, sizeof(limit), "%" PRId64, count);
    const char* limits[] = {limit};
    PGresult* claimed =
        checked(worker->connection,
                PQexecPrepared(worker->connection, "claim", 1, limits, NULL, NULL, 0), "claim");
    const int found = PQntuples(claimed);
    write_array(claimed, 0, ids);
    write_array(claimed, 1, tokens);
    const char* values[] = {ids, tokens};
    PQclear(checked(worker->connection,
                    PQexecPrepared(worker->connection, "settle", 2, values, NULL, NULL, 0),
                    "settle"));
    PQclear(claimed);
    if (found == 0) break;
    finish(worker, found, before);
  }
  free(ids);
  free(tokens);
  return NULL;
}

static void run(void* (*work)(void*)) {
  struct worker workers[CONNECTIONS_MAX] = {0};
  struct sample all = {0};
  for (int64_t i = 0; i < connections; ++i) workers[i].connection = open_connection();
  const int64_t began = sample_now();
  deadline += began;
  for (int64_t i = 0; i < connections; ++i) {
    if (pthread_create(&workers[i].thread, NULL, work, &workers[i]) != 0) {
      sample_fail("pthread_create", "it failed");
    }
  }
  int64_t ended = began;
  for (int64_t i = 0; i < connections; ++i) {
    pthread_join(workers[i].thread, NULL);
    if (workers[i].ended > ended) ended = workers[i].ended;
    sample_join(&all, &workers[i].sample);
    PQfinish(workers[i].connection);
  }
  sample_print(&all, atomic_load(&done), ended - began);
}

int main(int argc, char** argv) {
  conninfo = argv[1];
  if (argc == 3 && strcmp(argv[2], "setup") == 0) {
    setup();
    return 0;
  }
  if (argc < 6) sample_fail(argv[0], "see the head of postgres_client.c");
  const char* command = argv[2];
  const int64_t number = sample_number(argv[3]);
  jobs_max = sample_number(argv[4]);
  deadline = atof(argv[5]) * 1e9;
  if (strcmp(command, "batch") == 0) {
    rows = number;
  } else {
    connections = number;
    if (argc == 7) rows = sample_number(argv[6]);
  }
  if (connections < 1 || connections > CONNECTIONS_MAX || rows < 1 || rows > ROWS_MAX) {
    sample_fail(command, "too many, or too few");
  }
  if (strcmp(command, "insert") == 0) run(insert);
  if (strcmp(command, "batch") == 0) run(batch);
  if (strcmp(command, "rowlock") == 0) run(rowlock);
  if (strcmp(command, "lease") == 0) run(lease);
  return 0;
}

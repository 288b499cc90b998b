#include "services/coordinator/store/postgres_prune.h"

#include <algorithm>
#include <string_view>
#include <utility>
#include <vector>

#include "services/coordinator/store/postgres_wire.h"

namespace closewrite {
namespace {

// Rows that are looked at in one round trip.
constexpr int64_t kPageRows = 1000;

// As IsThere in file_event.h says it.
#define CLOSEWRITE_IS_THERE "(e.kind IN (1, 2, 6) OR (e.kind = 3 AND e.evidence <> 0))"

// Finished jobs from a place on, and whether they may go: no unfinished job names them, and neither
// the event that made them nor their version is what a file is now.
constexpr char kOldJobs[] =
    "SELECT h.id, h.finished_at, NOT (EXISTS (SELECT FROM closewrite.jobs j"
    " WHERE j.after_id = h.id AND j.after_id <> 0)"
    " OR EXISTS (SELECT FROM closewrite.jobs j"
    " WHERE j.caused_by_job = h.id AND j.caused_by_job <> 0)"
    " OR EXISTS (SELECT FROM closewrite.events e JOIN closewrite.files f ON f.file = e.file"
    " WHERE e.id = h.event_id AND f.event_id = e.id AND " CLOSEWRITE_IS_THERE
    ") OR EXISTS (SELECT FROM closewrite.files f JOIN closewrite.events e ON e.id = f.event_id"
    " WHERE f.file = h.file AND e.inode = h.input_inode AND e.size = h.input_size"
    " AND e.mtime = h.input_mtime AND " CLOSEWRITE_IS_THERE
    ")) FROM (SELECT * FROM closewrite.history WHERE finished_at < $1::bigint"
    " AND (finished_at, id) > ($2::bigint, $3::bigint) ORDER BY finished_at, id"
    " LIMIT $4::bigint) AS h";
// Those that somebody looks at just now are left for later.
constexpr char kLockJobs[] =
    "SELECT r.id FROM unnest($1::bigint[]) AS u(id), LATERAL (SELECT t.id"
    " FROM closewrite.history t WHERE t.id = u.id FOR UPDATE SKIP LOCKED) AS r";
// Those who look after their logs are waited for.
constexpr char kLockLogs[] =
    "SELECT FROM unnest($1::bigint[]) AS u(id), LATERAL (SELECT FROM closewrite.logs t"
    " WHERE t.job_id = u.id FOR UPDATE) AS r";
// From their ends, so that what is left of a log is its beginning.
constexpr char kDeleteChunks[] =
    "DELETE FROM closewrite.log_chunks AS t USING (SELECT c.* FROM unnest($1::bigint[]) AS u(id),"
    " LATERAL (SELECT job_id, token, start FROM closewrite.log_chunks WHERE job_id = u.id"
    " ORDER BY token DESC, start DESC LIMIT $2::bigint) AS c LIMIT $2::bigint) AS r"
    " WHERE t.job_id = r.job_id AND t.token = r.token AND t.start = r.start";
constexpr char kDeleteJobs[] =
    "DELETE FROM closewrite.history AS t USING unnest($1::bigint[]) AS u(id) WHERE t.id = u.id"
    " AND NOT EXISTS (SELECT FROM closewrite.log_chunks c WHERE c.job_id = u.id)"
    " RETURNING t.id, t.key";
constexpr char kDeleteAttempts[] =
    "DELETE FROM closewrite.attempts AS t USING unnest($1::bigint[]) AS u(id)"
    " WHERE t.job_id = u.id";
constexpr char kDeleteLogs[] =
    "WITH gone AS (DELETE FROM closewrite.logs AS t USING unnest($1::bigint[]) AS u(id)"
    " WHERE t.job_id = u.id RETURNING t.row_count, t.stored_bytes)"
    " UPDATE closewrite.log_totals AS s SET row_count = s.row_count - g.row_count,"
    " stored_bytes = s.stored_bytes - g.stored_bytes"
    " FROM (SELECT sum(row_count)::bigint AS row_count, sum(stored_bytes)::bigint AS stored_bytes"
    " FROM gone) AS g WHERE g.row_count <> 0";
constexpr char kDeleteKeys[] =
    "DELETE FROM closewrite.job_keys AS t USING unnest($1::uuid[]) AS u(key) WHERE t.key = u.key";

// Events from a place on: whether they are old, and whether they may go: no unfinished job was made
// by them, and they are not the newest of their file; or they are, it is gone, and nothing older
// would then look like the newest.
constexpr char kOldEvents[] =
    "SELECT e.id, e.file, e.received_at < $1::bigint, e.received_at < $1::bigint"
    " AND NOT EXISTS (SELECT FROM closewrite.job_keys k JOIN closewrite.jobs j ON j.id = k.job_id"
    " WHERE k.event_id = e.id AND k.event_id <> 0)"
    " AND (NOT EXISTS (SELECT FROM closewrite.files f WHERE f.file = e.file AND f.event_id = e.id)"
    " OR NOT " CLOSEWRITE_IS_THERE
    " AND NOT EXISTS (SELECT FROM closewrite.events o WHERE o.file = e.file AND o.id < e.id))"
    " FROM (SELECT * FROM closewrite.events WHERE id > $2::bigint ORDER BY id LIMIT $3::bigint)"
    " AS e";
constexpr char kDeleteEvents[] =
    "DELETE FROM closewrite.events AS t USING unnest($1::bigint[]) AS u(id) WHERE t.id = u.id";
constexpr char kDeleteFiles[] =
    "DELETE FROM closewrite.files AS t USING unnest($1::uuid[], $2::bigint[]) AS u(file, event_id)"
    " WHERE t.file = u.file AND t.event_id = u.event_id";

// What a page of rows showed.
struct Page {
  std::vector<int64_t> ids;         // that may go
  std::vector<PostgresHash> files;  // of events
  bool last = false;                // there is nothing of interest behind it
};

PostgresArray ArrayOf(const std::vector<int64_t>& ids) {
  PostgresArray array;
  for (const int64_t id : ids) array.Int(id);
  return array;
}

absl::StatusOr<Page> OldJobs(PostgresConnection* connection, absl::Time before, int64_t limit,
                             PostgresPruneCursor* cursor) {
  absl::StatusOr<std::vector<PostgresResult>> results =
      connection->Run({{.sql = kOldJobs,
                        .params = PostgresParams()
                                      .Time(before)
                                      .Time(cursor->finished_at)
                                      .Int(cursor->job_id)
                                      .Int(kPageRows)}});
  if (!results.ok()) return results.status();
  Page page;
  const PostgresResult& rows = results->front();
  for (int i = 0; i < rows.rows(); ++i) {
    PostgresRow row(rows, i);
    const int64_t id = row.Int();
    const absl::Time finished_at = row.Time();
    if (row.Int() != 0) {
      if (static_cast<int64_t>(page.ids.size()) >= limit) return page;
      page.ids.push_back(id);
    }
    cursor->finished_at = finished_at;
    cursor->job_id = id;
  }
  page.last = rows.rows() < kPageRows;
  return page;
}

absl::StatusOr<Page> OldEvents(PostgresConnection* connection, absl::Time before, int64_t limit,
                               PostgresPruneCursor* cursor) {
  absl::StatusOr<std::vector<PostgresResult>> results = connection->Run(
      {{.sql = kOldEvents,
        .params = PostgresParams().Time(before).Int(cursor->event_id).Int(kPageRows)}});
  if (!results.ok()) return results.status();
  Page page;
  const PostgresResult& rows = results->front();
  bool some_old = false;
  for (int i = 0; i < rows.rows(); ++i) {
    PostgresRow row(rows, i);
    const int64_t id = row.Int();
    const PostgresHash file = row.Hash();
    some_old |= row.Int() != 0;
    if (row.Int() != 0) {
      if (static_cast<int64_t>(page.ids.size()) >= limit) return page;
      page.ids.push_back(id);
      page.files.push_back(file);
    }
    cursor->event_id = id;
  }
  // Ids are given in the order in which events come, but for a moment.
  page.last = rows.rows() < kPageRows || !some_old;
  return page;
}

absl::StatusOr<int64_t> DeleteJobs(PostgresConnection* connection, const Page& page, int64_t limit,
                                   bool* all) {
  absl::StatusOr<std::vector<PostgresResult>> results =
      connection->Run({{.sql = kLockJobs, .params = PostgresParams().Array(ArrayOf(page.ids))}});
  if (!results.ok()) return results.status();
  std::vector<int64_t> locked;
  for (int i = 0; i < results->front().rows(); ++i) {
    locked.push_back(PostgresRow(results->front(), i).Int());
  }
  if (locked.empty()) return 0;
  results = connection->Run(
      {{.sql = kLockLogs, .params = PostgresParams().Array(ArrayOf(locked))},
       {.sql = kDeleteChunks, .params = PostgresParams().Array(ArrayOf(locked)).Int(limit)},
       {.sql = kDeleteJobs, .params = PostgresParams().Array(ArrayOf(locked))}});
  if (!results.ok()) return results.status();
  int64_t gone = (*results)[1].touched();
  const PostgresResult& deleted = results->back();
  *all = deleted.rows() == static_cast<int>(locked.size());
  if (deleted.rows() == 0) return gone;
  std::vector<int64_t> ids;
  PostgresArray keys;
  for (int i = 0; i < deleted.rows(); ++i) {
    PostgresRow row(deleted, i);
    ids.push_back(row.Int());
    keys.Hash(HashOf(row.Bytes()));
  }
  gone += deleted.rows();
  results =
      connection->Run({{.sql = kDeleteAttempts, .params = PostgresParams().Array(ArrayOf(ids))},
                       {.sql = kDeleteLogs, .params = PostgresParams().Array(ArrayOf(ids))},
                       {.sql = kDeleteKeys, .params = PostgresParams().Array(std::move(keys))}});
  if (!results.ok()) return results.status();
  return gone;
}

absl::StatusOr<int64_t> DeleteEvents(PostgresConnection* connection, const Page& page) {
  PostgresArray files;
  for (const PostgresHash& file : page.files) files.Hash(file);
  absl::StatusOr<std::vector<PostgresResult>> results = connection->Run(
      {{.sql = kDeleteEvents, .params = PostgresParams().Array(ArrayOf(page.ids))},
       {.sql = kDeleteFiles,
        .params = PostgresParams().Array(std::move(files)).Array(ArrayOf(page.ids))}});
  if (!results.ok()) return results.status();
  return results->front().touched();
}

absl::StatusOr<int64_t> PruneJobs(PostgresConnection* connection, absl::Time before, int64_t limit,
                                  PostgresPruneCursor* cursor) {
  bool from_start = cursor->job_id == 0;
  for (int64_t rows = 0; rows < kPruneRowsMax; rows += kPageRows) {
    const PostgresPruneCursor began_at = *cursor;
    absl::StatusOr<Page> page = OldJobs(connection, before, limit, cursor);
    if (!page.ok()) return page.status();
    if (!page->ids.empty()) {
      bool all = true;
      absl::StatusOr<int64_t> gone = DeleteJobs(connection, *page, limit, &all);
      if (!gone.ok()) return gone;
      // A job with a long log is not gone yet.
      if (!all) *cursor = began_at;
      if (*gone > 0) return gone;
    }
    if (!page->last) continue;
    cursor->finished_at = absl::InfinitePast();
    cursor->job_id = 0;
    if (from_start) break;
    from_start = true;
  }
  return 0;
}

absl::StatusOr<int64_t> PruneEvents(PostgresConnection* connection, absl::Time before,
                                    int64_t limit, PostgresPruneCursor* cursor) {
  bool from_start = cursor->event_id == 0;
  for (int64_t rows = 0; rows < kPruneRowsMax; rows += kPageRows) {
    absl::StatusOr<Page> page = OldEvents(connection, before, limit, cursor);
    if (!page.ok()) return page.status();
    if (!page->ids.empty()) return DeleteEvents(connection, *page);
    if (!page->last) continue;
    cursor->event_id = 0;
    if (from_start) break;
    from_start = true;
  }
  return 0;
}

}  // namespace

absl::StatusOr<int64_t> PrunePostgres(PostgresConnection* connection, absl::Time before,
                                      int64_t limit, PostgresPruneCursor* cursor) {
  if (limit <= 0) return 0;
  absl::StatusOr<int64_t> jobs = PruneJobs(connection, before, limit, cursor);
  if (!jobs.ok()) return jobs;
  absl::StatusOr<int64_t> events = PruneEvents(connection, before, limit, cursor);
  if (!events.ok()) return events;
  return *jobs + *events;
}

}  // namespace closewrite

// How what is stored lies in rows: the columns of each table in one order, statements made of them,
// and writing and reading rows in the same order.
#ifndef SERVICES_COORDINATOR_STORE_POSTGRES_ROWS_H_
#define SERVICES_COORDINATOR_STORE_POSTGRES_ROWS_H_

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "services/coordinator/core/file_event.h"
#include "services/coordinator/core/job.h"
#include "services/coordinator/core/presence.h"
#include "services/coordinator/core/store.h"
#include "services/coordinator/store/postgres_wire.h"

namespace closewrite {

struct PostgresColumn {
  const char* name;
  const char* type;  // of the parameter; the column may be a narrower integer
};
using PostgresColumns = absl::Span<const PostgresColumn>;

// The same columns for jobs and history. `file` is HashOf(volume, path); `rank` is the complement
// of the priority, so that what comes first is smallest.
PostgresColumns JobColumns();
PostgresColumns EventColumns();
PostgresColumns AttemptColumns();
PostgresColumns SessionColumns();
PostgresColumns WatcherColumns();
PostgresColumns TaskColumns();

// "id, token": each name behind `prefix`.
std::string PostgresNames(PostgresColumns columns, std::string_view prefix = "");
// "unnest($1::bigint[], $2::bytea[]) AS u(id, data)": rows that come as parameters.
std::string PostgresUnnest(PostgresColumns columns);
// "INSERT INTO table(...) SELECT ... FROM unnest(...) AS u(...)".
std::string PostgresInsert(std::string_view table, PostgresColumns columns);
// Replaces the rows that have the same first `keys` columns.
std::string PostgresUpdate(std::string_view table, PostgresColumns columns, size_t keys = 1);

// Where the row `c` of log_chunks ends in its log. `bytes` is 0 in rows of older versions.
#define CLOSEWRITE_CHUNK_END(c) \
  "(" c ".start + CASE WHEN " c ".bytes > 0 THEN " c ".bytes ELSE octet_length(" c ".data) END)"
const std::string& InsertLogRowsSql();

// The file that a job or an event is about.
inline PostgresHash FileOf(const FileVersion& file) { return HashOf(file.volume, file.path); }

// Append a row of the columns above.
void WriteJob(const Job& job, PostgresRows* rows);
void WriteEvent(const EventRecord& record, PostgresRows* rows);
void WriteAttempt(const Attempt& attempt, PostgresRows* rows);
void WriteSession(const SessionRecord& session, PostgresRows* rows);
void WriteWatcher(const Watcher& watcher, PostgresRows* rows);
void WriteTask(const StoredTask& task, PostgresRows* rows);
void WriteLogRow(const Lease& lease, const LogRow& row, PostgresRows* rows);

// Read one. A row that can't be understood sets `status` to DATA_LOSS. After the columns of an
// attempt comes the length of its log.
Job ReadJob(PostgresRow row, absl::Status* status);
EventRecord ReadEvent(PostgresRow row);
Attempt ReadAttempt(PostgresRow row);
SessionRecord ReadSession(PostgresRow row, absl::Status* status);
Watcher ReadWatcher(PostgresRow row, absl::Status* status);

// All rows of a result; none when `status` is not OK afterwards.
std::vector<Job> ReadJobs(const PostgresResult& result, absl::Status* status);
std::vector<EventRecord> ReadEvents(const PostgresResult& result);
std::vector<StoredTask> ReadTasks(const PostgresResult& result);

}  // namespace closewrite

#endif  // SERVICES_COORDINATOR_STORE_POSTGRES_ROWS_H_

// How monitoring and the audit lie in rows: the columns, the queries, and reading and writing
// rows.
#ifndef SERVICES_COORDINATOR_STORE_POSTGRES_MONITORING_ROWS_H_
#define SERVICES_COORDINATOR_STORE_POSTGRES_MONITORING_ROWS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "services/coordinator/core/audit.h"
#include "services/coordinator/core/monitoring.h"
#include "services/coordinator/store/postgres_connection.h"
#include "services/coordinator/store/postgres_rows.h"
#include "services/coordinator/store/postgres_wire.h"

namespace closewrite {

using NoteName = std::pair<std::string, std::string>;  // kind, key

PostgresColumns IncrementColumns();
// Without the id, which the database gives.
PostgresColumns LoadColumns();
PostgresColumns ExecutionColumns();
PostgresColumns NoteColumns();
// Without the id, which the database gives.
PostgresColumns AuditColumns();

// Append a row of the columns above.
void WriteIncrement(const Increment& increment, PostgresRows* rows);
void WriteLoad(const Load& load, PostgresRows* rows);
void WriteExecution(const Execution& execution, PostgresRows* rows);
void WriteNote(const NoteName& name, const std::string& value, PostgresRows* rows);
void WriteAuditEntry(const AuditEntry& entry, PostgresRows* rows);

// The queries of StoreReader, and what they gave.
PostgresQuery PointsQuery(int64_t limit);
PostgresQuery PointRangeQuery();
// `lock`: until the commit.
PostgresQuery IncrementQuery(const IncrementKey& key, bool lock);
PostgresQuery IncrementsQuery(const std::string& job, const IncrementKey& after, int64_t limit);
PostgresQuery LoadsQuery(const LoadFilter& filter, const LoadPlace& before, int64_t limit);
PostgresQuery ExecutionQuery(const std::string& id, bool lock);
PostgresQuery ExecutionsQuery(const ExecutionFilter& filter, const ExecutionPlace& before,
                              int64_t limit);
PostgresQuery NotesQuery(const std::string& kind, const std::string& after, int64_t limit);
PostgresQuery NoteQuery(const NoteName& name, bool lock);
PostgresQuery CountNotesQuery(const std::string& kind, int64_t limit);
PostgresQuery AuditQuery(const AuditFilter& filter, const AuditPlace& before, int64_t limit);
std::vector<PointBatch> PointBatchesOf(const PostgresResult& result);
PointRange PointRangeOf(const PostgresResult& result);
std::vector<Increment> IncrementsOf(const PostgresResult& result);
std::vector<Load> LoadsOf(const PostgresResult& result);
std::vector<Execution> ExecutionsOf(const PostgresResult& result);
std::vector<Note> NotesOf(const PostgresResult& result);
std::optional<std::string> NoteValueOf(const PostgresResult& result);
std::vector<AuditEntry> AuditOf(const PostgresResult& result);
int64_t CountOf(const PostgresResult& result);

// Of a query by key.
template <class Row>
std::optional<Row> FirstOrNone(std::vector<Row> rows) {
  if (rows.empty()) return std::nullopt;
  return std::move(rows.front());
}

}  // namespace closewrite

#endif  // SERVICES_COORDINATOR_STORE_POSTGRES_MONITORING_ROWS_H_

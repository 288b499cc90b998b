// What the SQLite store reads of monitoring and of the audit. Each function takes an open
// connection, and fails as SqliteQuery does: it gives nothing then.
#ifndef SERVICES_COORDINATOR_STORE_SQLITE_MONITORING_ROWS_H_
#define SERVICES_COORDINATOR_STORE_SQLITE_MONITORING_ROWS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "services/coordinator/core/audit.h"
#include "services/coordinator/core/monitoring.h"
#include "services/coordinator/store/sqlite_connection.h"

namespace closewrite {

std::vector<PointBatch> ReadPointBatches(SqliteConnection* connection, int64_t limit,
                                         absl::Status* status);
PointRange ReadPointRange(SqliteConnection* connection, absl::Status* status);
std::optional<Increment> ReadIncrement(SqliteConnection* connection, const IncrementKey& key,
                                       absl::Status* status);
std::vector<Increment> ReadIncrements(SqliteConnection* connection, const std::string& job,
                                      const IncrementKey& after, int64_t limit,
                                      absl::Status* status);
std::vector<Load> ReadLoads(SqliteConnection* connection, const LoadFilter& filter,
                            const LoadPlace& before, int64_t limit, absl::Status* status);
std::optional<Execution> ReadExecution(SqliteConnection* connection, const std::string& id,
                                       absl::Status* status);
std::vector<Execution> ReadExecutions(SqliteConnection* connection, const ExecutionFilter& filter,
                                      const ExecutionPlace& before, int64_t limit,
                                      absl::Status* status);
std::vector<Note> ReadNotes(SqliteConnection* connection, const std::string& kind,
                            const std::string& after, int64_t limit, absl::Status* status);
std::optional<std::string> ReadNote(SqliteConnection* connection, const std::string& kind,
                                    const std::string& key, absl::Status* status);
int64_t ReadNoteCount(SqliteConnection* connection, const std::string& kind, int64_t limit,
                      absl::Status* status);
std::vector<AuditEntry> ReadAudit(SqliteConnection* connection, const AuditFilter& filter,
                                  const AuditPlace& before, int64_t limit, absl::Status* status);

}  // namespace closewrite

#endif  // SERVICES_COORDINATOR_STORE_SQLITE_MONITORING_ROWS_H_

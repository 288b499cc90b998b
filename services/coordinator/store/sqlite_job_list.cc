#include "services/coordinator/store/sqlite_job_list.h"

#include <algorithm>
#include <limits>

#include "services/coordinator/store/sqlite_rows.h"

namespace closewrite {
namespace {

// INDEXED BY where the planner, which has no statistics, could take another index that fits too.

#define CLOSEWRITE_NEWEST_ENDS(limit) " ORDER BY j.finished_at DESC, j.id DESC LIMIT " limit
constexpr char kFinished[] =
    CLOSEWRITE_JOB_SELECT "INDEXED BY jobs_finished " CLOSEWRITE_JOB_FILE
                          "WHERE j.finished = 1 AND j.finished_at >= ?1"
                          " AND (j.finished_at, j.id) < (?2, ?3)" CLOSEWRITE_NEWEST_ENDS("?4");
constexpr char kFailed[] = CLOSEWRITE_JOB_SELECT
    "INDEXED BY jobs_failed " CLOSEWRITE_JOB_FILE
    "WHERE j.state = 7 AND j.pipeline = ?1 AND j.finished_at >= ?2" CLOSEWRITE_NEWEST_ENDS("?3");
// The oldest one of the next priority: one step through the index.
constexpr char kOldestOfNextRank[] =
    "SELECT rank, id FROM jobs INDEXED BY jobs_available WHERE state = 2 AND pipeline = ?"
    " AND rank > ? ORDER BY rank, id LIMIT 1";

std::vector<Job> ReadJobs(SqliteQuery* query, const absl::Status& status) {
  std::vector<Job> jobs;
  while (query->Step()) jobs.push_back(ReadJob(query));
  if (!status.ok()) jobs.clear();
  return jobs;
}

}  // namespace

std::vector<Job> ReadFinishedJobs(SqliteConnection* connection, absl::Time since,
                                  const FinishedPlace& before, int64_t limit,
                                  absl::Status* status) {
  if (limit <= 0) return {};
  SqliteQuery query(connection, kFinished, status);
  query.BindTime(since).BindTime(before.finished_at).BindInt(before.id.value).BindInt(limit);
  return ReadJobs(&query, *status);
}

std::vector<Job> ReadFailedJobs(SqliteConnection* connection, const std::string& pipeline,
                                absl::Time since, int64_t limit, absl::Status* status) {
  if (limit <= 0) return {};
  SqliteQuery query(connection, kFailed, status);
  query.BindBytes(pipeline).BindTime(since).BindInt(limit);
  return ReadJobs(&query, *status);
}

JobId ReadOldestAvailable(SqliteConnection* connection, const std::string& pipeline,
                          absl::Status* status) {
  JobId oldest;
  int64_t rank = std::numeric_limits<int64_t>::min();
  for (int64_t ranks = 0; ranks < kPrioritiesMax; ++ranks) {
    SqliteQuery query(connection, kOldestOfNextRank, status);
    if (!query.BindBytes(pipeline).BindInt(rank).Step()) break;
    rank = query.Int();
    const JobId id{query.Int()};
    oldest = oldest == JobId{} ? id : std::min(oldest, id);
  }
  return status->ok() ? oldest : JobId{};
}

}  // namespace closewrite

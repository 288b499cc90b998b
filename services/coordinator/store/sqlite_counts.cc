#include "services/coordinator/store/sqlite_counts.h"

#include "services/coordinator/store/job_filter.h"

namespace closewrite {
namespace {

// Of the one state that may have millions the index alone is read; of the others rows.
constexpr char kCountAvailable[] =
    "SELECT pipeline, 2, count(*) FROM jobs INDEXED BY jobs_available WHERE state = 2"
    " GROUP BY pipeline";
constexpr char kCountRunning[] =
    "SELECT pipeline, 3, count(*) FROM (SELECT pipeline FROM jobs INDEXED BY jobs_by_session"
    " WHERE state = 3 LIMIT ?1) GROUP BY pipeline";
constexpr char kCountInState[] =
    "SELECT pipeline, ?2, count(*) FROM (SELECT pipeline FROM jobs INDEXED BY jobs_by_state"
    " WHERE state NOT IN (2, 3) AND state = ?2 LIMIT ?1) GROUP BY pipeline";

}  // namespace

std::vector<JobCount> ReadJobCounts(SqliteConnection* connection, int64_t limit,
                                    absl::Status* status) {
  std::vector<JobCount> counts;
  const auto add = [&](SqliteQuery* query) {
    while (query->Step()) {
      JobCount& count = counts.emplace_back();
      count.pipeline = query->Bytes();
      count.state = static_cast<JobState>(query->Int());
      count.count = query->Int();
    }
  };
  SqliteQuery available(connection, kCountAvailable, status);
  add(&available);
  SqliteQuery running(connection, kCountRunning, status);
  running.BindInt(limit);
  add(&running);
  for (const JobState state :
       {JobState::kScheduled, JobState::kPublishing, JobState::kRetrying, JobState::kFailed}) {
    SqliteQuery query(connection, kCountInState, status);
    query.BindInt(limit).BindInt(static_cast<int64_t>(state));
    add(&query);
  }
  if (!status->ok()) counts.clear();
  SortCounts(&counts);
  return counts;
}

}  // namespace closewrite

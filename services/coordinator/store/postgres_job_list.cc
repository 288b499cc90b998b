#include "services/coordinator/store/postgres_job_list.h"

#include <algorithm>
#include <set>
#include <utility>
#include <vector>

#include "absl/strings/str_join.h"
#include "services/coordinator/store/job_filter.h"
#include "services/coordinator/store/postgres_rows.h"
#include "services/log/str_cat.h"

namespace closewrite {
namespace {

// Collects conditions and the parameters that they name.
class Conditions {
 public:
  // `condition` with the number of the parameter in place of `$`.
  void Add(std::string_view condition) {
    const size_t dollar = condition.find('$');
    StrAppend(&text_, text_.empty() ? "" : " AND ", condition.substr(0, dollar + 1),
              params_.values().size(), condition.substr(dollar + 1));
  }
  PostgresParams& params() { return params_; }
  const std::string& text() const { return text_; }

 private:
  std::string text_;
  PostgresParams params_;
};

Conditions ConditionsOf(const JobFilter& filter, JobId before) {
  Conditions conditions;
  if (before.value != 0) {
    conditions.params().Int(before.value);
    conditions.Add("id < $::bigint");
  }
  if (!filter.ids.empty()) {
    PostgresArray ids;
    for (const JobId id : std::set<JobId>(filter.ids.begin(), filter.ids.end())) ids.Int(id.value);
    conditions.params().Array(std::move(ids));
    conditions.Add("id = ANY($::bigint[])");
  }
  if (!filter.pipeline.empty()) {
    conditions.params().Bytes(filter.pipeline);
    conditions.Add("pipeline = $::bytea");
  }
  if (const auto input = OnlyInput(filter); input.has_value()) {
    conditions.params().Hash(HashOf(input->volume, input->path));
    conditions.Add("file = $::uuid");
  } else if (!filter.input_volume.empty()) {
    conditions.params().Bytes(filter.input_volume);
    conditions.Add("input_volume = $::bytea");
  }
  if (!filter.output_volume.empty()) {
    conditions.params().Bytes(filter.output_volume);
    conditions.Add("output_volume = $::bytea");
  }
  return conditions;
}

// Of the states that are asked for, those that lie in one table; as text, so that the partial
// indexes can be used.
std::vector<int> StatesIn(const JobFilter& filter, bool final_ones) {
  std::set<int> states;
  for (const JobState state : filter.states) {
    if (IsFinal(state) == final_ones) states.insert(static_cast<int>(state));
  }
  return {states.begin(), states.end()};
}

const std::string& FinishedSql() {
  static const std::string* const sql = new std::string(
      StrCat("SELECT ", PostgresNames(JobColumns()),
             " FROM closewrite.history WHERE finished_at >= $1::bigint AND (finished_at, id) <"
             " ($2::bigint, $3::bigint) ORDER BY finished_at DESC, id DESC LIMIT $4::bigint"));
  return *sql;
}

const std::string& FailedSql() {
  static const std::string* const sql = new std::string(
      StrCat("SELECT ", PostgresNames(JobColumns()),
             " FROM closewrite.history WHERE state = 7 AND pipeline = $1::bytea AND finished_at >="
             " $2::bigint ORDER BY finished_at DESC, id DESC LIMIT $3::bigint"));
  return *sql;
}

// The oldest one of each priority, one step through the index each.
const std::string& OldestAvailableSql() {
  static const std::string* const sql = [] {
    constexpr std::string_view kOldest =
        "(SELECT rank, id FROM closewrite.jobs WHERE state = 2 AND pipeline = $1::bytea";
    constexpr std::string_view kFirst = " ORDER BY rank, id LIMIT 1)";
    return new std::string(
        StrCat("WITH RECURSIVE oldest(number, rank, id) AS (SELECT 1::bigint, rank, id FROM ",
               kOldest, kFirst, " AS first UNION ALL SELECT o.number + 1, n.rank, n.id FROM oldest",
               " AS o, LATERAL ", kOldest, " AND rank > o.rank", kFirst,
               " AS n WHERE o.number < $2::bigint) SELECT ", PostgresNames(JobColumns()),
               " FROM closewrite.jobs WHERE id = (SELECT min(id) FROM oldest)"));
  }();
  return *sql;
}

// PostgreSQL takes no negative one.
int64_t AtMost(int64_t limit) { return std::max<int64_t>(limit, 0); }

}  // namespace

PostgresJobList ListJobsQuery(const JobFilter& filter, JobId before, int64_t limit) {
  Conditions conditions = ConditionsOf(filter, before);
  PostgresParams& params = conditions.params();
  params.Int(limit);
  const std::string end = StrCat(" ORDER BY id DESC LIMIT $", params.values().size(), "::bigint");
  std::vector<std::string> branches;
  const auto add = [&](std::string_view table, const std::string& states) {
    std::string where = conditions.text();
    if (!states.empty()) StrAppend(&where, where.empty() ? "" : " AND ", states);
    branches.push_back(StrCat("(SELECT ", PostgresNames(JobColumns()), " FROM closewrite.", table,
                              where.empty() ? "" : " WHERE ", where, end, ")"));
  };
  for (const bool final_ones : {false, true}) {
    const char* const table = final_ones ? "history" : "jobs";
    if (filter.states.empty()) add(table, "");
    // One query a state, each of which follows an index in the right order.
    for (const int state : StatesIn(filter, final_ones)) add(table, StrCat("state = ", state));
  }
  if (branches.empty()) return {};
  if (branches.size() == 1) return {std::move(branches.front()), std::move(params)};
  return {StrCat(absl::StrJoin(branches, " UNION ALL "), end), std::move(params)};
}

PostgresQuery FinishedQuery(absl::Time since, const FinishedPlace& before, int64_t limit) {
  PostgresParams params;
  params.Time(since).Time(before.finished_at).Int(before.id.value).Int(AtMost(limit));
  return {.sql = FinishedSql(), .params = std::move(params)};
}

PostgresQuery FailedQuery(const std::string& pipeline, absl::Time since, int64_t limit) {
  return {.sql = FailedSql(),
          .params = PostgresParams().Bytes(pipeline).Time(since).Int(AtMost(limit))};
}

PostgresQuery OldestAvailableQuery(const std::string& pipeline) {
  return {.sql = OldestAvailableSql(),
          .params = PostgresParams().Bytes(pipeline).Int(kPrioritiesMax)};
}

}  // namespace closewrite

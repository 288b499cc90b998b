#include "services/coordinator/store/postgres_job_list.h"

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

}  // namespace closewrite

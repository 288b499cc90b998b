#include "services/coordinator/store/job_filter.h"

#include <algorithm>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "services/coordinator/core/task.h"

namespace closewrite {
namespace {

template <class T>
bool Allows(const std::vector<T>& allowed, const T& value) {
  return allowed.empty() || std::find(allowed.begin(), allowed.end(), value) != allowed.end();
}

bool Allows(const std::string& allowed, const std::string& value) {
  return allowed.empty() || allowed == value;
}

}  // namespace

bool Matches(const JobFilter& filter, const Job& job) {
  return Allows(filter.ids, job.id) && Allows(filter.states, job.state) &&
         Allows(filter.pipeline, job.pipeline) && Allows(filter.input_volume, job.input.volume) &&
         (filter.input_volume.empty() || Allows(filter.input_path, job.input.path)) &&
         Allows(filter.output_volume, job.output_volume);
}

void SortCounts(std::vector<JobCount>* counts) {
  std::sort(counts->begin(), counts->end(), [](const JobCount& a, const JobCount& b) {
    return std::tie(a.pipeline, a.state) < std::tie(b.pipeline, b.state);
  });
}

std::optional<InputPath> OnlyInput(const JobFilter& filter) {
  if (!filter.input_volume.empty()) {
    if (filter.input_path.empty()) return std::nullopt;
    return InputPath{filter.input_volume, filter.input_path};
  }
  const std::optional<std::string_view> task = TaskOfRuns(filter.pipeline);
  if (!task.has_value()) return std::nullopt;
  return InputPath{"", std::string(*task)};
}

}  // namespace closewrite

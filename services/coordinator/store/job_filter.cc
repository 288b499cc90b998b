#include "services/coordinator/store/job_filter.h"

#include <algorithm>
#include <string>
#include <vector>

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

}  // namespace closewrite

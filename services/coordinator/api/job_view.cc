#include "services/coordinator/api/job_view.h"

#include <string>

#include "services/config/nearest.h"
#include "services/coordinator/api/violations.h"
#include "services/coordinator/convert.h"
#include "services/coordinator/core/attempts.h"
#include "services/coordinator/core/task.h"
#include "services/coordinator/core/waiting.h"
#include "services/log/str_cat.h"
#include "services/transport/errors.h"
#include "services/volume/path.h"

namespace closewrite {
namespace {

const Progress* FindProgress(const Job& job, const Fleet& fleet) {
  auto session = fleet.sessions.find(job.session);
  if (session == fleet.sessions.end()) return nullptr;
  auto progress = session->second.progress.find(job.id);
  return progress == session->second.progress.end() ? nullptr : &progress->second;
}

}  // namespace

Fleet CopyFleet(StoreLoop& loop) {
  Fleet fleet;
  loop.Inspect([&](const Engine& engine) { fleet = engine.fleet(); });
  return fleet;
}

v1::Job ShowJob(const Job& job, const Fleet& fleet, StoreReader& reader, absl::Time now) {
  return ToProto(job, fleet.FindPipeline(reader, job.pipeline).get(),
                 WhyWaiting(job, fleet, reader, now), FindProgress(job, fleet));
}

v1::GetJobResponse ShowWhole(const Job& job, const Fleet& fleet, StoreReader& reader,
                             absl::Time now) {
  v1::GetJobResponse whole;
  *whole.mutable_job() = ShowJob(job, fleet, reader, now);
  const std::vector<Attempt> attempts = AttemptsOf(reader, job);
  const size_t skip = attempts.size() - std::min(attempts.size(), kAttemptsShownMax);
  for (size_t i = skip; i < attempts.size(); ++i) *whole.add_attempts() = ToProto(attempts[i]);
  return whole;
}

absl::Status NoSuchJob(JobId id) {
  return WithReason(absl::NotFoundError(StrCat("there is no job ", id.value,
                                               "; `closewrite jobs` lists those there are")),
                    "JOB_NOT_FOUND", {{"job", StrCat(id.value)}});
}

absl::Status NoSuchPipeline(const std::string& name, const Fleet& fleet) {
  std::vector<std::string> names;
  for (const auto& [known, pipeline] : fleet.pipelines) names.push_back(known);
  return WithReason(absl::NotFoundError(StrCat("there is no pipeline \"", Display(name),
                                               "\": ", SuggestNearest(name, names))),
                    "PIPELINE_NOT_FOUND", {{"pipeline", name}, {"nearest", Nearest(name, names)}});
}

absl::StatusOr<JobFilter> DecodeJobFilter(const v1::JobFilter& filter) {
  Violations violations;
  if (filter.job_ids_size() > kJobIdsMax) {
    violations.Add("filter.job_ids",
                   StrCat("has ", filter.job_ids_size(), " ids; at most ", kJobIdsMax));
  }
  const auto check_name = [&](std::string_view field, std::string_view what,
                              const std::string& name) {
    if (!name.empty()) violations.AddUnlessOk(field, CheckName(what, name));
  };
  if (const auto task = TaskOfRuns(filter.pipeline())) {
    check_name("filter.pipeline", "task", std::string(*task));
  } else {
    check_name("filter.pipeline", "pipeline", filter.pipeline());
  }
  check_name("filter.input_volume", "volume", filter.input_volume());
  check_name("filter.output_volume", "volume", filter.output_volume());
  if (!filter.input_path().empty()) {
    violations.AddUnlessOk("filter.input_path", CheckRelativePath(filter.input_path()));
    if (filter.input_volume().empty()) {
      violations.Add("filter.input_volume", "is empty; a path needs the volume that it lies in");
    }
  }
  JobFilter decoded{.pipeline = filter.pipeline(),
                    .input_volume = filter.input_volume(),
                    .input_path = filter.input_path(),
                    .output_volume = filter.output_volume()};
  for (const int64_t id : filter.job_ids()) decoded.ids.push_back(JobId{id});
  for (int i = 0; i < filter.states_size(); ++i) {
    const v1::JobState state = filter.states(i);
    if (state == v1::JOB_STATE_UNSPECIFIED || !v1::JobState_IsValid(state)) {
      violations.Add(StrCat("filter.states[", i, "]"), "is no state of a job; see JobState");
    }
    decoded.states.push_back(static_cast<JobState>(state));
  }
  if (absl::Status s = violations.ToStatus(); !s.ok()) return s;
  return decoded;
}

absl::StatusOr<std::vector<JobId>> DecodeJobIds(
    const google::protobuf::RepeatedField<int64_t>& job_ids) {
  if (job_ids.empty() || job_ids.size() > kJobIdsMax) {
    return WrongField("job_ids", StrCat("has ", job_ids.size(), " ids; give 1 to ", kJobIdsMax));
  }
  std::vector<JobId> ids;
  for (const int64_t id : job_ids) ids.push_back(JobId{id});
  return ids;
}

absl::Status CheckFile(std::string_view field, const v1::VolumePath& file) {
  Violations violations;
  violations.AddUnlessOk(StrCat(field, ".volume"), CheckName("volume", file.volume()));
  violations.AddUnlessOk(StrCat(field, ".path"), CheckRelativePath(file.path()));
  return violations.ToStatus();
}

}  // namespace closewrite

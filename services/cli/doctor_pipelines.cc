// Whether there is who sees the files of pipelines, runs their commands and publishes the results.
#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_join.h"
#include "services/cli/doctor_notes.h"
#include "services/log/str_cat.h"

namespace closewrite::cli {
namespace {

// What an executor lacks for a pipeline, such as `label internet`.
std::vector<std::string> Lacks(const v1::ExecutorStatus& executor, const v1::Pipeline& pipeline) {
  std::vector<std::string> lacks;
  for (const std::string& label : pipeline.run().labels()) {
    const auto& offered = executor.labels();
    if (std::find(offered.begin(), offered.end(), label) == offered.end()) {
      lacks.push_back(StrCat("label ", label));
    }
  }
  const std::set<std::string> volumes = {pipeline.on().volume(), pipeline.publish().volume()};
  for (const std::string& volume : volumes) {
    if (volume.empty() || executor.volume_roots().contains(volume)) continue;
    lacks.push_back(StrCat("volume ", volume));
  }
  const auto& healths = executor.health().volumes();
  const bool read_only = std::any_of(healths.begin(), healths.end(), [&](const auto& each) {
    return each.volume() == pipeline.publish().volume() && each.read_only();
  });
  if (read_only) lacks.push_back(StrCat("write access to volume ", pipeline.publish().volume()));
  return lacks;
}

void CheckPlace(const FleetFacts& facts, const v1::Pipeline& pipeline, DoctorNotes* notes) {
  std::vector<std::string> ready;
  std::vector<std::string> away;
  std::vector<std::string> unfit;
  std::set<std::string> lacked_by_all;
  for (const v1::ExecutorStatus& executor : facts.executors) {
    const std::vector<std::string> lacks = Lacks(executor, pipeline);
    if (lacks.empty()) {
      const bool takes = executor.connected() && !executor.draining();
      (takes ? ready : away).push_back(executor.name());
      continue;
    }
    const std::set<std::string> here(lacks.begin(), lacks.end());
    if (unfit.empty()) lacked_by_all = here;
    std::set<std::string> both;
    std::set_intersection(here.begin(), here.end(), lacked_by_all.begin(), lacked_by_all.end(),
                          std::inserter(both, both.end()));
    lacked_by_all = both;
    unfit.push_back(StrCat(executor.name(), " lacks ", absl::StrJoin(lacks, " and ")));
  }
  if (!ready.empty()) {
    notes->Add(Level::kOk, "executor",
               StrCat(ready.size(), ready.size() == 1 ? " executor" : " executors", " can run it"));
  } else if (!away.empty()) {
    notes->Warn(
        "executor",
        StrCat("only executors that take nothing now could run it: ", absl::StrJoin(away, ", ")),
        "start them again");
  } else if (!lacked_by_all.empty()) {
    notes->Fail("executor",
                StrCat("no executor can run it: none has ", absl::StrJoin(lacked_by_all, ", ")),
                "add that to an executor's configuration (labels:, volumes:)");
  } else {
    notes->Fail("executor", StrCat("no executor can run it alone: ", absl::StrJoin(unfit, "; ")),
                "add what is missing to one of them");
  }
}

}  // namespace

void CheckPipelines(const FleetFacts& facts, std::vector<Finding>* findings) {
  std::set<std::string> announced;
  std::set<std::string> read_only;
  for (const v1::WatcherStatus& watcher : facts.watchers) {
    for (const v1::VolumeStatus& volume : watcher.volumes()) {
      announced.insert(volume.volume());
      if (volume.read_only()) read_only.insert(volume.volume());
    }
  }
  if (facts.pipelines.empty()) {
    DoctorNotes("", "pipelines", findings)
        .Add(Level::kNote, "presence", "there is no pipeline, so no file becomes a job",
             "closewrite pipeline apply -f FILE");
  }
  for (const v1::PipelineStatus& status : facts.pipelines) {
    const v1::Pipeline& pipeline = status.pipeline();
    DoctorNotes notes("", StrCat("pipeline ", pipeline.name()), findings);
    const std::set<std::string> volumes = {pipeline.on().volume(), pipeline.publish().volume()};
    for (const std::string& volume : volumes) {
      if (volume.empty() || announced.contains(volume)) continue;
      notes.Fail("volume", StrCat("no watcher announces volume ", volume),
                 StrCat("add volume ", volume, " to the watcher on the host where it lies"));
    }
    if (read_only.contains(pipeline.publish().volume())) {
      notes.Fail("volume",
                 StrCat("volume ", pipeline.publish().volume(),
                        " is read-only on its home, so nothing can be published into it"),
                 "take `read_only: true` from it, or publish elsewhere");
    }
    if (!facts.executors.empty()) CheckPlace(facts, pipeline, &notes);
  }
}

}  // namespace closewrite::cli

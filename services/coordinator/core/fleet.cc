#include "services/coordinator/core/fleet.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace closewrite {
namespace {

bool Contains(const std::vector<std::string>& list, const std::string& word) {
  return std::find(list.begin(), list.end(), word) != list.end();
}

}  // namespace

std::shared_ptr<const Task> Fleet::FindTask(StoreReader& reader, const std::string& name) const {
  if (const auto known = tasks.find(name); known != tasks.end()) return known->second;
  const std::optional<StoredTask> stored = reader.GetTask(name);
  if (!stored.has_value()) return nullptr;
  absl::StatusOr<Task> task = decode_task(stored->definition);
  if (!task.ok()) return nullptr;
  task->run.version = stored->version;
  task->run.applied_at = stored->applied_at;
  return std::make_shared<const Task>(*std::move(task));
}

std::shared_ptr<const Task> Fleet::LearnTask(StoreReader& reader, const std::string& name) {
  std::shared_ptr<const Task> task = FindTask(reader, name);
  if (task != nullptr) tasks.insert_or_assign(name, task);
  return task;
}

std::shared_ptr<const Pipeline> Fleet::FindPipeline(StoreReader& reader,
                                                    const std::string& name) const {
  const std::optional<std::string_view> of_task = TaskOfRuns(name);
  if (!of_task.has_value()) return FindPipeline(name);
  const std::shared_ptr<const Task> task = FindTask(reader, std::string(*of_task));
  if (task == nullptr) return nullptr;
  return {task, &task->run};
}

std::string WhatIsMissing(const Session& session, const Pipeline& pipeline) {
  const ExecutorHello& executor = session.executor;
  for (const std::string& label : pipeline.labels) {
    if (!Contains(executor.labels, label)) return absl::StrCat("label ", label);
  }
  if (!pipeline.volume.empty() && !executor.volume_roots.contains(pipeline.volume)) {
    return absl::StrCat("volume ", pipeline.volume);
  }
  const std::string& output = pipeline.output_volume;
  if (output.empty()) return "";
  if (!executor.volume_roots.contains(output)) return absl::StrCat("volume ", output);
  if (Contains(executor.read_only_volumes, output)) {
    return absl::StrCat("write access to volume ", output);
  }
  return "";
}

std::string VolumeTrouble(const Session& session, const Pipeline& pipeline) {
  const std::map<std::string, std::string>& troubles = session.findings.unusable_volumes;
  if (troubles.empty()) return "";
  for (const std::string* volume : {&pipeline.volume, &pipeline.output_volume}) {
    const auto trouble = troubles.find(*volume);
    const auto root = session.executor.volume_roots.find(*volume);
    if (trouble == troubles.end() || root == session.executor.volume_roots.end()) continue;
    return absl::StrCat("volume ", *volume, " can't be used on ", session.executor.host, " at ",
                        root->second, ": ", trouble->second);
  }
  return "";
}

}  // namespace closewrite

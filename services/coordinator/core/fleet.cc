#include "services/coordinator/core/fleet.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace closewrite {
namespace {

bool Contains(const std::vector<std::string>& list, const std::string& word) {
  return std::find(list.begin(), list.end(), word) != list.end();
}

}  // namespace

std::string WhatIsMissing(const Session& session, const Pipeline& pipeline) {
  const ExecutorHello& executor = session.executor;
  for (const std::string& label : pipeline.labels) {
    if (!Contains(executor.labels, label)) return absl::StrCat("label ", label);
  }
  if (!executor.volume_roots.contains(pipeline.volume)) {
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

}  // namespace closewrite

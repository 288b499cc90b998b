// Pipelines and tasks as people apply them: what is wrong is said, and what is kept can be read
// back for ever and means the same.
#include <google/protobuf/util/message_differencer.h>

#include <string>
#include <string_view>

#include "closewrite/v1/pipeline.pb.h"
#include "closewrite/v1/task.pb.h"
#include "services/config/config.h"
#include "services/coordinator/api/pipeline_codec.h"
#include "services/coordinator/api/task_codec.h"
#include "services/log/str_cat.h"
#include "services/volume/path.h"
#include "tests/fuzz/messages.h"
#include "tests/fuzz/require.h"

namespace closewrite {
namespace {

void CheckRefused(const absl::Status& status) {
  const std::string_view said = ToStd(status.message());
  Require(absl::IsInvalidArgument(status), "a wrong definition is an invalid argument", said);
  Require(!said.empty() && IsUtf8(said), "an error is text", said);
}

void CheckPipelines(const v1::PipelineFile& file) {
  const absl::StatusOr<std::vector<Pipeline>> pipelines = DecodePipelines(file.pipelines());
  if (!pipelines.ok()) return CheckRefused(pipelines.status());
  Require(pipelines->size() == static_cast<size_t>(file.pipelines_size()), "each has become one");
  for (const Pipeline& pipeline : *pipelines) {
    const auto again = DecodeStoredPipeline(pipeline.definition);
    Require(again.ok(), "what was stored is read back", again.status().ToString());
    Require(again->definition == pipeline.definition, "it is complete", pipeline.name);
    Require(!pipeline.command.empty() && !pipeline.volume.empty() && !pipeline.match.empty(),
            "it has what it needs", pipeline.name);
    Require(pipeline.output_volume != pipeline.volume, "results are no new input", pipeline.name);
    Require(pipeline.settle >= absl::ZeroDuration() && pipeline.settle <= kSettleMax,
            "it settles in time", pipeline.name);
    Require(pipeline.retry.attempts >= 1 && pipeline.retry.attempts <= kAttemptsMax, "it is tried",
            pipeline.name);
  }
}

void CheckTasks(const v1::TaskFile& file) {
  const absl::StatusOr<std::vector<Task>> tasks = DecodeTasks(file.tasks());
  if (!tasks.ok()) return CheckRefused(tasks.status());
  Require(tasks->size() == static_cast<size_t>(file.tasks_size()), "each has become one");
  for (const Task& task : *tasks) {
    const auto again = DecodeStoredTask(task.run.definition);
    Require(again.ok(), "what was stored is read back", again.status().ToString());
    Require(again->run.definition == task.run.definition, "it is complete", task.run.name);
    Require(!task.run.command.empty(), "it has what it needs", task.run.name);
    Require(task.jitter >= absl::ZeroDuration() && task.jitter <= kTaskJitterMax,
            "its jitter is bounded", task.run.name);
  }
}

// Whoever sends it, and not only as YAML can say it.
template <class File>
bool Read(bool is_yaml, std::string_view text, File* file) {
  if (is_yaml) return ParseYaml("f.yaml", text, file).ok();
  return file->ParseFromArray(text.data(), static_cast<int>(text.size()));
}

}  // namespace
}  // namespace closewrite

extern "C" int LLVMFuzzerInitialize(int*, char***) {
  closewrite::QuietProtobuf();
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  const bool is_yaml = (data[0] & 2) == 0;
  if ((data[0] & 1) == 0) {
    closewrite::v1::PipelineFile file;
    if (closewrite::Read(is_yaml, text, &file)) closewrite::CheckPipelines(file);
  } else {
    closewrite::v1::TaskFile file;
    if (closewrite::Read(is_yaml, text, &file)) closewrite::CheckTasks(file);
  }
  // What lies in a store may be damaged.
  closewrite::DecodeStoredPipeline(text).status().IgnoreError();
  closewrite::DecodeStoredTask(text).status().IgnoreError();
  return 0;
}

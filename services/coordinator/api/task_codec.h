// Tasks: v1::Task <-> the core's Task. Everything that can be wrong with a definition is found
// here, before anything is kept.
#ifndef SERVICES_COORDINATOR_API_TASK_CODEC_H_
#define SERVICES_COORDINATOR_API_TASK_CODEC_H_

#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "closewrite/v1/task.pb.h"
#include "google/protobuf/repeated_field.h"
#include "services/coordinator/core/task.h"

namespace closewrite {

inline constexpr int kTasksPerRequestMax = 1000;
inline constexpr absl::Duration kTaskJitterMax = absl::Hours(1);
inline constexpr int kCatchUpDefault = 10;
// A Monday.
inline constexpr char kTaskStartDefault[] = "2000-01-03 00:00";

// 1 to kTasksPerRequestMax definitions with different names; checked, and completed with the
// defaults. INVALID_ARGUMENT names every wrong field, as in `tasks[3].run.command`, and what would
// be right. Reads time zones from the host's tzdata.
absl::StatusOr<std::vector<Task>> DecodeTasks(
    const google::protobuf::RepeatedPtrField<v1::Task>& definitions);

// Reads `Task::run.definition` back; for Engine::Options::decode_task.
absl::StatusOr<Task> DecodeStoredTask(std::string_view definition);

// The completed message of a definition. INTERNAL when it is damaged.
absl::StatusOr<v1::Task> ParseTaskDefinition(std::string_view definition);

}  // namespace closewrite

#endif  // SERVICES_COORDINATOR_API_TASK_CODEC_H_

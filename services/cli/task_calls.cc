#include "services/cli/task_calls.h"

#include <utility>

#include "services/log/str_cat.h"

namespace closewrite::cli {

absl::StatusOr<v1::TaskStatus> GetTask(Invocation& invocation, const std::string& name) {
  v1::GetTaskRequest request;
  request.set_name(name);
  v1::GetTaskResponse response;
  Client& client = invocation.client();
  const absl::Status status = client.Call([&](grpc::ClientContext* context) {
    return client.tasks().GetTask(context, request, &response);
  });
  if (!status.ok()) return status;
  return std::move(*response.mutable_task());
}

std::string RunsOf(const std::string& task) { return StrCat("task/", task); }

}  // namespace closewrite::cli

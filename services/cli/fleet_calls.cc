#include "services/cli/fleet_calls.h"

namespace closewrite::cli {

absl::Status ListExecutors(Invocation& invocation, std::vector<v1::ExecutorStatus>* executors) {
  Client& client = invocation.client();
  PageLoop pages;
  return pages.Run<v1::ListExecutorsRequest, v1::ListExecutorsResponse>(
      client, {},
      [&](auto* context, const auto& request, auto* response) {
        return client.fleet().ListExecutors(context, request, response);
      },
      [&](const v1::ListExecutorsResponse& response) {
        executors->insert(executors->end(), response.executors().begin(),
                          response.executors().end());
        return response.executors_size();
      });
}

absl::Status ListWatchers(Invocation& invocation, std::vector<v1::WatcherStatus>* watchers) {
  Client& client = invocation.client();
  PageLoop pages;
  return pages.Run<v1::ListWatchersRequest, v1::ListWatchersResponse>(
      client, {},
      [&](auto* context, const auto& request, auto* response) {
        return client.fleet().ListWatchers(context, request, response);
      },
      [&](const v1::ListWatchersResponse& response) {
        watchers->insert(watchers->end(), response.watchers().begin(), response.watchers().end());
        return response.watchers_size();
      });
}

absl::Status ListPipelines(Invocation& invocation, std::vector<v1::PipelineStatus>* pipelines) {
  Client& client = invocation.client();
  PageLoop pages;
  return pages.Run<v1::ListPipelinesRequest, v1::ListPipelinesResponse>(
      client, {},
      [&](auto* context, const auto& request, auto* response) {
        return client.pipelines().ListPipelines(context, request, response);
      },
      [&](const v1::ListPipelinesResponse& response) {
        pipelines->insert(pipelines->end(), response.pipelines().begin(),
                          response.pipelines().end());
        return response.pipelines_size();
      });
}

}  // namespace closewrite::cli

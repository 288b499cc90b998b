#include "services/cli/live_names.h"

#include <map>
#include <set>
#include <utility>

#include "absl/strings/str_join.h"
#include "services/cli/file_argument.h"
#include "services/cli/json.h"
#include "services/log/str_cat.h"

namespace closewrite::cli {
namespace {

Client::Options OptionsOf(const std::string& coordinator,
                          std::shared_ptr<grpc::ChannelCredentials> credentials,
                          const Console& console) {
  Client::Options options;
  options.coordinator = coordinator;
  options.credentials = std::move(credentials);
  options.call_timeout = kLiveNamesTimeout;
  options.connect_timeout = kLiveNamesTimeout;
  options.clock = console.clock;
  options.interrupts = console.interrupts;
  options.on_notice = [](const std::string&) {};
  return options;
}

// Each once, with all that was said about it.
class Gathered {
 public:
  void Add(const std::string& name, const std::string& description) {
    descriptions_[name].insert(description);
  }

  std::vector<Candidate> Candidates() const {
    std::vector<Candidate> candidates;
    for (const auto& [name, descriptions] : descriptions_) {
      candidates.push_back({name, absl::StrJoin(descriptions, ", ")});
    }
    return candidates;
  }

 private:
  std::map<std::string, std::set<std::string>> descriptions_;
};

}  // namespace

LiveNames::LiveNames(const std::string& coordinator,
                     std::shared_ptr<grpc::ChannelCredentials> credentials, const Console& console)
    : deadline_(console.clock->Now() + kLiveNamesTimeout),
      client_(OptionsOf(coordinator, std::move(credentials), console)) {}

// Empty when there is no answer in time: nobody who presses Tab wants to read why.
template <class Request, class Response, class Make>
Response LiveNames::Ask(Request request, Make call) {
  Response response;
  const absl::Status status = client_.CallUntil(
      deadline_, [&](grpc::ClientContext* context) { return call(context, request, &response); });
  answered_ = answered_ && status.ok();
  return status.ok() ? response : Response();
}

std::vector<Candidate> LiveNames::Jobs(const std::vector<v1::JobState>& states) {
  v1::ListJobsRequest request;
  request.set_page_size(kLiveJobsMax);
  for (const v1::JobState state : states) request.mutable_filter()->add_states(state);
  const auto response = Ask<v1::ListJobsRequest, v1::ListJobsResponse>(
      request, [&](auto* context, const auto& asked, auto* answer) {
        return client_.jobs().ListJobs(context, asked, answer);
      });
  std::vector<Candidate> candidates;
  for (const v1::Job& job : response.jobs()) {
    const std::string file =
        job.has_input() ? VolumePathText(job.input().volume(), job.input().path()) : "";
    candidates.push_back(
        {StrCat(job.id()), StrCat(EnumName(*v1::JobState_descriptor(), job.state()), " ",
                                  job.pipeline(), file.empty() ? "" : " ", file)});
  }
  return candidates;
}

std::vector<Candidate> LiveNames::Pipelines() {
  v1::ListPipelinesRequest request;
  request.set_page_size(kLiveNamesMax);
  const auto response = Ask<v1::ListPipelinesRequest, v1::ListPipelinesResponse>(
      request, [&](auto* context, const auto& asked, auto* answer) {
        return client_.pipelines().ListPipelines(context, asked, answer);
      });
  std::vector<Candidate> candidates;
  for (const v1::PipelineStatus& each : response.pipelines()) {
    candidates.push_back(
        {each.pipeline().name(), StrCat("files of ", each.pipeline().on().volume())});
  }
  return candidates;
}

std::vector<Candidate> LiveNames::Tasks() {
  v1::ListTasksRequest request;
  request.set_page_size(kLiveNamesMax);
  const auto response = Ask<v1::ListTasksRequest, v1::ListTasksResponse>(
      request, [&](auto* context, const auto& asked, auto* answer) {
        return client_.tasks().ListTasks(context, asked, answer);
      });
  std::vector<Candidate> candidates;
  for (const v1::TaskStatus& each : response.tasks()) {
    candidates.push_back({each.task().name(), each.started() ? "started" : "stopped"});
  }
  return candidates;
}

v1::ListExecutorsResponse LiveNames::AskExecutors() {
  v1::ListExecutorsRequest request;
  request.set_page_size(kLiveNamesMax);
  return Ask<v1::ListExecutorsRequest, v1::ListExecutorsResponse>(
      request, [&](auto* context, const auto& asked, auto* answer) {
        return client_.fleet().ListExecutors(context, asked, answer);
      });
}

v1::ListWatchersResponse LiveNames::AskWatchers() {
  v1::ListWatchersRequest request;
  request.set_page_size(kLiveNamesMax);
  return Ask<v1::ListWatchersRequest, v1::ListWatchersResponse>(
      request, [&](auto* context, const auto& asked, auto* answer) {
        return client_.fleet().ListWatchers(context, asked, answer);
      });
}

std::vector<Candidate> LiveNames::Executors() {
  Gathered names;
  const v1::ListExecutorsResponse executors = AskExecutors();
  for (const v1::ExecutorStatus& each : executors.executors()) {
    names.Add(each.name(), StrCat("executor on ", each.host()));
  }
  return names.Candidates();
}

std::vector<Candidate> LiveNames::DrainedNames() {
  Gathered names;
  const v1::ListExecutorsResponse executors = AskExecutors();
  for (const v1::ExecutorStatus& each : executors.executors()) {
    names.Add(each.name(), StrCat("executor on ", each.host()));
    if (each.host() != each.name()) names.Add(each.host(), "executors");
  }
  return names.Candidates();
}

std::vector<Candidate> LiveNames::Hosts() {
  Gathered names;
  const v1::ListExecutorsResponse executors = AskExecutors();
  for (const v1::ExecutorStatus& each : executors.executors()) names.Add(each.host(), "executors");
  const v1::ListWatchersResponse watchers = AskWatchers();
  for (const v1::WatcherStatus& each : watchers.watchers()) names.Add(each.host(), "watcher");
  return names.Candidates();
}

std::vector<Candidate> LiveNames::Volumes() {
  Gathered names;
  const v1::ListWatchersResponse watchers = AskWatchers();
  for (const v1::WatcherStatus& watcher : watchers.watchers()) {
    for (const v1::VolumeStatus& volume : watcher.volumes()) {
      names.Add(volume.volume(), StrCat("at home on ", watcher.host()));
    }
  }
  const v1::ListExecutorsResponse executors = AskExecutors();
  for (const v1::ExecutorStatus& executor : executors.executors()) {
    for (const auto& [volume, root] : executor.volume_roots()) {
      names.Add(volume, StrCat("used on ", executor.host()));
    }
  }
  return names.Candidates();
}

std::vector<Candidate> LiveNames::Locks() {
  const auto response = Ask<v1::ListLocksRequest, v1::ListLocksResponse>(
      {}, [&](auto* context, const auto& asked, auto* answer) {
        return client_.locks().ListLocks(context, asked, answer);
      });
  std::vector<Candidate> candidates;
  for (const v1::Lock& each : response.locks()) {
    candidates.push_back({each.name(), StrCat(each.holders_size(), " of ", each.capacity(),
                                              " held, ", each.waiting(), " waiting")});
  }
  return candidates;
}

std::vector<Candidate> LiveNames::Rates() {
  const auto response = Ask<v1::ListRatesRequest, v1::ListRatesResponse>(
      {}, [&](auto* context, const auto& asked, auto* answer) {
        return client_.locks().ListRates(context, asked, answer);
      });
  std::vector<Candidate> candidates;
  for (const v1::RateStatus& each : response.rates()) {
    candidates.push_back({each.rate().name(), StrCat(each.available(), " available")});
  }
  return candidates;
}

}  // namespace closewrite::cli

// The benchmark's watcher and executor without files and commands; tests/bench/jobs starts it. Each
// command prints one line of JSON at its end.
#include <cstdio>
#include <cstring>
#include <fstream>
#include <iostream>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "CLI/CLI.hpp"
#include "absl/strings/str_cat.h"
#include "closewrite/v1/job.grpc.pb.h"
#include "closewrite/v1/pipeline.grpc.pb.h"
#include "closewrite/v1/task.grpc.pb.h"
#include "nlohmann/json.hpp"
#include "services/clock/clock.h"
#include "services/transport/errors.h"
#include "services/transport/server.h"
#include "tests/bench/queues/attender.h"
#include "tests/bench/queues/echo.h"
#include "tests/bench/queues/submitter.h"

namespace closewrite {
namespace {

constexpr int kStreamsMax = 256;
constexpr int kSlotsMax = 10000;
constexpr int kCrashAttempts = 1000;
constexpr int kPageMax = 1000;
// Short: what is measured after a restart is the coordinator's time, not the client's patience.
constexpr int kReconnectMs = 10;

struct Flags {
  std::string coordinator;
  int volumes = 1;
  int streams = 1;
  int64_t warm_up_calls = 0;
  int64_t interval_us = 0;
  double seconds = 3600;
  size_t path_bytes = 100;
  Shape shape;
  Attender::Options attend;
  std::string settled_file;
  int64_t tell_at = 0;
  bool create = false;
  bool ordered_names = false;
  std::vector<std::string> command = {"true"};
  int64_t job = 0;
  int64_t rounds = 400;
  std::string task_prefix = "task";
  int tasks = 1;
  int tasks_due = 1;
  int64_t due_at = 0;  // seconds since 1970
};

// Each client has a connection of its own, as programs on other hosts would.
std::shared_ptr<grpc::Channel> ConnectAlone(const std::string& address) {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  arguments.SetMaxReceiveMessageSize(kMessageBytesMax);
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, kReconnectMs);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, kReconnectMs);
  return grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(), arguments);
}

std::string VolumeName(int number) { return absl::StrCat("bench-", number); }

void Say(const nlohmann::json& line) {
  std::printf("%s\n", line.dump().c_str());
  std::fflush(stdout);
}

int Fail(const absl::Status& status, nlohmann::json line = {}) {
  line["error"] = status.ToString();
  Say(line);
  return 1;
}

// One pipeline a volume, which takes every file and publishes nothing.
int Prepare(const Flags& flags) {
  v1::ApplyPipelinesRequest request;
  request.set_request_id(absl::StrCat("bench-", StampNow()));
  for (int i = 0; i < flags.volumes; ++i) {
    v1::Pipeline* pipeline = request.add_pipelines();
    pipeline->set_name(VolumeName(i));
    pipeline->mutable_on()->set_volume(VolumeName(i));
    pipeline->mutable_on()->add_match("**");
    if (flags.create) pipeline->mutable_on()->set_when(v1::WHEN_CREATE);
    for (const std::string& word : flags.command) pipeline->mutable_run()->add_command(word);
    pipeline->mutable_retry()->set_crash_attempts(kCrashAttempts);
  }
  grpc::ClientContext context;
  v1::ApplyPipelinesResponse response;
  const auto stub = v1::PipelineService::NewStub(ConnectAlone(flags.coordinator));
  const grpc::Status status = stub->ApplyPipelines(&context, request, &response);
  if (!status.ok()) return Fail(FromGrpc(status));
  Say({{"pipelines", response.pipelines_size()}});
  return 0;
}

// Daily tasks, which are started: the first of them are due at `due_at`, the others a day later.
int PrepareTasks(const Flags& flags) {
  const auto stub = v1::TaskService::NewStub(ConnectAlone(flags.coordinator));
  for (int done = 0; done < flags.tasks;) {
    v1::ApplyTasksRequest request;
    v1::StartTasksRequest start;
    request.set_request_id(absl::StrCat("bench-", StampNow()));
    start.set_request_id(absl::StrCat(request.request_id(), "-start"));
    for (; done < flags.tasks && request.tasks_size() < kPageMax; ++done) {
      v1::Task* task = request.add_tasks();
      task->set_name(absl::StrCat(flags.task_prefix, "-", done));
      task->mutable_run()->add_command("true");
      task->set_period("day");
      const absl::Time first =
          absl::FromUnixSeconds(flags.due_at) + absl::Hours(done < flags.tasks_due ? 0 : 24);
      task->set_start(absl::FormatTime("%Y-%m-%d %H:%M:%S", first, absl::UTCTimeZone()));
      start.add_names(task->name());
    }
    grpc::ClientContext apply_context;
    v1::ApplyTasksResponse applied;
    grpc::Status status = stub->ApplyTasks(&apply_context, request, &applied);
    if (!status.ok()) return Fail(FromGrpc(status));
    grpc::ClientContext start_context;
    v1::StartTasksResponse started;
    status = stub->StartTasks(&start_context, start, &started);
    if (!status.ok()) return Fail(FromGrpc(status));
  }
  Say({{"tasks", flags.tasks}});
  return 0;
}

// One stream of a submitting client.
struct Worker {
  std::unique_ptr<v1::ObserveService::Stub> stub;
  std::unique_ptr<Submitter> submitter;
  absl::StatusOr<Submitted> result;
};

// Runs `shape` on all streams at once.
void RunAll(std::vector<Worker>& workers, const Shape& shape, absl::Duration interval) {
  std::vector<std::thread> threads;
  threads.reserve(workers.size());
  for (Worker& worker : workers) {
    threads.emplace_back([&worker, &shape, interval] {
      worker.result = interval > absl::ZeroDuration() ? worker.submitter->RunPaced(shape, interval)
                                                      : worker.submitter->Run(shape);
    });
  }
  for (std::thread& thread : threads) thread.join();
}

int Submit(const Flags& flags) {
  std::vector<Worker> workers(flags.streams);
  for (int i = 0; i < flags.streams; ++i) {
    Submitter::Options options{.host = absl::StrCat("bench-host-", i),
                               .volume = VolumeName(i % flags.volumes),
                               .path_bytes = flags.path_bytes,
                               .ordered_names = flags.ordered_names,
                               .create = flags.create};
    workers[i].stub = v1::ObserveService::NewStub(ConnectAlone(flags.coordinator));
    auto opened = Submitter::Open(workers[i].stub.get(), options);
    if (!opened.ok()) return Fail(opened.status());
    workers[i].submitter = *std::move(opened);
  }
  Shape shape = flags.shape;
  if (flags.warm_up_calls > 0) {
    shape.calls_max = flags.warm_up_calls;
    RunAll(workers, shape, absl::ZeroDuration());
    for (const Worker& worker : workers) {
      if (!worker.result.ok()) return Fail(worker.result.status());
    }
  }
  shape.calls_max = flags.shape.calls_max;
  shape.duration_max = absl::Seconds(flags.seconds);
  RunAll(workers, shape, absl::Microseconds(flags.interval_us));
  int64_t events = 0;
  int64_t began = workers[0].result.ok() ? workers[0].result->began : 0;
  int64_t ended = 0;
  Latencies latencies;
  for (Worker& worker : workers) {
    if (!worker.result.ok()) return Fail(worker.result.status());
    events += worker.result->events;
    began = std::min(began, worker.result->began);
    ended = std::max(ended, worker.result->ended);
    latencies.Take(worker.result->latencies);
  }
  Say({{"jobs", events},
       {"seconds", static_cast<double>(ended - began) / 1e9},
       {"ended_at", ended},
       {"latency", latencies.Summary()}});
  return 0;
}

int Attend(Flags& flags) {
  const auto stub = v1::AttendService::NewStub(ConnectAlone(flags.coordinator));
  for (int i = 0; i < flags.volumes; ++i) flags.attend.volumes.push_back(VolumeName(i));
  if (flags.due_at != 0) {
    flags.attend.due_at =
        StampNow() +
        absl::ToInt64Nanoseconds(absl::FromUnixSeconds(flags.due_at) - SteadyClock().Now());
  }
  flags.attend.on_held = [](const v1::LeaseRef& lease) {
    Say({{"held", lease.job_id()}, {"token", lease.token()}, {"at", StampNow()}});
  };
  auto attender = Attender::Open(stub.get(), flags.attend);
  if (!attender.ok()) return Fail(attender.status());
  Say({{"attends", flags.attend.name}});
  if (flags.attend.hold) {
    // A line means: answer now. The end means: that is all.
    for (std::string line; std::getline(std::cin, line);) {
      Say({{"answered", (*attender)->Answer().ToString()}});
    }
    return 0;
  }
  if (flags.tell_at > 0 && (*attender)->AwaitSettled(flags.tell_at)) {
    Say({{"settled", flags.tell_at}});
  }
  absl::StatusOr<Attended> ended = (*attender)->Run(absl::Seconds(flags.seconds));
  Attended done = ended.ok() ? *std::move(ended) : (*attender)->Progress();
  if (!flags.settled_file.empty()) {
    std::ofstream file(flags.settled_file);
    for (int64_t job : done.settled_jobs) file << job << "\n";
    if (!file.flush()) return Fail(absl::UnavailableError("can't write the settled jobs"));
  }
  const double seconds = static_cast<double>(done.last_settled - done.first_assigned) / 1e9;
  nlohmann::json line = {
      {"jobs", done.settled},         {"seconds", done.settled > 0 ? seconds : 0},
      {"rerun", done.rerun},          {"first_at", done.first_assigned},
      {"last_at", done.last_settled}, {"latency", done.latencies.Summary()}};
  if (!ended.ok()) return Fail(ended.status(), std::move(line));
  Say(line);
  return 0;
}

int ShowJob(const Flags& flags) {
  v1::GetJobRequest request;
  request.set_job_id(flags.job);
  grpc::ClientContext context;
  v1::GetJobResponse response;
  const auto stub = v1::JobService::NewStub(ConnectAlone(flags.coordinator));
  const grpc::Status status = stub->GetJob(&context, request, &response);
  if (!status.ok()) return Fail(FromGrpc(status));
  Say({{"state", v1::JobState_Name(response.job().state())}, {"token", response.job().token()}});
  return 0;
}

// How many jobs there are of each state.
int CountStates(const Flags& flags) {
  const auto stub = v1::JobService::NewStub(ConnectAlone(flags.coordinator));
  nlohmann::json counts = nlohmann::json::object();
  v1::ListJobsRequest request;
  request.set_page_size(kPageMax);
  do {
    grpc::ClientContext context;
    v1::ListJobsResponse response;
    const grpc::Status status = stub->ListJobs(&context, request, &response);
    if (!status.ok()) return Fail(FromGrpc(status));
    for (const v1::Job& job : response.jobs()) {
      const std::string state = v1::JobState_Name(job.state());
      counts[state] = counts.value(state, 0) + 1;
    }
    request.set_page_token(response.next_page_token());
  } while (!request.page_token().empty());
  Say(counts);
  return 0;
}

int ServeEcho() {
  BlockStopSignals();
  EchoService service;
  auto server =
      Server::Start({.listen = "127.0.0.1:0", .reflection = false, .services = {&service}});
  if (!server.ok()) return Fail(server.status());
  Say({{"port", (*server)->port()}});
  WaitForStopSignal();
  (*server)->Shutdown(absl::ZeroDuration());
  return 0;
}

int Echo(const Flags& flags) {
  const auto stub = v1::AttendService::NewStub(ConnectAlone(flags.coordinator));
  auto latencies = MeasureEcho(stub.get(), flags.rounds, absl::Microseconds(flags.interval_us));
  if (!latencies.ok()) return Fail(latencies.status());
  Say({{"latency", latencies->Summary()}});
  return 0;
}

void AddSubmit(CLI::App* command, Flags& flags) {
  command->add_option("--streams", flags.streams)->check(CLI::Range(1, kStreamsMax));
  command->add_option("--in-flight", flags.shape.in_flight_max)->check(CLI::PositiveNumber);
  command->add_option("--per-call", flags.shape.events_per_call)->check(CLI::PositiveNumber);
  command->add_option("--calls", flags.shape.calls_max, "a stream")->check(CLI::PositiveNumber);
  command->add_option("--warm-up", flags.warm_up_calls, "calls a stream before the measured ones");
  command->add_option("--interval-us", flags.interval_us, "begin a call so often, whatever comes");
  command->add_option("--seconds", flags.seconds, "begin no call after it");
  command->add_flag("--create", flags.create, "events of names alone");
  command->add_flag("--ordered", flags.ordered_names, "names rise");
  command->add_option("--path-bytes", flags.path_bytes)->check(CLI::Range(60, 4000));
}

void AddAttend(CLI::App* command, Flags& flags) {
  command->add_option("--name", flags.attend.name)->required();
  command->add_option("--slots", flags.attend.slots)->check(CLI::Range(1, kSlotsMax));
  command->add_option("--jobs", flags.attend.jobs_max)->check(CLI::PositiveNumber);
  command->add_option("--seconds", flags.seconds);
  command->add_flag("--hold", flags.attend.hold);
  command->add_option("--due-at", flags.due_at, "latencies count from this second since 1970");
  command->add_option("--tell", flags.tell_at, "says when so many jobs are settled");
  command->add_option("--settled", flags.settled_file, "writes the ids of settled jobs there");
}

}  // namespace

int Main(int argc, char** argv) {
  Flags flags;
  CLI::App app("A watcher and an executor that do nothing, for tests/bench/jobs");
  app.require_subcommand(1);
  app.add_option("--coordinator", flags.coordinator);
  app.add_option("--volumes", flags.volumes)->check(CLI::Range(1, kStreamsMax));
  CLI::App* prepare = app.add_subcommand("prepare", "makes a pipeline for each volume");
  prepare->add_flag("--create", flags.create, "that takes names alone");
  prepare->add_option("--run", flags.command, "a word of the command");
  CLI::App* tasks = app.add_subcommand("tasks", "registers and starts tasks");
  tasks->add_option("--prefix", flags.task_prefix, "of their names");
  tasks->add_option("--count", flags.tasks)->check(CLI::PositiveNumber);
  tasks->add_option("--due", flags.tasks_due, "so many are due at the same second");
  tasks->add_option("--at", flags.due_at, "seconds since 1970")->required();
  CLI::App* submit = app.add_subcommand("submit", "submits events until they are durable");
  AddSubmit(submit, flags);
  CLI::App* attend = app.add_subcommand("attend", "takes jobs and answers at once");
  AddAttend(attend, flags);
  CLI::App* job = app.add_subcommand("job", "shows a job's state");
  job->add_option("--id", flags.job)->required();
  CLI::App* states = app.add_subcommand("states", "counts jobs by state");
  CLI::App* serve = app.add_subcommand("echo-server", "answers messages and does nothing else");
  CLI::App* echo = app.add_subcommand("echo", "measures messages there and back");
  echo->add_option("--rounds", flags.rounds)->check(CLI::PositiveNumber);
  echo->add_option("--interval-us", flags.interval_us);
  CLI11_PARSE(app, argc, argv);
  if (prepare->parsed()) return Prepare(flags);
  if (tasks->parsed()) return PrepareTasks(flags);
  if (submit->parsed()) return Submit(flags);
  if (attend->parsed()) return Attend(flags);
  if (job->parsed()) return ShowJob(flags);
  if (states->parsed()) return CountStates(flags);
  if (serve->parsed()) return ServeEcho();
  return echo->parsed() ? Echo(flags) : 2;
}

}  // namespace closewrite

int main(int argc, char** argv) { return closewrite::Main(argc, argv); }

#include "services/coordinator/api/api_fixture.h"

#include <functional>
#include <future>
#include <utility>

#include "services/config/uuid.h"
#include "services/coordinator/api/pipeline_codec.h"
#include "services/coordinator/api/task_codec.h"
#include "services/log/str_cat.h"

namespace closewrite {

v1::Pipeline TestPipeline(const std::string& name) {
  v1::Pipeline pipeline;
  pipeline.set_name(name);
  pipeline.mutable_on()->set_volume("unenriched");
  pipeline.mutable_on()->add_match("**/*.csv");
  pipeline.mutable_run()->add_command("/bin/cp");
  pipeline.mutable_run()->add_command("{input}");
  pipeline.mutable_run()->add_command("{output}");
  pipeline.mutable_publish()->set_volume("enriched");
  return pipeline;
}

ApiFixture::ApiFixture()
    : clock_(absl::FromUnixSeconds(kTestStartSeconds)),
      engine_({.points = ExtraTags{},
               .random = [] { return 0.0; },
               .new_session_id = [n = 0]() mutable { return StrCat("session-", ++n); },
               .decode_pipeline = DecodeStoredPipeline,
               .decode_task = DecodeStoredTask}),
      loop_(&store_, &engine_, &feed_, &clock_),
      api_({.loop = &loop_, .feed = &feed_, .callers = &callers_}),
      job_service_(api_, &board_),
      pipeline_service_(api_, &watcher_health_),
      task_service_(api_),
      event_service_(api_, &board_),
      counter_(&store_),
      fleet_service_(api_, &counter_, &executor_health_, &watcher_health_),
      scaler_service_(api_, &counter_),
      monitor_service_(api_, NewUuid),
      lock_service_(api_),
      alert_service_(api_, {.mail = true, .to = {.emails = {"ops@example.org"}, .webhook = ""}},
                     NewUuid),
      audit_service_(api_) {
  EXPECT_TRUE(loop_.Start().ok());
  int port = 0;
  grpc::ServerBuilder builder;
  builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
  builder.RegisterService(&job_service_);
  builder.RegisterService(&pipeline_service_);
  builder.RegisterService(&task_service_);
  builder.RegisterService(&event_service_);
  builder.RegisterService(&fleet_service_);
  builder.RegisterService(&scaler_service_);
  builder.RegisterService(&monitor_service_);
  builder.RegisterService(&lock_service_);
  builder.RegisterService(&alert_service_);
  builder.RegisterService(&audit_service_);
  server_ = builder.BuildAndStart();
  auto channel =
      grpc::CreateChannel(StrCat("127.0.0.1:", port), grpc::InsecureChannelCredentials());
  jobs_ = v1::JobService::NewStub(channel);
  pipelines_ = v1::PipelineService::NewStub(channel);
  tasks_ = v1::TaskService::NewStub(channel);
  events_ = v1::EventService::NewStub(channel);
  fleet_ = v1::FleetService::NewStub(channel);
  scaler_ = externalscaler::ExternalScaler::NewStub(channel);
  monitor_ = v1::MonitorService::NewStub(channel);
  locks_ = v1::LockService::NewStub(channel);
  alerts_ = v1::AlertService::NewStub(channel);
  audit_ = v1::AuditService::NewStub(channel);
}

ApiFixture::~ApiFixture() {
  job_service_.Shutdown();
  event_service_.Shutdown();
  scaler_service_.Shutdown();
  monitor_service_.Shutdown();
  lock_service_.Shutdown();
  server_->Shutdown();
  loop_.Shutdown();
}

absl::Status ApiFixture::Run(
    const std::function<void(Engine&, StoreTransaction&, absl::Time)>& step) {
  const absl::Status status = RunOnce(step);
  // The next commit begins when listeners have heard of this one.
  (void)RunOnce([](Engine&, StoreTransaction&, absl::Time) {});
  return status;
}

absl::Status ApiFixture::RunOnce(
    const std::function<void(Engine&, StoreTransaction&, absl::Time)>& step) {
  std::promise<absl::Status> answer;
  loop_.Submit(
      [&](Engine& engine, StoreTransaction& tx, absl::Time now) {
        step(engine, tx, now);
        return absl::OkStatus();
      },
      [&](const absl::Status& status) { answer.set_value(status); });
  return answer.get_future().get();
}

void ApiFixture::Apply(const v1::Pipeline& pipeline) {
  grpc::ClientContext context;
  auto request = WithId<v1::ApplyPipelinesRequest>(StrCat("apply-", pipeline.name()));
  *request.add_pipelines() = pipeline;
  v1::ApplyPipelinesResponse response;
  const grpc::Status status = pipelines_->ApplyPipelines(&context, request, &response);
  ASSERT_TRUE(status.ok()) << status.error_message();
}

void ApiFixture::ConnectWatcher() {
  const auto report = [](const std::string& volume) {
    return VolumeReport{
        .volume = volume, .root = StrCat("/srv/", volume), .state = VolumeState::kLive};
  };
  Watcher watcher{.host = "vm-b",
                  .ledger_id = "ledger",
                  .version = "0.1.0",
                  .address = "vm-b:7401",
                  .volumes = {report("enriched"), report("unenriched")}};
  ASSERT_TRUE(Run([&](Engine& engine, StoreTransaction& tx, absl::Time now) {
                EXPECT_TRUE(engine.ConnectWatcher(tx, watcher, now).ok());
              }).ok());
}

void ApiFixture::Record(const FileEvent& event) {
  ASSERT_TRUE(Run([&](Engine& engine, StoreTransaction& tx, absl::Time now) {
                EXPECT_TRUE(engine.RecordEvents(tx, {"vm-b", "ledger", 1}, {event}, now).ok());
              }).ok());
}

void ApiFixture::Announce(const std::string& path) {
  const int64_t sequence = ++last_sequence_;
  Record({.sequence = sequence,
          .kind = EventKind::kCloseWrite,
          .evidence = Evidence::kClosed,
          .source = EventSource::kInotify,
          .file = {.volume = "unenriched",
                   .path = path,
                   .inode = 7,
                   .size = 100 + sequence,
                   .mtime_ns = absl::ToUnixNanos(clock_.Now())},
          .observed_at = clock_.Now()});
}

void ApiFixture::Remove(const std::string& path) {
  Record({.sequence = ++last_sequence_,
          .kind = EventKind::kDelete,
          .source = EventSource::kRescan,
          .file = {.volume = "unenriched", .path = path, .inode = 7, .size = 100},
          .observed_at = clock_.Now()});
}

SessionId ApiFixture::OpenSession(const std::string& name, int slots) {
  SessionId session;
  const ExecutorHello hello{.name = name,
                            .host = "vm-c",
                            .labels = {"internet"},
                            .slots = slots,
                            .volume_roots = {{"enriched", "/mnt/e"}, {"unenriched", "/mnt/u"}},
                            .version = "0.1.0"};
  EXPECT_TRUE(Run([&](Engine& engine, StoreTransaction& tx, absl::Time now) {
                session = engine.dispatch().Open(tx, hello, now).value_or("");
              }).ok());
  return session;
}

void ApiFixture::Report(const AttendReport& report) {
  ASSERT_TRUE(Run([&](Engine& engine, StoreTransaction& tx, absl::Time now) {
                EXPECT_TRUE(engine.dispatch().Report(tx, report, now).ok());
              }).ok());
}

void ApiFixture::ReportRunning(const SessionId& session, const Lease& lease, int pid) {
  Report({.session = session, .running = {{.lease = lease, .pid = pid}}});
}

void ApiFixture::ReportLog(const SessionId& session, const Lease& lease, int64_t offset,
                           const std::string& data) {
  Report({.session = session, .logs = {{.lease = lease, .offset = offset, .data = data}}});
}

void ApiFixture::ReportEnd(const SessionId& session, const Lease& lease, Outcome outcome,
                           int exit_code, std::vector<OutputFile> outputs) {
  Report({.session = session,
          .results = {{.job = lease.job,
                       .end = {.token = lease.token,
                               .outcome = outcome,
                               .exit_code = exit_code,
                               .message = exit_code == 0 ? "" : StrCat("exit ", exit_code),
                               .outputs = std::move(outputs)}}}});
}

void ApiFixture::Publish(const Lease& lease) {
  ASSERT_TRUE(Run([&](Engine& engine, StoreTransaction& tx, absl::Time now) {
                engine.RecordPublished(tx, lease, "", now);
              }).ok());
}

void ApiFixture::Tick() {
  ASSERT_TRUE(Run([](Engine&, StoreTransaction&, absl::Time) {}).ok());
}

v1::Job ApiFixture::Get(int64_t job_id) {
  grpc::ClientContext context;
  v1::GetJobRequest request;
  request.set_job_id(job_id);
  v1::GetJobResponse response;
  const grpc::Status status = jobs_->GetJob(&context, request, &response);
  EXPECT_TRUE(status.ok()) << status.error_message();
  return response.job();
}

}  // namespace closewrite

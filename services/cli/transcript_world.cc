#include "services/cli/transcript_world.h"

#include <algorithm>

#include "google/protobuf/text_format.h"
#include "gtest/gtest.h"
#include "services/cli/fake_job_service.h"
#include "services/cli/fake_task_service.h"
#include "services/log/str_cat.h"

namespace closewrite::cli {
namespace {

constexpr absl::CivilSecond kBegin(2100, 1, 1, 12, 0, 0);
// 2100-01-01T11:00:00Z, as text for the messages below.
constexpr char kEleven[] = "4102484400";

template <class Message>
Message Parse(const std::string& text) {
  Message message;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(text, &message)) << text;
  return message;
}

void PutPipelines(FakeCoordinator* coordinator) {
  coordinator->PutPipeline(Parse<v1::PipelineStatus>(StrCat(R"(
      version: 3 unfinished_jobs: 2 applied_at { seconds: )",
                                                            kEleven, R"( }
      pipeline {
        name: "enrich"
        on { volume: "unenriched" match: "**/*.csv" when: WHEN_CLOSE_WRITE }
        run { command: "Rscript" command: "/opt/enrich.R" command: "{input}" labels: "internet" }
        publish { volume: "enriched" }
        retry { attempts: 5 }
        locks: "picky-api"
      })")));
  coordinator->PutPipeline(Parse<v1::PipelineStatus>(StrCat(R"(
      version: 1 applied_at { seconds: )",
                                                            kEleven, R"( }
      pipeline {
        name: "count"
        on { volume: "enriched" match: "**" when: WHEN_RENAME }
        run { command: "wc" command: "-l" command: "{input}" }
        retry { attempts: 1 }
      })")));
  coordinator->SetVerdicts(Parse<v1::TestPipelinesResponse>(R"(
      verdicts { file { volume: "unenriched" path: "2100/a.csv" } pipeline: "enrich" matches: true
                 message: "matches **/*.csv" }
      verdicts { file { volume: "unenriched" path: "2100/a.csv" } pipeline: "count"
                 message: "it is about volume enriched" })"));
}

void PutFleet(FakeCoordinator* coordinator) {
  coordinator->PutExecutor(
      Parse<v1::ExecutorStatus>(StrCat(R"(
      name: "vm-c-1" host: "vm-c" session_id: "s1" connected: true slots: 4 leases: 1
      labels: "internet" version: "0.1.0" address: "vm-c:7402"
      volume_roots { key: "unenriched" value: "/mnt/unenriched" }
      volume_roots { key: "enriched" value: "/mnt/enriched" }
      heartbeat_at { seconds: )",
                                       kEleven, R"( } expires_at { seconds: 4102488010 })")));
  coordinator->PutExecutor(Parse<v1::ExecutorStatus>(StrCat(R"(
      name: "vm-d-1" host: "vm-d" session_id: "s2" slots: 2 version: "0.1.0"
      heartbeat_at { seconds: )",
                                                            kEleven, R"( })")));
  coordinator->PutWatcher(Parse<v1::WatcherStatus>(StrCat(R"(
      host: "vm-b" connected: true version: "0.1.0" address: "vm-b:7401"
      heartbeat_at { seconds: )",
                                                          kEleven, R"( }
      volumes { volume: "unenriched" root: "/srv/unenriched" state: VOLUME_STATE_LIVE
                backend: WATCH_BACKEND_INOTIFY watched_directories: 12 file_system: "ext4" }
      volumes { volume: "archive" root: "/srv/archive" state: VOLUME_STATE_LOST read_only: true
                message: "its directory is gone" })")));
}

void PutJobs(FakeCoordinator* coordinator) {
  const std::string common = StrCat(R"(
      output_volume: "enriched" attempts: 1 attempts_max: 5 pipeline: "enrich"
      created_at { seconds: )",
                                    kEleven, " } ");
  const std::string ended = StrCat(common, R"(token: 7 executor: "vm-c-1" host: "vm-c"
      leased_at { seconds: 4102484401 } started_at { seconds: 4102484401 }
      finished_at { seconds: 4102484461 } )");
  coordinator->PutJob(Parse<v1::Job>(StrCat(ended, R"(id: 40 state: JOB_STATE_SUCCEEDED exit_code: 0
      input { volume: "unenriched" path: "2100/a.csv" size: 1234 }
      outputs { path: "2100/a.csv" size: 2345 })")));
  coordinator->PutJob(Parse<v1::Job>(StrCat(common, R"(id: 41 state: JOB_STATE_RUNNING
      input { volume: "unenriched" path: "2100/b.csv" size: 1234 } token: 8 executor: "vm-c-1"
      host: "vm-c" started_at { seconds: 4102487970 } progress { done: 40 total: 100 unit: "rows" }
      )")));
  coordinator->PutJob(Parse<v1::Job>(StrCat(ended, R"(id: 42 state: JOB_STATE_FAILED exit_code: 7
      input { volume: "unenriched" path: "2100/naïve 文件.csv" size: 99 } message: "exit code 7"
      )")));
  coordinator->PutJob(Parse<v1::Job>(StrCat(common, R"(id: 43 state: JOB_STATE_AVAILABLE
      input { volume: "unenriched" path: "2100/c.csv" size: 5 }
      waiting { reason: WAITING_REASON_LOCK
                message: "lock picky-api held by job 41 on vm-c, 1st in line" })")));
  const std::string attempt = R"(executor: "vm-c-1" host: "vm-c" pid: 4711
      leased_at { seconds: 4102484401 } started_at { seconds: 4102484401 }
      ended_at { seconds: 4102484461 } cpu { seconds: 31 } max_rss_bytes: 104857600 )";
  coordinator->PutAttempt(40, Parse<v1::Attempt>(StrCat(attempt, R"(token: 7 number: 1
      outcome: ATTEMPT_OUTCOME_SUCCEEDED exit_code: 0)")));
  coordinator->PutAttempt(42, Parse<v1::Attempt>(StrCat(attempt, R"(token: 7 number: 1
      outcome: ATTEMPT_OUTCOME_FAILED exit_code: 7 message: "exit code 7")")));
  coordinator->AppendLog(42, 7, "reading\n");
  coordinator->AppendLog(42, 7, "no such column: zip\n", v1::LOG_STREAM_STDERR);
  coordinator->SetStory(Parse<v1::ExplainResponse>(R"(
      lines { at { seconds: 4102484400 } topic: "EVENT"
              text: "vm-b saw close_write of unenriched:2100/a.csv, 1234 bytes" }
      lines { at { seconds: 4102484400 } topic: "JOB" text: "pipeline enrich made job 40" }
      lines { at { seconds: 4102484461 } topic: "JOB" text: "published enriched:2100/a.csv" }
      lines { topic: "LOG" text: "  3 rows" })"));
}

void PutEvents(FakeCoordinator* coordinator) {
  coordinator->PutEvent(Parse<v1::EventRecord>(StrCat(R"(
      id: 1 host: "vm-b" received_at { seconds: )",
                                                      kEleven, R"( } job_ids: 40
      event { kind: EVENT_KIND_CLOSE_WRITE evidence: EVIDENCE_CLOSED source: EVENT_SOURCE_INOTIFY
              observed_at { seconds: )",
                                                      kEleven, R"( }
              file { volume: "unenriched" path: "2100/a.csv" size: 1234 } })")));
}

}  // namespace

absl::Time TranscriptClock::Now() const {
  return absl::FromCivil(kBegin, absl::UTCTimeZone()) + (SinceBoot() - begun_);
}

namespace {

void PutAlerts(FakeCoordinator* coordinator) {
  coordinator->PutIncident(Parse<v1::Incident>(R"(
      rule: ALERT_RULE_EXECUTOR_LOST pipeline: "enrich" subject: "vm-d-1"
      message: "executor vm-d-1 on vm-d, which could run pipeline enrich, was lost at 2100-01-01 "
               "11:00:00 UTC"
      opened_at { seconds: 4102484415 } email: "ops@example.org")"));
  coordinator->PutIncident(Parse<v1::Incident>(R"(
      rule: ALERT_RULE_NO_SUCCESS_WITHIN task: "feed" reminders: 1
      message: "no job of task feed has succeeded within 24h: none since it was registered at "
               "2099-12-30 11:00:00 UTC"
      opened_at { seconds: 4102398000 } cleared_at { seconds: 4102484430 }
      webhook: "https://hooks.example.org/T0/B0")"));
  coordinator->PutMessage(Parse<v1::Message>(R"(
      id: "alert-1.mail" email: "ops@example.org" state: MESSAGE_STATE_WAITING tries: 2
      subject: "[closewrite] pipeline enrich: executor lost vm-d-1"
      trouble: "mail.example.org does not answer" created_at { seconds: 4102484415 }
      at { seconds: 4102484419 })"));
}

void PutAudit(FakeCoordinator* coordinator) {
  coordinator->PutAuditEntry(Parse<v1::AuditEntry>(R"(
      id: 7 at { seconds: 4102484400 } role: "operator" name: "alice" peer: "10.0.0.4:51220"
      method: "JobService.CancelJobs" request_id: "5bb5c1f0-0000-4000-8000-000000000003"
      subject: "job_ids 41, 42; reason a wrong file")"));
  coordinator->PutAuditEntry(Parse<v1::AuditEntry>(R"(
      id: 8 at { seconds: 4102484415 } role: "portal" name: "vm-a" user: "bob"
      peer: "10.0.0.1:40090" method: "UploadService.BeginUpload"
      request_id: "5bb5c1f0-0000-4000-8000-000000000004"
      subject: "pipeline enrich; name orders.csv; who bob")"));
  coordinator->PutAuditEntry(Parse<v1::AuditEntry>(R"(
      id: 9 at { seconds: 4102484430 } role: "anybody" peer: "10.0.0.3:40118"
      method: "JobService.SubmitJobs" request_id: "5bb5c1f0-0000-4000-8000-000000000005"
      subject: "pipeline enrich; 40 files")"));
}

void PutLocks(FakeCoordinator* coordinator) {
  coordinator->locks().Put(Parse<v1::Lock>(R"(
      name: "picky-api" capacity: 1 waiting: 2
      holders { job_id: 41 pipeline: "enrich" attempt: 1 token: 8
                asked_at { seconds: 4102487960 } held_since { seconds: 4102487970 }
                program { host: "vm-c" pid: 4711 program: "vm-c-1" } }
      waiters { job_id: 43 pipeline: "enrich" asked_at { seconds: 4102487980 } }
      waiters { session_id: "fake-5bb5c1f0-0001" asked_at { seconds: 4102487990 } priority: -5
                program { host: "vm-d" pid: 12 program: "python3 load.py" user: "bob" } })"));
  coordinator->locks().Put(Parse<v1::Lock>(R"(
      name: "db-slots" capacity: 4
      holders { session_id: "fake-5bb5c1f0-0002" token: 3
                asked_at { seconds: 4102487000 } held_since { seconds: 4102487000 }
                program { host: "vm-b" pid: 99 program: "Rscript api_calls.R" user: "alice" } })"));
  coordinator->locks().PutRate(Parse<v1::RateStatus>(R"(
      rate { name: "api-x" limit: 100 per { seconds: 60 } } available: 40
      full_at { seconds: 4102488036 })"));
}

}  // namespace

void FillTranscriptWorld(FakeCoordinator* coordinator) {
  PutAlerts(coordinator);
  PutAudit(coordinator);
  PutPipelines(coordinator);
  PutFleet(coordinator);
  PutJobs(coordinator);
  PutEvents(coordinator);
  PutLocks(coordinator);
}

TranscriptTasks::TranscriptTasks() {
  auto state = std::make_shared<FakeState>();
  const v1::Job run = Parse<v1::Job>(R"(
      id: 50 pipeline: "task/feed" state: JOB_STATE_SUCCEEDED attempts: 1 attempts_max: 1 token: 3
      executor: "vm-c-1" host: "vm-c" created_at { seconds: 4102484400 }
      leased_at { seconds: 4102484400 } started_at { seconds: 4102484400 }
      finished_at { seconds: 4102484430 } exit_code: 0)");
  v1::LogPart part;
  part.set_data("fed 12 rows\n");
  part.set_stream(v1::LOG_STREAM_STDOUT);
  part.mutable_time()->set_seconds(4102484401);
  {
    absl::MutexLock lock(&state->mutex);
    state->Put(run);
    state->logs[{50, 3}].push_back(part);
  }
  v1::TaskStatus feed = Parse<v1::TaskStatus>(R"(
      version: 1 started: true runs: 1 applied_at { seconds: 4102484400 }
      next_runs { seconds: 4102488060 }
      task { name: "feed" period: "1 hour" start: "2100-01-01 11:00" tz: "UTC"
             run { command: "Rscript" command: "/opt/feed.R" } })");
  *feed.mutable_last_run() = run;
  jobs_ = MakeFakeJobService(state);
  tasks_ = MakeFakeTaskService(state, {feed});
  int port = 0;
  grpc::ServerBuilder builder;
  builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
  builder.RegisterService(jobs_.get());
  builder.RegisterService(tasks_.get());
  server_ = builder.BuildAndStart();
  address_ = StrCat("127.0.0.1:", port);
}

TranscriptTasks::~TranscriptTasks() { server_->Shutdown(); }

}  // namespace closewrite::cli

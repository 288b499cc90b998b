#include "services/coordinator/api/audit_subject.h"

#include <gtest/gtest.h>

#include "absl/strings/match.h"
#include "closewrite/v1/alert.pb.h"
#include "closewrite/v1/job.pb.h"
#include "closewrite/v1/lock.pb.h"
#include "closewrite/v1/monitor.pb.h"
#include "closewrite/v1/pipeline.pb.h"
#include "closewrite/v1/task.pb.h"
#include "closewrite/v1/upload.pb.h"
#include "services/log/str_cat.h"
#include "services/volume/path.h"

namespace closewrite {
namespace {

TEST(AuditSubjectTest, NumbersAndTextsAreNamed) {
  v1::CancelJobsRequest request;
  request.set_request_id("secret of the caller");
  request.add_job_ids(41);
  request.add_job_ids(42);
  request.set_reason("a wrong file");
  EXPECT_EQ(AuditSubject(request), "job_ids 41, 42; reason a wrong file");
}

TEST(AuditSubjectTest, WhatIsNotSaidIsLeftOut) {
  v1::RetryJobsRequest request;
  request.add_job_ids(7);
  EXPECT_EQ(AuditSubject(request), "job_ids 7");
  request.set_redrive(true);
  EXPECT_EQ(AuditSubject(request), "job_ids 7; redrive");
  EXPECT_EQ(AuditSubject(v1::RetryJobsRequest()), "");
}

TEST(AuditSubjectTest, OfManyTheFirstAreNamed) {
  v1::CancelJobsRequest request;
  for (int id = 1; id <= 10; ++id) request.add_job_ids(id);
  EXPECT_EQ(AuditSubject(request), "job_ids 1, 2, 3, 4, 5, 6, 7, 8, 9, 10");
  for (int id = 11; id <= 1000; ++id) request.add_job_ids(id);
  EXPECT_EQ(AuditSubject(request), "job_ids 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 and 990 more");
}

// A definition may hold anything: an environment with a password, a command with a token.
TEST(AuditSubjectTest, OfDefinitionsTheNamesAlone) {
  v1::ApplyPipelinesRequest request;
  for (const char* name : {"enrich", "clean"}) {
    v1::Pipeline& pipeline = *request.add_pipelines();
    pipeline.set_name(name);
    pipeline.mutable_on()->set_volume("unenriched");
    pipeline.mutable_run()->add_command("--token=hunter2");
    (*pipeline.mutable_run()->mutable_env())["PASSWORD"] = "hunter2";
  }
  EXPECT_EQ(AuditSubject(request), "pipelines enrich, clean");
  v1::SetRateRequest rate;
  rate.mutable_rate()->set_name("tokens");
  rate.mutable_rate()->set_limit(5);
  EXPECT_EQ(AuditSubject(rate), "rate tokens");
}

TEST(AuditSubjectTest, WhatHasNoNamesIsCounted) {
  v1::SubmitJobsRequest request;
  request.set_pipeline("enrich");
  for (int i = 0; i < 1000; ++i) {
    request.add_files()->set_volume("unenriched");
    request.mutable_files()->rbegin()->set_path(StrCat(i, ".csv"));
  }
  request.set_priority(-3);
  EXPECT_EQ(AuditSubject(request), "pipeline enrich; 1000 files; priority -3");
}

TEST(AuditSubjectTest, SecretsAreLeftOut) {
  v1::TestAlertRequest alert;
  alert.set_task("load");
  alert.add_email("ops@example.org");
  alert.set_webhook("https://hooks.example.org/hunter2");
  EXPECT_EQ(AuditSubject(alert), "task load; email ops@example.org");
  v1::BeginUploadRequest upload;
  upload.set_pipeline("enrich");
  upload.set_name("a.csv");
  upload.set_who("bob");
  upload.set_page_url("https://portal/uploads/");
  EXPECT_EQ(AuditSubject(upload), "pipeline enrich; name a.csv; who bob");
  v1::GetUploadRequest of_upload;
  of_upload.set_number(5);
  of_upload.set_key("hunter2");
  EXPECT_EQ(AuditSubject(of_upload), "number 5");
}

TEST(AuditSubjectTest, BytesAreShownAsTextWithoutControlCharacters) {
  v1::BreakLockRequest request;
  request.set_lock("picky-api");
  request.set_reason("two\nlines\x1b[31m and \\");
  EXPECT_EQ(AuditSubject(request), "lock picky-api; reason two\\nlines\\x1b[31m and \\\\");
  v1::VolumePath path;
  path.set_volume("v");
  path.set_path("a\xff");
  EXPECT_EQ(AuditSubject(path), "volume v; path a\\xff");
}

TEST(AuditSubjectTest, EnumsAreNamed) {
  v1::EndExecutionRequest request;
  request.set_id("e");
  request.set_state(v1::EXECUTION_STATE_ERROR);
  EXPECT_EQ(AuditSubject(request), "id e; state error");
}

TEST(AuditSubjectTest, IsCutWithoutCuttingACharacter) {
  v1::CancelJobsRequest request;
  for (int spaces = 0; spaces < 4; ++spaces) {
    std::string reason(static_cast<size_t>(spaces), ' ');
    for (int i = 0; i < 500; ++i) reason += "\xf0\x9f\x90\x8c";
    request.set_reason(reason);
    const std::string subject = AuditSubject(request);
    EXPECT_TRUE(IsUtf8(subject));
    EXPECT_TRUE(absl::EndsWith(subject, "\x8c...")) << subject;
    EXPECT_LE(subject.size(), kSubjectTextBytesMax + 10);
  }
  v1::StartTasksRequest tasks;
  for (int i = 0; i < 50; ++i) tasks.add_names(StrCat(i, std::string(300, '\x01')));
  const std::string subject = AuditSubject(tasks);
  EXPECT_EQ(subject.size(), kSubjectBytesMax);
  EXPECT_TRUE(absl::EndsWith(subject, "..."));
}

}  // namespace
}  // namespace closewrite

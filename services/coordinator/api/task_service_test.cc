#include "services/coordinator/api/task_service.h"

#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "services/coordinator/api/api_fixture.h"

namespace closewrite {
namespace {

v1::Task NewTask(const std::string& name) {
  v1::Task task;
  task.set_name(name);
  task.mutable_run()->add_command("true");
  return task;
}

class TaskServiceTest : public ApiFixture {
 protected:
  grpc::Status Apply(const v1::Task& task, bool must_be_new = false, bool dry_run = false) {
    v1::ApplyTasksRequest request;
    request.set_request_id(absl::StrCat("apply ", ++requests_));
    *request.add_tasks() = task;
    request.set_must_be_new(must_be_new);
    request.set_dry_run(dry_run);
    grpc::ClientContext context;
    applied_.Clear();
    return tasks_->ApplyTasks(&context, request, &applied_);
  }
  v1::TaskStatus Get(const std::string& name) {
    v1::GetTaskRequest request;
    request.set_name(name);
    v1::GetTaskResponse response;
    grpc::ClientContext context;
    EXPECT_TRUE(tasks_->GetTask(&context, request, &response).ok());
    return response.task();
  }
  // What is said about a definition that is wrong.
  std::string Refusal(const v1::Task& task) {
    const grpc::Status status = Apply(task);
    EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
    return status.error_message();
  }

  int requests_ = 0;
  v1::ApplyTasksResponse applied_;
};

TEST_F(TaskServiceTest, DefaultsAreFilledInAndTheSameIsUnchanged) {
  v1::Task daily = NewTask("daily");
  daily.set_period("day");
  ASSERT_TRUE(Apply(daily).ok());
  EXPECT_EQ(applied_.effects(0), v1::APPLY_EFFECT_CREATED);
  const v1::TaskStatus shown = Get("daily");
  EXPECT_EQ(shown.task().tz(), "UTC");
  EXPECT_EQ(shown.task().overlap(), v1::OVERLAP_SKIP);
  EXPECT_EQ(shown.task().retry().attempts(), 1);
  EXPECT_EQ(shown.next_runs_size(), 5);
  EXPECT_EQ(shown.next_runs(0).seconds() % 86400, 0);
  EXPECT_EQ(shown.version(), 1);
  ASSERT_TRUE(Apply(daily).ok());
  EXPECT_EQ(applied_.effects(0), v1::APPLY_EFFECT_UNCHANGED);
  ASSERT_TRUE(Apply(shown.task()).ok());
  EXPECT_EQ(applied_.effects(0), v1::APPLY_EFFECT_UNCHANGED);
  daily.set_period("2 days");
  ASSERT_TRUE(Apply(daily, false, true).ok());
  EXPECT_EQ(applied_.effects(0), v1::APPLY_EFFECT_CHANGED);
  EXPECT_EQ(Get("daily").version(), 1);
  EXPECT_EQ(Apply(daily, true).error_code(), grpc::StatusCode::ALREADY_EXISTS);
}

TEST_F(TaskServiceTest, WhatIsWrongIsNamed) {
  v1::Task task = NewTask("t");
  task.set_cron("61 * * * *");
  EXPECT_TRUE(absl::StrContains(Refusal(task), "cron"));
  task = NewTask("t");
  task.set_period("day");
  task.set_tz("Atlantis/Center");
  EXPECT_TRUE(absl::StrContains(Refusal(task), "Atlantis/Center"));
  task = NewTask("t");
  task.set_start("2027-01-01");
  EXPECT_TRUE(absl::StrContains(Refusal(task), "start"));
  task = NewTask("t");
  task.mutable_run()->add_command("{input}");
  EXPECT_TRUE(absl::StrContains(Refusal(task), "{input}"));
  task = NewTask("t");
  task.set_forever(true);
  task.mutable_retry()->set_attempts(3);
  EXPECT_TRUE(absl::StrContains(Refusal(task), "retry.attempts"));
  task = NewTask("t");
  task.set_forever(true);
  task.set_cron("@daily");
  EXPECT_TRUE(absl::StrContains(Refusal(task), "forever"));
  EXPECT_TRUE(absl::StrContains(Refusal(NewTask("no name")), "name"));
}

TEST_F(TaskServiceTest, StartsAllOrNone) {
  v1::Task forever = NewTask("a");
  forever.set_forever(true);
  ASSERT_TRUE(Apply(forever).ok());
  v1::StartTasksRequest request;
  request.set_request_id("start");
  request.add_names("a");
  request.add_names("not-there");
  v1::StartTasksResponse response;
  grpc::ClientContext context;
  EXPECT_EQ(tasks_->StartTasks(&context, request, &response).error_code(),
            grpc::StatusCode::NOT_FOUND);
  EXPECT_FALSE(Get("a").started());
  request.mutable_names()->RemoveLast();
  grpc::ClientContext again;
  ASSERT_TRUE(tasks_->StartTasks(&again, request, &response).ok());
  EXPECT_TRUE(Get("a").started());
  EXPECT_EQ(Get("a").last_run().pipeline(), "task/a");
  EXPECT_FALSE(Get("a").last_run().has_input());
}

TEST_F(TaskServiceTest, ListsInPages) {
  for (const char* name : {"c", "a", "b"}) ASSERT_TRUE(Apply(NewTask(name)).ok());
  v1::ListTasksRequest request;
  request.set_page_size(2);
  v1::ListTasksResponse response;
  grpc::ClientContext context;
  ASSERT_TRUE(tasks_->ListTasks(&context, request, &response).ok());
  ASSERT_EQ(response.tasks_size(), 2);
  EXPECT_EQ(response.tasks(1).task().name(), "b");
  request.set_page_token(response.next_page_token());
  v1::ListTasksResponse rest;
  grpc::ClientContext second;
  ASSERT_TRUE(tasks_->ListTasks(&second, request, &rest).ok());
  ASSERT_EQ(rest.tasks_size(), 1);
  EXPECT_EQ(rest.tasks(0).task().name(), "c");
  EXPECT_EQ(rest.next_page_token(), "");
}

TEST_F(TaskServiceTest, ARunIsAJob) {
  ASSERT_TRUE(Apply(NewTask("t")).ok());
  v1::RunTaskRequest request;
  request.set_request_id("run");
  request.set_name("t");
  v1::RunTaskResponse response;
  grpc::ClientContext context;
  ASSERT_TRUE(tasks_->RunTask(&context, request, &response).ok());
  EXPECT_EQ(response.job().pipeline(), "task/t");
  // The same request is the same run; another one would be a second.
  v1::RunTaskResponse same;
  grpc::ClientContext again;
  ASSERT_TRUE(tasks_->RunTask(&again, request, &same).ok());
  EXPECT_EQ(same.job().id(), response.job().id());
  request.set_request_id("run again");
  grpc::ClientContext another;
  EXPECT_EQ(tasks_->RunTask(&another, request, &same).error_code(),
            grpc::StatusCode::FAILED_PRECONDITION);
}

}  // namespace
}  // namespace closewrite

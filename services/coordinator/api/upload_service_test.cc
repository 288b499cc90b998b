#include "services/coordinator/api/upload_service.h"

#include <memory>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "services/coordinator/api/api_fixture.h"
#include "services/log/str_cat.h"
#include "services/transport/errors.h"

namespace closewrite {
namespace {

class UploadServiceTest : public ApiFixture {
 protected:
  UploadServiceTest() : service_({.loop = &loop_, .feed = &feed_}, &board_, /*mails=*/true) {
    int port = 0;
    grpc::ServerBuilder builder;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
    builder.RegisterService(&service_);
    uploads_server_ = builder.BuildAndStart();
    uploads_ = v1::UploadService::NewStub(
        grpc::CreateChannel(StrCat("127.0.0.1:", port), grpc::InsecureChannelCredentials()));
  }

  void SetUp() override {
    v1::Pipeline pipeline = TestPipeline("p");
    pipeline.add_locks("api");
    pipeline.mutable_portal()->set_max_size("1KiB");
    pipeline.mutable_portal()->add_accept(".csv");
    Apply(pipeline);
    board_.SetStream(this, {{.volume = "unenriched", .state = VolumeState::kLive}},
                     [this](int64_t id, const WatcherQuestion& question) {
                       absl::MutexLock lock(&mutex_);
                       orders_.push_back(*question.upload);
                       orders_.back().set_id(id);
                     });
  }
  void TearDown() override { uploads_server_->Shutdown(); }

  absl::Status Begin(const std::string& name, int64_t size, v1::BeginUploadResponse* response) {
    auto request = WithId<v1::BeginUploadRequest>(StrCat("begin-", ++requests_));
    request.set_pipeline("p");
    request.set_name(name);
    request.set_size(size);
    request.add_email("a@b.org");
    request.set_page_url("http://portal/uploads/");
    grpc::ClientContext context;
    return FromGrpc(uploads_->BeginUpload(&context, request, response));
  }
  absl::StatusOr<v1::UploadStatus> Publish(const v1::BeginUploadResponse& begun) {
    v1::PublishUploadRequest request;
    request.set_number(begun.upload().number());
    request.set_key(begun.key());
    request.set_size(5);
    request.set_sha256(std::string(32, 's'));
    grpc::ClientContext context;
    v1::PublishUploadResponse response;
    const absl::Status status = FromGrpc(uploads_->PublishUpload(&context, request, &response));
    if (!status.ok()) return status;
    return response.upload();
  }
  v1::GetUploadResponse GetUpload(const v1::BeginUploadResponse& begun) {
    v1::GetUploadRequest request;
    request.set_number(begun.upload().number());
    request.set_key(begun.key());
    grpc::ClientContext context;
    v1::GetUploadResponse response;
    EXPECT_TRUE(uploads_->GetUpload(&context, request, &response).ok());
    return response;
  }
  v1::UploadOrder LastOrder() {
    absl::MutexLock lock(&mutex_);
    return orders_.empty() ? v1::UploadOrder() : orders_.back();
  }

  UploadService service_;
  std::unique_ptr<grpc::Server> uploads_server_;
  std::unique_ptr<v1::UploadService::Stub> uploads_;
  int requests_ = 0;
  absl::Mutex mutex_;
  std::vector<v1::UploadOrder> orders_ ABSL_GUARDED_BY(mutex_);
};

TEST_F(UploadServiceTest, OneIsPutIntoPlaceByTheWatcher) {
  v1::BeginUploadResponse begun;
  ASSERT_TRUE(Begin("a.csv", 5, &begun).ok());
  EXPECT_EQ(begun.key().size(), 32u);
  EXPECT_EQ(Publish(begun)->state(), v1::UPLOAD_STATE_PUBLISHING);
  EXPECT_EQ(Publish(begun)->state(), v1::UPLOAD_STATE_PUBLISHING);
  v1::UploadOrder order = LastOrder();
  EXPECT_EQ(order.file().path(), "a.csv");
  EXPECT_EQ(order.upload(), begun.upload().number());
  // Somebody else has the name.
  board_.Answer(this, order.id(), absl::AlreadyExistsError("a.csv is there"));
  Tick();
  ASSERT_TRUE(Publish(begun).ok());
  order = LastOrder();
  EXPECT_EQ(order.file().path(), "a-2.csv");
  board_.Answer(this, order.id(), v1::FileLook());
  Tick();
  const v1::GetUploadResponse shown = GetUpload(begun);
  EXPECT_EQ(shown.upload().state(), v1::UPLOAD_STATE_PUBLISHED);
  EXPECT_EQ(shown.upload().name(), "a.csv");
  EXPECT_EQ(Publish(begun)->state(), v1::UPLOAD_STATE_PUBLISHED);
}

TEST_F(UploadServiceTest, AWatcherThatIsAwayIsAskedAgain) {
  v1::BeginUploadResponse begun;
  ASSERT_TRUE(Begin("a.csv", 5, &begun).ok());
  ASSERT_TRUE(Publish(begun).ok());
  board_.RemoveStream(this);
  EXPECT_EQ(Publish(begun)->state(), v1::UPLOAD_STATE_PUBLISHING);
  EXPECT_EQ(GetUpload(begun).upload().state(), v1::UPLOAD_STATE_PUBLISHING);
  SetUp();
  ASSERT_TRUE(Publish(begun).ok());
  board_.Answer(this, LastOrder().id(), absl::FailedPreconditionError("it is damaged"));
  Tick();
  EXPECT_EQ(GetUpload(begun).upload().state(), v1::UPLOAD_STATE_FAILED);
  EXPECT_EQ(GetUpload(begun).upload().message(), "it is damaged");
}

TEST_F(UploadServiceTest, WhatThePageDoesNotTakeIsRefused) {
  v1::BeginUploadResponse begun;
  for (const char* name : {"a.xlsx", "../a.csv", "", ".a.csv", "a/b.csv"}) {
    EXPECT_TRUE(absl::IsInvalidArgument(Begin(name, 5, &begun))) << name;
  }
  EXPECT_TRUE(absl::IsInvalidArgument(Begin("a.csv", 1025, &begun)));
  EXPECT_TRUE(Begin("A.CSV", 1024, &begun).code() == absl::StatusCode::kInvalidArgument);
}

TEST_F(UploadServiceTest, PagesSayHowThingsStand) {
  grpc::ClientContext context;
  v1::ListUploadPagesResponse response;
  ASSERT_TRUE(uploads_->ListUploadPages(&context, {}, &response).ok());
  ASSERT_EQ(response.pages_size(), 1);
  EXPECT_EQ(response.pages(0).pipeline(), "p");
  EXPECT_EQ(response.pages(0).page().title(), "p");
  EXPECT_EQ(response.pages(0).page().lock(), "api");
  EXPECT_EQ(response.pages(0).max_size_bytes(), 1024);
  EXPECT_FALSE(response.pages(0).busy());
  EXPECT_NE(response.pages(0).trouble(), "");
}

}  // namespace
}  // namespace closewrite

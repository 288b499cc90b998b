// A call that has been answered is gone, with all that it held. It stayed for ever: the alarm that
// takes the answer off its thread kept what it was to call, which kept the call that it is part of.
#include "services/coordinator/api/watcher_call.h"

#include <memory>

#include "absl/synchronization/notification.h"
#include "closewrite/v1/event.grpc.pb.h"
#include "gtest/gtest.h"

namespace closewrite {
namespace {

class Asking : public v1::EventService::CallbackService {
 public:
  explicit Asking(absl::Duration timeout) : timeout_(timeout) {
    // The board has a watcher, whose answers are the test's.
    VolumeReport volume;
    volume.volume = "v";
    board_.SetStream(this, {volume}, [this](int64_t id, const WatcherQuestion&) {
      id_ = id;
      asked_.Notify();
    });
  }

  grpc::ServerUnaryReactor* FlushEvents(grpc::CallbackServerContext*, const v1::FlushEventsRequest*,
                                        v1::FlushEventsResponse*) override {
    std::shared_ptr<void> held(nullptr, [this](void*) { released_.Notify(); });
    WatcherCall::Options options{
        .board = &board_, .question = {.volume = "v"}, .timeout = timeout_};
    options.finish = [held](const WatcherBoard::Answered& answer) { return answer.status(); };
    return WatcherCall::Open(std::move(options));
  }

  void AwaitQuestion() { asked_.WaitForNotification(); }
  void Answer() {
    AwaitQuestion();
    board_.Answer(this, id_, v1::FileLook());
  }
  void AwaitRelease() { released_.WaitForNotification(); }

 private:
  const absl::Duration timeout_;
  WatcherBoard board_;
  absl::Notification asked_;
  absl::Notification released_;
  int64_t id_ = 0;
};

// Calls it, in a context that `cancel` may cancel, and returns what came of it.
class WatcherCallTest : public testing::Test {
 protected:
  void Begin(absl::Duration timeout) {
    asking_ = std::make_unique<Asking>(timeout);
    grpc::ServerBuilder builder;
    builder.RegisterService(asking_.get());
    server_ = builder.BuildAndStart();
    stub_ = v1::EventService::NewStub(server_->InProcessChannel(grpc::ChannelArguments()));
    stub_->async()->FlushEvents(&context_, &request_, &response_,
                                [this](const grpc::Status& status) {
                                  status_ = status;
                                  ended_.Notify();
                                });
  }
  grpc::StatusCode End() {
    ended_.WaitForNotification();
    asking_->AwaitRelease();
    return status_.error_code();
  }

  std::unique_ptr<Asking> asking_;
  std::unique_ptr<grpc::Server> server_;
  std::unique_ptr<v1::EventService::Stub> stub_;
  grpc::ClientContext context_;
  v1::FlushEventsRequest request_;
  v1::FlushEventsResponse response_;
  grpc::Status status_;
  absl::Notification ended_;
};

TEST_F(WatcherCallTest, IsGoneWhenItIsAnswered) {
  Begin(absl::Hours(1));
  asking_->Answer();
  EXPECT_EQ(End(), grpc::StatusCode::OK);
}

TEST_F(WatcherCallTest, IsGoneWhenNobodyAnswersInTime) {
  Begin(absl::Milliseconds(1));
  EXPECT_EQ(End(), grpc::StatusCode::DEADLINE_EXCEEDED);
}

TEST_F(WatcherCallTest, IsGoneWhenItsCallerIs) {
  Begin(absl::Hours(1));
  asking_->AwaitQuestion();
  context_.TryCancel();
  EXPECT_EQ(End(), grpc::StatusCode::CANCELLED);
}

}  // namespace
}  // namespace closewrite

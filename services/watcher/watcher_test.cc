// The whole watcher in one process: real inotify, a real ledger, real gRPC, a fake coordinator.
#include "services/watcher/watcher.h"

#include <fcntl.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "closewrite/v1/watch.grpc.pb.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/log/str_cat.h"
#include "services/volume/path.h"
#include "services/watcher/fake_coordinator.h"
#include "services/watcher/scratch_volume.h"

namespace closewrite::watcher {
namespace {

using ::testing::HasSubstr;
using Heard = FakeCoordinator::Heard;

constexpr char kQueueLimit[] = "/proc/sys/fs/inotify/max_queued_events";

class WatcherTest : public ::testing::Test {
 protected:
  v1::WatcherConfig Config() const {
    v1::WatcherConfig config;
    config.set_host("vm-b");
    config.set_listen("127.0.0.1:0");
    config.set_coordinator(coordinator_.address());
    config.set_state(state_.Absolute("ledger"));
    (*config.mutable_volumes())["unenriched"].set_path(volume_.path());
    return config;
  }
  void Start() {
    watcher_ = std::make_unique<Watcher>(&clock_);
    const absl::Status started = watcher_->Start(Config());
    ASSERT_TRUE(started.ok()) << started;
    const auto channel = grpc::CreateChannel(StrCat("127.0.0.1:", watcher_->port()),
                                             grpc::InsecureChannelCredentials());
    stub_ = v1::WatchService::NewStub(channel);
  }
  grpc::Status Flush(int64_t timeout_ms = 30'000, const std::string& volume = "unenriched") {
    grpc::ClientContext context;
    v1::FlushVolumeRequest request;
    request.set_volume(volume);
    request.mutable_timeout()->set_seconds(timeout_ms / 1000);
    request.mutable_timeout()->set_nanos(static_cast<int32_t>(timeout_ms % 1000 * 1'000'000));
    v1::FlushVolumeResponse response;
    return stub_->FlushVolume(&context, request, &response);
  }
  // Stages a file as an executor would and adds it to the order.
  void Stage(const std::string& path, std::string_view content, v1::PublishOrder* order) {
    const std::string staged =
        Join(StagingPath(order->lease().job_id(), order->lease().token()), path);
    volume_.MakeDirectory(DirName(staged));
    volume_.Write(staged, content);
    const Fd fd(open(volume_.Absolute(staged).c_str(), O_RDONLY));
    v1::OutputFile* const file = order->add_files();
    file->set_path(path);
    file->set_size(static_cast<int64_t>(content.size()));
    file->set_sha256(DigestFile(fd.get())->sha256);
  }
  v1::PublishOrder NewOrder(int64_t job) const {
    v1::PublishOrder order;
    order.mutable_lease()->set_job_id(job);
    order.mutable_lease()->set_token(1);
    order.set_volume("unenriched");
    return order;
  }

  ScratchVolume volume_;
  ScratchVolume state_;
  SteadyClock clock_;
  FakeCoordinator coordinator_;
  std::unique_ptr<Watcher> watcher_;
  std::unique_ptr<v1::WatchService::Stub> stub_;
};

TEST_F(WatcherTest, AFinishedFileReachesTheCoordinator) {
  Start();
  volume_.MakeDirectory("fresh/nested");
  volume_.Write("fresh/nested/a b.csv", "12345");
  ASSERT_TRUE(Flush().ok());
  const Heard heard = coordinator_.heard();
  const v1::FileEvent* const event = heard.Newest("fresh/nested/a b.csv");
  ASSERT_NE(event, nullptr);
  EXPECT_EQ(event->file().volume(), "unenriched");
  EXPECT_EQ(event->file().size(), 5);
  EXPECT_EQ(event->file().mtime_ns(), volume_.MtimeNs("fresh/nested/a b.csv"));
  EXPECT_GT(event->file().inode(), 0u);
  EXPECT_EQ(event->kind(), v1::EVENT_KIND_CLOSE_WRITE);
  EXPECT_GT(event->observed_at().seconds(), 0);
  EXPECT_EQ(heard.hello.host(), "vm-b");
  EXPECT_EQ(heard.hello.ledger_id().size(), 16u);
  EXPECT_TRUE(heard.hello.heartbeat());
  EXPECT_EQ(heard.hello.address(), StrCat("127.0.0.1:", watcher_->port()));
}

TEST_F(WatcherTest, HeartbeatsSayHowTheVolumesAre) {
  Start();
  ASSERT_TRUE(Flush().ok());
  EXPECT_TRUE(coordinator_.Await([](const Heard& heard) {
    return heard.heartbeats > 2 && heard.volumes.size() == 1 &&
           heard.volumes[0].state() == v1::VOLUME_STATE_LIVE;
  }));
  grpc::ClientContext context;
  v1::DescribeVolumesResponse response;
  ASSERT_TRUE(stub_->DescribeVolumes(&context, {}, &response).ok());
  EXPECT_EQ(response.host(), "vm-b");
  EXPECT_TRUE(response.connected());
  ASSERT_EQ(response.volumes_size(), 1);
  EXPECT_EQ(response.volumes(0).state(), v1::VOLUME_STATE_LIVE);
  EXPECT_EQ(response.volumes(0).volume_id().size(), 16u);
  EXPECT_EQ(response.volumes(0).unacknowledged_events(), 0);
}

TEST_F(WatcherTest, FlushSaysWhatIsMissing) {
  coordinator_.SetAcknowledging(false);
  Start();
  volume_.Write("a", "1");
  ASSERT_TRUE(coordinator_.Await([](const Heard& heard) { return heard.Has("a"); }));
  const grpc::Status status = Flush(2000);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::DEADLINE_EXCEEDED);
  EXPECT_THAT(status.error_message(), HasSubstr("acknowledged"));
  EXPECT_EQ(Flush(1000, "other").error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_EQ(Flush(0).error_code(), grpc::StatusCode::INVALID_ARGUMENT);
}

TEST_F(WatcherTest, WhatWasNotAcknowledgedIsSentAgainAfterAReconnect) {
  coordinator_.SetAcknowledging(false);
  Start();
  volume_.Write("a", "1");
  ASSERT_TRUE(coordinator_.Await([](const Heard& heard) { return heard.Has("a"); }));
  coordinator_.Stop();
  volume_.Write("b", "1");
  volume_.Remove("a");
  coordinator_.SetAcknowledging(true);
  coordinator_.Restart();
  ASSERT_TRUE(Flush().ok());
  const Heard heard = coordinator_.heard();
  EXPECT_EQ(heard.Newest("a")->kind(), v1::EVENT_KIND_DELETE);
  EXPECT_TRUE(heard.Has("b"));
  EXPECT_GE(heard.streams, 2);
}

TEST_F(WatcherTest, ARestartSendsWhatIsNewAndNothingTwice) {
  Start();
  volume_.Write("a", "1");
  ASSERT_TRUE(Flush().ok());
  watcher_->Shutdown();
  watcher_.reset();
  volume_.Write("b", "1");
  const size_t before = coordinator_.heard().events.size();
  Start();
  ASSERT_TRUE(Flush().ok());
  const Heard heard = coordinator_.heard();
  ASSERT_EQ(heard.events.size(), before + 1);
  EXPECT_EQ(heard.events.back().file().path(), "b");
  EXPECT_EQ(heard.events.back().evidence(), v1::EVIDENCE_FOUND);
  EXPECT_EQ(heard.events.back().source(), v1::EVENT_SOURCE_RESCAN);
}

TEST_F(WatcherTest, ManyFilesFitThroughTheWindowInOrder) {
  constexpr int kFiles = 12'000;  // more than may be on their way at once
  Start();
  for (int i = 0; i < kFiles; ++i) volume_.Write(StrCat("f", i), "1");
  ASSERT_TRUE(Flush(120'000).ok());
  const Heard heard = coordinator_.heard();
  EXPECT_EQ(heard.events.size(), static_cast<size_t>(kFiles));
  for (size_t i = 1; i < heard.events.size(); ++i) {
    ASSERT_LT(heard.events[i - 1].sequence(), heard.events[i].sequence());
  }
}

TEST_F(WatcherTest, PublishesOnceAndTheResultIsAnEvent) {
  Start();
  v1::PublishOrder order = NewOrder(7);
  Stage("out/a.csv", "result", &order);
  coordinator_.Order(order);
  ASSERT_TRUE(coordinator_.Await([](const Heard& heard) { return !heard.published.empty(); }));
  EXPECT_EQ(coordinator_.heard().published[0].error(), "");
  EXPECT_EQ(volume_.Read("out/a.csv"), "result");
  EXPECT_FALSE(volume_.Exists(".closewrite/staging/7"));
  ASSERT_TRUE(Flush().ok());
  EXPECT_TRUE(coordinator_.heard().Has("out/a.csv"));

  watcher_.reset();  // the answer got lost with the coordinator's machine, say
  coordinator_.Order(order);
  Start();
  ASSERT_TRUE(coordinator_.Await([](const Heard& heard) { return heard.published.size() > 1; }));
  EXPECT_EQ(coordinator_.heard().published.back().error(), "");
}

TEST_F(WatcherTest, WhatCanNeverBePublishedIsAnswered) {
  Start();
  v1::PublishOrder order = NewOrder(8);
  Stage("a.csv", "result", &order);
  order.mutable_files(0)->set_sha256(std::string(32, 'x'));
  coordinator_.Order(order);
  ASSERT_TRUE(coordinator_.Await([](const Heard& heard) { return !heard.published.empty(); }));
  EXPECT_THAT(coordinator_.heard().published[0].error(), HasSubstr("SHA-256"));
  EXPECT_FALSE(volume_.Exists("a.csv"));

  v1::PublishOrder elsewhere = NewOrder(9);
  elsewhere.set_volume("other");
  coordinator_.Order(elsewhere);
  ASSERT_TRUE(coordinator_.Await(
      [](const Heard& heard) { return heard.published.back().lease().job_id() == 9; }));
  EXPECT_THAT(coordinator_.heard().published.back().error(), HasSubstr("not the home"));
}

TEST_F(WatcherTest, OldStagingIsListedAndSwept) {
  volume_.MakeDirectory(".closewrite/staging/5/1");
  volume_.SetMtime(".closewrite/staging/5/1", 1'000'000'000);
  coordinator_.SweepWhenListed();
  Start();
  ASSERT_TRUE(coordinator_.Await([](const Heard& heard) { return !heard.staging.empty(); }));
  // The sweep is the only thing that the publisher has to do: it is done before a later order.
  v1::PublishOrder order = NewOrder(6);
  Stage("a", "1", &order);
  coordinator_.Await([this](const Heard&) { return !volume_.Exists(".closewrite/staging/5"); });
  EXPECT_FALSE(volume_.Exists(".closewrite/staging/5"));
  EXPECT_TRUE(volume_.Exists(".closewrite/staging/6/1/a"));
}

// Lowers the length of the kernel's queue for instances that are made while it lives.
class ShortKernelQueue {
 public:
  ShortKernelQueue() {
    std::ifstream(kQueueLimit) >> before_;
    std::ofstream(kQueueLimit) << kShort;
    std::string now;
    std::ifstream(kQueueLimit) >> now;
    lowered_ = now == kShort;
  }
  ~ShortKernelQueue() {
    if (lowered_) std::ofstream(kQueueLimit) << before_;
  }
  bool lowered() const { return lowered_; }

 private:
  static constexpr char kShort[] = "16";
  std::string before_;
  bool lowered_ = false;
};

TEST_F(WatcherTest, AKernelQueueThatOverflowsCostsNothing) {
  {
    const ShortKernelQueue queue;
    if (!queue.lowered()) GTEST_SKIP() << "needs root, to lower fs.inotify.max_queued_events";
    Start();
    ASSERT_TRUE(Flush().ok());
  }
  constexpr int kFiles = 3000;
  for (int i = 0; i < kFiles; ++i) {
    if (i % 100 == 0) volume_.MakeDirectory(StrCat("d", i / 100));
    volume_.Write(StrCat("d", i / 100, "/", i), "1");
  }
  ASSERT_TRUE(Flush(120'000).ok());
  const Heard heard = coordinator_.heard();
  for (int i = 0; i < kFiles; ++i) EXPECT_TRUE(heard.Has(StrCat("d", i / 100, "/", i))) << i;
}

TEST_F(WatcherTest, ABusyPortIsRefusedBeforeAnythingStarts) {
  Start();
  Watcher second(&clock_);
  v1::WatcherConfig config = Config();
  ScratchVolume other;
  ScratchVolume other_state;
  config.set_listen(StrCat("127.0.0.1:", watcher_->port()));
  config.set_state(other_state.path());
  (*config.mutable_volumes())["unenriched"].set_path(other.path());
  EXPECT_FALSE(second.Start(config).ok());
  EXPECT_FALSE(other.Exists(".closewrite"));
}

TEST_F(WatcherTest, StopsInAnyOrder) {
  Start();
  watcher_->Shutdown();
  watcher_->Shutdown();
  watcher_.reset();
  Watcher never_started(&clock_);
  never_started.Shutdown();
}

}  // namespace
}  // namespace closewrite::watcher

#include "tests/simulation/network.h"

#include <memory>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "tests/simulation/stream.h"

namespace closewrite::simulation {
namespace {

using TestStream = Stream<int, int>;

// A client and a server on hosts of their own, over a slow network.
class NetworkTest : public testing::Test {
 protected:
  NetworkTest() {
    client_.Start();
    server_.Start();
    stream_ = std::make_shared<TestStream>(&network_, LinkEnd{&client_, client_host_},
                                           LinkEnd{&server_, server_host_});
    stream_->Handle(TestStream::ClientHandlers{
        .on_message = [this](int message) { client_got_.push_back(message); },
        .on_end = [this](const absl::Status& status) { client_end_ = status.code(); }});
    stream_->Handle(TestStream::ServerHandlers{
        .on_message = [this](int message) { server_got_.push_back(message); },
        .on_end = [this] { ++server_ends_; }});
    network_.Register(stream_);
  }

  void RunUntil(absl::Duration time) {
    bool over = false;
    world_.After(time - world_.now(), nullptr, [&] { over = true; });
    while (!over && world_.Step()) {
    }
  }

  World world_{7, false};
  Network network_{&world_, 1.0};
  const HostId client_host_ = network_.AddHost();
  const HostId server_host_ = network_.AddHost();
  Part client_{&world_, "client"};
  Part server_{&world_, "server"};
  std::shared_ptr<TestStream> stream_;
  std::vector<int> client_got_;
  std::vector<int> server_got_;
  absl::StatusCode client_end_ = absl::StatusCode::kOk;
  int server_ends_ = 0;
};

std::vector<int> UpTo(int count) {
  std::vector<int> numbers;
  for (int i = 0; i < count; ++i) numbers.push_back(i);
  return numbers;
}

TEST_F(NetworkTest, MessagesArriveInOrderThroughCutsAndFreezes) {
  constexpr int kMessages = 300;
  for (int i = 0; i < kMessages; ++i) {
    world_.After(absl::Milliseconds(10) * i, nullptr, [this, i] {
      stream_->SendUp(i);
      stream_->SendDown(i);
    });
  }
  world_.After(absl::Milliseconds(500), nullptr,
               [this] { network_.Cut(client_host_, server_host_, true, absl::Seconds(1)); });
  // A cut that is made longer, and one that heals before its time.
  world_.After(absl::Milliseconds(900), nullptr,
               [this] { network_.Cut(client_host_, server_host_, true, absl::Seconds(2)); });
  world_.After(absl::Milliseconds(1200), nullptr, [this] { network_.HealAll(); });
  world_.After(absl::Seconds(2), nullptr, [this] { client_.FreezeUntil(absl::Seconds(4)); });
  RunUntil(absl::Seconds(20));
  EXPECT_EQ(server_got_, UpTo(kMessages));
  EXPECT_EQ(client_got_, UpTo(kMessages));
}

TEST_F(NetworkTest, ABrokenStreamLosesWhatIsUnderWayAndBothSidesLearnOfIt) {
  stream_->SendUp(1);
  stream_->Break();
  stream_->SendDown(2);
  RunUntil(absl::Seconds(20));
  EXPECT_TRUE(server_got_.empty());
  EXPECT_TRUE(client_got_.empty());
  EXPECT_EQ(client_end_, absl::StatusCode::kUnavailable);
  EXPECT_EQ(server_ends_, 1);
}

TEST_F(NetworkTest, TheServersStatusComesAfterItsMessages) {
  stream_->SendDown(1);
  stream_->End(absl::NotFoundError("gone"));
  stream_->SendDown(2);
  RunUntil(absl::Seconds(20));
  EXPECT_EQ(client_got_, std::vector<int>{1});
  EXPECT_EQ(client_end_, absl::StatusCode::kNotFound);
  EXPECT_EQ(server_ends_, 1);
}

TEST_F(NetworkTest, AClientThatCancelsHearsNothingMore) {
  stream_->SendDown(1);
  stream_->Cancel();
  RunUntil(absl::Seconds(20));
  EXPECT_TRUE(client_got_.empty());
  EXPECT_EQ(client_end_, absl::StatusCode::kOk);
  EXPECT_EQ(server_ends_, 1);
}

TEST_F(NetworkTest, TheDeathOfOneSideIsLearntByTheOther) {
  server_.Crash();
  network_.Died(server_);
  RunUntil(absl::Seconds(20));
  EXPECT_EQ(client_end_, absl::StatusCode::kUnavailable);
  EXPECT_EQ(server_ends_, 0);
}

TEST_F(NetworkTest, ALongCutEndsTheStreamOnBothSides) {
  network_.Cut(client_host_, server_host_, false, absl::Minutes(1));
  RunUntil(absl::Seconds(20));
  EXPECT_EQ(client_end_, absl::StatusCode::kUnavailable);
  EXPECT_EQ(server_ends_, 1);
}

}  // namespace
}  // namespace closewrite::simulation

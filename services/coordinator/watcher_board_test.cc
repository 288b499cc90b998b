#include "services/coordinator/watcher_board.h"

#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "services/transport/errors.h"

namespace closewrite {
namespace {

using Code = absl::StatusCode;

class WatcherBoardTest : public ::testing::Test {
 protected:
  void Connect(const void* stream, std::vector<VolumeReport> volumes) {
    board_.SetStream(stream, std::move(volumes),
                     [this](int64_t id, const WatcherQuestion& question) {
                       asked_.emplace_back(id, question.volume);
                     });
  }
  absl::StatusOr<int64_t> Ask(const std::string& volume) {
    return board_.Ask({.volume = volume}, [this](const WatcherBoard::Answered& answer) {
      ends_.push_back(answer.status());
    });
  }

  const WatcherBoard::Answered kDone = v1::FileLook();
  const int stream_ = 0;
  const int other_ = 0;
  WatcherBoard board_;
  std::vector<std::pair<int64_t, std::string>> asked_;
  std::vector<absl::Status> ends_;
};

TEST_F(WatcherBoardTest, AsksTheWatcherAndHandsItsAnswerOn) {
  Connect(&stream_, {{.volume = "a"}, {.volume = "b"}});
  Connect(&other_, {{.volume = "c"}});
  const int64_t id = *Ask("b");
  ASSERT_EQ(asked_.size(), 1u);
  EXPECT_EQ(asked_[0], std::make_pair(id, std::string("b")));
  board_.Answer(&other_, id, kDone);  // not its
  board_.Answer(&stream_, id + 1, kDone);
  EXPECT_TRUE(ends_.empty());
  board_.Answer(&stream_, id, kDone);
  board_.Answer(&stream_, id, kDone);
  ASSERT_EQ(ends_.size(), 1u);
  EXPECT_TRUE(ends_[0].ok());

  board_.Answer(&stream_, *Ask("a"), absl::FailedPreconditionError("volume a is LOST"));
  EXPECT_EQ(ends_.back(), absl::FailedPreconditionError("volume a is LOST"));
}

TEST_F(WatcherBoardTest, RefusesWhatCannotBeFlushed) {
  EXPECT_EQ(Reason(Ask("a").status()), kWatcherAway);
  Connect(&stream_, {{.volume = "a", .state = VolumeState::kLost, .message = "the root is gone"}});
  EXPECT_EQ(Ask("b").status().code(), Code::kUnavailable);
  EXPECT_EQ(Ask("a").status(), absl::FailedPreconditionError("volume a is LOST: the root is gone"));
  Connect(&stream_, {{.volume = "a", .state = VolumeState::kScanning}});
  EXPECT_TRUE(Ask("a").ok());
  EXPECT_TRUE(ends_.empty());
}

TEST_F(WatcherBoardTest, ABrokenStreamEndsItsOwn) {
  Connect(&stream_, {{.volume = "a"}});
  Connect(&other_, {{.volume = "c"}});
  (void)*Ask("a");
  const int64_t stays = *Ask("c");
  board_.RemoveStream(&stream_);
  board_.RemoveStream(&stream_);
  ASSERT_EQ(ends_.size(), 1u);
  EXPECT_EQ(ends_[0].code(), Code::kUnavailable);
  EXPECT_EQ(Reason(ends_[0]), kWatcherAway);
  EXPECT_EQ(Ask("a").status().code(), Code::kUnavailable);
  board_.Answer(&other_, stays, kDone);
  EXPECT_TRUE(ends_.back().ok());
}

TEST_F(WatcherBoardTest, CallersThatHaveGoneTakeNoPlace) {
  Connect(&stream_, {{.volume = "a"}});
  int64_t last = 0;
  for (size_t i = 0; i < kQuestionsWaitingMax; ++i) last = *Ask("a");
  EXPECT_EQ(Ask("a").status().code(), Code::kResourceExhausted);
  board_.Cancel(last);
  board_.Cancel(last);
  board_.Cancel(0);
  EXPECT_TRUE(Ask("a").ok());
  board_.Answer(&stream_, last, kDone);
  EXPECT_TRUE(ends_.empty());
}

TEST_F(WatcherBoardTest, ShutdownEndsAll) {
  Connect(&stream_, {{.volume = "a"}});
  (void)*Ask("a");
  board_.Shutdown();
  board_.Shutdown();
  ASSERT_EQ(ends_.size(), 1u);
  EXPECT_EQ(ends_[0].code(), Code::kUnavailable);
  EXPECT_EQ(Ask("a").status().code(), Code::kUnavailable);
}

}  // namespace
}  // namespace closewrite

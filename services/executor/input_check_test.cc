#include "services/executor/input_check.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <vector>

#include "gtest/gtest.h"

namespace closewrite::executor {
namespace {

class InputCheckTest : public testing::Test {
 protected:
  InputCheckTest() {
    std::string name = testing::TempDir() + "/input.XXXXXX";
    input_.root = mkdtemp(name.data());
    input_.path = "sub/a \n'file'\xff.csv";
    std::filesystem::create_directory(input_.root + "/sub");
    options_.visible_within = absl::Seconds(30);
    options_.as_if_cached = true;
    options_.now = [this] { return now_; };
    options_.pause = [this](absl::Duration pause) {
      pauses_.push_back(pause);
      now_ += pause;
      if (at_ <= now_ && then_) std::exchange(then_, nullptr)();
      return !interrupted_;
    };
  }

  std::string File() const { return input_.root + "/" + input_.path; }

  void Write(const std::string& content, int64_t mtime_ns) {
    std::ofstream(File(), std::ios::trunc) << content;
    const timespec times[] = {{0, UTIME_OMIT}, {mtime_ns / 1000000000, mtime_ns % 1000000000}};
    ASSERT_EQ(utimensat(AT_FDCWD, File().c_str(), times, 0), 0);
  }

  void Announce(int64_t size, int64_t mtime_ns) {
    input_.size = size;
    input_.mtime_ns = mtime_ns;
  }

  void At(absl::Duration at, std::function<void()> then) {
    at_ = at;
    then_ = std::move(then);
  }

  static constexpr int64_t kNs = 1700000000123456789;

  AnnouncedInput input_;
  InputCheckOptions options_;
  absl::Duration now_;
  absl::Duration at_;
  std::function<void()> then_;
  bool interrupted_ = false;
  std::vector<absl::Duration> pauses_;
};

TEST_F(InputCheckTest, SeesItAtOnce) {
  Write("abc", kNs);
  Announce(3, kNs);
  EXPECT_EQ(CheckInput(input_, options_).state, InputState::kAnnounced);
  EXPECT_TRUE(pauses_.empty());
}

TEST_F(InputCheckTest, AnEmptyFileIsAFileToo) {
  Write("", kNs);
  Announce(0, kNs);
  EXPECT_EQ(CheckInput(input_, options_).state, InputState::kAnnounced);
}

TEST_F(InputCheckTest, WaitsForItToShow) {
  Announce(3, kNs);
  At(absl::Seconds(5), [this] { Write("abc", kNs); });
  EXPECT_EQ(CheckInput(input_, options_).state, InputState::kAnnounced);
  EXPECT_LE(now_, absl::Seconds(6));
  EXPECT_EQ(pauses_.front(), kLookPauseMin);
  EXPECT_EQ(*std::max_element(pauses_.begin(), pauses_.end()), kLookPauseMax);
}

TEST_F(InputCheckTest, GivesUpWhenItNeverShows) {
  Announce(3, kNs);
  const InputFinding finding = CheckInput(input_, options_);
  EXPECT_EQ(finding.state, InputState::kNotVisible);
  EXPECT_FALSE(finding.seen);
  EXPECT_GE(now_, absl::Seconds(30));
  EXPECT_NE(finding.message.find("does not show"), std::string::npos) << finding.message;
}

// A file whose times were set just after its close was waited for in vain.
TEST_F(InputCheckTest, AnotherVersionOnALocalFileSystemIsFinal) {
  options_.as_if_cached = false;
  Write("abc", kNs - 5);
  Announce(3, kNs);
  EXPECT_EQ(CheckInput(input_, options_).state, InputState::kChanged);
  EXPECT_TRUE(pauses_.empty());
}

TEST_F(InputCheckTest, WaitsForAnOlderOrShorterLookToGo) {
  Write("ab", kNs - 5);
  Announce(3, kNs);
  At(absl::Seconds(20), [this] { Write("abc", kNs); });
  EXPECT_EQ(CheckInput(input_, options_).state, InputState::kAnnounced);
}

TEST_F(InputCheckTest, AnotherOldVersionThatStaysIsAChange) {
  Write("ab", kNs - 5);
  Announce(3, kNs);
  const InputFinding finding = CheckInput(input_, options_);
  EXPECT_EQ(finding.state, InputState::kChanged);
  EXPECT_EQ(finding.size, 2);
  EXPECT_EQ(finding.mtime_ns, kNs - 5);
  EXPECT_GE(now_, absl::Seconds(30));
}

TEST_F(InputCheckTest, AnOlderLookThatCameLateIsNotYetAChange) {
  Announce(3, kNs);
  At(absl::Seconds(25), [this] { Write("ab", kNs - 5); });
  EXPECT_EQ(CheckInput(input_, options_).state, InputState::kNotVisible);
}

TEST_F(InputCheckTest, ANewerVersionIsAChangeSoon) {
  Write("abcd", kNs + 5);
  Announce(3, kNs);
  EXPECT_EQ(CheckInput(input_, options_).state, InputState::kChanged);
  EXPECT_GE(now_, kChangeConfirm);
  EXPECT_LE(now_, kChangeConfirm + absl::Seconds(1));
}

TEST_F(InputCheckTest, SameSizeAnotherFractionOfTheSecondIsAnotherVersionOnALocalFileSystem) {
  Write("abc", kNs - kNs % 1000000000);
  Announce(3, kNs);
  EXPECT_EQ(CheckInput(input_, options_).state, InputState::kChanged);
}

TEST_F(InputCheckTest, CanBeInterrupted) {
  Announce(3, kNs);
  interrupted_ = true;
  EXPECT_EQ(CheckInput(input_, options_).state, InputState::kInterrupted);
  EXPECT_EQ(pauses_.size(), 1);
}

TEST_F(InputCheckTest, PipesLinksAndDirectoriesAreNoInputs) {
  options_.visible_within = absl::ZeroDuration();
  ASSERT_EQ(mkfifo(File().c_str(), 0600), 0);
  EXPECT_NE(CheckInput(input_, options_).message.find("regular"), std::string::npos);
  ASSERT_EQ(unlink(File().c_str()), 0);
  ASSERT_EQ(symlink("/etc/passwd", File().c_str()), 0);
  EXPECT_NE(CheckInput(input_, options_).message.find("symbolic link"), std::string::npos);
  input_.path = "sub";
  EXPECT_NE(CheckInput(input_, options_).message.find("regular"), std::string::npos);
}

TEST_F(InputCheckTest, AfterTheCommandAMovedFileIsFine) {
  Announce(3, kNs);
  EXPECT_EQ(RecheckInput(input_, options_).state, InputState::kAnnounced);
  EXPECT_TRUE(pauses_.empty());
}

TEST_F(InputCheckTest, AfterTheCommandAnyOtherVersionIsAChange) {
  options_.visible_within = absl::Seconds(2);
  Announce(3, kNs);
  Write("abc", kNs);
  EXPECT_EQ(RecheckInput(input_, options_).state, InputState::kAnnounced);
  Write("abx", kNs - 1000000007);
  EXPECT_EQ(RecheckInput(input_, options_).state, InputState::kChanged);
  Write("abcd", kNs + 1000000007);
  EXPECT_EQ(RecheckInput(input_, options_).state, InputState::kChanged);
}

}  // namespace
}  // namespace closewrite::executor

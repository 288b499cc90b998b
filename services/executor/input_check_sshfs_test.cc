// CheckInput over a real sshfs mount with its default caches. The server side is sftp-server,
// started by sshfs itself in place of ssh.
#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "gtest/gtest.h"
#include "services/clock/clock.h"
#include "services/executor/input_check.h"
#include "services/volume/file_system.h"

namespace closewrite::executor {
namespace {

namespace fs = std::filesystem;

constexpr char kServer[] = "/usr/lib/openssh/sftp-server";
constexpr int64_t kSecondNs = 1000000000;

class InputCheckSshfsTest : public testing::Test {
 protected:
  void SetUp() override {
    if (access(kServer, X_OK) != 0 || access("/usr/bin/sshfs", X_OK) != 0 ||
        access("/dev/fuse", R_OK | W_OK) != 0) {
      GTEST_SKIP() << "sshfs, sftp-server or /dev/fuse is not to be had";
    }
    std::string name = testing::TempDir() + "/sshfs.XXXXXX";
    root_ = mkdtemp(name.data());
    for (const char* folder : {"home", "mount"}) fs::create_directory(root_ + "/" + folder);
    std::ofstream(root_ + "/ssh") << "#!/bin/sh\nexec " << kServer << "\n";
    chmod((root_ + "/ssh").c_str(), 0700);
    const std::string command = "/usr/bin/sshfs -o ssh_command='" + root_ + "/ssh' 'home:" + root_ +
                                "/home' '" + root_ + "/mount'";
    if (std::system(command.c_str()) != 0) GTEST_SKIP() << "sshfs can't mount here";
    mounted_ = true;
  }

  void TearDown() override {
    if (!mounted_) return;
    EXPECT_EQ(std::system(("fusermount3 -u -z '" + root_ + "/mount'").c_str()), 0);
  }

  // As the home host writes and its watcher announces.
  AnnouncedInput Write(const std::string& name, const std::string& content, int64_t mtime_ns) {
    const std::string file = root_ + "/home/" + name;
    std::ofstream(file, std::ios::binary | std::ios::trunc) << content;
    const timespec times[] = {{0, UTIME_OMIT}, {mtime_ns / kSecondNs, mtime_ns % kSecondNs}};
    EXPECT_EQ(utimensat(AT_FDCWD, file.c_str(), times, 0), 0);
    return {.root = root_ + "/mount",
            .path = name,
            .size = static_cast<int64_t>(content.size()),
            .mtime_ns = mtime_ns};
  }

  InputState Check(const AnnouncedInput& input) {
    InputCheckOptions options;
    options.now = SinceBoot;
    options.pause = [](absl::Duration pause) {
      poll(nullptr, 0, static_cast<int>(absl::ToInt64Milliseconds(pause)));
      return true;
    };
    return CheckInput(input, options).state;
  }

  std::string ReadMounted(const std::string& name) const {
    std::ifstream stream(root_ + "/mount/" + name, std::ios::binary);
    return std::string(std::istreambuf_iterator<char>(stream), {});
  }

  static constexpr int64_t kNs = 1700000000123456789;
  std::string root_;
  bool mounted_ = false;
};

TEST_F(InputCheckSshfsTest, ACachedAbsenceDoesNotHide) {
  EXPECT_EQ(ReadMounted("f"), "");
  EXPECT_TRUE(fs::is_empty(root_ + "/mount"));
  EXPECT_EQ(Check(Write("f", "abc", kNs)), InputState::kAnnounced);
  EXPECT_EQ(ReadMounted("f"), "abc");
}

TEST_F(InputCheckSshfsTest, ACachedSizeDoesNotShorten) {
  Write("f", "abc", kNs);
  EXPECT_EQ(ReadMounted("f"), "abc");
  const std::string longer(300000, 'x');
  EXPECT_EQ(Check(Write("f", longer, kNs + 5)), InputState::kAnnounced);
  EXPECT_EQ(ReadMounted("f"), longer);
}

TEST_F(InputCheckSshfsTest, CachedContentIsNotReadAgain) {
  Write("f", "abc", kNs);
  EXPECT_EQ(ReadMounted("f"), "abc");
  AnnouncedInput input = Write("g", "ABC", kNs + 3 * kSecondNs);
  fs::rename(root_ + "/home/g", root_ + "/home/f");
  input.path = "f";
  EXPECT_EQ(Check(input), InputState::kAnnounced);
  EXPECT_EQ(ReadMounted("f"), "ABC");
}

TEST_F(InputCheckSshfsTest, AnotherVersionIsSeenThroughTheCache) {
  const AnnouncedInput input = Write("f", "abc", kNs);
  EXPECT_EQ(Check(input), InputState::kAnnounced);
  Write("f", "abd", kNs + 3 * kSecondNs);
  EXPECT_EQ(Check(input), InputState::kChanged);
}

}  // namespace
}  // namespace closewrite::executor

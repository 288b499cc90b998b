// Nothing leads out of a volume, and nothing but a file is taken for one: with openat2(2), and
// without.
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "gtest/gtest.h"
#include "services/log/str_cat.h"
#include "services/volume/file_system.h"
#include "services/volume/path.h"

namespace closewrite {
namespace {

using Code = absl::StatusCode;

constexpr int kSwapRounds = 3000;

class EscapesTest : public testing::TestWithParam<Resolving> {
 protected:
  void SetUp() override {
    std::string name = StrCat(testing::TempDir(), "/escapes_test.XXXXXX");
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    base_ = name;
    for (const char* folder : {"/volume/d/e", "/outside/d"}) {
      std::filesystem::create_directories(base_ + folder);
    }
    for (const char* file : {"/volume/file", "/volume/d/file", "/volume/d/e/file"}) {
      std::ofstream(base_ + file) << "inside";
    }
    for (const char* file : {"/outside/file", "/outside/d/file"}) {
      std::ofstream(base_ + file) << "outside";
    }
    Link("../outside", "out");
    Link(base_ + "/outside/file", "absolute");
    Link("../outside/file", "d/file_out");
    Link("/etc", "d/etc");
    Link("file", "link");
    Link("d", "link_to_d");
    Link("nowhere", "dangling");
    Link("loop", "loop");
    Link("/proc/self/root", "magic");
    ASSERT_EQ(mkfifo(In("d/fifo").c_str(), 0600), 0);
    MakeSocket(In("d/socket"));
    // Only root may make one; /dev/full would answer a write with ENOSPC.
    has_device_ = mknod(In("d/device").c_str(), S_IFCHR | 0600, makedev(1, 7)) == 0;
    root_ = *OpenRoot(base_ + "/volume");
    ForceResolving(GetParam());
  }
  void TearDown() override {
    ForceResolving(Resolving::kAsItCan);
    std::filesystem::remove_all(base_);
  }

  std::string In(std::string_view path) const { return StrCat(base_, "/volume/", path); }
  void Link(const std::string& target, const std::string& path) const {
    ASSERT_EQ(symlink(target.c_str(), In(path).c_str()), 0) << path;
  }
  static void MakeSocket(const std::string& path) {
    const Fd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un address = {};
    address.sun_family = AF_UNIX;
    // The path of a test's folder may be longer than an address can be.
    const Fd folder = *OpenRoot(std::string(DirName(path)));
    const std::string name = StrCat("/proc/self/fd/", folder.get(), "/", BaseName(path));
    ASSERT_LT(name.size(), sizeof(address.sun_path));
    name.copy(address.sun_path, name.size());
    ASSERT_EQ(bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
  }
  static ino_t Inode(const std::string& path) {
    struct stat st = {};
    EXPECT_EQ(stat(path.c_str(), &st), 0) << path;
    return st.st_ino;
  }
  static ino_t Inode(const Fd& fd) {
    struct stat st = {};
    EXPECT_EQ(fstat(fd.get(), &st), 0);
    return st.st_ino;
  }

  std::string base_;
  Fd root_;
  bool has_device_ = false;
};

struct Opened {
  std::string path;
  int flags;
  Code code;
};

std::vector<Opened> Table() {
  constexpr Code kGood = Code::kOk;
  constexpr Code kLink = Code::kFailedPrecondition;
  constexpr Code kWrong = Code::kInvalidArgument;
  std::vector<Opened> table = {
      {"", O_RDONLY | O_DIRECTORY, kGood},
      {"file", O_RDONLY, kGood},
      {"file", O_WRONLY, kGood},
      {"d", O_RDONLY | O_DIRECTORY, kGood},
      {"d/e/file", O_RDONLY | O_NOFOLLOW, kGood},
      {"d/e/file", O_PATH | O_NOFOLLOW, kGood},
      {"d/new", O_WRONLY | O_CREAT, kGood},
      {"d/new", O_WRONLY | O_CREAT | O_EXCL, Code::kUnavailable},
      {"missing", O_RDONLY, Code::kNotFound},
      {"missing/file", O_RDONLY, Code::kNotFound},
      {"missing/new", O_WRONLY | O_CREAT, Code::kNotFound},
      {"file/x", O_RDONLY, Code::kNotFound},
      {"file", O_RDONLY | O_DIRECTORY, Code::kNotFound},
      // Links, wherever they lead.
      {"link", O_RDONLY, kLink},
      {"link", O_RDONLY | O_NOFOLLOW, kLink},
      {"link", O_WRONLY | O_CREAT, kLink},
      {"link", O_PATH, kLink},
      {"link_to_d", O_RDONLY | O_DIRECTORY, kLink},
      {"link_to_d", O_PATH | O_DIRECTORY, kLink},
      {"link_to_d/file", O_RDONLY, kLink},
      {"absolute", O_RDONLY, kLink},
      {"out", O_RDONLY | O_DIRECTORY, kLink},
      {"out/file", O_RDONLY, kLink},
      {"out/d/file", O_PATH | O_NOFOLLOW, kLink},
      {"out/new", O_WRONLY | O_CREAT | O_EXCL, kLink},
      {"d/file_out", O_RDONLY, kLink},
      {"d/file_out", O_WRONLY | O_TRUNC, kLink},
      {"d/etc/passwd", O_RDONLY, kLink},
      {"dangling", O_WRONLY | O_CREAT, kLink},
      {"loop", O_RDONLY, kLink},
      {"loop/x", O_RDONLY, kLink},
      {"magic/etc/passwd", O_RDONLY, kLink},
      // A link itself may be looked at.
      {"absolute", O_PATH | O_NOFOLLOW, kGood},
      {"dangling", O_PATH | O_NOFOLLOW, kGood},
      // Names that are none.
      {"..", O_RDONLY, kWrong},
      {"../outside/file", O_RDONLY, kWrong},
      {"d/../file", O_RDONLY, kWrong},
      {"d/e/../../../outside/file", O_RDONLY, kWrong},
      {"d/..", O_RDONLY | O_DIRECTORY, kWrong},
      {".", O_RDONLY | O_DIRECTORY, kWrong},
      {"./file", O_RDONLY, kWrong},
      {"/etc/passwd", O_RDONLY, kWrong},
      {"/", O_RDONLY, kWrong},
      {"//file", O_RDONLY, kWrong},
      {"d//file", O_RDONLY, kWrong},
      {"d/", O_RDONLY | O_DIRECTORY, kWrong},
      {std::string("file\0x", 6), O_RDONLY, kWrong},
      {std::string(kNameBytesMax + 1, 'n'), O_RDONLY, kWrong},
      {std::string(5000, 'n'), O_RDONLY, kWrong},
  };
  return table;
}

TEST_P(EscapesTest, EveryWayOfNamingSomething) {
  for (const Opened& each : Table()) {
    const absl::StatusOr<Fd> fd = OpenBeneath(root_.get(), each.path, each.flags, 0600);
    EXPECT_EQ(fd.status().code(), each.code)
        << Display(each.path).substr(0, 80) << " with " << each.flags << ": " << fd.status();
    if (fd.ok()) {
      EXPECT_EQ(fcntl(fd->get(), F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
    }
  }
  EXPECT_FALSE(std::filesystem::exists(base_ + "/outside/new"));
  EXPECT_FALSE(std::filesystem::exists(In("nowhere")));
}

TEST_P(EscapesTest, OnlyFilesAreOpenedAsFiles) {
  std::vector<std::pair<std::string, std::string>> kinds = {
      {"d", "a directory"},        {"d/fifo", "a named pipe"}, {"d/socket", "a socket"},
      {"link", "a symbolic link"}, {"out", "a symbolic link"}, {"dangling", "a symbolic link"}};
  if (has_device_) kinds.emplace_back("d/device", "a device");
  for (const auto& [path, kind] : kinds) {
    for (const int flags : {O_RDONLY, O_WRONLY, O_RDWR | O_CREAT, O_WRONLY | O_TRUNC}) {
      const absl::Status status = OpenFileBeneath(root_.get(), path, flags, 0600).status();
      EXPECT_EQ(status.code(), Code::kFailedPrecondition) << path << ": " << status;
      EXPECT_NE(std::string(status.message())
                    .find(StrCat("\"", path, "\" is ", kind, ", not a regular file")),
                std::string::npos)
          << status;
    }
  }
  EXPECT_EQ(OpenFileBeneath(root_.get(), "out/file", O_RDONLY).status().code(),
            Code::kFailedPrecondition);
  EXPECT_EQ(OpenFileBeneath(root_.get(), "../outside/file", O_RDONLY).status().code(),
            Code::kInvalidArgument);
  EXPECT_EQ(OpenFileBeneath(root_.get(), "", O_RDONLY).status().code(), Code::kInvalidArgument);
  EXPECT_EQ(OpenFileBeneath(root_.get(), "missing", O_RDONLY).status().code(), Code::kNotFound);
  const absl::StatusOr<Fd> file = OpenFileBeneath(root_.get(), "d/e/file", O_RDONLY | O_NOFOLLOW);
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_EQ(Inode(*file), Inode(In("d/e/file")));
  EXPECT_EQ(DigestFile(file->get())->size, 6);
  EXPECT_EQ(fcntl(file->get(), F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
  const absl::StatusOr<Fd> made = OpenFileBeneath(root_.get(), "d/n", O_WRONLY | O_CREAT, 0600);
  ASSERT_TRUE(made.ok()) << made.status();
  EXPECT_EQ(Inode(*OpenFileBeneath(root_.get(), "d/n", O_WRONLY | O_CREAT, 0600)), Inode(*made));
}

// A pipe that nobody writes blocked whoever opened it for reading.
TEST_P(EscapesTest, NoOpenWaits) {
  EXPECT_TRUE(OpenBeneath(root_.get(), "d/fifo", O_RDONLY).ok());
  EXPECT_FALSE(OpenBeneath(root_.get(), "d/fifo", O_WRONLY).ok());
  EXPECT_FALSE(OpenBeneath(root_.get(), "d/fifo", O_RDONLY | O_DIRECTORY).ok());
}

TEST_P(EscapesTest, WhatLiesOutsideIsNotLookedAt) {
  EXPECT_TRUE(S_ISDIR(StatBeneath(root_.get(), "")->st_mode));
  EXPECT_EQ(StatBeneath(root_.get(), "d/e/file")->st_size, 6);
  EXPECT_EQ(StatBeneath(root_.get(), "file")->st_ino, Inode(In("file")));
  EXPECT_TRUE(S_ISLNK(StatBeneath(root_.get(), "absolute")->st_mode));
  EXPECT_TRUE(S_ISLNK(StatBeneath(root_.get(), "d/etc")->st_mode));
  EXPECT_TRUE(S_ISFIFO(StatBeneath(root_.get(), "d/fifo")->st_mode));
  for (const auto& [path, code] :
       std::vector<std::pair<std::string, Code>>{{"out/file", Code::kFailedPrecondition},
                                                 {"link_to_d/file", Code::kFailedPrecondition},
                                                 {"../outside/file", Code::kInvalidArgument},
                                                 {"..", Code::kInvalidArgument},
                                                 {"missing", Code::kNotFound},
                                                 {"d/missing", Code::kNotFound},
                                                 {"file/x", Code::kNotFound}}) {
    EXPECT_EQ(StatBeneath(root_.get(), path).status().code(), code) << path;
  }
}

TEST_P(EscapesTest, NothingIsMadeOrRemovedOutside) {
  std::filesystem::create_directories(base_ + "/outside/empty");
  EXPECT_EQ(MakeDirectories(root_.get(), "out/new").code(), Code::kFailedPrecondition);
  EXPECT_EQ(RemoveTree(root_.get(), "out/d").code(), Code::kFailedPrecondition);
  EXPECT_EQ(RemoveIfEmpty(root_.get(), "out/empty").code(), Code::kFailedPrecondition);
  EXPECT_EQ(RemoveIfEmpty(root_.get(), "../outside/empty").code(), Code::kInvalidArgument);
  EXPECT_TRUE(RemoveIfEmpty(root_.get(), "d").ok()) << "which is not empty";
  EXPECT_TRUE(RemoveIfEmpty(root_.get(), "missing").ok());
  EXPECT_TRUE(RemoveIfEmpty(root_.get(), "missing/d").ok());
  EXPECT_TRUE(RemoveTree(root_.get(), "d").ok());
  EXPECT_FALSE(std::filesystem::exists(In("d")));
  EXPECT_FALSE(std::filesystem::exists(base_ + "/outside/new"));
  for (const char* path : {"/outside/empty", "/outside/file", "/outside/d/file", "/etc/passwd"}) {
    EXPECT_TRUE(std::filesystem::exists(path[1] == 'e' ? path : base_ + path)) << path;
  }
}

// What was mounted in a staging directory was removed with it.
TEST_P(EscapesTest, WhatIsMountedInATreeIsNotRemoved) {
  const std::string point = In("d/e");
  if (mount((base_ + "/outside").c_str(), point.c_str(), nullptr, MS_BIND, nullptr) != 0) {
    GTEST_SKIP() << "may not mount";
  }
  const absl::Status removed = RemoveTree(root_.get(), "d");
  EXPECT_EQ(umount2(point.c_str(), MNT_DETACH), 0);
  EXPECT_FALSE(removed.ok());
  EXPECT_TRUE(std::filesystem::exists(base_ + "/outside/d/file"));
  EXPECT_TRUE(RemoveTree(root_.get(), "d").ok());
}

// Exchanges a directory and a link that leads out, again and again, for as long as it lives.
class Swapper {
 public:
  Swapper(const std::string& directory, const std::string& link)
      : thread_([this, directory, link] {
          while (!stop_) {
            if (renameat2(AT_FDCWD, directory.c_str(), AT_FDCWD, link.c_str(), RENAME_EXCHANGE)) {
              failed_ = errno;
              return;
            }
            ++swaps_;
          }
        }) {}
  ~Swapper() {
    stop_ = true;
    thread_.join();
  }
  int64_t swaps() const { return swaps_; }
  int failed() const { return failed_; }

 private:
  std::atomic<bool> stop_ = false;
  std::atomic<int64_t> swaps_ = 0;
  std::atomic<int> failed_ = 0;
  std::thread thread_;
};

TEST_P(EscapesTest, ASwapBetweenCheckAndUseLeadsNowhere) {
  Link("../outside/d", "swapped");
  const ino_t inside = Inode(In("d/file"));
  const Swapper swapper(In("d"), In("swapped"));
  int opened = 0;
  for (int round = 0; round < kSwapRounds && swapper.failed() == 0; ++round) {
    const absl::StatusOr<Fd> fd = OpenBeneath(root_.get(), "d/file", O_RDONLY);
    const absl::StatusOr<Fd> file = OpenFileBeneath(root_.get(), "d/file", O_RDWR | O_CREAT, 0600);
    const absl::StatusOr<struct stat> st = StatBeneath(root_.get(), "d/file");
    if (fd.ok()) {
      ASSERT_EQ(Inode(*fd), inside);
    }
    if (file.ok()) {
      ASSERT_EQ(Inode(*file), inside);
    }
    if (st.ok()) {
      ASSERT_EQ(st->st_ino, inside);
    }
    opened += fd.ok() ? 1 : 0;
    MakeDirectories(root_.get(), "d/made", 0700, /*sync=*/false).IgnoreError();
    RemoveTree(root_.get(), "d/made").IgnoreError();
    OpenBeneath(root_.get(), "d/new", O_WRONLY | O_CREAT, 0600).IgnoreError();
    RemoveTree(root_.get(), "d/e").IgnoreError();
    RemoveIfEmpty(root_.get(), "d/file").IgnoreError();
  }
  if (swapper.failed() == EINVAL) GTEST_SKIP() << "this file system exchanges no names";
  EXPECT_EQ(swapper.failed(), 0);
  std::vector<std::string> outside;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(base_ + "/outside")) {
    outside.push_back(entry.path());
  }
  EXPECT_EQ(outside.size(), 3u) << "d, d/file and file, as before";
  EXPECT_EQ(std::filesystem::file_size(base_ + "/outside/d/file"), 7u);
}

INSTANTIATE_TEST_SUITE_P(BothWays, EscapesTest,
                         testing::Values(Resolving::kAsItCan, Resolving::kByComponents),
                         [](const auto& info) {
                           return info.param == Resolving::kAsItCan ? "Openat2" : "Components";
                         });

}  // namespace
}  // namespace closewrite

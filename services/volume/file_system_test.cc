#include "services/volume/file_system.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include <fstream>
#include <map>
#include <string>
#include <vector>

#include "absl/strings/escaping.h"
#include "gtest/gtest.h"
#include "services/log/str_cat.h"

namespace closewrite {
namespace {

class FileSystemTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = StrCat(testing::TempDir(), "/file_system_test.XXXXXX");
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    dir_ = name;
    auto root = OpenRoot(dir_);
    ASSERT_TRUE(root.ok()) << root.status();
    root_ = *std::move(root);
  }

  void Write(const std::string& path, const std::string& content) {
    std::ofstream(dir_ + "/" + path, std::ios::binary) << content;
  }
  bool Exists(const std::string& path) {
    struct stat st;
    return lstat((dir_ + "/" + path).c_str(), &st) == 0;
  }
  // Relative path: size; other kinds have size -1.
  std::map<std::string, int64_t> List(std::string_view dir) {
    std::map<std::string, int64_t> found;
    const absl::Status status = ListFiles(
        root_.get(), dir, 1000,
        [&](std::string_view path, const struct stat& st) {
          found[std::string(path)] = st.st_size;
          return absl::OkStatus();
        },
        [&](std::string_view path, const struct stat&) {
          found[std::string(path)] = -1;
          return absl::OkStatus();
        });
    EXPECT_TRUE(status.ok()) << status;
    return found;
  }

  std::string dir_;
  Fd root_;
};

TEST_F(FileSystemTest, FdMovesAndCloses) {
  int number = -1;
  {
    Fd a(open("/dev/null", O_RDONLY));
    number = a.get();
    Fd b(std::move(a));
    EXPECT_FALSE(a.ok());  // NOLINT(bugprone-use-after-move): what is left is promised
    a = std::move(b);
    EXPECT_EQ(a.get(), number);
    EXPECT_GE(fcntl(number, F_GETFD), 0);
  }
  EXPECT_LT(fcntl(number, F_GETFD), 0);
}

TEST_F(FileSystemTest, ErrnoCodes) {
  EXPECT_EQ(ErrnoStatus(ENOENT, "open", "x").code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(ErrnoStatus(ENOTDIR, "open", "x").code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(ErrnoStatus(ENOSPC, "write", "x").code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(ErrnoStatus(EDQUOT, "write", "x").code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(ErrnoStatus(EROFS, "write", "x").code(), absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(ErrnoStatus(EIO, "read", "x").code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(std::string(ErrnoStatus(ENOSPC, "write", "a\nb").message()),
            "cannot write \"a\\nb\": No space left on device; free some space there");
}

TEST_F(FileSystemTest, OpenRootRefuses) {
  EXPECT_EQ(OpenRoot("relative").status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(OpenRoot(dir_ + "/missing").status().code(), absl::StatusCode::kNotFound);
  Write("file", "x");
  EXPECT_EQ(OpenRoot(dir_ + "/file").status().code(), absl::StatusCode::kNotFound);
}

TEST_F(FileSystemTest, OpenBeneathNeverLeadsOut) {
  ASSERT_EQ(symlink("/etc", (dir_ + "/out").c_str()), 0);
  Write("file", "x");
  ASSERT_EQ(symlink("file", (dir_ + "/link").c_str()), 0);
  for (const char* path : {"out/passwd", "out", "link", "../x", "/etc/passwd", "a/../../x"}) {
    EXPECT_FALSE(OpenBeneath(root_.get(), path, O_RDONLY).ok()) << path;
  }
  EXPECT_EQ(OpenBeneath(root_.get(), "link", O_RDONLY).status().code(),
            absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(OpenBeneath(root_.get(), "missing", O_RDONLY).status().code(),
            absl::StatusCode::kNotFound);
  EXPECT_EQ(OpenBeneath(root_.get(), std::string("file\0x", 6), O_RDONLY).status().code(),
            absl::StatusCode::kInvalidArgument);
  const auto fd = OpenBeneath(root_.get(), "file", O_RDONLY);
  ASSERT_TRUE(fd.ok()) << fd.status();
  EXPECT_EQ(fcntl(fd->get(), F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
  EXPECT_TRUE(OpenBeneath(root_.get(), "", O_RDONLY | O_DIRECTORY).ok());
  EXPECT_TRUE(OpenBeneath(root_.get(), "new\n\xff", O_WRONLY | O_CREAT, 0600).ok());
  EXPECT_TRUE(Exists("new\n\xff"));
}

TEST_F(FileSystemTest, MakeDirectories) {
  EXPECT_TRUE(MakeDirectories(root_.get(), "").ok());
  EXPECT_TRUE(MakeDirectories(root_.get(), "a/b/c").ok());
  EXPECT_TRUE(MakeDirectories(root_.get(), "a/b/c").ok());
  EXPECT_TRUE(MakeDirectories(root_.get(), "a/d").ok());
  EXPECT_TRUE(Exists("a/b/c"));
  Write("file", "x");
  EXPECT_FALSE(MakeDirectories(root_.get(), "file/x").ok());
  EXPECT_FALSE(MakeDirectories(root_.get(), "../x").ok());
  ASSERT_EQ(symlink("/tmp", (dir_ + "/out").c_str()), 0);
  EXPECT_EQ(MakeDirectories(root_.get(), "out/x").code(), absl::StatusCode::kFailedPrecondition);
}

TEST_F(FileSystemTest, RemoveTree) {
  ASSERT_TRUE(MakeDirectories(root_.get(), "keep").ok());
  Write("keep/file", "x");
  ASSERT_TRUE(MakeDirectories(root_.get(), "gone/a/b").ok());
  Write("gone/a/b/file", "x");
  Write("gone/ \n\xff-", "x");
  ASSERT_EQ(symlink((dir_ + "/keep").c_str(), (dir_ + "/gone/link").c_str()), 0);
  ASSERT_EQ(chmod((dir_ + "/gone/a/b").c_str(), 0), 0);
  EXPECT_TRUE(RemoveTree(root_.get(), "gone").ok());
  EXPECT_FALSE(Exists("gone"));
  EXPECT_TRUE(Exists("keep/file"));
  EXPECT_TRUE(RemoveTree(root_.get(), "gone").ok());
  EXPECT_TRUE(RemoveTree(root_.get(), "no/such/parent").ok());
  EXPECT_FALSE(RemoveTree(root_.get(), "").ok());
  EXPECT_FALSE(RemoveTree(root_.get(), "..").ok());
}

TEST_F(FileSystemTest, RemoveTreeTakesALinkItselfAway) {
  ASSERT_TRUE(MakeDirectories(root_.get(), "keep").ok());
  Write("keep/file", "x");
  ASSERT_EQ(symlink("keep", (dir_ + "/link").c_str()), 0);
  EXPECT_TRUE(RemoveTree(root_.get(), "link").ok());
  EXPECT_FALSE(Exists("link"));
  EXPECT_TRUE(Exists("keep/file"));
}

TEST_F(FileSystemTest, RemoveTreeStopsAtItsDepthLimit) {
  std::string deep = "deep";
  for (int i = 0; i < 250; ++i) deep += "/d";
  ASSERT_TRUE(MakeDirectories(root_.get(), deep).ok());
  EXPECT_EQ(RemoveTree(root_.get(), "deep").code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_TRUE(RemoveTree(root_.get(), deep.substr(0, 200)).ok());
  EXPECT_TRUE(RemoveTree(root_.get(), "deep").ok());
}

TEST_F(FileSystemTest, ListFiles) {
  ASSERT_TRUE(MakeDirectories(root_.get(), "out/a/empty").ok());
  Write("out/x", "12345");
  Write("out/a/y\n\xff", "");
  ASSERT_EQ(symlink("/etc", (dir_ + "/out/link").c_str()), 0);
  ASSERT_EQ(mkfifo((dir_ + "/out/a/fifo").c_str(), 0600), 0);
  const std::map<std::string, int64_t> expected = {
      {"x", 5}, {"a/y\n\xff", 0}, {"link", -1}, {"a/fifo", -1}};
  EXPECT_EQ(List("out"), expected);
  EXPECT_EQ(List("").count("out/x"), 1u);
  EXPECT_TRUE(List("out/a/empty").empty());
}

TEST_F(FileSystemTest, ListFilesPassesErrorsOn) {
  const auto ignore = [](std::string_view, const struct stat&) { return absl::OkStatus(); };
  EXPECT_EQ(ListFiles(root_.get(), "missing", 10, ignore).code(), absl::StatusCode::kNotFound);
  for (int i = 0; i < 5; ++i) Write(StrCat("f", i), "");
  EXPECT_TRUE(ListFiles(root_.get(), "", 5, ignore).ok());
  EXPECT_EQ(ListFiles(root_.get(), "", 4, ignore).code(), absl::StatusCode::kResourceExhausted);
  int calls = 0;
  const auto fail = [&](std::string_view, const struct stat&) {
    ++calls;
    return absl::AbortedError("enough");
  };
  EXPECT_EQ(ListFiles(root_.get(), "", 10, fail).code(), absl::StatusCode::kAborted);
  EXPECT_EQ(calls, 1);
}

TEST_F(FileSystemTest, DigestFile) {
  const auto digest = [&](const std::string& content) {
    Write("file", content);
    const auto fd = OpenBeneath(root_.get(), "file", O_RDONLY);
    lseek(fd->get(), 1, SEEK_SET);  // does not matter
    return *DigestFile(fd->get());
  };
  EXPECT_EQ(absl::BytesToHexString(digest("").sha256),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(absl::BytesToHexString(digest("abc").sha256),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(absl::BytesToHexString(digest(std::string(1'000'000, 'a')).sha256),
            "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
  EXPECT_EQ(digest(std::string(1'000'000, 'a')).size, 1'000'000);
  EXPECT_FALSE(DigestFile(-1).ok());
}

TEST_F(FileSystemTest, MtimeHasNanoseconds) {
  struct stat st = {};
  st.st_mtim = {1'700'000'000, 123'456'789};
  EXPECT_EQ(MtimeNs(st), 1'700'000'000'123'456'789);
}

}  // namespace
}  // namespace closewrite

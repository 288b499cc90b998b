#include "services/watcher/file_look.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "gtest/gtest.h"
#include "services/log/str_cat.h"
#include "services/volume/file_system.h"

namespace closewrite::watcher {
namespace {

class FileLookTest : public ::testing::Test {
 protected:
  FileLookTest() {
    std::string name = testing::TempDir() + "/look.XXXXXX";
    root_ = mkdtemp(name.data());
    descriptor_ = *OpenRoot(root_);
    std::filesystem::create_directory(root_ + "/in");
  }
  ~FileLookTest() override { std::filesystem::remove_all(root_); }

  void Write(const std::string& path) { std::ofstream(StrCat(root_, "/", path)) << "x\n"; }
  v1::FileLook Look(const std::string& path) {
    return LookAtFile(descriptor_.get(), *IgnoreList::Parse({"**/*.part", "old/"}), path);
  }

  std::string root_;
  Fd descriptor_;
};

TEST_F(FileLookTest, AFileThatIsNotThereAndTheOneThatWasMeant) {
  EXPECT_EQ(Look("in/a.csv").finding(), v1::FILE_FINDING_MISSING);
  EXPECT_EQ(Look("in/a.csv").message(), "there is no such file");
  EXPECT_EQ(Look("out/a.csv").message(), "there is no such file");
  Write("in/orders.csv");
  EXPECT_EQ(Look("in/order.csv").message(), "there is no such file, but there is in/orders.csv");
}

TEST_F(FileLookTest, WhoHasItOpen) {
  const std::string path = StrCat(root_, "/in/a.csv");
  const int writer = open(path.c_str(), O_WRONLY | O_CREAT, 0644);
  ASSERT_GE(writer, 0);
  const v1::FileLook look = Look("in/a.csv");
  EXPECT_EQ(look.finding(), v1::FILE_FINDING_OPEN);
  EXPECT_NE(look.message().find(StrCat("(pid ", getpid(), ") has it open for writing")),
            std::string::npos)
      << look.message();
  close(writer);
  EXPECT_EQ(Look("in/a.csv").finding(), v1::FILE_FINDING_FINISHED);
  // Readers are no matter.
  const int reader = open(path.c_str(), O_RDONLY);
  EXPECT_EQ(Look("in/a.csv").finding(), v1::FILE_FINDING_FINISHED);
  close(reader);
}

TEST_F(FileLookTest, ContentIsGivenOfWhatIsFinishedAndSmall) {
  Write("in/a.csv");
  const auto content = [this](const std::string& path, int64_t bytes_max) {
    v1::FileLook look = Look(path);
    AddContent(descriptor_.get(), path, bytes_max, &look);
    return look.has_content() ? look.content() : "none";
  };
  EXPECT_EQ(content("in/a.csv", 2), "x\n");
  EXPECT_EQ(content("in/a.csv", 1), "none");
  EXPECT_EQ(content("in", 100), "none");
  std::filesystem::resize_file(root_ + "/in/a.csv", kLookContentBytesMax + 1);
  EXPECT_EQ(content("in/a.csv", 2 * kLookContentBytesMax), "none");
}

TEST_F(FileLookTest, WhatIsIgnoredAndWhatIsNoFile) {
  Write("in/a.csv.part");
  EXPECT_EQ(Look("in/a.csv.part").finding(), v1::FILE_FINDING_IGNORED);
  std::filesystem::create_directory(root_ + "/old");
  Write("old/a.csv");
  EXPECT_EQ(Look("old/a.csv").message(), "it lies below old, which its volume ignores");
  EXPECT_EQ(Look("in").message(), "it is a directory");
  std::filesystem::create_symlink("a.csv", root_ + "/in/link");
  EXPECT_EQ(Look("in/link").finding(), v1::FILE_FINDING_NOT_A_FILE);
  EXPECT_EQ(Look("in/link").message(), "it is a symbolic link, which is not followed");
  ASSERT_EQ(mkfifo((root_ + "/in/pipe").c_str(), 0600), 0);
  EXPECT_EQ(Look("in/pipe").message(), "it is a named pipe, which is not opened");
  std::filesystem::create_symlink("/etc", root_ + "/out");
  EXPECT_EQ(Look("out/passwd").finding(), v1::FILE_FINDING_UNKNOWN);
}

}  // namespace
}  // namespace closewrite::watcher

#include "services/cli/certs/whole_file.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "absl/strings/match.h"
#include "gtest/gtest.h"
#include "services/log/str_cat.h"

namespace closewrite::cli {
namespace {

namespace fs = std::filesystem;

class WholeFileTest : public testing::Test {
 protected:
  WholeFileTest() {
    std::string name = testing::TempDir() + "/whole.XXXXXX";
    folder_ = mkdtemp(name.data());
    old_umask_ = umask(0);  // nothing must depend on it
  }
  ~WholeFileTest() override {
    umask(old_umask_);
    fs::remove_all(folder_);
  }

  static mode_t ModeOf(const std::string& path) {
    struct stat st = {};
    EXPECT_EQ(lstat(path.c_str(), &st), 0) << path;
    return st.st_mode & 07777;
  }
  size_t Entries() const {
    return static_cast<size_t>(std::distance(fs::directory_iterator(folder_), {}));
  }

  std::string folder_;
  mode_t old_umask_;
};

TEST_F(WholeFileTest, WritesAndReadsBack) {
  const std::string file = folder_ + "/tls.key";
  ASSERT_TRUE(WriteWhole(file, "secret", kPrivateMode, IfThere::kRefuse).ok());
  EXPECT_EQ(ModeOf(file), 0600);
  EXPECT_EQ(*ReadWhole(file), "secret");
  EXPECT_TRUE(CheckPrivate(file).ok());
  ASSERT_TRUE(WriteWhole(folder_ + "/ca.crt", "", kPublicMode, IfThere::kRefuse).ok());
  EXPECT_EQ(ModeOf(folder_ + "/ca.crt"), 0644);
  EXPECT_EQ(Entries(), 2);
}

TEST_F(WholeFileTest, RefusesWhatIsThere) {
  const std::string file = folder_ + "/tls.key";
  ASSERT_TRUE(WriteWhole(file, "old", kPrivateMode, IfThere::kRefuse).ok());
  const absl::Status again = WriteWhole(file, "new", kPrivateMode, IfThere::kRefuse);
  EXPECT_TRUE(absl::IsAlreadyExists(again)) << again;
  EXPECT_EQ(*ReadWhole(file), "old");
  EXPECT_EQ(Entries(), 1);
}

TEST_F(WholeFileTest, ReplacesByAnotherFileOfTheSameMode) {
  const std::string file = folder_ + "/tokens";
  ASSERT_TRUE(WriteWhole(file, "old", kPrivateMode, IfThere::kRefuse).ok());
  ASSERT_EQ(chmod(file.c_str(), 0640), 0);
  std::ifstream reader(file);
  ASSERT_TRUE(WriteWhole(file, "new", kPrivateMode, IfThere::kReplace).ok());
  std::string read;
  reader >> read;
  EXPECT_EQ(read, "old");  // who has it open reads on in the old one
  EXPECT_EQ(*ReadWhole(file), "new");
  EXPECT_EQ(ModeOf(file), 0640);
  EXPECT_EQ(Entries(), 1);
}

// A service's own folder may be written by others than who renews: a link there must lead nowhere.
TEST_F(WholeFileTest, FollowsNoLinks) {
  const std::string victim = folder_ + "/victim";
  ASSERT_TRUE(WriteWhole(victim, "precious", kPublicMode, IfThere::kRefuse).ok());
  const std::string link = folder_ + "/ca.crt";
  ASSERT_EQ(symlink(victim.c_str(), link.c_str()), 0);
  for (const IfThere if_there : {IfThere::kRefuse, IfThere::kReplace}) {
    EXPECT_FALSE(WriteWhole(link, "new", kPublicMode, if_there).ok());
  }
  EXPECT_EQ(*ReadWhole(victim), "precious");
  EXPECT_EQ(Entries(), 2);
}

TEST_F(WholeFileTest, SecretsThatOthersReadAreRefused) {
  const std::string file = folder_ + "/ca.key";
  ASSERT_TRUE(WriteWhole(file, "secret", kPrivateMode, IfThere::kRefuse).ok());
  for (const mode_t mode : {0640, 0604, 0660}) {
    ASSERT_EQ(chmod(file.c_str(), mode), 0);
    EXPECT_TRUE(absl::StrContains(CheckPrivate(file).message(), "say `chmod 600 "));
  }
}

TEST_F(WholeFileTest, FoldersAreTheirOwnersAlone) {
  const std::string folder = folder_ + "/a/b/";
  ASSERT_TRUE(MakePrivateFolder(folder).ok());
  EXPECT_EQ(ModeOf(folder_ + "/a/b"), 0700);
  EXPECT_TRUE(MakePrivateFolder(folder).ok());
  ASSERT_EQ(chmod(folder.c_str(), 0770), 0);
  EXPECT_TRUE(absl::StrContains(MakePrivateFolder(folder).message(), "chmod go-w"));
  ASSERT_TRUE(WriteWhole(folder_ + "/file", "", kPublicMode, IfThere::kRefuse).ok());
  EXPECT_FALSE(MakePrivateFolder(folder_ + "/file").ok());
}

TEST_F(WholeFileTest, ReadsPlainFilesOfABoundedSize) {
  EXPECT_TRUE(absl::IsNotFound(ReadWhole(folder_ + "/none").status()));
  EXPECT_TRUE(absl::StrContains(ReadWhole(folder_).status().message(), "is no plain file"));
  const std::string pipe = folder_ + "/pipe";
  ASSERT_EQ(mkfifo(pipe.c_str(), 0600), 0);
  EXPECT_TRUE(absl::StrContains(ReadWhole(pipe).status().message(), "is no plain file"));
  const std::string large = folder_ + "/large";
  ASSERT_TRUE(
      WriteWhole(large, std::string((1 << 20) + 1, 'x'), kPublicMode, IfThere::kRefuse).ok());
  EXPECT_TRUE(absl::StrContains(ReadWhole(large).status().message(), "more than 1048576 bytes"));
}

}  // namespace
}  // namespace closewrite::cli

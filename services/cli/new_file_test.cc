#include "services/cli/new_file.h"

#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <utility>

#include "gtest/gtest.h"

namespace closewrite::cli {
namespace {

class NewFileTest : public testing::Test {
 protected:
  NewFileTest()
      : folder_(std::filesystem::path(testing::TempDir()) /
                testing::UnitTest::GetInstance()->current_test_info()->name()) {
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_);
  }

  std::string Name() const { return (folder_ / "c.db").native(); }
  static std::string Read(const std::string& name) {
    std::ostringstream text;
    text << std::ifstream(name).rdbuf();
    return text.str();
  }

  const std::filesystem::path folder_;
};

TEST_F(NewFileTest, IsForItsOwnerUnlessToldOtherwise) {
  const mode_t before = umask(022);
  for (const auto& [readers, mode] : {std::pair{Readers::kOwner, 0600}, {Readers::kAll, 0644}}) {
    auto file = NewFile::Make(Name(), true, readers);
    ASSERT_TRUE(file.ok() && (*file)->Publish().ok());
    struct stat found = {};
    ASSERT_EQ(stat(Name().c_str(), &found), 0);
    EXPECT_EQ(found.st_mode & 0777, static_cast<mode_t>(mode));
  }
  umask(before);
}

TEST_F(NewFileTest, AppearsWhenItIsPublished) {
  auto file = NewFile::Make(Name(), false);
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_TRUE((*file)->Write("lost").ok());
  EXPECT_TRUE((*file)->Restart().ok());
  EXPECT_TRUE((*file)->Write("ab").ok());
  EXPECT_FALSE(std::filesystem::exists(Name()));
  EXPECT_TRUE((*file)->Publish().ok());
  file->reset();
  EXPECT_EQ(Read(Name()), "ab");
  EXPECT_FALSE(std::filesystem::exists(Name() + ".part"));
}

TEST_F(NewFileTest, LeavesNothingBehind) {
  auto file = NewFile::Make(Name(), false);
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_TRUE(absl::IsFailedPrecondition(NewFile::Make(Name(), false).status()));
  EXPECT_TRUE((*file)->Write("ab").ok());
  file->reset();
  EXPECT_TRUE(std::filesystem::is_empty(folder_));
}

TEST_F(NewFileTest, ReplacesOnlyWhenItMay) {
  std::ofstream(Name()) << "old";
  std::ofstream(Name() + ".part") << "of one that was killed, and longer";
  EXPECT_TRUE(absl::IsAlreadyExists(NewFile::Make(Name(), false).status()));
  auto file = NewFile::Make(Name(), true);
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_TRUE((*file)->Write("new").ok());
  EXPECT_EQ(Read(Name()), "old");
  EXPECT_TRUE((*file)->Publish().ok());
  EXPECT_EQ(Read(Name()), "new");
  EXPECT_TRUE(absl::IsFailedPrecondition(NewFile::Make(folder_.native(), true).status()));
  EXPECT_FALSE(NewFile::Make((folder_ / "no/c.db").native(), true).ok());
}

TEST_F(NewFileTest, DoesNotReplaceWhatCameMeanwhile) {
  auto file = NewFile::Make(Name(), false);
  ASSERT_TRUE(file.ok()) << file.status();
  std::ofstream(Name()) << "theirs";
  EXPECT_TRUE(absl::IsAlreadyExists((*file)->Publish()));
  file->reset();
  EXPECT_EQ(Read(Name()), "theirs");
}

}  // namespace
}  // namespace closewrite::cli

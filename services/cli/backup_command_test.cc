#include <filesystem>
#include <fstream>
#include <sstream>

#include "absl/strings/match.h"
#include "services/cli/cli_fixture.h"

namespace closewrite::cli {
namespace {

class BackupCommandTest : public CliFixture {
 protected:
  BackupCommandTest()
      : folder_(std::filesystem::path(testing::TempDir()) /
                testing::UnitTest::GetInstance()->current_test_info()->name()),
        name_((folder_ / "c.db").native()) {
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_);
    coordinator_.SetBackup({"SQLite ", "format 3"}, 15);
  }

  std::string Content() const {
    std::ostringstream text;
    text << std::ifstream(name_).rdbuf();
    return text.str();
  }

  const std::filesystem::path folder_;
  const std::string name_;
};

TEST_F(BackupCommandTest, WritesAFile) {
  const CliResult result = Run({"backup", name_});
  EXPECT_EQ(result.code, 0);
  EXPECT_EQ(result.out, "");
  EXPECT_EQ(result.err,
            "closewrite: backup of 15 B written; start a coordinator with store: sqlite:" + name_ +
                " to restore\n");
  EXPECT_EQ(Content(), "SQLite format 3");
  EXPECT_EQ(Run({"backup", name_}).code, 1);
  EXPECT_EQ(Run({"backup", name_, "--force"}).code, 0);
  EXPECT_EQ(Run({"backup", name_, "--force", "-o", "json"}).out,
            "{\"file\":\"" + name_ + "\",\"size\":15}\n");
}

TEST_F(BackupCommandTest, WritesToStdout) {
  EXPECT_EQ(Run({"backup", "-"}).out, "SQLite format 3");
  surroundings_.terminal = true;
  EXPECT_EQ(Run({"backup", "-"}).code, 2);
}

TEST_F(BackupCommandTest, ABrokenStreamBeginsAgain) {
  coordinator_.BreakBackup();
  EXPECT_EQ(Run({"backup", name_}).code, 0);
  EXPECT_EQ(Content(), "SQLite format 3");
  coordinator_.BreakBackup();
  EXPECT_EQ(Run({"backup", "-"}).code, 125);
}

TEST_F(BackupCommandTest, ADiskWithoutRoomIsToldAtOnce) {
  coordinator_.SetBackup({"SQLite ", "format 3"}, int64_t{1} << 60);
  const CliResult refused = Run({"backup", name_});
  EXPECT_EQ(refused.code, 1);
  EXPECT_TRUE(absl::StrContains(refused.err, "c.db will need ")) << refused.err;
  EXPECT_TRUE(std::filesystem::is_empty(folder_));
}

TEST_F(BackupCommandTest, AnErrorLeavesNothingBehind) {
  coordinator_.SetBackup({"SQLite"}, 15);
  const CliResult cut = Run({"backup", name_});
  EXPECT_EQ(cut.code, 125);
  EXPECT_TRUE(absl::StrContains(cut.err, "6 bytes in place of 15")) << cut.err;
  EXPECT_TRUE(std::filesystem::is_empty(folder_));
  coordinator_.SetBackupStatus(absl::FailedPreconditionError("the store is PostgreSQL: pg_dump"));
  const CliResult refused = Run({"backup", name_});
  EXPECT_EQ(refused.code, 1);
  EXPECT_EQ(refused.err, "closewrite: the store is PostgreSQL: pg_dump\n");
  EXPECT_TRUE(std::filesystem::is_empty(folder_));
}

}  // namespace
}  // namespace closewrite::cli

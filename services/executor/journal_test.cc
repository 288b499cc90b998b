#include "services/executor/journal.h"

#include <sys/file.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "gtest/gtest.h"
#include "services/executor/left_behind.h"

namespace closewrite::executor {
namespace {

class JournalTest : public testing::Test {
 protected:
  JournalTest() {
    std::string name = testing::TempDir() + "/journal.XXXXXX";
    directory_ = std::string(mkdtemp(name.data())) + "/state";
  }

  static v1::Assignment Assigned(int64_t job, int64_t token) {
    v1::Assignment assignment;
    assignment.mutable_lease()->set_job_id(job);
    assignment.mutable_lease()->set_token(token);
    assignment.set_output_volume("out");
    return assignment;
  }

  std::string directory_;
};

TEST_F(JournalTest, IsForOneExecutorOnly) {
  const auto first = Journal::Open(directory_, absl::ZeroDuration());
  ASSERT_TRUE(first.ok()) << first.status();
  const auto second = Journal::Open(directory_, absl::ZeroDuration());
  EXPECT_EQ(second.status().code(), absl::StatusCode::kFailedPrecondition);
}

TEST_F(JournalTest, RemembersStartsAndResults) {
  {
    const auto journal = Journal::Open(directory_, absl::ZeroDuration());
    ASSERT_TRUE(journal.ok());
    EXPECT_TRUE(journal->TakeUp().empty());
    EXPECT_EQ(journal->Session(), "");
    ASSERT_TRUE(journal->RecordSession("3f").ok());
    for (int64_t job = 1; job <= 3; ++job) {
      ASSERT_TRUE(journal->RecordStart(Assigned(job, 5)).ok());
    }
    v1::AttemptResult result;
    *result.mutable_lease() = Assigned(2, 5).lease();
    result.set_exit_code(9);
    ASSERT_TRUE(journal->RecordResult(result).ok());
    journal->Forget(Assigned(3, 5).lease());
    for (const int64_t job : {1, 3}) {
      LeaveLog(journal->LogFolder(Assigned(job, 5).lease()), "x");
      LeaveState(journal->FilesOf(Assigned(job, 5).lease()), EndedWith(0));
    }
    for (const int64_t job : {1, 2}) {
      ASSERT_TRUE(journal->MakeScratch(Assigned(job, 5).lease()).ok());
    }
  }
  const auto journal = Journal::Open(directory_, absl::ZeroDuration());
  ASSERT_TRUE(journal.ok());
  const auto entries = journal->TakeUp();
  ASSERT_EQ(entries.size(), 2);
  EXPECT_EQ(entries[0].assignment.lease().job_id(), 1);
  EXPECT_EQ(entries[0].assignment.output_volume(), "out");
  EXPECT_FALSE(entries[0].result.has_value());
  EXPECT_EQ(entries[1].result->exit_code(), 9);
  EXPECT_EQ(journal->Session(), "3f");
  EXPECT_TRUE(entries[0].state.has_value());
  EXPECT_FALSE(entries[1].state.has_value());
  EXPECT_TRUE(std::filesystem::exists(journal->LogFolder(Assigned(1, 5).lease())));
  EXPECT_FALSE(std::filesystem::exists(journal->LogFolder(Assigned(3, 5).lease())));
  EXPECT_FALSE(journal->FilesOf(Assigned(3, 5).lease()).ReadState().has_value());
  // Its command may still run there.
  EXPECT_TRUE(std::filesystem::exists(directory_ + "/scratch/1-5"));
  EXPECT_FALSE(std::filesystem::exists(directory_ + "/scratch/2-5"));
}

TEST_F(JournalTest, KnowsASessionThatIsAboutToEnd) {
  const auto journal = Journal::Open(directory_, absl::ZeroDuration());
  ASSERT_TRUE(journal.ok());
  EXPECT_FALSE(journal->SessionIsEnding());
  ASSERT_TRUE(journal->RecordSession("3f").ok());
  EXPECT_FALSE(journal->SessionIsEnding());
  ASSERT_TRUE(journal->RecordEnding().ok());
  EXPECT_TRUE(journal->SessionIsEnding());
  ASSERT_TRUE(journal->RecordSession("40").ok());
  EXPECT_FALSE(journal->SessionIsEnding());
}

TEST_F(JournalTest, WhatItHoldsIsForItsUserAlone) {
  const auto journal = Journal::Open(directory_, absl::ZeroDuration());
  ASSERT_TRUE(journal.ok());
  for (const char* folder : {"/attempts", "/logs"}) {
    EXPECT_EQ(std::filesystem::status(directory_ + folder).permissions(),
              std::filesystem::perms::owner_all);
  }
}

TEST_F(JournalTest, DropsWhatItCantRead) {
  const auto journal = Journal::Open(directory_, absl::ZeroDuration());
  ASSERT_TRUE(journal.ok());
  std::ofstream(directory_ + "/attempts/1-1.start") << "\xff\xff";
  std::ofstream(directory_ + "/attempts/2-1.start.part") << "x";
  EXPECT_TRUE(journal->TakeUp().empty());
  EXPECT_TRUE(std::filesystem::is_empty(directory_ + "/attempts"));
}

TEST_F(JournalTest, ScratchIsNewAndEmpty) {
  const auto journal = Journal::Open(directory_, absl::ZeroDuration());
  ASSERT_TRUE(journal.ok());
  const auto path = journal->MakeScratch(Assigned(1, 1).lease());
  ASSERT_TRUE(path.ok());
  std::ofstream(*path + "/left") << "x";
  ASSERT_EQ(*journal->MakeScratch(Assigned(1, 1).lease()), *path);
  EXPECT_TRUE(std::filesystem::is_empty(*path));
  std::ofstream(*path + "/left") << "x";
  journal->RemoveScratch(Assigned(1, 1).lease());
  EXPECT_FALSE(std::filesystem::exists(*path));
}

}  // namespace
}  // namespace closewrite::executor

#include "services/access/token_book.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <thread>
#include <vector>

#include "absl/strings/match.h"
#include "gtest/gtest.h"
#include "services/log/str_cat.h"

namespace closewrite {
namespace {

class TokenBookTest : public testing::Test {
 protected:
  TokenBookTest() {
    std::string name = testing::TempDir() + "/tokens.XXXXXX";
    folder_ = mkdtemp(name.data());
    file_ = folder_ + "/tokens";
  }
  ~TokenBookTest() override { std::filesystem::remove_all(folder_); }

  static std::string LineOf(const std::string& name, Role role, const std::string& token) {
    return TokenLine({name, role}, TokenHash(token)) + "\n";
  }

  // In place of what is there, as editors do.
  void Put(const std::string& text) const {
    const std::string fresh = file_ + ".new";
    std::ofstream(fresh) << text;
    ASSERT_EQ(chmod(fresh.c_str(), 0600), 0);
    ASSERT_EQ(rename(fresh.c_str(), file_.c_str()), 0);
  }

  std::unique_ptr<TokenBook> Load() {
    auto book = TokenBook::Load(file_, &clock_);
    EXPECT_TRUE(book.ok()) << book.status();
    return book.ok() ? *std::move(book) : nullptr;
  }

  // Who it is after the next look at the file.
  std::string Name(TokenBook& book, const std::string& token) {
    clock_.Advance(kTokensLookEvery);
    const auto caller = book.Find(token);
    return caller.has_value() ? caller->name : "";
  }

  const std::string jane_ = MakeToken();
  const std::string joe_ = MakeToken();
  ManualClock clock_{absl::FromUnixSeconds(1'795'773'600)};
  std::string folder_;
  std::string file_;
};

TEST_F(TokenBookTest, FindsWhoseItIs) {
  Put(LineOf("jane", Role::kAdmin, jane_) + LineOf("joe", Role::kProgram, joe_));
  const auto book = Load();
  const auto jane = book->Find(jane_);
  ASSERT_TRUE(jane.has_value());
  EXPECT_EQ(jane->role, Role::kAdmin);
  EXPECT_EQ(jane->name, "jane");
  EXPECT_EQ(jane->user, "");
  EXPECT_TRUE(jane->grants.empty());
  EXPECT_EQ(book->Find(joe_)->role, Role::kProgram);
  EXPECT_FALSE(book->Find(MakeToken()).has_value());
  EXPECT_FALSE(book->Find("").has_value());
  EXPECT_FALSE(book->Find("jane").has_value());
}

// Whoever knows a guessable secret, and had its hash put into the file, is nobody still.
TEST_F(TokenBookTest, WhatCouldBeGuessedIsNoToken) {
  Put(LineOf("jane", Role::kAdmin, "letmein"));
  EXPECT_FALSE(Load()->Find("letmein").has_value());
}

TEST_F(TokenBookTest, ChangesAreSeenWithinASecond) {
  Put(LineOf("jane", Role::kAdmin, jane_));
  const auto book = Load();
  Put(LineOf("joe", Role::kAdmin, joe_));
  clock_.Advance(kTokensLookEvery - absl::Milliseconds(1));
  EXPECT_TRUE(book->Find(jane_).has_value());
  clock_.Advance(absl::Milliseconds(1));
  EXPECT_FALSE(book->Find(jane_).has_value());
  EXPECT_TRUE(book->Find(joe_).has_value());
}

TEST_F(TokenBookTest, AnEmptyFileTakesAllTokensAway) {
  Put(LineOf("jane", Role::kAdmin, jane_));
  const auto book = Load();
  Put("");
  EXPECT_EQ(Name(*book, jane_), "");
}

TEST_F(TokenBookTest, ABrokenFileChangesNothing) {
  Put(LineOf("jane", Role::kAdmin, jane_));
  const auto book = Load();
  Put(LineOf("joe", Role::kAdmin, joe_) + "jane\n");
  EXPECT_EQ(Name(*book, jane_), "jane");
  EXPECT_EQ(Name(*book, joe_), "");
  Put(LineOf("joe", Role::kAdmin, joe_));
  EXPECT_EQ(Name(*book, joe_), "joe");
  EXPECT_EQ(Name(*book, jane_), "");
}

TEST_F(TokenBookTest, AFileThatIsGoneChangesNothing) {
  Put(LineOf("jane", Role::kAdmin, jane_));
  const auto book = Load();
  ASSERT_EQ(unlink(file_.c_str()), 0);
  testing::internal::CaptureStderr();
  EXPECT_EQ(Name(*book, jane_), "jane");
  EXPECT_EQ(Name(*book, jane_), "jane");
  const std::string log = testing::internal::GetCapturedStderr();
  const size_t said = log.find("the tokens stay as they were");
  ASSERT_NE(said, std::string::npos) << log;
  EXPECT_EQ(log.find("the tokens stay as they were", said + 1), std::string::npos) << log;
  Put(LineOf("joe", Role::kAdmin, joe_));
  EXPECT_EQ(Name(*book, joe_), "joe");
}

// Putting the mode right changes neither content nor time of modification.
TEST_F(TokenBookTest, AModeThatIsPutRightIsSeen) {
  Put(LineOf("jane", Role::kAdmin, jane_));
  const auto book = Load();
  Put(LineOf("joe", Role::kAdmin, joe_));
  ASSERT_EQ(chmod(file_.c_str(), 0620), 0);
  EXPECT_EQ(Name(*book, joe_), "");
  ASSERT_EQ(chmod(file_.c_str(), 0640), 0);
  EXPECT_EQ(Name(*book, joe_), "joe");
}

TEST_F(TokenBookTest, StartsWithAWholeFileAlone) {
  EXPECT_EQ(TokenBook::Load(file_, &clock_).status().code(), absl::StatusCode::kNotFound);
  Put("jane\n");
  EXPECT_TRUE(absl::StrContains(TokenBook::Load(file_, &clock_).status().message(),
                                StrCat(file_, ":1: give NAME ROLE")));
  Put(LineOf("jane", Role::kAdmin, jane_));
  for (const mode_t mode : {0620, 0602, 0666}) {
    ASSERT_EQ(chmod(file_.c_str(), mode), 0);
    EXPECT_TRUE(absl::StrContains(TokenBook::Load(file_, &clock_).status().message(),
                                  "may be written by others; say `chmod go-w` of it"));
  }
  Put(std::string(kTokensFileBytesMax + 1, '\n'));
  EXPECT_TRUE(absl::StrContains(TokenBook::Load(file_, &clock_).status().message(),
                                "has more than 1048576 bytes"));
  EXPECT_TRUE(
      absl::StrContains(TokenBook::Load(folder_, &clock_).status().message(), "is no plain file"));
}

TEST_F(TokenBookTest, ManyAskWhileItChanges) {
  const std::string with_both =
      LineOf("jane", Role::kAdmin, jane_) + LineOf("joe", Role::kViewer, joe_);
  Put(with_both);
  const auto book = Load();
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int round = 0; round < 500; ++round) {
        const auto jane = book->Find(jane_);  // she is there all the time
        ASSERT_TRUE(jane.has_value());
        ASSERT_EQ(jane->role, Role::kAdmin);
      }
    });
  }
  for (int round = 0; round < 50; ++round) {
    Put(round % 2 == 0 ? LineOf("jane", Role::kAdmin, jane_) : with_both);
    clock_.Advance(kTokensLookEvery);
  }
  for (std::thread& thread : threads) thread.join();
}

}  // namespace
}  // namespace closewrite

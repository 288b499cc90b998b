// token new: what is printed where, and what becomes of a file of tokens.
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <thread>

#include "absl/strings/match.h"
#include "services/access/token.h"
#include "services/cli/certs/whole_file.h"
#include "services/cli/cli_fixture.h"
#include "services/log/str_cat.h"

namespace closewrite::cli {
namespace {

class TokenCommandTest : public CliFixture {
 protected:
  TokenCommandTest() {
    std::string name = testing::TempDir() + "/token.XXXXXX";
    folder_ = mkdtemp(name.data());
    file_ = folder_ + "/tokens";
    coordinator_.Stop();  // nobody is asked
  }
  ~TokenCommandTest() override { std::filesystem::remove_all(folder_); }

  CliResult New(const std::string& role, const std::string& name,
                const std::vector<std::string>& more = {}) {
    std::vector<std::string> arguments = {"token", "new", role, name};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return Run(arguments);
  }

  TokenOwners Owners() const {
    const auto read = ReadTokensFile(file_);
    EXPECT_TRUE(read.ok()) << read.status();
    const auto owners = ParseTokens(file_, read->text);
    EXPECT_TRUE(owners.ok()) << owners.status();
    return owners.value_or(TokenOwners());
  }

  // Without the newline at its end.
  static std::string TokenOf(const CliResult& result) {
    return result.out.substr(0, result.out.size() - 1);
  }

  std::string folder_;
  std::string file_;
};

TEST_F(TokenCommandTest, PrintsTheSecretAloneAndTheLineElsewhere) {
  const CliResult result = New("operator", "jane@example.org");
  EXPECT_EQ(result.code, 0);
  const std::string token = TokenOf(result);
  EXPECT_TRUE(IsToken(token)) << result.out;
  EXPECT_EQ(result.err, TokenLine({"jane@example.org", Role::kOperator}, TokenHash(token)) + "\n");
  const CliResult json = New("viewer", "w", {"-o", "json"});
  EXPECT_TRUE(absl::StartsWith(json.out, "{\"token\":\"cw_")) << json.out;
  EXPECT_TRUE(absl::StrContains(json.out, "\"line\":\"w viewer sha256:")) << json.out;
}

TEST_F(TokenCommandTest, AddsToAFileThatItMakes) {
  const CliResult jane = New("admin", "jane", {"--add", file_});
  EXPECT_EQ(jane.code, 0) << jane.err;
  EXPECT_TRUE(absl::StrContains(jane.err, StrCat("jane is in ", file_)));
  struct stat st = {};
  ASSERT_EQ(stat(file_.c_str(), &st), 0);
  EXPECT_EQ(st.st_mode & 07777, 0600);
  const CliResult joe = New("program", "joe", {"--add", file_});
  const TokenOwners owners = Owners();
  EXPECT_EQ(owners.size(), 2);
  EXPECT_EQ(owners.at(TokenHash(TokenOf(jane))).name, "jane");
  EXPECT_EQ(owners.at(TokenHash(TokenOf(joe))).role, Role::kProgram);
}

TEST_F(TokenCommandTest, WhatStandsInTheFileStays) {
  std::ofstream(file_) << "# people\n\njane admin sha256:" << std::string(64, 'a');
  ASSERT_EQ(chmod(file_.c_str(), 0640), 0);
  EXPECT_EQ(New("viewer", "w", {"--add", file_}).code, 0);
  EXPECT_TRUE(absl::StartsWith(*ReadWhole(file_), StrCat("# people\n\njane admin sha256:",
                                                         std::string(64, 'a'), "\nw viewer ")));
  struct stat st = {};
  ASSERT_EQ(stat(file_.c_str(), &st), 0);
  EXPECT_EQ(st.st_mode & 07777, 0640);
}

TEST_F(TokenCommandTest, NothingIsAddedToWhatIsWrong) {
  ASSERT_EQ(New("admin", "jane", {"--add", file_}).code, 0);
  const std::string before = *ReadWhole(file_);
  const CliResult again = New("viewer", "jane", {"--add", file_});
  EXPECT_EQ(again.code, 1);
  EXPECT_EQ(again.out, "");
  EXPECT_TRUE(absl::StrContains(again.err, "jane has a token in ")) << again.err;
  EXPECT_EQ(*ReadWhole(file_), before);
  std::ofstream(file_, std::ios::app) << "broken\n";
  const CliResult broken = New("viewer", "w", {"--add", file_});
  EXPECT_EQ(broken.code, 1);
  EXPECT_EQ(broken.out, "");
  EXPECT_TRUE(absl::StrContains(broken.err, ":2: give NAME ROLE")) << broken.err;
  ASSERT_EQ(chmod(file_.c_str(), 0666), 0);
  EXPECT_TRUE(absl::StrContains(New("viewer", "w", {"--add", file_}).err, "chmod go-w"));
  EXPECT_NE(New("viewer", "w", {"--add", folder_ + "/none/tokens"}).code, 0);
}

TEST_F(TokenCommandTest, ServicesHaveNone) {
  const CliResult result = New("watcher", "vm-b");
  EXPECT_EQ(result.code, 2);
  EXPECT_EQ(result.out, "");
  EXPECT_EQ(result.err,
            "closewrite: the role watcher has no tokens; viewer, uploader, program, operator and "
            "admin can have them, and services need certificates\n");
  EXPECT_EQ(New("anybody", "x").code, 2);
  EXPECT_EQ(New("admin", "a b").code, 2);
  EXPECT_EQ(Run({"token", "new", "admin"}).code, 2);
}

// Each of them reads the file, and replaces it by one with a line more.
TEST_F(TokenCommandTest, NoLineIsLostWhenSeveralAddAtOnce) {
  std::vector<std::unique_ptr<CliRun>> runs;
  for (int i = 0; i < 8; ++i) {
    runs.push_back(Begin({"token", "new", "viewer", StrCat("u", i), "--add", file_}));
  }
  for (const auto& run : runs) EXPECT_EQ(run->Finish(), 0) << run->err().text();
  EXPECT_EQ(Owners().size(), runs.size());
}

}  // namespace
}  // namespace closewrite::cli

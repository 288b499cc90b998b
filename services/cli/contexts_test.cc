#include "services/cli/contexts.h"

#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>

#include "gtest/gtest.h"
#include "services/cli/exit_code.h"
#include "services/log/str_cat.h"

namespace closewrite::cli {
namespace {

class ContextsTest : public testing::Test {
 protected:
  ContextsTest() { std::filesystem::remove_all(folder_); }

  void Write(const std::string& text) const {
    std::filesystem::create_directories(folder_);
    std::ofstream(path_) << text;
  }

  std::string Read() const {
    std::ifstream stream(path_);
    return {std::istreambuf_iterator<char>(stream), {}};
  }

  // What is wrong with a file.
  std::string Problem(const std::string& text) const {
    Write(text);
    const auto contexts = Contexts::Load(path_);
    EXPECT_EQ(ExitCode(contexts.status()), kExitUsage);
    return std::string(contexts.status().message());
  }

  absl::Status Use(const std::string& name, const std::string& coordinator = "",
                   const std::string& host = "") const {
    auto contexts = Contexts::Load(path_);
    if (!contexts.ok()) return contexts.status();
    Context fields;
    fields.set_coordinator(coordinator);
    fields.set_host(host);
    return contexts->Use(name, fields);
  }

  const std::string folder_ = testing::TempDir() + "/contexts_test";
  const std::string path_ = folder_ + "/config.yaml";
};

TEST_F(ContextsTest, TheFileIsWhereTheEnvironmentSays) {
  std::map<std::string, std::string> environment;
  Console console;
  console.environment = [&](const std::string& name) { return environment[name]; };
  EXPECT_EQ(Contexts::PathOf(console), "");
  environment["HOME"] = "/srv/a";
  EXPECT_EQ(Contexts::PathOf(console), "/srv/a/.config/closewrite/config.yaml");
  environment["XDG_CONFIG_HOME"] = "/xdg";
  EXPECT_EQ(Contexts::PathOf(console), "/xdg/closewrite/config.yaml");
  environment["CLOSEWRITE_CONFIG"] = "/etc/c.yaml";
  EXPECT_EQ(Contexts::PathOf(console), "/etc/c.yaml");
}

TEST_F(ContextsTest, NoFileIsNoContext) {
  const auto contexts = Contexts::Load(path_);
  ASSERT_TRUE(contexts.ok()) << contexts.status();
  EXPECT_EQ(contexts->Find("--context prod", "prod").status().message(),
            StrCat("--context prod: there are no contexts in ", path_,
                   " yet; `closewrite context use prod --coordinator HOST:PORT` makes one"));
}

TEST_F(ContextsTest, WhatIsWrongIsNamedWithItsLine) {
  EXPECT_EQ(Problem("current: prod\ncontext: {}\n"),
            StrCat(path_, ":2: unknown key \"context\"; did you mean \"contexts\"?"));
  EXPECT_EQ(Problem("contexts:\n  prod:\n    coordnator: vm-a:7400\n"),
            StrCat(path_,
                   ":3: unknown key \"coordnator\" in contexts.prod; did you mean "
                   "\"coordinator\"?"));
  const std::string broken = Problem("contexts:\n  prod: {coordinator: \"vm-a:7400\"\n");
  EXPECT_EQ(broken.rfind(path_ + ":", 0), 0u) << broken;
  EXPECT_NE(broken.find("cannot be read as YAML"), std::string::npos) << broken;
}

TEST_F(ContextsTest, UnknownContextsGetTheNearestNameAndTheFile) {
  Write("contexts:\n  prod: {coordinator: 'vm-a:7400'}\n  bare: {host: vm-b}\n");
  const auto contexts = Contexts::Load(path_);
  ASSERT_TRUE(contexts.ok()) << contexts.status();
  EXPECT_EQ((*contexts->Find("", "prod"))->coordinator(), "vm-a:7400");
  EXPECT_EQ(contexts->Find("--context prdo", "prdo").status().message(),
            StrCat("--context prdo: no such context in ", path_, "; did you mean \"prod\"?"));
  EXPECT_EQ(contexts->Find("x", "bare").status().message(),
            StrCat("x: context bare of ", path_,
                   " has no coordinator; write `coordinator: HOST:PORT` there"));
}

TEST_F(ContextsTest, UseMakesTheFile) {
  ASSERT_EQ(Use("prod", "vm-a:7400,vm-d:7400", "vm-b"), absl::OkStatus());
  EXPECT_EQ(Read(),
            "current: prod\ncontexts:\n"
            "  prod: {coordinator: \"vm-a:7400,vm-d:7400\", host: \"vm-b\"}\n");
  struct stat st = {};
  ASSERT_EQ(stat(path_.c_str(), &st), 0);
  EXPECT_EQ(st.st_mode & 0777, 0600u);
  ASSERT_EQ(Use("test", "[::1]:7400"), absl::OkStatus());
  EXPECT_EQ(Read(),
            "current: test\ncontexts:\n  test: {coordinator: \"[::1]:7400\"}\n"
            "  prod: {coordinator: \"vm-a:7400,vm-d:7400\", host: \"vm-b\"}\n");
}

TEST_F(ContextsTest, UseKeepsWhatItDoesNotChange) {
  Write(
      "# mine\ncurrent: a  # for now\ncontexts:\n  a: {coordinator: 'h:1'}  # one\n"
      "  b: {coordinator: 'h:2'}  # two\n");
  chmod(path_.c_str(), 0644);
  ASSERT_EQ(Use("b"), absl::OkStatus());
  EXPECT_EQ(Read(),
            "# mine\ncurrent: b\ncontexts:\n  a: {coordinator: 'h:1'}  # one\n"
            "  b: {coordinator: \"h:2\"}\n");
  struct stat st = {};
  ASSERT_EQ(stat(path_.c_str(), &st), 0);
  EXPECT_EQ(st.st_mode & 0777, 0644u);
}

TEST_F(ContextsTest, UseRewritesWhatIsWrittenInAnotherWay) {
  Write("{current: a, contexts: {a: {coordinator: 'h:1'}, b: {coordinator: 'h:2'}}}\n");
  ASSERT_EQ(Use("b", "", "vm-b"), absl::OkStatus());
  EXPECT_EQ(Read(),
            "current: b\ncontexts:\n  a: {coordinator: \"h:1\"}\n"
            "  b: {coordinator: \"h:2\", host: \"vm-b\"}\n");
}

TEST_F(ContextsTest, UseFollowsLinks) {
  Write("");
  const std::string link = folder_ + "/link.yaml";
  std::filesystem::create_symlink("config.yaml", link);
  auto contexts = Contexts::Load(link);
  ASSERT_TRUE(contexts.ok());
  Context fields;
  fields.set_coordinator("h:1");
  ASSERT_EQ(contexts->Use("a", fields), absl::OkStatus());
  EXPECT_TRUE(std::filesystem::is_symlink(link));
  EXPECT_EQ(Read(), "current: a\ncontexts:\n  a: {coordinator: \"h:1\"}\n");
}

TEST_F(ContextsTest, UseRefusesWhatNobodyCouldUse) {
  EXPECT_EQ(ExitCode(Use("prod")), kExitUsage);
  EXPECT_EQ(ExitCode(Use("prod", "vm-a")), kExitUsage);
  EXPECT_EQ(ExitCode(Use("a b", "vm-a:7400")), kExitUsage);
  EXPECT_FALSE(std::filesystem::exists(path_));
}

}  // namespace
}  // namespace closewrite::cli

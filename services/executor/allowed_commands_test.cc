#include "services/executor/allowed_commands.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "gtest/gtest.h"

namespace closewrite::executor {
namespace {

namespace fs = std::filesystem;

class AllowedCommandsTest : public testing::Test {
 protected:
  AllowedCommandsTest() {
    std::string name = testing::TempDir() + "/allowed.XXXXXX";
    root_ = fs::canonical(mkdtemp(name.data())).string();
    for (const char* folder : {"/bin", "/bin/below", "/other"}) {
      fs::create_directory(root_ + folder);
    }
    for (const char* program : {"/bin/a", "/bin/below/b", "/other/c", "/binary"}) Make(program);
  }

  void Make(const std::string& name) const {
    std::ofstream(root_ + name) << "#!/bin/sh\n";
    fs::permissions(root_ + name, fs::perms::owner_all);
  }

  bool Allows(const AllowedCommands& allowed, const std::string& name) const {
    const auto file = allowed.Resolve(root_ + name);
    if (!file.ok()) EXPECT_EQ(file.status().code(), absl::StatusCode::kPermissionDenied);
    return file.ok();
  }

  std::string root_;
};

TEST_F(AllowedCommandsTest, NothingSaidIsEverything) {
  EXPECT_TRUE(AllowedCommands().everything());
  EXPECT_TRUE(AllowedCommands().Check().ok());
  EXPECT_FALSE(AllowedCommands({"/bin"}).everything());
}

TEST_F(AllowedCommandsTest, AFolderIsAllBelowItAndAProgramItself) {
  const AllowedCommands allowed({root_ + "/bin", root_ + "/other/c"});
  ASSERT_TRUE(allowed.Check().ok());
  EXPECT_TRUE(Allows(allowed, "/bin/a"));
  EXPECT_TRUE(Allows(allowed, "/bin/below/../below/b"));
  EXPECT_TRUE(Allows(allowed, "/other/c"));
  EXPECT_FALSE(Allows(allowed, "/binary"));  // its name only begins like the folder's
  EXPECT_FALSE(Allows(allowed, "/bin/../binary"));
  Make("/other/d");
  EXPECT_FALSE(Allows(allowed, "/other/d"));
  EXPECT_EQ(allowed.Resolve(root_ + "/nowhere").status().code(), absl::StatusCode::kNotFound);
}

TEST_F(AllowedCommandsTest, LinksCountByWhereTheyLead) {
  const AllowedCommands allowed({root_ + "/bin", root_ + "/link"});
  fs::create_symlink(root_ + "/other/c", root_ + "/bin/out");
  fs::create_symlink(root_ + "/bin/a", root_ + "/in");
  fs::create_symlink("other", root_ + "/link");  // an entry may be one
  EXPECT_TRUE(Allows(allowed, "/bin/out"));      // for the sake of that entry
  EXPECT_TRUE(Allows(allowed, "/other/c"));
  EXPECT_EQ(*allowed.Resolve(root_ + "/in"), root_ + "/bin/a");
  fs::remove(root_ + "/link");
  EXPECT_FALSE(Allows(allowed, "/bin/out"));
  EXPECT_EQ(allowed.Resolve(root_ + "/bin/out").status().message(),
            ", which is " + root_ + "/other/c,");
}

TEST_F(AllowedCommandsTest, EntriesThatCannotBeMeant) {
  const auto refusal = [](const std::string& entry) {
    return std::string(AllowedCommands({entry}).Check().message());
  };
  EXPECT_NE(refusal("Rscript").find("allow_commands: Rscript is not an absolute path"),
            std::string::npos);
  EXPECT_NE(refusal(root_ + "/nowhere").find("/nowhere: No such file or directory; install it"),
            std::string::npos);
  EXPECT_NE(refusal("/dev/null").find("neither a program nor a folder"), std::string::npos);
  EXPECT_FALSE(
      AllowedCommands(std::vector<std::string>(kAllowedCommandsMax + 1, "/")).Check().ok());
}

TEST_F(AllowedCommandsTest, WhoCanWriteThereIsTold) {
  Account user{.name = "worker", .uid = 4242, .gid = 4242, .groups = {4242}};
  const AllowedCommands allowed({root_ + "/bin/a"});
  EXPECT_TRUE(allowed.Warnings(user).empty());
  fs::permissions(root_ + "/bin", fs::perms::all);
  ASSERT_EQ(allowed.Warnings(user).size(), 1u);
  EXPECT_NE(allowed.Warnings(user)[0].find("everybody can write to " + root_ + "/bin,"),
            std::string::npos);
  fs::permissions(root_ + "/bin", fs::perms::owner_all);
  // Who owns it.
  user.uid = getuid();
  const std::vector<std::string> warnings = allowed.Warnings(user);
  ASSERT_EQ(warnings.size(), 1u);
  EXPECT_NE(warnings[0].find(user.uid == 0 ? "commands run as root" : "user worker can write"),
            std::string::npos);
  EXPECT_TRUE(AllowedCommands().Warnings(user).empty());
}

TEST(NamesCodeTest, KnowsWhatBringsOthersCodeIntoPrograms) {
  for (const char* name : {"PATH", "LD_PRELOAD", "BASH_ENV", "PYTHONPATH", "R_PROFILE", "HOME"}) {
    EXPECT_TRUE(NamesCode(name)) << name;
  }
  for (const char* name : {"REGION", "PATHS", "TZ", "LDAP", "API_TOKEN"}) {
    EXPECT_FALSE(NamesCode(name)) << name;
  }
}

}  // namespace
}  // namespace closewrite::executor

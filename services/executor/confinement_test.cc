#include "services/executor/confinement.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "gtest/gtest.h"
#include "services/executor/supervisor_image.h"
#include "services/volume/file_system.h"

namespace closewrite::executor {
namespace {

class ConfinementTest : public testing::Test {
 protected:
  ConfinementTest() : image_(*OpenSupervisorImage()) {
    std::string name = testing::TempDir() + "/confinement.XXXXXX";
    config_.set_state(mkdtemp(name.data()));
    config_.set_name("vm-c-1");
  }

  // Why it is refused.
  std::string Refusal() {
    absl::Status status = CompleteConfinement(&config_);
    if (status.ok()) status = ConfinementOf(config_, {}, image_.get()).status();
    return std::string(status.message());
  }
  bool Says(const std::string& words) {
    const std::string refusal = Refusal();
    return refusal.find(words) != std::string::npos && refusal.find('\n') == std::string::npos;
  }

  const Fd image_;
  v1::ExecutorConfig config_;
};

TEST_F(ConfinementTest, WhatHoldsWhenNothingIsSaid) {
  ASSERT_TRUE(CompleteConfinement(&config_).ok());
  const auto confinement = ConfinementOf(config_, {}, image_.get());
  ASSERT_TRUE(confinement.ok()) << confinement.status();
  EXPECT_TRUE(confinement->no_new_privs);
  EXPECT_TRUE(confinement->allowed.everything());
  EXPECT_FALSE(confinement->run_as.has_value());
  EXPECT_FALSE(confinement->sandbox);
}

TEST_F(ConfinementTest, RefusesProgramsThatAreNotThere) {
  config_.add_allow_commands("/opt/no-such-program");
  EXPECT_TRUE(Says("allow_commands: /opt/no-such-program: No such file or directory; install it"));
}

TEST_F(ConfinementTest, TheUserMayBeANameOrANumber) {
  config_.set_run_as(std::to_string(geteuid()));
  EXPECT_EQ(Refusal(), "");
  EXPECT_EQ(ConfinementOf(config_, {}, image_.get())->run_as->uid, geteuid());
  config_.set_run_as("no-such-user");
  EXPECT_TRUE(Says("run_as: there is no user `no-such-user` on this host"));
  config_.set_run_as("nobody");
  if (geteuid() == 0) {
    EXPECT_EQ(ConfinementOf(config_, {}, image_.get())->run_as->name, "nobody");
  } else {
    EXPECT_TRUE(Says("only one that runs as root can run a command as nobody"));
  }
}

TEST_F(ConfinementTest, RefusesVariablesThatCannotBeMeant) {
  (*config_.mutable_env_files())["CLOSEWRITE_JOB"] = "/etc/token";
  EXPECT_TRUE(Says("`CLOSEWRITE_JOB` is no name for a variable"));
  config_.clear_env_files();
  (*config_.mutable_env_files())["TOKEN"] = "token";
  EXPECT_TRUE(Says("`TOKEN`: token is not an absolute path"));
  (*config_.mutable_env_files())["TOKEN"] = "/etc/token";
  EXPECT_EQ(Refusal(), "");  // it is read when it is needed
  (*config_.mutable_env())["TOKEN"] = "1";
  EXPECT_TRUE(Says("`TOKEN` is in `env` too; remove it from one"));
}

TEST_F(ConfinementTest, ASandboxIsTriedFirst) {
  config_.set_sandbox(v1::SANDBOX_READ_ONLY);
  const std::string refusal = Refusal();
  if (!refusal.empty()) GTEST_SKIP() << refusal;
  EXPECT_TRUE(ConfinementOf(config_, {}, image_.get())->sandbox);
  std::filesystem::remove(config_.state());  // what attempts will want to write to
  EXPECT_TRUE(Says("sandbox: read_only can't be had on this host: open what can be written"));
}

}  // namespace
}  // namespace closewrite::executor

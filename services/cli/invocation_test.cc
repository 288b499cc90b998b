#include "services/cli/invocation.h"

#include <sstream>

#include "gtest/gtest.h"
#include "services/transport/errors.h"

namespace closewrite::cli {
namespace {

class InvocationTest : public testing::Test {
 protected:
  InvocationTest() {
    console_.in = &in_;
    console_.out = &out_;
    console_.err = &err_;
    console_.environment = [this](const std::string& name) { return environment_[name]; };
    console_.clock = &clock_;
    console_.interrupts = &interrupts_;
  }

  std::unique_ptr<Invocation> Make(const GlobalOptions& options) {
    auto made = Invocation::Make(&console_, options);
    EXPECT_TRUE(made.ok()) << made.status();
    return *std::move(made);
  }

  std::istringstream in_;
  std::ostringstream out_;
  std::ostringstream err_;
  std::map<std::string, std::string> environment_;
  ManualClock clock_{absl::FromUnixSeconds(1795345200)};
  Interrupts interrupts_;
  Console console_;
};

TEST_F(InvocationTest, OptionBeatsEnvironmentBeatsDefault) {
  EXPECT_EQ(Make({})->coordinator(), "127.0.0.1:7400");
  environment_["CLOSEWRITE_COORDINATOR"] = "vm-a:7400";
  EXPECT_EQ(Make({})->coordinator(), "vm-a:7400");
  EXPECT_EQ(Make({.coordinator = "vm-x:1"})->coordinator(), "vm-x:1");
  environment_["CLOSEWRITE_HOST"] = "vm-b";
  EXPECT_EQ(Make({})->host(), "vm-b");
  EXPECT_EQ(Make({.host = "vm-c"})->host(), "vm-c");
}

TEST_F(InvocationTest, AnAddressThatIsNoneIsAUsageError) {
  const auto wrong = Invocation::Make(&console_, {.coordinator = "vm-a:7400,vm-b"});
  EXPECT_EQ(ExitCode(wrong.status()), kExitUsage);
  EXPECT_EQ(wrong.status().message().substr(0, 40), "--coordinator: \"vm-b\" is not host:port; ");
  environment_["CLOSEWRITE_COORDINATOR"] = "vm-a";
  EXPECT_EQ(Invocation::Make(&console_, {}).status().message().substr(0, 30),
            "CLOSEWRITE_COORDINATOR: \"vm-a\"");
  EXPECT_TRUE(Invocation::Make(&console_, {}, /*local=*/true).ok());
}

TEST_F(InvocationTest, ColorsOnTerminalsOnly) {
  EXPECT_FALSE(Make({})->style().color);
  EXPECT_TRUE(Make({.color = "always"})->style().color);
  console_.out_terminal = true;
  EXPECT_TRUE(Make({})->style().color);
  EXPECT_FALSE(Make({.color = "never"})->style().color);
  environment_["TERM"] = "dumb";
  EXPECT_FALSE(Make({})->style().color);
  environment_["TERM"] = "xterm";
  environment_["NO_COLOR"] = "1";
  EXPECT_FALSE(Make({})->style().color);
}

TEST_F(InvocationTest, RefusesWrongOptions) {
  for (const GlobalOptions& options :
       {GlobalOptions{.timeout = "soon"}, GlobalOptions{.connect_timeout = "-1s"},
        GlobalOptions{.output = "xml"}, GlobalOptions{.color = "red"}}) {
    EXPECT_EQ(ExitCode(Invocation::Make(&console_, options).status()), kExitUsage);
  }
}

TEST_F(InvocationTest, DeadlineCountsFromTheStart) {
  EXPECT_EQ(Make({})->deadline(), absl::InfiniteFuture());
  EXPECT_EQ(Make({.timeout = "1m"})->deadline(), clock_.Now() + absl::Minutes(1));
}

TEST_F(InvocationTest, NotesAreDisarmed) {
  Make({})->Note("a\x1b[2Jb");
  EXPECT_EQ(err_.str(), "closewrite: a\\x1b[2Jb\n");
}

TEST(ExitCode, FollowsTheDesign) {
  EXPECT_EQ(ExitCode(absl::OkStatus()), 0);
  EXPECT_EQ(ExitCode(absl::NotFoundError("")), 1);
  EXPECT_EQ(ExitCode(absl::InvalidArgumentError("")), 1);
  EXPECT_EQ(ExitCode(absl::FailedPreconditionError("")), 1);
  EXPECT_EQ(ExitCode(UsageError("")), 2);
  EXPECT_EQ(ExitCode(absl::UnavailableError("")), 125);
  EXPECT_EQ(ExitCode(absl::InternalError("")), 125);
  EXPECT_EQ(ExitCode(absl::DeadlineExceededError("")), 125);
  EXPECT_EQ(ExitCode(absl::CancelledError("")), 130);
}

}  // namespace
}  // namespace closewrite::cli

#include "services/cli/alert_commands.h"

#include "absl/strings/match.h"
#include "services/cli/cli_fixture.h"

namespace closewrite::cli {
namespace {

class AlertCommandsTest : public CliFixture {
 protected:
  v1::Message PutMessage(v1::MessageState state, int tries = 0) {
    v1::Message message;
    message.set_id("test-1.mail");
    message.add_email("ops@example.org");
    message.set_state(state);
    message.set_tries(tries);
    if (tries > 0) message.set_trouble("550 no such user");
    coordinator_.PutMessage(message);
    return message;
  }
};

TEST_F(AlertCommandsTest, ATestSaysWhoHasGotIt) {
  PutMessage(v1::MESSAGE_STATE_SENT);
  const CliResult result = Run({"alert", "test", "--email", "ops@example.org"});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(result.out, "sent to ops@example.org\n");
  EXPECT_TRUE(absl::StrContains(coordinator_.requests().back(), "ids: \"test-1.mail\""));
}

TEST_F(AlertCommandsTest, ATestSaysWhyItWasRefused) {
  PutMessage(v1::MESSAGE_STATE_WAITING, 1);
  const CliResult result = Run({"alert", "test"});
  EXPECT_EQ(result.code, 125);
  EXPECT_TRUE(absl::StrContains(result.err,
                                "ops@example.org was not taken: 550 no such user; it "
                                "is tried again"))
      << result.err;
}

TEST_F(AlertCommandsTest, ATestEndsWithTheUsersPatience) {
  PutMessage(v1::MESSAGE_STATE_WAITING);
  const CliResult result = Run({"alert", "test", "--timeout", "2s"});
  EXPECT_EQ(result.code, 124);
  EXPECT_TRUE(absl::StrContains(result.err, "waits still")) << result.err;
}

TEST_F(AlertCommandsTest, NothingIsWrong) {
  const CliResult result = Run({"alert", "list"});
  EXPECT_EQ(result.code, 0);
  EXPECT_EQ(result.err, "closewrite: nothing is wrong\n");
  EXPECT_TRUE(absl::StrContains(Run({"alert", "messages"}).err, "no messages wait"));
}

TEST_F(AlertCommandsTest, IncidentsAreListed) {
  v1::Incident incident;
  incident.set_rule(v1::ALERT_RULE_NO_SUCCESS_WITHIN);
  incident.set_task("load");
  incident.set_message("no job, of task load");
  incident.mutable_opened_at()->set_seconds(4102484400);
  coordinator_.PutIncident(incident);
  EXPECT_EQ(Run({"alert", "list", "-o", "csv"}).out,
            "since,until,of,rule,told,message\n"
            "2100-01-01T11:00:00.000Z,,task load,no_success_within,,\"no job, of task load\"\n");
}

}  // namespace
}  // namespace closewrite::cli

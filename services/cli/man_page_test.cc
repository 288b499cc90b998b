#include "services/cli/man_page.h"

#include "absl/strings/match.h"
#include "absl/strings/str_replace.h"
#include "gtest/gtest.h"
#include "services/cli/all_commands.h"

namespace closewrite::cli {
namespace {

TEST(TopicRoff, TermsProseAndLiteralLines) {
  EXPECT_EQ(TopicRoff("One.\nTwo.\n\n  A      first\n         goes on\n  --b C  second\n"),
            "One.\nTwo.\n.TP\n\\fBA\\fR\nfirst\ngoes on\n.TP\n\\fB\\-\\-b C\\fR\nsecond\n");
  EXPECT_EQ(TopicRoff("So:\n\n  current: prod\n  .x\n\nEnd.\n"),
            "So:\n.PP\n.RS 4\n.nf\n  current: prod\n  .x\n.fi\n.RE\n.PP\nEnd.\n");
}

TEST(TopicRoff, NothingIsARequestOrIsMadeNicer) {
  EXPECT_EQ(TopicRoff(".x 'y' a-b\\"), "\\&.x \\(aqy\\(aq a\\-b\\e\n");
}

TEST(ManPage, HasAllCommandsTheirOptionsAndExamples) {
  const std::vector<Command> commands = AllCommands();
  const std::string page = ManPage(commands);
  for (const Command& command : commands) {
    const std::string name = absl::StrReplaceAll(command.name, {{"-", "\\-"}});
    EXPECT_TRUE(absl::StrContains(page, "\n.SS \\fB" + name + "\\fR")) << name;
  }
  EXPECT_TRUE(absl::StrContains(page, "\n.TP\n\\fB\\-s\\fR, \\fB\\-\\-state\\fR \\fITEXT")) << page;
  EXPECT_TRUE(absl::StrContains(page, "\nclosewrite explain 41\n"));
  EXPECT_TRUE(absl::StrContains(page, ".TP\n\\fB124\\fR\n"));
  EXPECT_TRUE(absl::StrContains(page, ".TP\n\\fBNO_COLOR\\fR\n"));
  EXPECT_FALSE(absl::StrContains(page, "__"));
}

}  // namespace
}  // namespace closewrite::cli

#include "services/coordinator/api/placeholder_check.h"

#include <string>

#include "absl/strings/match.h"
#include "gtest/gtest.h"

namespace closewrite {
namespace {

std::string Refusal(const std::string& argument) {
  v1::Run run;
  run.add_command(argument);
  Violations violations;
  CheckPlaceholders(run, "pipelines[0].", &violations);
  return std::string(violations.ToStatus().message());
}

// A typing error went to the command as it stood, and failed there, file after file.
TEST(PlaceholderCheckTest, ATypingErrorIsRefusedWithWhatWasMeant) {
  const std::string refusal = Refusal("--in={inptu}");
  EXPECT_TRUE(absl::StrContains(refusal,
                                "pipelines[0].run.command[0]: holds {inptu}, which is no "
                                "placeholder: did you mean {input}? Known are {input} {output} "
                                "{output_dir} {name}"))
      << refusal;
  EXPECT_TRUE(absl::StrContains(Refusal("x/{output-dir}"), "did you mean {output_dir}?"));
  EXPECT_TRUE(absl::StrContains(Refusal("out_{nmae}.csv"), "did you mean {name}?"));
  EXPECT_TRUE(absl::StrContains(Refusal("part{stme}"), "did you mean {stem}?"));
  EXPECT_TRUE(absl::StrContains(Refusal("{INPUT}"), "did you mean {input}?"));
}

TEST(PlaceholderCheckTest, AWordThatIsNearToNoneIsRefusedWithAWayOut) {
  const std::string refusal = Refusal("{print}");
  EXPECT_TRUE(absl::StrContains(refusal, "holds {print}, which is no placeholder; known are"));
  EXPECT_TRUE(absl::StrContains(refusal, "`{ print }`")) << refusal;
  for (const std::string text : {"cp {basename} x", "\"{basename}\"", "/out/{basename}.csv"}) {
    EXPECT_NE(Refusal(text), "") << text;
  }
}

TEST(PlaceholderCheckTest, WhatIsKnownOrMeantOtherwiseIsLeftAlone) {
  for (const std::string text : {"{input}",
                                 "{output}/{stem}{ext}",
                                 "{{input}}",
                                 "{{x}}",
                                 "{{inptu}}",
                                 "{print $1}",
                                 "{}",
                                 "{ print }",
                                 "{1..3}",
                                 "{a,b}",
                                 "a{2}",
                                 "${HOME}",
                                 "${inptu}",
                                 "$h{key}",
                                 "\\p{alpha}",
                                 "\\usepackage{geometry}",
                                 "stash@{u}",
                                 "{",
                                 "}",
                                 "{x",
                                 "f() { echo; }",
                                 "{\"a\":1}"}) {
    EXPECT_EQ(Refusal(text), "") << text;
  }
}

TEST(PlaceholderCheckTest, PathsAndEnvironmentAreNotFilledIn) {
  v1::Run run;
  run.set_wd("/srv/{volume}");
  run.set_secrets_from("/etc/{name}.env");
  Violations violations;
  CheckPlaceholders(run, "", &violations);
  const std::string refusal(violations.ToStatus().message());
  EXPECT_TRUE(absl::StrContains(refusal, "run.wd: holds {volume}, and placeholders")) << refusal;
  EXPECT_TRUE(absl::StrContains(refusal, "run.secrets_from: holds {name}")) << refusal;
  const std::vector<std::string> sentences =
      PlaceholdersInEnvironment({{"TARGET", "{output}"}, {"JSON", "{a}"}});
  ASSERT_EQ(sentences.size(), 1u);
  EXPECT_EQ(sentences[0],
            "run.env[TARGET] holds {output}, and placeholders are filled in in run.command alone: "
            "commands find it as CLOSEWRITE_OUTPUT");
}

}  // namespace
}  // namespace closewrite

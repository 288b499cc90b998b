#include "services/executor/placeholders.h"

#include <algorithm>

#include "gtest/gtest.h"

namespace closewrite::executor {
namespace {

AttemptFacts Facts(std::string path) {
  AttemptFacts facts;
  facts.input = "/mnt/in/" + path;
  facts.output = "/mnt/out/.closewrite/staging/7/2/" + path;
  facts.output_dir = "/mnt/out/.closewrite/staging/7/2";
  facts.volume = "in";
  facts.path = std::move(path);
  facts.event = "CLOSE_WRITE";
  facts.job = 7;
  facts.attempt = 3;
  facts.token = 2;
  return facts;
}

bool Has(const std::vector<std::string>& list, const std::string& entry) {
  return std::find(list.begin(), list.end(), entry) != list.end();
}

TEST(Placeholders, ExpandsEachOne) {
  const AttemptFacts facts = Facts("a/b.tar.gz");
  EXPECT_EQ(Expand("{input}|{output}|{output_dir}", facts),
            facts.input + "|" + facts.output + "|" + facts.output_dir);
  EXPECT_EQ(Expand("{name} {stem} {ext} {volume} {path} {job}/{attempt}/{token}", facts),
            "b.tar.gz b.tar .gz in a/b.tar.gz 7/3/2");
}

TEST(Placeholders, NeverLooksAtWhatTheyBroughtIn) {
  EXPECT_EQ(Expand("{path}", Facts("{job}{{token}}")), "{job}{{token}}");
  EXPECT_EQ(Expand("{name}", Facts("$(rm -rf x); {input}\n\"'")), "$(rm -rf x); {input}\n\"'");
}

TEST(Placeholders, LeavesOtherBracesAlone) {
  for (const std::string text :
       {"{print $1}", "{}", "{", "}", "{input", "{ input }", "{x}", "{{x}}", "{{", "a{b{c", "}{"}) {
    EXPECT_EQ(Expand(text, Facts("f")), text);
  }
  EXPECT_EQ(Expand("{x{job}", Facts("f")), "{x7");
  EXPECT_EQ(Expand("{{job}", Facts("f")), "{7");
}

TEST(Placeholders, DoubleBracesAreLiteral) {
  EXPECT_EQ(Expand("{{input}} {{job}}{job}", Facts("f")), "{input} {job}7");
}

TEST(Placeholders, StemAndExtensionMakeTheName) {
  const std::string names[][3] = {{"a.csv", "a", ".csv"}, {"a", "a", ""},        {".x", ".x", ""},
                                  {".x.y", ".x", ".y"},   {"a.", "a.", ""},      {"..", "..", ""},
                                  {"..a", "..a", ""},     {"..a.b", "..a", ".b"}};
  for (const auto& [name, stem, extension] : names) {
    EXPECT_EQ(Stem(name), stem);
    EXPECT_EQ(Extension(name), extension);
  }
}

TEST(Placeholders, BytesThatAreNotTextStay) {
  EXPECT_EQ(Expand("{name}", Facts("\xff\xfe{")), "\xff\xfe{");
}

TEST(Placeholders, RefusesWhatNoCommandCanTake) {
  EXPECT_FALSE(ExpandCommand({}, Facts("f")).ok());
  EXPECT_FALSE(ExpandCommand({""}, Facts("f")).ok());
  EXPECT_FALSE(ExpandCommand({"a", std::string("b\0c", 3)}, Facts("f")).ok());
  EXPECT_FALSE(ExpandCommand({"a", std::string(kCommandBytesMax, 'x')}, Facts("f")).ok());
  EXPECT_EQ(ExpandCommand({"cp", "--", "{input}"}, Facts("-f"))->at(2), "/mnt/in/-f");
}

TEST(Environment, FactsWinOverSecretsOverAddedOverTheHosts) {
  EnvironmentOptions options;
  options.base = {{"PATH", "/bin"}, {"LANG", "C.UTF-8"}};
  options.host = {{"LANG", "de_DE.UTF-8"}, {"REGION", "us"}, {"KEY", "h"}};
  options.added = {{"REGION", "eu"}, {"CLOSEWRITE_TOKEN", "99"}, {"KEY", "a"}};
  options.secrets = {{"KEY", "s=1"}};
  options.coordinator = "vm-a:7400";
  const auto environment = BuildEnvironment(options, Facts("a/b.csv"));
  ASSERT_TRUE(environment.ok());
  for (const std::string entry :
       {"PATH=/bin", "LANG=de_DE.UTF-8", "REGION=eu", "KEY=s=1", "CLOSEWRITE_JOB=7",
        "CLOSEWRITE_TOKEN=2", "CLOSEWRITE_EXT=.csv", "CLOSEWRITE_EVENT=CLOSE_WRITE",
        "CLOSEWRITE_INPUT=/mnt/in/a/b.csv", "CLOSEWRITE_COORDINATOR=vm-a:7400",
        "CLOSEWRITE_OUTPUT_DIR=/mnt/out/.closewrite/staging/7/2"}) {
    EXPECT_TRUE(Has(*environment, entry)) << entry;
  }
}

TEST(Environment, TheBaseIsOfTheUserAndNotOfTheExecutor) {
  ASSERT_EQ(setenv("ONLY_OF_THE_EXECUTOR", "1", 1), 0);
  const auto base = BaseEnvironment(
      {.name = "ann", .home = "/home/ann", .shell = "/bin/bash", .uid = 7, .gid = 7});
  EXPECT_EQ(base.at("HOME"), "/home/ann");
  EXPECT_EQ(base.at("USER"), "ann");
  EXPECT_EQ(base.at("LOGNAME"), "ann");
  EXPECT_EQ(base.at("SHELL"), "/bin/bash");
  EXPECT_EQ(base.count("ONLY_OF_THE_EXECUTOR"), 0u);
}

TEST(Environment, RefusesBadNames) {
  for (const std::string& name : {std::string(), std::string("A=B"), std::string("A\0B", 3)}) {
    EnvironmentOptions options;
    options.added = {{name, "x"}};
    EXPECT_FALSE(BuildEnvironment(options, Facts("f")).ok());
  }
}

TEST(Environment, WhoACommandIsToCoordinatorsIsForItsHostToSay) {
  EXPECT_TRUE(IsSetByExecutor("CLOSEWRITE_INPUT"));
  EXPECT_TRUE(IsSetByExecutor("CLOSEWRITE_TOKEN"));
  EXPECT_TRUE(IsSetByExecutor("CLOSEWRITE_TLS_X"));
  EXPECT_FALSE(IsSetByExecutor("CLOSEWRITE_TLS"));
  EXPECT_FALSE(IsSetByExecutor("CLOSEWRITE_ACCESS_TOKEN"));
  EXPECT_FALSE(IsSetByExecutor("CLOSEWRITE_ACCESS_TOKEN_FILE"));
  EXPECT_FALSE(IsSetByExecutor("PATH"));
}

}  // namespace
}  // namespace closewrite::executor

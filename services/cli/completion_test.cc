// What shells are told when somebody presses Tab.
#include <filesystem>
#include <fstream>

#include "absl/strings/match.h"
#include "absl/strings/str_split.h"
#include "services/cli/cli_fixture.h"
#include "services/log/str_cat.h"

namespace closewrite::cli {
namespace {

class CompletionTest : public CliFixture {
 protected:
  // The candidates for the last of `words`, without descriptions.
  std::vector<std::string> Complete(std::vector<std::string> words) {
    std::vector<std::string> candidates;
    for (const absl::string_view line : absl::StrSplit(Text(words), '\n', absl::SkipEmpty())) {
      candidates.emplace_back(line.substr(0, line.find('\t')));
    }
    return candidates;
  }

  std::string Text(const std::vector<std::string>& words) {
    std::vector<std::string> arguments = {"__complete", "--"};
    arguments.insert(arguments.end(), words.begin(), words.end());
    const CliResult result = Run(arguments);
    EXPECT_EQ(result.code, 0);
    EXPECT_EQ(result.err, "");
    return result.out;
  }

  void PutFleet() {
    coordinator_.PutJob(MakeJob(41, v1::JOB_STATE_RUNNING, "a\tb.csv"));
    coordinator_.PutJob(MakeJob(42, v1::JOB_STATE_FAILED, "c.csv"));
    v1::PipelineStatus pipeline;
    pipeline.mutable_pipeline()->set_name("enrich");
    pipeline.mutable_pipeline()->mutable_on()->set_volume("unenriched");
    coordinator_.PutPipeline(pipeline);
    v1::ExecutorStatus executor;
    executor.set_name("vm-c-1");
    executor.set_host("vm-c");
    coordinator_.PutExecutor(executor);
    v1::WatcherStatus watcher;
    watcher.set_host("vm-b");
    watcher.add_volumes()->set_volume("unenriched");
    coordinator_.PutWatcher(watcher);
  }

  using Strings = std::vector<std::string>;
};

TEST_F(CompletionTest, VerbsAndTheirSecondWords) {
  EXPECT_EQ(Complete({"jo"}), Strings({"jobs", "job", "job-log"}));
  EXPECT_EQ(Complete({"pipeline", ""}), Strings({"apply", "list", "delete", "test"}));
  EXPECT_EQ(Complete({"--color", "never", "context", "u"}), Strings({"use"}));
  EXPECT_TRUE(absl::StrContains(Text({""}), "\ncontext\tlist, use\n"));
  EXPECT_TRUE(absl::StrContains(Text({""}), "\nexplain\tTell the whole story"));
  EXPECT_FALSE(absl::StrContains(Text({""}), "__"));
  EXPECT_EQ(Complete({"nothing", ""}), Strings());
}

TEST_F(CompletionTest, HelpTakesVerbsAndTopics) {
  EXPECT_EQ(Complete({"help", "ex"}), Strings({"explain", "executors", "execution", "exit-codes"}));
  EXPECT_EQ(Complete({"help", "task", "sh"}), Strings({"show"}));
}

TEST_F(CompletionTest, OptionsOfTheCommandAndOfAll) {
  EXPECT_EQ(Complete({"logs", "--ti"}), Strings({"--timestamps", "--timeout"}));
  EXPECT_EQ(Complete({"--conn"}), Strings({"--connect-timeout"}));
  EXPECT_TRUE(absl::StrContains(Text({"logs", "--fol"}), "--follow\tGo on until"));
  const Strings all = Complete({"events", "-"});
  EXPECT_NE(std::find(all.begin(), all.end(), "-f"), all.end());
  // Where no argument is left, options are all that there is.
  EXPECT_EQ(Complete({"version", ""}).front(), "--help");
  // What stands after -- is none.
  EXPECT_EQ(Complete({"task", "add", "x", "--", "--w"}), Strings({":files"}));
}

TEST_F(CompletionTest, FixedValues) {
  EXPECT_EQ(Complete({"jobs", "--state", "s"}), Strings({"scheduled", "succeeded"}));
  EXPECT_EQ(Complete({"jobs", "--state=failed,ca"}), Strings({"--state=failed,cancelled"}));
  EXPECT_EQ(Complete({"jobs", "-o", ""}), Strings({"table", "wide", "json", "name"}));
  EXPECT_EQ(Complete({"executors", "-o", ""}), Strings({"table", "wide", "json"}));
  EXPECT_EQ(Complete({"report", "-o", ""}), Strings({"html", "json"}));
  EXPECT_EQ(Complete({"jobs", "--sort", "c"}), Strings({"created"}));
  EXPECT_EQ(Complete({"--color", "a"}), Strings({"auto", "always"}));
  EXPECT_EQ(Complete({"completion", ""}), Strings({"bash", "zsh", "fish"}));
  EXPECT_EQ(Complete({"task", "add", "x", "--restart", "on"}), Strings({"on-failure"}));
  EXPECT_EQ(Complete({"jobs", "--reason", ""}).front(), "--help");  // has no such option
}

TEST_F(CompletionTest, CertificatesAndTokens) {
  EXPECT_EQ(Complete({"certs", ""}), Strings({"init", "issue", "renew", "show"}));
  EXPECT_EQ(Complete({"token", ""}), Strings({"new"}));
  EXPECT_EQ(Complete({"certs", "issue", ""}),
            Strings({"coordinator", "watcher", "executor", "portal", "viewer", "uploader",
                     "program", "operator", "admin"}));
  EXPECT_EQ(Complete({"token", "new", ""}),
            Strings({"viewer", "uploader", "program", "operator", "admin"}));
  EXPECT_EQ(Complete({"certs", "issue", "watcher", "vm-b", "--out", ""}), Strings({":files"}));
  EXPECT_EQ(Complete({"certs", "init", "--in", ""}), Strings({":files"}));
  EXPECT_EQ(Complete({"certs", "renew", "a", "b"}), Strings({":files"}));
  EXPECT_EQ(Complete({"certs", "show", ""}), Strings({":files"}));
  EXPECT_EQ(Complete({"token", "new", "admin", "jane", "--add", ""}), Strings({":files"}));
  PutFleet();
  EXPECT_EQ(Complete({"certs", "issue", "watcher", "vm-b", "--volume", ""}),
            Strings({"unenriched"}));
}

TEST_F(CompletionTest, FilesAreTheShellsMatter) {
  EXPECT_EQ(Complete({"submit", "/srv/"}), Strings({":files"}));
  EXPECT_EQ(Complete({"report", ""}), Strings({":files"}));
  EXPECT_EQ(Complete({"pipeline", "apply", "-f", ""}), Strings({":files"}));
  EXPECT_EQ(Complete({"pipeline", "test", "-f", "a.yaml", "b"}), Strings({":files"}));
}

TEST_F(CompletionTest, LiveNames) {
  PutFleet();
  EXPECT_EQ(Text({"job", ""}),
            "42\tfailed enrich unenriched:c.csv\n41\trunning enrich unenriched:a\\tb.csv\n");
  EXPECT_EQ(Complete({"redrive", ""}), Strings({"42"}));
  EXPECT_EQ(Complete({"cancel", ""}), Strings({"41"}));
  EXPECT_EQ(Complete({"cancel", "41", "--reason", "x", ""}), Strings());
  EXPECT_EQ(Complete({"explain", "4"}), Strings({"42", "41", ":files"}));
  EXPECT_EQ(Complete({"explain", "u"}), Strings({"unenriched:", ":files"}));
  EXPECT_EQ(Complete({"pipeline", "delete", ""}), Strings({"enrich"}));
  EXPECT_EQ(Complete({"submit", "-p", ""}), Strings({"enrich"}));
  EXPECT_EQ(Complete({"flush", ""}), Strings({"unenriched"}));
  EXPECT_EQ(Complete({"wait", "--input=u"}), Strings({"--input=unenriched"}));
  EXPECT_EQ(Complete({"drain", ""}), Strings({"vm-c", "vm-c-1"}));
  EXPECT_EQ(Complete({"--host", "vm-"}), Strings({"vm-b", "vm-c"}));
}

TEST_F(CompletionTest, LocksAndRates) {
  v1::Lock lock;
  lock.set_name("picky-api");
  lock.set_capacity(4);
  coordinator_.locks().Put(lock);
  v1::RateStatus rate;
  rate.mutable_rate()->set_name("api-x");
  rate.set_available(40);
  coordinator_.locks().PutRate(rate);
  EXPECT_EQ(Complete({"lock", ""}), Strings({"run", "hold", "list", "watch", "release", "set"}));
  EXPECT_EQ(Text({"lock", "run", "p"}), "picky-api\t0 of 4 held, 0 waiting\n");
  EXPECT_EQ(Complete({"lock", "run", "picky-api", "--", ""}), Strings({":files"}));
  EXPECT_EQ(Complete({"lock", "list", "-o", ""}), Strings({"table", "wide", "json", "name"}));
  EXPECT_EQ(Text({"rate", "take", ""}), "api-x\t40 available\n");
}

TEST_F(CompletionTest, ContextsComeFromTheFileAndSayWhomToAsk) {
  PutFleet();
  const std::string path = testing::TempDir() + "/completion_test.yaml";
  std::ofstream(path) << "contexts: {here: {coordinator: '" << coordinator_.address()
                      << "'}, there: {coordinator: '127.0.0.1:1'}}";
  surroundings_.environment["CLOSEWRITE_CONFIG"] = path;
  surroundings_.environment["CLOSEWRITE_COORDINATOR"] = "127.0.0.1:1";
  EXPECT_EQ(Complete({"context", "use", ""}), Strings({"here", "there"}));
  EXPECT_EQ(Complete({"--context", "t"}), Strings({"there"}));
  EXPECT_EQ(Complete({"--context", "here", "flush", ""}), Strings({"unenriched"}));
  EXPECT_EQ(Complete({"flush", "--coordinator", coordinator_.address(), ""}),
            Strings({"unenriched"}));
  std::filesystem::remove(path);
}

TEST_F(CompletionTest, SilenceWhenNobodyAnswers) {
  coordinator_.Stop();
  const SteadyClock clock;
  const absl::Time begun = clock.Now();
  EXPECT_EQ(Text({"job", ""}), "");
  EXPECT_EQ(Text({"drain", ""}), "");
  EXPECT_LT(clock.Now() - begun, absl::Seconds(20));
}

TEST_F(CompletionTest, ScriptsForThreeShells) {
  for (const char* shell : {"bash", "zsh", "fish"}) {
    const CliResult result = Run({"completion", shell});
    EXPECT_EQ(result.code, 0);
    EXPECT_TRUE(absl::StrContains(result.out, "closewrite __complete -- ")) << result.out;
  }
  EXPECT_EQ(Run({"completion", "bahs"}).err,
            "closewrite: completion bahs: no such shell; did you mean \"bash\"?\n");
  EXPECT_EQ(Run({"completion"}).code, 2);
}

}  // namespace
}  // namespace closewrite::cli

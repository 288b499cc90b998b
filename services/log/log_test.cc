#include "services/log/log.h"

#include <stdlib.h>
#include <unistd.h>

#include <regex>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_split.h"
#include "gtest/gtest.h"

namespace closewrite {
namespace {

class LogTest : public testing::Test {
 protected:
  void SetUp() override { unsetenv("CLOSEWRITE_LOG"); }

  // What `act` writes, without times, which are checked.
  template <class Act>
  std::string Logged(Act act) {
    testing::internal::CaptureStderr();
    act();
    const std::string text = testing::internal::GetCapturedStderr();
    static const std::regex kTime(R"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z )");
    std::string rest;
    for (const absl::string_view line : absl::StrSplit(text, '\n')) {
      if (line.empty()) continue;
      const std::string one(line);
      std::smatch match;
      EXPECT_TRUE(std::regex_search(one, match, kTime, std::regex_constants::match_continuous))
          << one;
      rest += one.substr(match.length()) + "\n";
    }
    return rest;
  }
};

// In a process of its own, where no other test has called InitLog yet.
TEST(LogDeathTest, LinesBeforeInitLackTheService) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  unsetenv("CLOSEWRITE_LOG");
  EXPECT_EXIT(
      {
        LogInfo("early");
        _exit(0);
      },
      testing::ExitedWithCode(0), "Z info  early\n");
}

TEST_F(LogTest, LevelMessageFields) {
  InitLog("coordinator");
  EXPECT_EQ(Logged([] {
              LogInfo("listening", {{"address", "0.0.0.0:7400"}, {"port", 7400}});
            }),
            "info  coordinator: listening address=0.0.0.0:7400 port=7400\n");
  EXPECT_EQ(Logged([] {
              LogWarn("x", {{"on", true}, {"off", false}, {"part", 0.5}});
            }),
            "warn  coordinator: x on=true off=false part=0.5\n");
  EXPECT_EQ(Logged([] { LogError("x"); }), "error coordinator: x\n");
  EXPECT_EQ(Logged([] { LogDebug("x"); }), "");
}

TEST_F(LogTest, ValuesOfAllKindsOfText) {
  InitLog("w");
  const std::string text = "string";
  const std::string_view view = "view";
  EXPECT_EQ(Logged([&] {
              LogInfo("x", {{"a", text}, {"b", view}, {"c", absl::string_view("d")}});
            }),
            "info  w: x a=string b=view c=d\n");
}

TEST_F(LogTest, BytesCanNotForgeLines) {
  InitLog("watcher");
  EXPECT_EQ(
      Logged([] {
        LogInfo("saw", {{"path", "a b\n2026 error forged\xff"}, {"e", ""}, {"q", "say \"x\""}});
      }),
      "info  watcher: saw path=\"a b\\n2026 error forged\\xff\" e=\"\" q=\"say \\\"x\\\"\"\n");
  EXPECT_EQ(Logged([] {
              LogInfo("{} %v %n\n", {{"k", "{}=%"}});
            }),
            "info  watcher: {} %v %n\\n k=\"{}=%\"\n");
}

TEST_F(LogTest, LongLinesAreCut) {
  InitLog("w");
  const std::string line = Logged([] {
    LogInfo("x", {{"k", std::string(100'000, 'y')}, {"next", 1}});
  });
  EXPECT_LT(line.size(), 17'000u);
  EXPECT_EQ(line.substr(line.size() - 4), "...\n");
}

TEST_F(LogTest, LevelFromTheEnvironment) {
  setenv("CLOSEWRITE_LOG", "warn", 1);
  InitLog("w");
  EXPECT_EQ(Logged([] { LogInfo("x"); }), "");
  EXPECT_EQ(Logged([] { LogWarn("x"); }), "warn  w: x\n");
  setenv("CLOSEWRITE_LOG", "DEBUG", 1);
  InitLog("w");
  EXPECT_EQ(Logged([] { LogDebug("x"); }), "debug w: x\n");
  setenv("CLOSEWRITE_LOG", "loud", 1);
  EXPECT_EQ(Logged([] { InitLog("w"); }),
            "warn  w: unknown log level; info is used, possible are debug, info, warn, error "
            "CLOSEWRITE_LOG=loud\n");
  EXPECT_EQ(Logged([] { LogInfo("x"); }), "info  w: x\n");
}

TEST_F(LogTest, LinesOfManyThreadsStayWhole) {
  InitLog("w");
  const std::string text = Logged([] {
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([t] {
        for (int i = 0; i < 500; ++i) LogInfo("line", {{"thread", t}, {"end", "."}});
      });
    }
    for (std::thread& thread : threads) thread.join();
  });
  const std::vector<std::string> lines = absl::StrSplit(text, '\n', absl::SkipEmpty());
  EXPECT_EQ(lines.size(), 2000u);
  static const std::regex kLine(R"(info  w: line thread=\d end=\.)");
  for (const std::string& line : lines) EXPECT_TRUE(std::regex_match(line, kLine)) << line;
}

}  // namespace
}  // namespace closewrite

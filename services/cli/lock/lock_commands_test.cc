// What people see and change of locks and rates.
#include "services/cli/lock/lock_commands.h"

#include "absl/strings/match.h"
#include "google/protobuf/text_format.h"
#include "nlohmann/json.hpp"
#include "services/cli/cli_fixture.h"
#include "services/config/duration.h"

namespace closewrite::cli {
namespace {

template <class Message>
Message Parse(const std::string& text) {
  Message message;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(text, &message)) << text;
  return message;
}

class LockCommandsTest : public CliFixture {
 protected:
  LockCommandsTest() {
    locks_.Put(Parse<v1::Lock>(R"(
        name: "picky-api" capacity: 2 waiting: 1
        holders { session_id: "fake-1" token: 7 held_since { seconds: 4102484400 } priority: 3
                  program { host: "vm-b" pid: 4711 program: "Rscript api.R" user: "alice" } }
        holders { job_id: 41 pipeline: "enrich" token: 8 held_since { seconds: 4102484401 }
                  program { host: "vm-c" } }
        waiters { session_id: "fake-2" asked_at { seconds: 4102484402 }
                  program { host: "vm-d" pid: 12 program: "load.py" user: "bob" } })"));
    locks_.Put(Parse<v1::Lock>(R"(name: "db" capacity: 4)"));
  }

  FakeLocks& locks_ = coordinator_.locks();
};

TEST_F(LockCommandsTest, ListsWhoHoldsWhat) {
  const CliResult result = Run({"lock", "list"});
  EXPECT_EQ(result.code, 0);
  EXPECT_EQ(result.err, "");
  EXPECT_EQ(result.out,
            "LOCK       HELD  WAITING  STATE  SINCE                     ON         BY\n"
            "db          0/4        0  free\n"
            "picky-api   2/2        1  holds  2100-01-01T11:00:00.000Z  vm-b:4711  Rscript api.R\n"
            "picky-api   2/2        1  holds  2100-01-01T11:00:01.000Z  vm-c       job 41 of "
            "enrich\n");
}

TEST_F(LockCommandsTest, TheWideListHasThoseWhoWait) {
  const CliResult result = Run({"lock", "list", "picky-api", "-o", "wide"});
  EXPECT_EQ(result.code, 0);
  EXPECT_TRUE(absl::StrContains(result.out, "waits, 1.  2100-01-01T11:00:02.000Z  vm-d:12"))
      << result.out;
  EXPECT_TRUE(absl::StrContains(result.out, "fake-1")) << result.out;
  EXPECT_FALSE(absl::StrContains(result.out, "db")) << result.out;
}

TEST_F(LockCommandsTest, ListsForPrograms) {
  EXPECT_EQ(Run({"lock", "list", "-o", "name"}).out, "db\npicky-api\n");
  const auto json = nlohmann::json::parse(Run({"lock", "list", "picky-api", "-o", "json"}).out);
  EXPECT_EQ(json["holders"][0]["token"], 7);
  EXPECT_EQ(json["waiters"][0]["program"]["user"], "bob");
}

TEST_F(LockCommandsTest, AWrongNameIsTold) {
  const CliResult result = Run({"lock", "list", "piky-api"});
  EXPECT_EQ(result.code, 0);
  EXPECT_EQ(result.err, "closewrite: nobody uses lock piky-api; did you mean picky-api?\n");
}

TEST_F(LockCommandsTest, BadInputIsRefusedHere) {
  for (const std::vector<std::string>& wrong : std::vector<std::vector<std::string>>{
           {"lock", "list", "picky api"},
           {"lock", "watch", ""},
           {"lock", "set", "db", "--capacity", "0"},
           {"lock", "set", "db", "--capacity", "1001"},
           {"lock", "set", "db"},
           {"lock", "hold", "a/b"},
           {"lock", "hold", "db", "--capacity", "-1"},
           {"lock", "hold", "db", "--priority", "1001"},
           {"lock", "hold", "db", "--wait", "soon"},
           {"lock", "hold", "db", "--wait", "1s", "--no-wait"},
           {"lock", "hold", std::string(64, 'a')},
           {"rate", "take", ".api"},
           {"rate", "take", "api", "--n", "0"},
           {"rate", "take", "api", "--limit", "5"},
           {"rate", "take", "api", "--per", "1m"},
           {"rate", "take", "api", "--limit", "5", "--per", "often"},
           {"rate", "set", "api", "--limit", "5"},
           {"rate", "set", "api", "--limit", "0", "--per", "1m"}}) {
    const CliResult result = Run(wrong);
    EXPECT_EQ(result.code, 2) << wrong[1] << ": " << result.err;
    EXPECT_EQ(std::count(result.err.begin(), result.err.end(), '\n'), 1) << result.err;
  }
}

TEST_F(LockCommandsTest, ReleaseExplainsItself) {
  const CliResult result = Run({"lock", "release", "picky-api"});
  EXPECT_EQ(result.code, 2);
  EXPECT_TRUE(absl::StrContains(result.err, "--force takes it away")) << result.err;
  EXPECT_EQ(locks_.lock("picky-api").holders_size(), 2);
}

TEST_F(LockCommandsTest, ReleaseAsksWhomATerminalHas) {
  locks_.Put(Parse<v1::Lock>(R"(
      name: "api" capacity: 1
      holders { session_id: "fake-1" token: 7
                program { host: "vm-b" pid: 4711 program: "Rscript api.R" user: "alice" } })"));
  EXPECT_EQ(Run({"lock", "release", "api", "--force"}).code, 2);  // there is nobody to ask
  surroundings_.terminal = true;
  surroundings_.in = "n\n";
  const CliResult asked = Run({"lock", "release", "api", "--force"});
  EXPECT_EQ(asked.code, 1);
  EXPECT_EQ(asked.err,
            "closewrite: take lock api away from Rscript api.R on vm-b (pid 4711, alice)? "
            "[y/N] ");
  EXPECT_EQ(locks_.lock("api").holders_size(), 1);
  surroundings_.in = "y\n";
  const CliResult result = Run({"lock", "release", "api", "--force", "--reason", "it hangs"});
  EXPECT_EQ(result.code, 0);
  EXPECT_EQ(result.out, "taken from Rscript api.R on vm-b (pid 4711, alice)\n");
  EXPECT_TRUE(absl::EndsWith(locks_.broken().reason(), ": it hangs"));
  EXPECT_NE(locks_.broken().request_id(), "");
}

TEST_F(LockCommandsTest, ReleaseOfOneSession) {
  surroundings_.terminal = true;
  surroundings_.in = "n\n";
  const CliResult result = Run({"lock", "release", "picky-api", "--force", "--session", "fake-2"});
  EXPECT_TRUE(absl::StrContains(result.err, "away from load.py on vm-d (pid 12, bob)?"))
      << result.err;
  EXPECT_EQ(Run({"lock", "release", "db", "--force"}).code, 1);
  EXPECT_EQ(Run({"lock", "release", "picky-api", "--force", "--yes", "--session", "fake-2"}).err,
            "closewrite: a job holds it: cancel it\n");
  EXPECT_EQ(locks_.broken().session_id(), "fake-2");
}

TEST_F(LockCommandsTest, Set) {
  EXPECT_EQ(Run({"lock", "set", "db", "--capacity", "9"}).code, 0);
  EXPECT_EQ(locks_.lock("db").capacity(), 9);
}

TEST_F(LockCommandsTest, WatchPrintsALineForEachChange) {
  const auto run = Begin({"lock", "watch", "db"});
  run->out().Await("  free\n");
  locks_.Put(Parse<v1::Lock>(R"(
      name: "db" capacity: 4 waiting: 1
      holders { session_id: "fake-1" token: 7 program { program: "Rscript api.R" } }
      waiters { session_id: "fake-2" })"));
  run->out().Await("  held by Rscript api.R, token 7; 1 waits\n");
  // A stream that is opened again tells nothing twice.
  coordinator_.Stop();
  coordinator_.Start();
  coordinator_.AwaitStreams(2);
  locks_.Put(Parse<v1::Lock>(R"(name: "db" capacity: 5 waiting: 0
      holders { session_id: "fake-3" token: 9 program { program: "load.py" } })"));
  run->out().Await("  held by load.py, token 9\n");
  const std::string text = run->out().text();
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 3) << text;
  run->CtrlC();
  EXPECT_EQ(run->Finish(), 130);
}

TEST_F(LockCommandsTest, HoldSaysOnATerminalInOnePlaceWhyItWaits) {
  surroundings_.terminal = true;
  const auto run = Begin({"lock", "hold", "picky-api"});
  run->err().Await("\rclosewrite: lock picky-api held by Rscript api.R, 2. in line\x1b[K\r");
  locks_.Free("picky-api");
  run->out().Await("held picky-api token ");
  EXPECT_TRUE(absl::EndsWith(run->err().text(), "\r\x1b[K"));
  run->CtrlC();
  EXPECT_EQ(run->Finish(), 0);
  EXPECT_TRUE(locks_.lock("picky-api").holders().empty());
}

TEST_F(LockCommandsTest, RunNeedsTheRealProgram) {
  EXPECT_EQ(Run({"lock", "run", "db", "--", "true"}).code, 2);
}

TEST_F(LockCommandsTest, TakeWaitsAsLongAsItIsTold) {
  locks_.SetTake(absl::OkStatus(), absl::Milliseconds(50));
  const SteadyClock clock;
  const absl::Time begun = clock.Now();
  const CliResult result =
      Run({"rate", "take", "api-x", "--n", "3", "--wait", "10m", "--limit", "100", "--per", "1m"});
  EXPECT_GE(clock.Now() - begun, absl::Milliseconds(50));
  EXPECT_EQ(result.code, 0);
  EXPECT_EQ(result.out + result.err, "");
  EXPECT_EQ(locks_.taken().rate(), "api-x");
  EXPECT_EQ(locks_.taken().calls(), 3);
  EXPECT_EQ(locks_.taken().limit(), 100);
  EXPECT_EQ(locks_.taken().per().seconds(), 60);
  EXPECT_GT(locks_.taken().wait_max().seconds(), 0);
}

TEST_F(LockCommandsTest, TakeWithoutLimitsDefinesNothing) {
  EXPECT_EQ(Run({"rate", "take", "api-x"}).code, 0);
  EXPECT_EQ(locks_.taken().limit(), 0);
  EXPECT_FALSE(locks_.taken().has_wait_max());
  EXPECT_EQ(locks_.taken().calls(), 1);
}

TEST_F(LockCommandsTest, WhatWouldTakeTooLongIsNotTaken) {
  locks_.SetTake(absl::ResourceExhaustedError("rate api-x: not before 12:01:03 UTC"), {});
  const CliResult result = Run({"rate", "take", "api-x", "--wait", "1s"});
  EXPECT_EQ(result.code, 75);
  EXPECT_EQ(result.err, "closewrite: rate api-x: not before 12:01:03 UTC\n");
  locks_.SetTake(absl::NotFoundError("no rate api-x"), {});
  EXPECT_EQ(Run({"rate", "take", "api-x"}).code, 1);
}

TEST_F(LockCommandsTest, CtrlCEndsALongWait) {
  locks_.SetTake(absl::OkStatus(), absl::Hours(10));
  const auto run = Begin({"rate", "take", "api-x"});
  run->err().Await("rate api-x: waiting for 10h00m\n");
  run->CtrlC();
  EXPECT_EQ(run->Finish(), 130);
}

TEST_F(LockCommandsTest, RatesAreListedAndSet) {
  locks_.PutRate(Parse<v1::RateStatus>(R"(rate { name: "api-x" limit: 100 per { seconds: 60 } }
                                          available: 40)"));
  EXPECT_EQ(Run({"rate", "list"}).out,
            "RATE   LIMIT       AVAILABLE  FULL\n"
            "api-x  100 per 1m         40  now\n");
  EXPECT_EQ(Run({"rate", "list", "-o", "name"}).out, "api-x\n");
  EXPECT_EQ(nlohmann::json::parse(Run({"rate", "list", "-o", "json"}).out)["available"], 40);
  EXPECT_EQ(Run({"rate", "set", "api-x", "--limit", "5", "--per", "1d"}).code, 0);
  EXPECT_EQ(locks_.rate_set().rate().limit(), 5);
  EXPECT_EQ(locks_.rate_set().rate().per().seconds(), 86400);
}

}  // namespace
}  // namespace closewrite::cli

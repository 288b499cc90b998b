#include "absl/strings/match.h"
#include "nlohmann/json.hpp"
#include "services/cli/cli_fixture.h"

namespace closewrite::cli {
namespace {

class EventCommandsTest : public CliFixture {
 protected:
  static v1::EventRecord MakeEvent(int64_t id) {
    v1::EventRecord record;
    record.set_id(id);
    record.set_host("vm-b");
    record.add_job_ids(id + 40);
    v1::FileEvent* event = record.mutable_event();
    event->set_kind(v1::EVENT_KIND_CLOSE_WRITE);
    event->set_evidence(v1::EVIDENCE_CLOSED);
    event->set_source(v1::EVENT_SOURCE_INOTIFY);
    event->mutable_file()->set_volume("unenriched");
    event->mutable_file()->set_path("f" + std::to_string(id) + ".csv");
    event->mutable_file()->set_size(1234);
    event->mutable_observed_at()->set_seconds(1795345200);
    return record;
  }
};

TEST_F(EventCommandsTest, ListsTheNewestInOrder) {
  for (int64_t id = 1; id <= 3; ++id) coordinator_.PutEvent(MakeEvent(id));
  EXPECT_EQ(Run({"events", "--limit", "2"}).out,
            "TIME                      HOST  KIND         EVIDENCE  BY       SIZE  JOBS  FILE\n"
            "2026-11-22T11:00:00.000Z  vm-b  close_write  closed    inotify  1234  42    "
            "unenriched:f2.csv\n"
            "2026-11-22T11:00:00.000Z  vm-b  close_write  closed    inotify  1234  43    "
            "unenriched:f3.csv\n");
  const std::string line = Run({"events", "--limit", "1", "-o", "json"}).out;
  const auto json = nlohmann::json::parse(line);
  EXPECT_EQ(json["id"], 3);
  EXPECT_EQ(json["event"]["kind"], "close_write");
}

TEST_F(EventCommandsTest, FollowsOverARestartWithoutLossOrRepetition) {
  coordinator_.PutEvent(MakeEvent(1));
  const auto run = Begin({"events", "-f"});
  coordinator_.AwaitStreams(1);
  coordinator_.PutEvent(MakeEvent(2));
  run->out().Await("f2.csv");
  coordinator_.Stop();
  coordinator_.PutEvent(MakeEvent(3));
  coordinator_.Start();
  run->out().Await("f3.csv");
  coordinator_.AwaitStreams(2);
  coordinator_.PutEventQuietly(MakeEvent(4));
  coordinator_.PutEvent(MakeEvent(5));
  run->out().Await("f5.csv");
  run->CtrlC();
  EXPECT_EQ(run->Finish(), 130);
  const std::string text = run->out().text();
  for (int64_t id = 1; id <= 5; ++id) {
    const std::string name = "f" + std::to_string(id) + ".csv";
    const size_t at = text.find(name);
    ASSERT_NE(at, std::string::npos) << name << "\n" << text;
    EXPECT_EQ(text.find(name, at + 1), std::string::npos) << name << "\n" << text;
  }
  EXPECT_EQ(text.find("HOST"), text.rfind("HOST"));
  EXPECT_EQ(run->err().text(), "");
}

}  // namespace
}  // namespace closewrite::cli

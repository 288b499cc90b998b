#include "absl/strings/match.h"
#include "nlohmann/json.hpp"
#include "services/cli/cli_fixture.h"
#include "services/transport/errors.h"

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

TEST_F(EventCommandsTest, TellsWhichJobMadeAFile) {
  v1::EventRecord record = MakeEvent(1);
  record.mutable_event()->set_caused_by_job(12);
  record.mutable_event()->set_source(v1::EVENT_SOURCE_AUDIT);
  coordinator_.PutEvent(record);
  EXPECT_EQ(Run({"events", "-o", "wide"}).out,
            "TIME                      HOST  KIND         EVIDENCE  BY     SIZE  JOBS  MADE BY  "
            "FILE\n"
            "2026-11-22T11:00:00.000Z  vm-b  close_write  closed    audit  1234  41    job 12   "
            "unenriched:f1.csv\n");
  EXPECT_EQ(nlohmann::json::parse(Run({"events", "-o", "json"}).out)["event"]["caused_by_job"], 12);
}

TEST_F(EventCommandsTest, FlushSaysNothingWhenAllIsKnown) {
  const CliResult result = Run({"flush", "unenriched"});
  EXPECT_EQ(result.code, 0);
  EXPECT_EQ(result.out, "");
  EXPECT_EQ(result.err, "");
  EXPECT_TRUE(absl::StartsWith(coordinator_.requests().back(),
                               "FlushEventsRequest volume: \"unenriched\" timeout {"));
  EXPECT_EQ(Run({"flush", "unenriched", "-o", "json"}).out,
            "{\"volume\":\"unenriched\",\"flushed\":true}\n");
  EXPECT_EQ(Run({"flush"}).code, 2);
}

TEST_F(EventCommandsTest, FlushWaitsForAWatcherThatIsAway) {
  coordinator_.SetFlushStatus(
      WithReason(absl::UnavailableError("the watcher of volume in is not connected"),
                 "WATCHER_NOT_CONNECTED"));
  const auto run = Begin({"flush", "in"});
  run->err().Await("the watcher of volume in is not connected; waiting for it\n");
  coordinator_.SetFlushStatus(absl::OkStatus());
  EXPECT_EQ(run->Finish(), 0);
  coordinator_.SetFlushStatus(
      WithReason(absl::UnavailableError("the watcher of volume in is not connected"),
                 "WATCHER_NOT_CONNECTED"));
  const CliResult late = Run({"flush", "in", "--timeout", "200ms"});
  EXPECT_EQ(late.code, 124);
  EXPECT_EQ(late.err,
            "closewrite: volume in was not flushed in time: the watcher of volume in is not "
            "connected\n");
}

TEST_F(EventCommandsTest, FlushTellsWhatTheCoordinatorRefuses) {
  coordinator_.SetFlushStatus(absl::FailedPreconditionError("volume in is LOST: it is gone"));
  const CliResult lost = Run({"flush", "in"});
  EXPECT_EQ(lost.code, 1);
  EXPECT_EQ(lost.err, "closewrite: volume in is LOST: it is gone\n");
  coordinator_.SetFlushStatus(absl::DeadlineExceededError("volume in is not flushed after 1ms"));
  EXPECT_EQ(Run({"flush", "in", "--timeout", "50ms"}).code, 124);
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

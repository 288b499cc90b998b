#include "services/coordinator/api/story.h"

#include <string>

#include "absl/strings/str_replace.h"
#include "gtest/gtest.h"
#include "services/coordinator/api/api_fixture.h"
#include "services/log/str_cat.h"
#include "services/log_record/log_record.h"

namespace closewrite {
namespace {

class StoryTest : public ApiFixture {
 protected:
  // At most 96 columns, broken at blanks.
  static std::string Folded(std::string line) {
    std::string folded;
    while (line.size() > 96) {
      const size_t blank = line.rfind(' ', 96);
      StrAppend(&folded, line.substr(0, blank), "\n");
      line = StrCat("    ", line.substr(blank + 1));
    }
    return StrCat(folded, line, "\n");
  }
  static std::string Unfolded(const std::string& text) {
    return absl::StrReplaceAll(text, {{"\n    ", " "}});
  }
  // One line each: seconds since the start of the test (or `now`), topic, text; but for what it
  // comes down to: see Verdict.
  static std::string Text(const v1::ExplainResponse& story) {
    std::string text = "\n";
    for (const v1::StoryLine& line : story.lines()) {
      if (line.topic() == "VERDICT" || line.topic() == "ADVICE") continue;
      const std::string when =
          line.has_at() ? StrCat("+", line.at().seconds() - kTestStartSeconds) : "now";
      text += Folded(StrCat(when, " ", line.topic(), " ", line.text()));
    }
    return text;
  }
  std::string Explain(const v1::ExplainRequest& request) {
    grpc::ClientContext context;
    const grpc::Status status = jobs_->Explain(&context, request, &story_);
    return status.ok() ? Text(story_) : status.error_message();
  }
  std::string ExplainFile(const std::string& volume, const std::string& path) {
    v1::ExplainRequest request;
    request.mutable_file()->set_volume(volume);
    request.mutable_file()->set_path(path);
    return Explain(request);
  }
  std::string ExplainJob(int64_t id) {
    v1::ExplainRequest request;
    request.set_job_id(id);
    return Explain(request);
  }
  // The verdict of the last story, with ` -> ` before each advice.
  std::string Verdict() const {
    std::string text = "\n";
    for (const v1::StoryLine& line : story_.lines()) {
      if (line.topic() == "VERDICT") text += Folded(line.text());
      if (line.topic() == "ADVICE") text += Folded(StrCat("-> ", line.text()));
    }
    return text;
  }
  v1::ExplainResponse story_;
};

TEST_F(StoryTest, TellsAFileFromItsEventToItsResult) {
  ConnectWatcher();
  Apply(TestPipeline("enrich"));
  v1::Pipeline other = TestPipeline("other");
  other.mutable_on()->add_ignore("in/*");
  Apply(other);
  v1::Pipeline elsewhere = TestPipeline("third");
  elsewhere.mutable_on()->set_volume("raw");
  Apply(elsewhere);
  const SessionId session = OpenSession("e1", 1);
  clock_.Advance(absl::Seconds(1));
  Announce("in/a b.csv");
  const Lease first{JobId{1}, FencingToken{1}};
  ReportRunning(session, first, 4711);
  clock_.Advance(absl::Milliseconds(1500));
  ReportLog(session, first, 0, "1\n2\n3\n4\n5\nno such\tregion\n");
  ReportEnd(session, first, Outcome::kFailed, 3);
  clock_.Advance(absl::Milliseconds(2500));
  Tick();
  const Lease second{JobId{1}, FencingToken{2}};
  ReportRunning(session, second, 4712);
  clock_.Advance(absl::Seconds(2));
  ReportEnd(session, second, Outcome::kSucceeded, 0, {{"in/a b.csv", 12, std::string(32, '\x5a')}});
  Publish(second);
  const std::string kStory = R"(
+1 SEEN CLOSE_WRITE on vm-b by inotify, closed: 101 bytes, inode 7, mtime
    2026-11-22T10:55:01.000000000Z
+1 MATCHED pipeline enrich: **/*.csv matches
+1 NOT_MATCHED pipeline other: it ignores in/*
+1 NOT_MATCHED 1 pipeline watches other volumes
+1 JOB job 1 of pipeline enrich was made for unenriched:in/a b.csv
+1 ATTEMPT attempt 1 of job 1 (token 1) on executor e1 at vm-c, pid 4711: exit 3 after 1.5s:
    exit 3
now LOG 2
now LOG 3
now LOG 4
now LOG 5
now LOG no such\tregion
+5 WAITED job 1 waited 2.5s for its backoff and its turn
+5 ATTEMPT attempt 2 of job 1 (token 2) on executor e1 at vm-c, pid 4712: exit 0 after 2s
+7 JOB job 1 is SUCCEEDED, 6s after it was made
+7 OUTPUT enriched:in/a b.csv, 12 bytes, sha256
    5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a
)";
  EXPECT_EQ(ExplainFile("unenriched", "in/a b.csv"), kStory);
  ASSERT_EQ(story_.jobs_size(), 1);
  EXPECT_EQ(story_.jobs(0).attempts_size(), 2);
  EXPECT_EQ(Verdict(), R"(
job 1 of pipeline enrich has SUCCEEDED 6s after it was made: enriched:in/a b.csv is published
)");
}

TEST_F(StoryTest, ComesDownToWhyAJobHasFailed) {
  ConnectWatcher();
  v1::Pipeline once = TestPipeline("enrich");
  once.mutable_retry()->set_attempts(1);
  Apply(once);
  const SessionId session = OpenSession("e1", 1);
  Announce("a.csv");
  const Lease lease{JobId{1}, FencingToken{1}};
  ReportRunning(session, lease, 4711);
  ReportLog(session, lease, 0, "reading\nno column named price\n");
  ReportEnd(session, lease, Outcome::kFailed, 3);
  const std::string kVerdict = R"(
job 1 of pipeline enrich is FAILED: exit 3
attempt 1 of job 1 (token 1) on executor e1 at vm-c, pid 4711: exit 3 after 0s
its log ends: no column named price
-> `closewrite logs 1` prints all that its command said
-> once that is mended, `closewrite retry 1` tries it once more, `closewrite redrive 1` with all
    attempts
)";
  ExplainJob(1);
  EXPECT_EQ(Verdict(), kVerdict);
  ExplainFile("unenriched", "a.csv");
  EXPECT_EQ(Verdict(), kVerdict);
}

TEST_F(StoryTest, ComesDownToWhatARunningJobDoes) {
  ConnectWatcher();
  v1::Pipeline limited = TestPipeline("enrich");
  limited.mutable_run()->mutable_timeout()->set_seconds(3600);
  Apply(limited);
  const SessionId session = OpenSession("e1", 1);
  Announce("a.csv");
  const Lease lease{JobId{1}, FencingToken{1}};
  ReportRunning(session, lease, 4711);
  clock_.Advance(absl::Seconds(9));
  ExplainJob(1);
  EXPECT_EQ(Verdict(), R"(
job 1 of pipeline enrich runs for 9s on executor e1 at vm-c, pid 4711
-> `closewrite logs -f 1` follows it, `closewrite cancel 1` ends it
)");
  // Otherwise its session is over just then.
  Report({.session = session, .heartbeat = true, .running = {{.lease = lease, .pid = 4711}}});
  clock_.Advance(absl::Seconds(1));
  ExplainJob(1);
  EXPECT_EQ(Verdict(), R"(
job 1 of pipeline enrich runs for 10s on executor e1 at vm-c, pid 4711
it has printed nothing
-> its timeout ends it at 2026-11-22T11:55:00.000Z
-> `closewrite logs -f 1` follows it, `closewrite cancel 1` ends it
)");
}

// By our own clock it had printed nothing for an hour, or never fell silent.
TEST_F(StoryTest, SilenceIsMeasuredByTheClockOfTheCommandsHost) {
  ConnectWatcher();
  Apply(TestPipeline("enrich"));
  const SessionId session = OpenSession("e1", 1);
  Announce("a.csv");
  const Lease lease{JobId{1}, FencingToken{1}};
  ReportRunning(session, lease, 4711);
  const absl::Time there = clock_.Now() + absl::Hours(1);
  std::string log;
  AppendLogRecord(absl::ToUnixMicros(there), LogStream::kStdout, "connecting\n", &log);
  ReportLog(session, lease, 0, log);
  const auto silence = [&] {
    ExplainJob(1);
    const std::string verdict = Verdict();
    const size_t at = verdict.find("it has printed nothing");
    return at == std::string::npos ? "" : verdict.substr(at, verdict.find('\n', at) - at);
  };
  clock_.Advance(absl::Seconds(5));
  Report({.session = session, .heartbeat = true, .running = {{.lease = lease, .pid = 4711}}});
  clock_.Advance(absl::Seconds(6));
  EXPECT_EQ(silence(), "");  // what time it is there is not known yet
  Report({.session = session,
          .heartbeat = true,
          .health = AttendReport::Health{.sent_at = there + absl::Seconds(11)},
          .running = {{.lease = lease, .pid = 4711}}});
  EXPECT_EQ(silence(), "it has printed nothing for 11s, its last line was: connecting");
  clock_.Advance(absl::Seconds(2));
  EXPECT_EQ(silence(), "it has printed nothing for 13s, its last line was: connecting");
}

TEST_F(StoryTest, ComesDownToWhatTheWatcherFinds) {
  ConnectWatcher();
  Apply(TestPipeline("enrich"));
  v1::FileLook look;
  board_.SetStream(this, {{.volume = "unenriched"}},
                   [&](int64_t id, const WatcherQuestion& question) {
                     EXPECT_EQ(question.look_at, "in/a.csv");
                     board_.Answer(this, id, look);
                   });
  look.set_finding(v1::FILE_FINDING_OPEN);
  look.set_message("it is not finished: python3 (pid 4711) has it open for writing");
  ExplainFile("unenriched", "in/a.csv");
  EXPECT_EQ(Verdict(), R"(
unenriched:in/a.csv: it is not finished: python3 (pid 4711) has it open for writing
-> it is announced as soon as its writer has closed it; one that hangs must be ended
)");
  EXPECT_EQ(story_.look().finding(), v1::FILE_FINDING_OPEN);
  look.set_finding(v1::FILE_FINDING_FINISHED);
  ExplainFile("unenriched", "in/a.csv");
  EXPECT_EQ(Verdict(), R"(
nothing was seen of unenriched:in/a.csv; `closewrite watchers` shows how its volume is watched
)");
  // What its watcher finds of a file that has been processed is told, but is no cause.
  Announce("in/a.csv");
  look.set_finding(v1::FILE_FINDING_MISSING);
  look.set_message("there is no such file");
  EXPECT_NE(ExplainFile("unenriched", "in/a.csv").find("now LOOK there is no such file\n"),
            std::string::npos);
  EXPECT_EQ(Verdict().find("there is no such file"), std::string::npos) << Verdict();
  board_.RemoveStream(this);
}

TEST_F(StoryTest, ComesDownToWhyNoJobWasMade) {
  ConnectWatcher();
  Announce("a.txt");
  ExplainFile("unenriched", "a.txt");
  EXPECT_EQ(Verdict().rfind("\nno job was made of unenriched:a.txt: there is no pipeline\n", 0), 0u)
      << Verdict();
  Apply(TestPipeline("enrich"));
  ExplainFile("unenriched", "a.txt");
  EXPECT_EQ(Verdict(), R"(
no job was made of unenriched:a.txt: pipeline enrich: the name matches none of: **/*.csv
-> `closewrite pipeline test -f FILE PATH` tells what a changed definition would take
-> `closewrite submit --pipeline PIPELINE FILE` makes a job in spite of it
)");
  Remove("a.txt");
  ExplainFile("unenriched", "a.txt");
  EXPECT_EQ(Verdict(), R"(
unenriched:a.txt is gone since 2026-11-22T10:55:00.000Z
)");
  ASSERT_TRUE(Run([](Engine& engine, StoreTransaction& tx, absl::Time) {
                engine.DisconnectWatcher(tx, {"vm-b", "ledger", 1});
              }).ok());
  clock_.Advance(absl::Seconds(5));
  ExplainFile("unenriched", "b.csv");
  EXPECT_EQ(Verdict(), R"(
volume unenriched has no watcher online: that on vm-b was heard of last 5s ago
-> start closewrite-watcher on vm-b (or see why it can't reach the coordinator: its log says
    so); what was written meanwhile is found by its scan
)");
}

TEST_F(StoryTest, AmongManyPipelinesTheOneThatTakesTheNameTellsWhy) {
  ConnectWatcher();
  for (int i = 0; i < 5; ++i) {
    v1::Pipeline other = TestPipeline(StrCat("other", i));
    other.mutable_on()->set_match(0, StrCat("other", i, "/**"));
    Apply(other);
  }
  v1::Pipeline marked = TestPipeline("marked");
  marked.mutable_on()->set_marker("{name}.done");
  Apply(marked);
  Announce("a.csv");
  ExplainFile("unenriched", "a.csv");
  EXPECT_EQ(Verdict().rfind("\nno job was made of unenriched:a.csv: pipeline marked: marker "
                            "a.csv.done is missing; and 5 do not\n    take it\n",
                            0),
            0u)
      << Verdict();
  // One that waits for a file is enough.
  ExplainFile("unenriched", "b.csv");
  EXPECT_EQ(Verdict(), R"(
nothing was seen of unenriched:b.csv; `closewrite watchers` shows how its volume is watched
)");
  v1::Pipeline names = TestPipeline("names");
  names.mutable_on()->set_when(v1::WHEN_CREATE);
  names.mutable_on()->set_match(0, "new/**");
  Apply(names);
  ExplainFile("unenriched", "c.txt");
  EXPECT_NE(Verdict().find("; and 4 do not take it"), std::string::npos) << Verdict();
}

TEST_F(StoryTest, TellsWhatCameOfAResult) {
  ConnectWatcher();
  Apply(TestPipeline("enrich"));
  v1::Pipeline report = TestPipeline("report");
  report.mutable_on()->set_volume("enriched");
  report.clear_publish();
  Apply(report);
  const SessionId session = OpenSession("e1", 1);
  Announce("a.csv");
  const Lease lease{JobId{1}, FencingToken{1}};
  ReportRunning(session, lease, 4711);
  ReportEnd(session, lease, Outcome::kSucceeded, 0, {{"a.csv", 12, std::string(32, '\x5a')}});
  Publish(lease);
  FileEvent published{.sequence = 100,
                      .kind = EventKind::kMovedTo,
                      .evidence = Evidence::kMovedIn,
                      .file = {.volume = "enriched", .path = "a.csv", .inode = 9, .size = 12},
                      .observed_at = clock_.Now(),
                      .caused_by_job = 1};
  ASSERT_TRUE(Run([&](Engine& engine, StoreTransaction& tx, absl::Time now) {
                EXPECT_TRUE(engine.RecordEvents(tx, {"vm-b", "ledger", 1}, {published}, now).ok());
              }).ok());
  EXPECT_NE(ExplainJob(1).find("CAUSED job 2 of pipeline report was made of it and is RUNNING\n"),
            std::string::npos)
      << ExplainJob(1);
}

TEST_F(StoryTest, TellsWhyAJobWaits) {
  ConnectWatcher();
  Apply(TestPipeline("enrich"));
  Announce("a.csv");
  EXPECT_EQ(ExplainJob(1), R"(
+0 SEEN CLOSE_WRITE on vm-b by inotify, closed: 101 bytes, inode 7, mtime
    2026-11-22T10:55:00.000000000Z
+0 MATCHED pipeline enrich: **/*.csv matches
+0 JOB job 1 of pipeline enrich was made for unenriched:a.csv
now WAITING job 1 is AVAILABLE: no executor is connected
)");
  const SessionId session = OpenSession("e1", 1);
  Tick();
  ASSERT_TRUE(Run([](Engine& engine, StoreTransaction& tx, absl::Time) {
                engine.DisconnectWatcher(tx, {"vm-b", "ledger", 1});
              }).ok());
  Report(
      {.session = session,
       .running = {{.lease = {JobId{1}, FencingToken{1}}, .pid = 9, .progress = {3, 9, "rows"}}}});
  clock_.Advance(absl::Seconds(2));
  const std::string text = Unfolded(ExplainJob(1));
  EXPECT_NE(text.find("now RUNNING job 1 is RUNNING on executor e1 at vm-c, 3 of 9 rows\n"),
            std::string::npos)
      << text;
  EXPECT_NE(text.find("pid 9: runs for 2s\n"), std::string::npos) << text;
  EXPECT_NE(text.find("now WATCHER volume unenriched has its home on vm-b, below /srv/unenriched, "
                      "and was LIVE; its watcher is not connected: it was heard of last at "
                      "2026-11-22T10:55:00.000Z\n"),
            std::string::npos)
      << text;
}

TEST_F(StoryTest, TellsWhoWouldSeeAFileThatWasNeverSeen) {
  EXPECT_EQ(ExplainFile("unenriched", "a.csv"), R"(
now NOT_SEEN nothing was seen of unenriched:a.csv; a file is announced once it is closed after
    writing or renamed into place below the root of its volume
now WATCHER no watcher has called itself the home of volume unenriched since the coordinator
    started; none is known
)");
  ConnectWatcher();
  Apply(TestPipeline("enrich"));
  EXPECT_EQ(ExplainFile("unenriched", "a.txt"), R"(
now NOT_MATCHED pipeline enrich: the name matches none of: **/*.csv
now NOT_SEEN nothing was seen of unenriched:a.txt; a file is announced once it is closed after
    writing or renamed into place below /srv/unenriched
now WATCHER volume unenriched has its home on vm-b, below /srv/unenriched, and is LIVE; its
    watcher is connected
)");
  EXPECT_NE(Unfolded(ExplainFile("unenrichd", "a.csv")).find("did you mean \"unenriched\"?"),
            std::string::npos);
}

TEST_F(StoryTest, TellsWhyAMatchingFileHasNoJob) {
  ConnectWatcher();
  Announce("a.csv");
  EXPECT_NE(Unfolded(ExplainFile("unenriched", "a.csv")).find("NOT_MATCHED there is no pipeline"),
            std::string::npos);
  clock_.Advance(absl::Seconds(1));
  Apply(TestPipeline("enrich"));
  EXPECT_NE(
      Unfolded(ExplainFile("unenriched", "a.csv"))
          .find("MATCHED pipeline enrich: **/*.csv matches, but it was applied at "
                "2026-11-22T10:55:01.000Z, after that: `closewrite submit` makes a job of it"),
      std::string::npos);
}

TEST_F(StoryTest, TellsThatAFileWasRemovedBelowTheVerdictsOfItsVersion) {
  ConnectWatcher();
  Apply(TestPipeline("enrich"));
  Announce("a.csv");
  clock_.Advance(absl::Seconds(1));
  Remove("a.csv");
  EXPECT_EQ(ExplainFile("unenriched", "a.csv"), R"(
+0 SEEN CLOSE_WRITE on vm-b by inotify, closed: 101 bytes, inode 7, mtime
    2026-11-22T10:55:00.000000000Z
+0 MATCHED pipeline enrich: **/*.csv matches
+0 JOB job 1 of pipeline enrich was made for unenriched:a.csv
+1 SEEN DELETE on vm-b by a rescan: 100 bytes, inode 7, mtime 1970-01-01T00:00:00.000000000Z
+1 JOB job 1 is CANCELLED, 1s after it was made: its file was removed before it could be read
)");
}

TEST_F(StoryTest, TellsWhatAContractWaitsFor) {
  ConnectWatcher();
  v1::Pipeline marked = TestPipeline("marked");
  marked.mutable_on()->set_marker("{name}.done");
  Apply(marked);
  v1::Pipeline gone = TestPipeline("gone");
  gone.mutable_on()->set_when(v1::WHEN_DELETE);
  Apply(gone);
  Announce("a.csv");
  EXPECT_EQ(ExplainFile("unenriched", "a.csv"), R"(
+0 SEEN CLOSE_WRITE on vm-b by inotify, closed: 101 bytes, inode 7, mtime
    2026-11-22T10:55:00.000000000Z
+0 NOT_MATCHED pipeline gone: it takes files that are removed or renamed away
+0 NOT_MATCHED pipeline marked: marker a.csv.done is missing
)");
  clock_.Advance(absl::Seconds(1));
  Announce("a.csv.done");
  clock_.Advance(absl::Seconds(1));
  Remove("a.csv.done");
  const std::string text = ExplainJob(1);
  EXPECT_NE(text.find("+0 MATCHED pipeline marked: its marker a.csv.done has come\n"),
            std::string::npos)
      << text;
  Remove("a.csv");
  const std::string removed = ExplainFile("unenriched", "a.csv");
  EXPECT_NE(removed.find("+2 MATCHED pipeline gone: **/*.csv matches\n"), std::string::npos)
      << removed;
}

TEST_F(StoryTest, LeavesOldThingsOutAndSaysSo) {
  ConnectWatcher();
  Apply(TestPipeline("enrich"));
  for (int i = 0; i < 120; ++i) {
    clock_.Advance(absl::Seconds(1));
    Announce("a.csv");
  }
  const std::string text = ExplainFile("unenriched", "a.csv");
  EXPECT_EQ(text.rfind("\nnow LEFT_OUT older events than the newest 100 are left out\n"
                       "now LEFT_OUT older jobs than the newest 100 are left out\n+21 SEEN",
                       0),
            0u)
      << text.substr(0, 300);
  EXPECT_EQ(story_.jobs_size(), 100);
}

}  // namespace
}  // namespace closewrite

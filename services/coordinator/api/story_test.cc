#include "services/coordinator/api/story.h"

#include <string>

#include "absl/strings/str_replace.h"
#include "gtest/gtest.h"
#include "services/coordinator/api/api_fixture.h"
#include "services/log/str_cat.h"

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
  // One line each: seconds since the start of the test (or `now`), topic, text.
  static std::string Text(const v1::ExplainResponse& story) {
    std::string text = "\n";
    for (const v1::StoryLine& line : story.lines()) {
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
+5 ATTEMPT attempt 2 of job 1 (token 2) on executor e1 at vm-c, pid 4712: exit 0 after 2s
+7 JOB job 1 is SUCCEEDED, 6s after it was made
+7 OUTPUT enriched:in/a b.csv, 12 bytes, sha256
    5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a
)";
  EXPECT_EQ(ExplainFile("unenriched", "in/a b.csv"), kStory);
  ASSERT_EQ(story_.jobs_size(), 1);
  EXPECT_EQ(story_.jobs(0).attempts_size(), 2);
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
                      "and is LIVE; its watcher is not connected: it was heard of last at "
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

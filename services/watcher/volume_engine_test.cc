// Real inotify in a scratch folder, down to the rows of a real ledger.
#include "services/watcher/volume_engine.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <map>

#include "absl/synchronization/notification.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/log/str_cat.h"
#include "services/watcher/scratch_volume.h"

namespace closewrite::watcher {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::UnorderedElementsAre;

using Said = std::map<std::string, std::string>;  // path: kind/evidence/source

std::string Describe(const FileRecord& record) {
  constexpr const char* kKinds[] = {"",       "CLOSE_WRITE", "MOVED_TO", "CREATE",
                                    "DELETE", "MOVED_FROM",  "ATTRIB"};
  constexpr const char* kEvidence[] = {"",      "CLOSED", "MOVED_IN", "LINKED",
                                       "FOUND", "QUIET",  "UNCHECKED"};
  return StrCat(kKinds[static_cast<int>(record.kind)], " ",
                kEvidence[static_cast<int>(record.evidence)],
                record.source == ChangeSource::kRescan ? " rescan" : "");
}

class VolumeEngineTest : public ::testing::Test {
 protected:
  ~VolumeEngineTest() override { Stop(); }

  // Starts, and waits until what was there before is known.
  void Start() {
    StartOnly();
    ASSERT_TRUE(Flush().ok());
  }
  void StartOnly() {
    absl::StatusOr<std::unique_ptr<Ledger>> ledger = Ledger::Open(state_.path());
    ASSERT_TRUE(ledger.ok()) << ledger.status();
    ledger_ = *std::move(ledger);
    VolumeEngine::Options options;
    options.name = "v";
    options.path = volume_.path();
    options.ignore = *IgnoreList::Parse(DefaultIgnoreGlobs());
    options.ledger = ledger_.get();
    options.clock = &clock_;
    options.queued_events_max = queued_events_max_;
    engine_ = std::make_unique<VolumeEngine>(std::move(options));
    const absl::Status prepared = engine_->Prepare();
    ASSERT_TRUE(prepared.ok()) << prepared;
    engine_->Start();
  }
  void Stop() {
    engine_.reset();
    ledger_.reset();
  }
  absl::Status Flush() {
    absl::Notification done;
    absl::Status status;
    engine_->Flush([&](const absl::StatusOr<int64_t>& sequence) {
      status = sequence.status();
      done.Notify();
    });
    done.WaitForNotification();
    return status;
  }
  // What was recorded since the last call, acknowledged as if sent.
  Said News() {
    const absl::Status flushed = Flush();
    EXPECT_TRUE(flushed.ok()) << flushed;
    Said said;
    const std::vector<PendingChange> changes = *ledger_->Pending(0, 1'000'000);
    for (const PendingChange& change : changes) {
      said[change.record.path] = Describe(change.record);
    }
    EXPECT_TRUE(ledger_->Acknowledge(ledger_->sequence()).ok());
    return said;
  }
  ContentVersion Version(const std::string& path) {
    return (*ledger_->Find(ledger_->FindVolume("v")->key, path))->version;
  }

  ScratchVolume volume_;
  ScratchVolume state_;
  SteadyClock clock_;
  size_t queued_events_max_ = kQueuedEventsMax;
  std::unique_ptr<Ledger> ledger_;
  std::unique_ptr<VolumeEngine> engine_;
};

TEST_F(VolumeEngineTest, FilesThatWereThereBeforeAreFound) {
  volume_.Write("a.csv", "1");
  volume_.MakeDirectory("d/e");
  volume_.Write("d/e/b.csv", "");
  Start();
  EXPECT_THAT(News(), UnorderedElementsAre(Pair("a.csv", "CLOSE_WRITE FOUND rescan"),
                                           Pair("d/e/b.csv", "CLOSE_WRITE FOUND rescan")));
  EXPECT_TRUE(volume_.Exists(".closewrite/volume"));
  const VolumeReport report = engine_->Report();
  EXPECT_EQ(report.state, EngineState::kLive) << report.message;
  EXPECT_EQ(report.watched_directories, 3);
  EXPECT_EQ(report.marker.size(), kMarkerBytes);
}

TEST_F(VolumeEngineTest, AClosedFileIsAnnouncedOnceAVersion) {
  Start();
  volume_.Write("a.csv", "1");
  EXPECT_THAT(News(), ElementsAre(Pair("a.csv", "CLOSE_WRITE CLOSED")));
  volume_.OpenForWriting("b.csv", "").Reset();
  EXPECT_THAT(News(), ElementsAre(Pair("b.csv", "CLOSE_WRITE CLOSED"))) << "empty files count";
  const Fd unchanged(open(volume_.Absolute("a.csv").c_str(), O_RDWR));
  EXPECT_THAT(News(), IsEmpty());
  volume_.Append("a.csv", "2");
  EXPECT_THAT(News(), IsEmpty()) << "somebody still has it open for writing";
}

TEST_F(VolumeEngineTest, NotBeforeTheLastWriterHasClosed) {
  Start();
  Fd slow = volume_.OpenForWriting("a.csv", "1");
  volume_.Append("a.csv", "2");
  EXPECT_THAT(News(), IsEmpty());
  slow.Reset();
  EXPECT_THAT(News(), ElementsAre(Pair("a.csv", "CLOSE_WRITE CLOSED")));
  EXPECT_EQ(Version("a.csv").size, 2);
}

TEST_F(VolumeEngineTest, RenamedIntoPlace) {
  Start();
  volume_.Write("a.csv.part", "1");
  EXPECT_THAT(News(), IsEmpty());
  volume_.Rename("a.csv.part", "a.csv");
  EXPECT_THAT(News(), ElementsAre(Pair("a.csv", "MOVED_TO MOVED_IN")));
  volume_.Rename("a.csv", "b.csv");
  EXPECT_THAT(News(), UnorderedElementsAre(Pair("a.csv", "MOVED_FROM "),
                                           Pair("b.csv", "MOVED_TO MOVED_IN")));
  ScratchVolume outside;
  outside.Write("c", "123");
  ASSERT_EQ(rename(outside.Absolute("c").c_str(), volume_.Absolute("b.csv").c_str()), 0);
  EXPECT_THAT(News(), ElementsAre(Pair("b.csv", "MOVED_TO MOVED_IN")));
}

TEST_F(VolumeEngineTest, HardLinks) {
  Start();
  volume_.Write("a", "1");
  News();
  volume_.Link("a", "b");
  EXPECT_THAT(News(), ElementsAre(Pair("b", "CREATE LINKED")));
  volume_.Write("x.tmp", "1");
  volume_.Link("x.tmp", "c");
  volume_.Remove("x.tmp");
  EXPECT_THAT(News(), ElementsAre(Pair("c", "CREATE LINKED")));
}

TEST_F(VolumeEngineTest, ANameWithoutAWriterIsALinkAfterASecond) {
  Start();
  const Fd unnamed(open(volume_.path().c_str(), O_TMPFILE | O_WRONLY, 0600));
  ASSERT_TRUE(unnamed.ok());
  EXPECT_THAT(News(), IsEmpty());
  const std::string magic = StrCat("/proc/self/fd/", unnamed.get());
  ASSERT_EQ(
      linkat(AT_FDCWD, magic.c_str(), AT_FDCWD, volume_.Absolute("t").c_str(), AT_SYMLINK_FOLLOW),
      0);
  EXPECT_THAT(News(), IsEmpty()) << "its writer is still there";
  ASSERT_EQ(mknod(volume_.Absolute("n").c_str(), S_IFREG | 0600, 0), 0);
  EXPECT_THAT(News(), ElementsAre(Pair("n", "CREATE LINKED")));
}

TEST_F(VolumeEngineTest, Deletions) {
  Start();
  volume_.Write("a", "1");
  volume_.MakeDirectory("d");
  volume_.Write("d/b", "2");
  News();
  volume_.Remove("a");
  EXPECT_THAT(News(), ElementsAre(Pair("a", "DELETE ")));
  volume_.Remove("d");
  EXPECT_THAT(News(), ElementsAre(Pair("d/b", "DELETE ")));
  volume_.Write("gone", "1");
  volume_.Remove("gone");
  const Said said = News();
  EXPECT_TRUE(said.empty() || said.at("gone") == "DELETE ");
}

TEST_F(VolumeEngineTest, FreshNestedDirectoriesFilledAtOnce) {
  Start();
  Said expected;
  for (int i = 0; i < 300; ++i) {
    const std::string directory = StrCat("d", i, "/e/f");
    volume_.MakeDirectory(directory);
    volume_.Write(StrCat(directory, "/x"), "1");
    volume_.Write(StrCat("d", i, "/y"), "2");
    expected[StrCat(directory, "/x")];
    expected[StrCat("d", i, "/y")];
  }
  const Said said = News();
  EXPECT_EQ(said.size(), expected.size());
  for (const auto& [path, how] : expected) EXPECT_TRUE(said.contains(path)) << path;
  EXPECT_EQ(engine_->Report().watched_directories, 901);
  volume_.Write("d7/e/f/later", "3");
  EXPECT_THAT(News(), ElementsAre(Pair("d7/e/f/later", "CLOSE_WRITE CLOSED")));
}

TEST_F(VolumeEngineTest, ADirectoryThatMovesInBringsItsFiles) {
  Start();
  ScratchVolume outside;
  outside.MakeDirectory("d/e");
  outside.Write("d/e/a", "1");
  ASSERT_EQ(rename(outside.Absolute("d").c_str(), volume_.Absolute("d").c_str()), 0);
  EXPECT_THAT(News(), ElementsAre(Pair("d/e/a", "MOVED_TO FOUND rescan")));
  volume_.Write("d/e/b", "1");
  EXPECT_THAT(News(), ElementsAre(Pair("d/e/b", "CLOSE_WRITE CLOSED")));
}

TEST_F(VolumeEngineTest, ADirectoryThatIsRenamedKeepsItsWatches) {
  Start();
  volume_.MakeDirectory("d/e");
  volume_.Write("d/e/a", "1");
  News();
  volume_.Rename("d", "z");
  EXPECT_THAT(News(), UnorderedElementsAre(Pair("d/e/a", "MOVED_FROM "),
                                           Pair("z/e/a", "MOVED_TO MOVED_IN")));
  volume_.Write("z/e/b", "1");
  EXPECT_THAT(News(), ElementsAre(Pair("z/e/b", "CLOSE_WRITE CLOSED")));
  volume_.MakeDirectory("d");
  volume_.Write("d/c", "1");
  News();
  volume_.Write("d/c2", "1");
  EXPECT_THAT(News(), ElementsAre(Pair("d/c2", "CLOSE_WRITE CLOSED")));
  EXPECT_EQ(engine_->Report().watched_directories, 4);
}

TEST_F(VolumeEngineTest, ADirectoryThatMovesOutIsNotFollowed) {
  Start();
  volume_.MakeDirectory("d/e");
  volume_.Write("d/e/a", "1");
  News();
  ScratchVolume outside;
  ASSERT_EQ(rename(volume_.Absolute("d").c_str(), outside.Absolute("d").c_str()), 0);
  EXPECT_THAT(News(), ElementsAre(Pair("d/e/a", "MOVED_FROM ")));
  outside.Write("d/e/b", "1");
  EXPECT_THAT(News(), IsEmpty());
  EXPECT_EQ(engine_->Report().watched_directories, 1);
}

TEST_F(VolumeEngineTest, DirectoriesThatSwapNames) {
  Start();
  volume_.MakeDirectory("a");
  volume_.MakeDirectory("b");
  volume_.Write("a/1", "1");
  volume_.Write("b/2", "22");
  News();
  volume_.Rename("a", "t");
  volume_.Rename("b", "a");
  volume_.Rename("t", "b");
  const Said said = News();
  EXPECT_EQ(said.at("a/1"), "MOVED_FROM ");
  EXPECT_EQ(said.at("b/2"), "MOVED_FROM ");
  EXPECT_TRUE(said.contains("a/2"));
  EXPECT_TRUE(said.contains("b/1"));
  volume_.Write("a/3", "1");
  volume_.Write("b/4", "1");
  EXPECT_THAT(News(), UnorderedElementsAre(Pair("a/3", "CLOSE_WRITE CLOSED"),
                                           Pair("b/4", "CLOSE_WRITE CLOSED")));
}

TEST_F(VolumeEngineTest, TimesSetAfterTheCloseCorrectTheAnnouncedVersion) {
  Start();
  volume_.Write("a", "1");
  EXPECT_THAT(News(), ElementsAre(Pair("a", "CLOSE_WRITE CLOSED")));
  volume_.SetMtime("a", 1'000'000'000);
  EXPECT_THAT(News(), ElementsAre(Pair("a", "ATTRIB CLOSED")));
  EXPECT_EQ(Version("a").mtime_ns, 1'000'000'000'000'000'000);
}

TEST_F(VolumeEngineTest, TimesSetBeforeAnythingWasSentAreTheFirstThatIsHeard) {
  Start();
  volume_.Write("a", "1");
  ASSERT_TRUE(Flush().ok());
  volume_.SetMtime("a", 1'000'000'000);
  EXPECT_THAT(News(), ElementsAre(Pair("a", "CLOSE_WRITE CLOSED")));
  EXPECT_EQ(Version("a").mtime_ns, 1'000'000'000'000'000'000);
}

TEST_F(VolumeEngineTest, AWriterIsNeverTakenForASetterOfTimes) {
  Start();
  volume_.Write("a", "1");
  News();
  Fd writer(open(volume_.Absolute("a").c_str(), O_WRONLY));
  ASSERT_EQ(pwrite(writer.get(), "2", 1, 0), 1);
  volume_.SetMtime("a", 1'000'000'000);
  EXPECT_THAT(News(), IsEmpty());
  writer.Reset();
  EXPECT_THAT(News(), ElementsAre(Pair("a", "CLOSE_WRITE CLOSED")));
}

TEST_F(VolumeEngineTest, WhatHappenedWhileDownIsFoundAndNothingElse) {
  volume_.MakeDirectory("d");
  volume_.MakeDirectory("gone");
  for (const char* path : {"same", "changed", "d/same", "d/removed", "gone/x"}) {
    volume_.Write(path, "1");
  }
  Start();
  EXPECT_EQ(News().size(), 5u);
  Stop();
  volume_.Write("changed", "22");
  volume_.Write("d/new", "1");
  volume_.Remove("d/removed");
  volume_.Remove("gone");
  Start();
  EXPECT_THAT(News(), UnorderedElementsAre(Pair("changed", "CLOSE_WRITE FOUND rescan"),
                                           Pair("d/new", "CLOSE_WRITE FOUND rescan"),
                                           Pair("d/removed", "DELETE  rescan"),
                                           Pair("gone/x", "DELETE  rescan")));
  Stop();
  Start();
  EXPECT_THAT(News(), IsEmpty());
}

TEST_F(VolumeEngineTest, WhatWasNotAcknowledgedIsStillPendingAfterARestart) {
  Start();
  volume_.Write("a", "1");
  ASSERT_TRUE(Flush().ok());
  Stop();
  Start();
  EXPECT_THAT(News(), ElementsAre(Pair("a", "CLOSE_WRITE CLOSED")));
}

TEST_F(VolumeEngineTest, AFullQueueCostsNothing) {
  queued_events_max_ = 8;
  Start();
  ASSERT_TRUE(Flush().ok());
  for (int i = 0; i < 2000; ++i) {
    if (i % 100 == 0) volume_.MakeDirectory(StrCat("d", i / 100));
    volume_.Write(StrCat("d", i / 100, "/", i), "1");
  }
  volume_.Remove("d3");
  const Said said = News();
  int there = 0;
  for (const auto& [path, how] : said) there += how == "DELETE " || how == "DELETE  rescan" ? 0 : 1;
  EXPECT_EQ(there, 1900);
  EXPECT_GT(engine_->Report().overflows, 0);
  volume_.Write("d7/later", "1");
  EXPECT_THAT(News(), ElementsAre(Pair("d7/later", "CLOSE_WRITE CLOSED")));
}

TEST_F(VolumeEngineTest, AMissingMarkerMeansLostNotEmpty) {
  volume_.Write("a", "1");
  Start();
  News();
  Stop();
  volume_.Remove(".closewrite");
  volume_.Remove("a");
  StartOnly();
  EXPECT_EQ(Flush().code(), absl::StatusCode::kFailedPrecondition);
  const VolumeReport report = engine_->Report();
  EXPECT_EQ(report.state, EngineState::kLost);
  EXPECT_THAT(report.message, ::testing::HasSubstr("marker"));
  EXPECT_EQ(report.unacknowledged, 0);
}

TEST_F(VolumeEngineTest, ARootThatIsRemovedIsLost) {
  Start();
  volume_.Write("a", "1");
  News();
  ASSERT_EQ(rename(volume_.path().c_str(), StrCat(volume_.path(), ".away").c_str()), 0);
  EXPECT_EQ(Flush().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(engine_->Report().unacknowledged, 0);
  ASSERT_EQ(rename(StrCat(volume_.path(), ".away").c_str(), volume_.path().c_str()), 0);
}

TEST_F(VolumeEngineTest, OddNames) {
  Start();
  const std::vector<std::string> names = {"\xff\xfe",           "a b", "-rf", "$(x)", "'\"", "l\nl",
                                          std::string(255, 'n')};
  for (const std::string& name : names) volume_.Write(name, "1");
  const Said said = News();
  EXPECT_EQ(said.size(), names.size());
  for (const std::string& name : names) EXPECT_TRUE(said.contains(name));
  Stop();
  Start();
  EXPECT_THAT(News(), IsEmpty());
}

TEST_F(VolumeEngineTest, OursAndIgnoredNamesAreNotLookedAt) {
  Start();
  volume_.MakeDirectory(".closewrite/staging/1/1");
  volume_.Write(".closewrite/staging/1/1/out", "1");
  volume_.Write(".a.csv.Ab3dE9", "1");
  volume_.MakeDirectory("x.tmp");
  volume_.Write("x.tmp/a", "1");
  EXPECT_THAT(News(), IsEmpty());
  volume_.Rename(".closewrite/staging/1/1/out", "out");
  volume_.Rename("x.tmp", "x");
  EXPECT_THAT(News(), UnorderedElementsAre(Pair("out", "MOVED_TO MOVED_IN"),
                                           Pair("x/a", "MOVED_TO FOUND rescan")));
}

TEST_F(VolumeEngineTest, StopsInAnyOrder) {
  Start();
  engine_->Shutdown();
  engine_->Shutdown();
  EXPECT_EQ(Flush().code(), absl::StatusCode::kUnavailable);
}

}  // namespace
}  // namespace closewrite::watcher

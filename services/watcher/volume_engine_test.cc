// Real inotify in a scratch folder, down to the rows of a real ledger.
#include "services/watcher/volume_engine.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/log/str_cat.h"
#include "services/watcher/engine_fixture.h"
#include "services/watcher/scratch_volume.h"

namespace closewrite::watcher {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::UnorderedElementsAre;

class VolumeEngineTest : public ::testing::TestWithParam<BackendKind>, protected EngineFixture {
 protected:
  void SetUp() override {
    options.backend = GetParam();
    if (const absl::Status usable = CheckBackend(); !usable.ok()) GTEST_SKIP() << usable;
  }
};

TEST_P(VolumeEngineTest, FilesThatWereThereBeforeAreFound) {
  volume.Write("a.csv", "1");
  volume.MakeDirectory("d/e");
  volume.Write("d/e/b.csv", "");
  Start();
  EXPECT_THAT(News(), UnorderedElementsAre(Pair("a.csv", "CLOSE_WRITE FOUND rescan"),
                                           Pair("d/e/b.csv", "CLOSE_WRITE FOUND rescan")));
  EXPECT_TRUE(volume.Exists(".closewrite/volume"));
  const VolumeReport report = engine->Report();
  EXPECT_EQ(report.state, EngineState::kLive) << report.message;
  EXPECT_EQ(report.watched_directories, 3);
  EXPECT_EQ(report.marker.size(), kMarkerBytes);
}

TEST_P(VolumeEngineTest, AClosedFileIsAnnouncedOnceAVersion) {
  Start();
  volume.Write("a.csv", "1");
  EXPECT_THAT(News(), ElementsAre(Pair("a.csv", "CLOSE_WRITE CLOSED")));
  volume.OpenForWriting("b.csv", "").Reset();
  EXPECT_THAT(News(), ElementsAre(Pair("b.csv", "CLOSE_WRITE CLOSED"))) << "empty files count";
  const Fd unchanged(open(volume.Absolute("a.csv").c_str(), O_RDWR));
  EXPECT_THAT(News(), IsEmpty());
  volume.Append("a.csv", "2");
  EXPECT_THAT(News(), IsEmpty()) << "somebody still has it open for writing";
}

TEST_P(VolumeEngineTest, NotBeforeTheLastWriterHasClosed) {
  Start();
  Fd slow = volume.OpenForWriting("a.csv", "1");
  volume.Append("a.csv", "2");
  EXPECT_THAT(News(), IsEmpty());
  slow.Reset();
  EXPECT_THAT(News(), ElementsAre(Pair("a.csv", "CLOSE_WRITE CLOSED")));
  EXPECT_EQ(Version("a.csv").size, 2);
}

TEST_P(VolumeEngineTest, RenamedIntoPlace) {
  Start();
  volume.Write("a.csv.part", "1");
  EXPECT_THAT(News(), IsEmpty());
  volume.Rename("a.csv.part", "a.csv");
  EXPECT_THAT(News(), ElementsAre(Pair("a.csv", "MOVED_TO MOVED_IN")));
  volume.Rename("a.csv", "b.csv");
  EXPECT_THAT(News(), UnorderedElementsAre(Pair("a.csv", "MOVED_FROM "),
                                           Pair("b.csv", "MOVED_TO MOVED_IN")));
  ScratchVolume outside;
  outside.Write("c", "123");
  ASSERT_EQ(rename(outside.Absolute("c").c_str(), volume.Absolute("b.csv").c_str()), 0);
  EXPECT_THAT(News(), ElementsAre(Pair("b.csv", "MOVED_TO MOVED_IN")));
}

TEST_P(VolumeEngineTest, HardLinks) {
  Start();
  volume.Write("a", "1");
  News();
  volume.Link("a", "b");
  EXPECT_THAT(News(), ElementsAre(Pair("b", "CREATE LINKED")));
  volume.Write("x.tmp", "1");
  volume.Link("x.tmp", "c");
  volume.Remove("x.tmp");
  EXPECT_THAT(News(), ElementsAre(Pair("c", "CREATE LINKED")));
}

TEST_P(VolumeEngineTest, ANameWithoutAWriterIsALinkAfterASecond) {
  Start();
  const Fd unnamed(open(volume.path().c_str(), O_TMPFILE | O_WRONLY, 0600));
  ASSERT_TRUE(unnamed.ok());
  EXPECT_THAT(News(), IsEmpty());
  const std::string magic = StrCat("/proc/self/fd/", unnamed.get());
  ASSERT_EQ(
      linkat(AT_FDCWD, magic.c_str(), AT_FDCWD, volume.Absolute("t").c_str(), AT_SYMLINK_FOLLOW),
      0);
  EXPECT_THAT(News(), IsEmpty()) << "its writer is still there";
  ASSERT_EQ(mknod(volume.Absolute("n").c_str(), S_IFREG | 0600, 0), 0);
  EXPECT_THAT(News(), ElementsAre(Pair("n", "CREATE LINKED")));
}

TEST_P(VolumeEngineTest, Deletions) {
  Start();
  volume.Write("a", "1");
  volume.MakeDirectory("d");
  volume.Write("d/b", "2");
  News();
  volume.Remove("a");
  EXPECT_THAT(News(), ElementsAre(Pair("a", "DELETE ")));
  volume.Remove("d");
  EXPECT_THAT(News(), ElementsAre(Pair("d/b", "DELETE ")));
  volume.Write("gone", "1");
  volume.Remove("gone");
  const Said said = News();
  EXPECT_TRUE(said.empty() || said.at("gone") == "DELETE ");
}

TEST_P(VolumeEngineTest, FreshNestedDirectoriesFilledAtOnce) {
  Start();
  Said expected;
  for (int i = 0; i < 300; ++i) {
    const std::string directory = StrCat("d", i, "/e/f");
    volume.MakeDirectory(directory);
    volume.Write(StrCat(directory, "/x"), "1");
    volume.Write(StrCat("d", i, "/y"), "2");
    expected[StrCat(directory, "/x")];
    expected[StrCat("d", i, "/y")];
  }
  const Said said = News();
  EXPECT_EQ(said.size(), expected.size());
  for (const auto& [path, how] : expected) EXPECT_TRUE(said.contains(path)) << path;
  EXPECT_EQ(engine->Report().watched_directories, 901);
  volume.Write("d7/e/f/later", "3");
  EXPECT_THAT(News(), ElementsAre(Pair("d7/e/f/later", "CLOSE_WRITE CLOSED")));
}

TEST_P(VolumeEngineTest, ADirectoryThatMovesInBringsItsFiles) {
  Start();
  ScratchVolume outside;
  outside.MakeDirectory("d/e");
  outside.Write("d/e/a", "1");
  ASSERT_EQ(rename(outside.Absolute("d").c_str(), volume.Absolute("d").c_str()), 0);
  EXPECT_THAT(News(), ElementsAre(Pair("d/e/a", "MOVED_TO FOUND rescan")));
  volume.Write("d/e/b", "1");
  EXPECT_THAT(News(), ElementsAre(Pair("d/e/b", "CLOSE_WRITE CLOSED")));
}

TEST_P(VolumeEngineTest, ADirectoryThatIsRenamedKeepsItsWatches) {
  Start();
  volume.MakeDirectory("d/e");
  volume.Write("d/e/a", "1");
  News();
  volume.Rename("d", "z");
  EXPECT_THAT(News(), UnorderedElementsAre(Pair("d/e/a", "MOVED_FROM "),
                                           Pair("z/e/a", "MOVED_TO MOVED_IN")));
  volume.Write("z/e/b", "1");
  EXPECT_THAT(News(), ElementsAre(Pair("z/e/b", "CLOSE_WRITE CLOSED")));
  volume.MakeDirectory("d");
  volume.Write("d/c", "1");
  News();
  volume.Write("d/c2", "1");
  EXPECT_THAT(News(), ElementsAre(Pair("d/c2", "CLOSE_WRITE CLOSED")));
  EXPECT_EQ(engine->Report().watched_directories, 4);
}

TEST_P(VolumeEngineTest, ADirectoryThatMovesOutIsNotFollowed) {
  Start();
  volume.MakeDirectory("d/e");
  volume.Write("d/e/a", "1");
  News();
  ScratchVolume outside;
  ASSERT_EQ(rename(volume.Absolute("d").c_str(), outside.Absolute("d").c_str()), 0);
  EXPECT_THAT(News(), ElementsAre(Pair("d/e/a", "MOVED_FROM ")));
  outside.Write("d/e/b", "1");
  EXPECT_THAT(News(), IsEmpty());
  EXPECT_EQ(engine->Report().watched_directories, 1);
}

TEST_P(VolumeEngineTest, DirectoriesThatSwapNames) {
  Start();
  volume.MakeDirectory("a");
  volume.MakeDirectory("b");
  volume.Write("a/1", "1");
  volume.Write("b/2", "22");
  News();
  volume.Rename("a", "t");
  volume.Rename("b", "a");
  volume.Rename("t", "b");
  const Said said = News();
  EXPECT_EQ(said.at("a/1"), "MOVED_FROM ");
  EXPECT_EQ(said.at("b/2"), "MOVED_FROM ");
  EXPECT_TRUE(said.contains("a/2"));
  EXPECT_TRUE(said.contains("b/1"));
  volume.Write("a/3", "1");
  volume.Write("b/4", "1");
  EXPECT_THAT(News(), UnorderedElementsAre(Pair("a/3", "CLOSE_WRITE CLOSED"),
                                           Pair("b/4", "CLOSE_WRITE CLOSED")));
}

TEST_P(VolumeEngineTest, DirectoriesThatAreExchanged) {
  Start();
  for (const char* path : {"a", "b"}) volume.MakeDirectory(path);
  volume.Write("a/1", "1");
  volume.Write("b/2", "22");
  News();
  for (int i = 0; i < 3; ++i) {
    ASSERT_EQ(renameat2(AT_FDCWD, volume.Absolute("a").c_str(), AT_FDCWD,
                        volume.Absolute("b").c_str(), RENAME_EXCHANGE),
              0);
    if (i != 1) News();
  }
  volume.Write("a/3", "1");
  volume.Write("b/4", "1");
  EXPECT_THAT(News(), UnorderedElementsAre(Pair("a/3", "CLOSE_WRITE CLOSED"),
                                           Pair("b/4", "CLOSE_WRITE CLOSED")));
  EXPECT_EQ(Version("a/2").size, 2);
  EXPECT_EQ(Version("b/1").size, 1);
}

TEST_P(VolumeEngineTest, TimesSetAfterTheCloseCorrectTheAnnouncedVersion) {
  Start();
  volume.Write("a", "1");
  EXPECT_THAT(News(), ElementsAre(Pair("a", "CLOSE_WRITE CLOSED")));
  volume.SetMtime("a", 1'000'000'000);
  EXPECT_THAT(News(), ElementsAre(Pair("a", "ATTRIB CLOSED")));
  EXPECT_EQ(Version("a").mtime_ns, 1'000'000'000'000'000'000);
}

TEST_P(VolumeEngineTest, TimesSetBeforeAnythingWasSentAreTheFirstThatIsHeard) {
  Start();
  volume.Write("a", "1");
  ASSERT_TRUE(Flush().ok());
  volume.SetMtime("a", 1'000'000'000);
  EXPECT_THAT(News(), ElementsAre(Pair("a", "CLOSE_WRITE CLOSED")));
  EXPECT_EQ(Version("a").mtime_ns, 1'000'000'000'000'000'000);
}

TEST_P(VolumeEngineTest, AWriterIsNeverTakenForASetterOfTimes) {
  Start();
  volume.Write("a", "1");
  News();
  Fd writer(open(volume.Absolute("a").c_str(), O_WRONLY));
  ASSERT_EQ(pwrite(writer.get(), "2", 1, 0), 1);
  volume.SetMtime("a", 1'000'000'000);
  EXPECT_THAT(News(), IsEmpty());
  writer.Reset();
  EXPECT_THAT(News(), ElementsAre(Pair("a", "CLOSE_WRITE CLOSED")));
}

TEST_P(VolumeEngineTest, WhatHappenedWhileDownIsFoundAndNothingElse) {
  volume.MakeDirectory("d");
  volume.MakeDirectory("gone");
  for (const char* path : {"same", "changed", "d/same", "d/removed", "gone/x"}) {
    volume.Write(path, "1");
  }
  Start();
  EXPECT_EQ(News().size(), 5u);
  Stop();
  volume.Write("changed", "22");
  volume.Write("d/new", "1");
  volume.Remove("d/removed");
  volume.Remove("gone");
  Start();
  EXPECT_THAT(News(), UnorderedElementsAre(Pair("changed", "CLOSE_WRITE FOUND rescan"),
                                           Pair("d/new", "CLOSE_WRITE FOUND rescan"),
                                           Pair("d/removed", "DELETE  rescan"),
                                           Pair("gone/x", "DELETE  rescan")));
  Stop();
  Start();
  EXPECT_THAT(News(), IsEmpty());
}

TEST_P(VolumeEngineTest, WhatWasNotAcknowledgedIsStillPendingAfterARestart) {
  Start();
  volume.Write("a", "1");
  ASSERT_TRUE(Flush().ok());
  Stop();
  Start();
  EXPECT_THAT(News(), ElementsAre(Pair("a", "CLOSE_WRITE CLOSED")));
}

TEST_P(VolumeEngineTest, AFullQueueCostsNothing) {
  options.queued_events_max = 8;
  Start();
  ASSERT_TRUE(Flush().ok());
  for (int i = 0; i < 2000; ++i) {
    if (i % 100 == 0) volume.MakeDirectory(StrCat("d", i / 100));
    volume.Write(StrCat("d", i / 100, "/", i), "1");
  }
  volume.Remove("d3");
  const Said said = News();
  int there = 0;
  for (const auto& [path, how] : said) there += how == "DELETE " || how == "DELETE  rescan" ? 0 : 1;
  EXPECT_EQ(there, 1900);
  EXPECT_GT(engine->Report().overflows, 0);
  volume.Write("d7/later", "1");
  EXPECT_THAT(News(), ElementsAre(Pair("d7/later", "CLOSE_WRITE CLOSED")));
}

TEST_P(VolumeEngineTest, AMissingMarkerMeansLostNotEmpty) {
  volume.Write("a", "1");
  Start();
  News();
  Stop();
  volume.Remove(".closewrite");
  volume.Remove("a");
  StartOnly();
  EXPECT_EQ(Flush().code(), absl::StatusCode::kFailedPrecondition);
  const VolumeReport report = engine->Report();
  EXPECT_EQ(report.state, EngineState::kLost);
  EXPECT_THAT(report.message, ::testing::HasSubstr("marker"));
  EXPECT_EQ(report.unacknowledged, 0);
}

TEST_P(VolumeEngineTest, ARootThatIsRemovedIsLost) {
  Start();
  volume.Write("a", "1");
  News();
  ASSERT_EQ(rename(volume.path().c_str(), StrCat(volume.path(), ".away").c_str()), 0);
  EXPECT_EQ(Flush().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(engine->Report().unacknowledged, 0);
  ASSERT_EQ(rename(StrCat(volume.path(), ".away").c_str(), volume.path().c_str()), 0);
}

TEST_P(VolumeEngineTest, OddNames) {
  Start();
  const std::vector<std::string> names = {"\xff\xfe",           "a b", "-rf", "$(x)", "'\"", "l\nl",
                                          std::string(255, 'n')};
  for (const std::string& name : names) volume.Write(name, "1");
  const Said said = News();
  EXPECT_EQ(said.size(), names.size());
  for (const std::string& name : names) EXPECT_TRUE(said.contains(name));
  Stop();
  Start();
  EXPECT_THAT(News(), IsEmpty());
}

TEST_P(VolumeEngineTest, OursAndIgnoredNamesAreNotLookedAt) {
  Start();
  volume.MakeDirectory(".closewrite/staging/1/1");
  volume.Write(".closewrite/staging/1/1/out", "1");
  volume.Write(".a.csv.Ab3dE9", "1");
  volume.MakeDirectory("x.tmp");
  volume.Write("x.tmp/a", "1");
  EXPECT_THAT(News(), IsEmpty());
  volume.Rename(".closewrite/staging/1/1/out", "out");
  volume.Rename("x.tmp", "x");
  EXPECT_THAT(News(), UnorderedElementsAre(Pair("out", "MOVED_TO MOVED_IN"),
                                           Pair("x/a", "MOVED_TO FOUND rescan")));
}

// A directory that took the name of a file kept the file alive for ever.
TEST_P(VolumeEngineTest, ADirectoryTakesTheNameOfAFile) {
  Start();
  volume.Write("a", "1");
  volume.Write("b", "1");
  News();
  volume.Remove("a");
  volume.MakeDirectory("a");
  EXPECT_THAT(News(), ElementsAre(Pair("a", "DELETE ")));
  Stop();
  volume.Remove("b");
  volume.MakeDirectory("b");
  Start();
  EXPECT_THAT(News(), ElementsAre(Pair("b", "DELETE  rescan")));
}

TEST_P(VolumeEngineTest, ADirectoryThatIsMadeAnewIsWatchedAnew) {
  Start();
  volume.MakeDirectory("d");
  volume.Write("d/a", "1");
  News();
  volume.Remove("d");
  volume.MakeDirectory("d");
  volume.Write("d/a", "22");
  EXPECT_EQ(News().count("d/a"), 1u);
  EXPECT_EQ(Version("d/a").size, 2);
  volume.Write("d/b", "1");
  EXPECT_THAT(News(), ElementsAre(Pair("d/b", "CLOSE_WRITE CLOSED")));
}

TEST_P(VolumeEngineTest, StopsInAnyOrder) {
  Start();
  engine->Shutdown();
  engine->Shutdown();
  EXPECT_EQ(Flush().code(), absl::StatusCode::kUnavailable);
}

std::string NameOf(const ::testing::TestParamInfo<BackendKind>& info) {
  return info.param == BackendKind::kFanotify ? "fanotify" : "inotify";
}

INSTANTIATE_TEST_SUITE_P(Backends, VolumeEngineTest,
                         ::testing::Values(BackendKind::kInotify, BackendKind::kFanotify), NameOf);

}  // namespace
}  // namespace closewrite::watcher

// When a file counts as finished: writers, mappings, quiet files, names that appear, audits.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/log/str_cat.h"
#include "services/watcher/engine_fixture.h"

namespace closewrite::watcher {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;

class EngineRulesTest : public ::testing::TestWithParam<BackendKind>, protected EngineFixture {
 protected:
  void SetUp() override {
    options.backend = GetParam();
    if (const absl::Status usable = CheckBackend(); !usable.ok()) GTEST_SKIP() << usable;
  }
};

// A file that was renamed over one that was just closed was taken for the one that was closed.
TEST_P(EngineRulesTest, ARenameIsToldThoughItsVersionIsKnown) {
  Start();
  volume.Write("a", "1");
  EXPECT_THAT(News(), ElementsAre(Pair("a", "CLOSE_WRITE CLOSED")));
  // Away and back at once: the same version, by a rename.
  volume.Rename("a", "b");
  volume.Rename("b", "a");
  EXPECT_THAT(News()["a"], "MOVED_TO MOVED_IN");
}

TEST_P(EngineRulesTest, AMappingCountsAsAWriter) {
  Start();
  Fd fd(open(volume.Absolute("a").c_str(), O_RDWR | O_CREAT, 0600));
  ASSERT_EQ(ftruncate(fd.get(), 4096), 0);
  void* const mapping = mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd.get(), 0);
  ASSERT_NE(mapping, MAP_FAILED);
  fd.Reset();
  EXPECT_THAT(News(), IsEmpty()) << "the mapping outlives the descriptor";
  *static_cast<char*>(mapping) = 'x';
  munmap(mapping, 4096);
  EXPECT_THAT(News(), ElementsAre(Pair("a", "CLOSE_WRITE CLOSED")));
}

TEST_P(EngineRulesTest, LinksAndOtherKindsAreNoFiles) {
  volume.MakeDirectory("d");
  ASSERT_EQ(symlink("..", volume.Absolute("d/loop").c_str()), 0);
  Start();
  volume.Write("d/a", "1");
  ASSERT_EQ(symlink("a", volume.Absolute("d/link").c_str()), 0);
  ASSERT_EQ(mkfifo(volume.Absolute("d/pipe").c_str(), 0600), 0);
  EXPECT_THAT(News(), ElementsAre(Pair("d/a", "CLOSE_WRITE CLOSED")));
  volume.Remove("d/a");
  ASSERT_EQ(rename(volume.Absolute("d/pipe").c_str(), volume.Absolute("d/a").c_str()), 0);
  EXPECT_THAT(News(), ElementsAre(Pair("d/a", "DELETE ")));
}

TEST_P(EngineRulesTest, ManyClosesOfOneFileAreOneNews) {
  Start();
  for (int i = 0; i < 1000; ++i) volume.Append("a", "x");
  EXPECT_THAT(News(), ElementsAre(Pair("a", "CLOSE_WRITE CLOSED")));
  EXPECT_EQ(Version("a").size, 1000);
  for (int i = 0; i < 1000; ++i) volume.OpenForWriting("b", "");
  EXPECT_THAT(News(), ElementsAre(Pair("b", "CLOSE_WRITE CLOSED")));
  const Fd untouched(open(volume.Absolute("a").c_str(), O_RDWR));
  EXPECT_THAT(News(), IsEmpty());
}

TEST_P(EngineRulesTest, ATruncationByPathIsFoundByTheAudit) {
  options.audit = absl::Milliseconds(100);
  volume.Write("a", "123");
  Start();
  News();
  ASSERT_EQ(truncate(volume.Absolute("a").c_str(), 1), 0);
  while (Version("a").size != 1) ASSERT_TRUE(Flush().ok());
}

TEST_P(EngineRulesTest, NamesThatAppearAreToldOnDemand) {
  Start();
  volume.Write("early", "1");
  EXPECT_THAT(News(), ElementsAre(Pair("early", "CLOSE_WRITE CLOSED")));
  engine->SetInterest(/*create=*/true, absl::ZeroDuration());
  ASSERT_TRUE(Flush().ok());
  Fd writer = volume.OpenForWriting("a", "");
  EXPECT_THAT(News(), ElementsAre(Pair("a", "CREATE ")));
  // The same size and time as when it was made: still to be announced.
  writer.Reset();
  EXPECT_THAT(News(), ElementsAre(Pair("a", "CLOSE_WRITE CLOSED")));
  volume.Append("a", "1");
  EXPECT_THAT(News(), ElementsAre(Pair("a", "CLOSE_WRITE CLOSED")));
  Fd gone = volume.OpenForWriting("b", "");
  EXPECT_THAT(News(), ElementsAre(Pair("b", "CREATE ")));
  volume.Remove("b");
  EXPECT_THAT(News(), ElementsAre(Pair("b", "DELETE ")));
}

TEST_P(EngineRulesTest, AQuietFileCountsThoughItIsOpen) {
  Start();
  engine->SetInterest(false, absl::Milliseconds(100));
  ASSERT_TRUE(Flush().ok());
  Fd writer = volume.OpenForWriting("a", "1");
  Said said;
  while (said.empty()) said = News();
  EXPECT_THAT(said, ElementsAre(Pair("a", "CLOSE_WRITE QUIET")));
  EXPECT_THAT(News(), IsEmpty());
  ASSERT_EQ(pwrite(writer.get(), "22", 2, 0), 2);
  for (said.clear(); said.empty();) said = News();
  EXPECT_THAT(said, ElementsAre(Pair("a", "CLOSE_WRITE QUIET")));
  EXPECT_EQ(Version("a").size, 2);
  writer.Reset();
  EXPECT_THAT(News(), ElementsAre(Pair("a", "CLOSE_WRITE CLOSED"))) << "better evidence";
}

TEST_P(EngineRulesTest, TheAuditFindsWhatNoEventTold) {
  options.audit = absl::Milliseconds(100);
  ScratchVolume outside;
  volume.Write("a", "1");
  outside.MakeDirectory("d");
  Start();
  News();
  ASSERT_EQ(link(volume.Absolute("a").c_str(), outside.Absolute("d/a").c_str()), 0);
  outside.Append("d/a", "2");
  Said said;
  while (said.empty()) said = News();
  EXPECT_EQ(said.size(), 1u);
  EXPECT_EQ(Version("a").size, 2);
  // fanotify tells of the other name only, inotify of none.
  EXPECT_THAT(said, ElementsAre(Pair("a", "CLOSE_WRITE FOUND audit")));
  EXPECT_EQ(engine->Report().audit_found, 1);
  volume.Write("b", "1");
  volume.Remove("b");
  volume.Write("c", "1");
  EXPECT_EQ(News()["c"], "CLOSE_WRITE CLOSED");
}

TEST_P(EngineRulesTest, TheCanaryIsSeenAndMissed) {
  Start();
  Until(EngineState::kLive);
  EXPECT_NE(engine->Report().canary_seen_at, absl::InfinitePast());
  EXPECT_EQ(engine->Report().canary_misses, 0);
  EXPECT_TRUE(volume.Exists(".closewrite/canary"));
  EXPECT_EQ(engine->Report().backend, options.backend);
}

// A close is told before it is done: the file was looked at a second later, and not by a flush.
TEST_P(EngineRulesTest, AFlushLooksAgainAtWhatHadAWriter) {
  ScratchVolume outside;
  volume.Write("a", "1");
  ASSERT_EQ(link(volume.Absolute("a").c_str(), outside.Absolute("b").c_str()), 0);
  Start();
  News();
  Fd writer(open(outside.Absolute("b").c_str(), O_WRONLY));
  volume.Append("a", "2");
  EXPECT_THAT(News(), IsEmpty());
  writer.Reset();  // has no event below the volume
  EXPECT_THAT(News(), ElementsAre(Pair("a", "CLOSE_WRITE CLOSED")));
}

// A program that renames before it closes never had a job under `when: rename`.
TEST_P(EngineRulesTest, RenamedIntoPlaceBeforeTheClose) {
  Start();
  Fd writer = volume.OpenForWriting("a.part", "1");
  volume.Rename("a.part", "a");
  EXPECT_THAT(News(), IsEmpty());
  writer.Reset();
  EXPECT_THAT(News(), ElementsAre(Pair("a", "MOVED_TO MOVED_IN")));
  writer = volume.OpenForWriting("b.part", "1");
  volume.Rename("b.part", "b");
  writer.Reset();
  EXPECT_THAT(News(), ElementsAre(Pair("b", "MOVED_TO MOVED_IN")));
}

std::string NameOf(const ::testing::TestParamInfo<BackendKind>& info) {
  return info.param == BackendKind::kFanotify ? "fanotify" : "inotify";
}

INSTANTIATE_TEST_SUITE_P(Backends, EngineRulesTest,
                         ::testing::Values(BackendKind::kInotify, BackendKind::kFanotify), NameOf);

}  // namespace
}  // namespace closewrite::watcher

#include "services/coordinator/core/pipeline.h"

#include "gtest/gtest.h"

namespace closewrite {
namespace {

Pipeline CsvPipeline() {
  Pipeline pipeline;
  pipeline.name = "enrich";
  pipeline.volume = "in";
  pipeline.match = {*Glob::Parse("**/*.csv")};
  pipeline.ignore = {*Glob::Parse("old/**")};
  return pipeline;
}

FileEvent Event(EventKind kind, Evidence evidence, std::string path = "a/b.csv") {
  return FileEvent{.kind = kind, .evidence = evidence, .file = {.volume = "in", .path = path}};
}

TEST(PipelineTest, MatchesByVolumeAndName) {
  EXPECT_TRUE(MatchPath(CsvPipeline(), "in", "a/b.csv").matches);
  EXPECT_FALSE(MatchPath(CsvPipeline(), "out", "a/b.csv").matches);
  EXPECT_FALSE(MatchPath(CsvPipeline(), "in", "a/b.txt").matches);
  EXPECT_FALSE(MatchPath(CsvPipeline(), "in", "old/b.csv").matches);
  EXPECT_EQ(MatchPath(CsvPipeline(), "in", "old/b.csv").message, "it ignores old/**");
}

TEST(PipelineTest, MatchesByContract) {
  struct Row {
    When when;
    EventKind kind;
    Evidence evidence;
    bool matches;
  };
  const Row rows[] = {
      {When::kCloseWrite, EventKind::kCloseWrite, Evidence::kClosed, true},
      {When::kCloseWrite, EventKind::kMovedTo, Evidence::kMovedIn, true},
      {When::kCloseWrite, EventKind::kCloseWrite, Evidence::kFound, true},
      {When::kCloseWrite, EventKind::kCreate, Evidence::kLinked, true},
      {When::kCloseWrite, EventKind::kCreate, Evidence::kNone, false},
      {When::kCloseWrite, EventKind::kDelete, Evidence::kNone, false},
      {When::kCloseWrite, EventKind::kMovedFrom, Evidence::kNone, false},
      {When::kCloseWrite, EventKind::kAttrib, Evidence::kClosed, false},
      {When::kRename, EventKind::kCloseWrite, Evidence::kClosed, false},
      {When::kRename, EventKind::kMovedTo, Evidence::kMovedIn, true},
      {When::kRename, EventKind::kMovedTo, Evidence::kUnchecked, true},
      {When::kRename, EventKind::kCloseWrite, Evidence::kFound, true},
      {When::kRename, EventKind::kCreate, Evidence::kLinked, false},
  };
  for (const Row& row : rows) {
    Pipeline pipeline = CsvPipeline();
    pipeline.when = row.when;
    EXPECT_EQ(MatchEvent(pipeline, Event(row.kind, row.evidence)).matches, row.matches)
        << static_cast<int>(row.when) << " " << static_cast<int>(row.kind) << " "
        << static_cast<int>(row.evidence);
  }
}

TEST(PipelineTest, EvidenceThatIsTooWeakIsNamed) {
  Pipeline pipeline = CsvPipeline();
  pipeline.evidence = Evidence::kMovedIn;
  const Verdict verdict = MatchEvent(pipeline, Event(EventKind::kCloseWrite, Evidence::kUnchecked));
  EXPECT_FALSE(verdict.matches);
  EXPECT_EQ(verdict.message,
            "the evidence that the file is finished (unchecked) is weaker than it accepts "
            "(moved in)");
}

}  // namespace
}  // namespace closewrite

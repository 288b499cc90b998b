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
      {When::kCloseWrite, EventKind::kCloseWrite, Evidence::kQuiet, false},
      {When::kCloseWrite, EventKind::kCloseWrite, Evidence::kUnchecked, true},
      {When::kQuiet, EventKind::kCloseWrite, Evidence::kQuiet, true},
      {When::kQuiet, EventKind::kCloseWrite, Evidence::kClosed, true},
      {When::kQuiet, EventKind::kCloseWrite, Evidence::kUnchecked, true},
      {When::kQuiet, EventKind::kCreate, Evidence::kNone, false},
      {When::kQuiet, EventKind::kDelete, Evidence::kNone, false},
      {When::kCreate, EventKind::kCreate, Evidence::kNone, true},
      {When::kCreate, EventKind::kCloseWrite, Evidence::kClosed, true},
      {When::kCreate, EventKind::kMovedTo, Evidence::kMovedIn, true},
      {When::kCreate, EventKind::kCloseWrite, Evidence::kQuiet, true},
      {When::kCreate, EventKind::kAttrib, Evidence::kClosed, false},
      {When::kCreate, EventKind::kDelete, Evidence::kNone, false},
      {When::kDelete, EventKind::kDelete, Evidence::kNone, true},
      {When::kDelete, EventKind::kMovedFrom, Evidence::kNone, true},
      {When::kDelete, EventKind::kCreate, Evidence::kNone, false},
      {When::kDelete, EventKind::kCloseWrite, Evidence::kClosed, false},
      {When::kMarker, EventKind::kCloseWrite, Evidence::kClosed, false},  // no marker
  };
  for (const Row& row : rows) {
    Pipeline pipeline = CsvPipeline();
    pipeline.when = row.when;
    if (row.when == When::kQuiet) pipeline.quiet = absl::Seconds(2);
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

TEST(PipelineTest, QuietIsAcceptedWhereItIsAskedForByName) {
  Pipeline pipeline = CsvPipeline();
  const FileEvent quiet = Event(EventKind::kCloseWrite, Evidence::kQuiet);
  EXPECT_EQ(MatchEvent(pipeline, quiet).message,
            "no close of the file was seen, it was only quiet for a while; `when: quiet` or "
            "`evidence: quiet` takes such files");
  pipeline.evidence = Evidence::kQuiet;
  pipeline.quiet = absl::Seconds(2);
  EXPECT_TRUE(MatchEvent(pipeline, quiet).matches);
  EXPECT_FALSE(MatchEvent(pipeline, Event(EventKind::kCloseWrite, Evidence::kUnchecked)).matches);
}

// An event of `path` that came as the `id`th, with that time of modification.
EventRecord Record(int64_t id, EventKind kind, std::string path = "a/b.csv") {
  EventRecord record{.id = id, .event = Event(kind, Evidence::kNone, std::move(path))};
  if (!IsGone(record.event) && kind != EventKind::kCreate) {
    record.event.evidence = Evidence::kClosed;
  }
  record.event.file.mtime_ns = id;
  return record;
}

TEST(PipelineTest, CreateTakesNamesThatWereNotThere) {
  Pipeline pipeline = CsvPipeline();
  pipeline.when = When::kCreate;
  const FileEvent closed = Record(9, EventKind::kCloseWrite).event;
  EXPECT_TRUE(MatchEvent(pipeline, closed, {.before = Record(5, EventKind::kDelete)}).matches);
  EXPECT_TRUE(MatchEvent(pipeline, closed, {.before = Record(5, EventKind::kMovedFrom)}).matches);
  for (const EventKind kind : {EventKind::kCreate, EventKind::kCloseWrite, EventKind::kAttrib}) {
    EXPECT_EQ(MatchEvent(pipeline, closed, {.before = Record(5, kind)}).message,
              "it takes names that appear, and this one was there before");
  }
}

TEST(PipelineTest, DeleteTakesEachDeletionOnce) {
  Pipeline pipeline = CsvPipeline();
  pipeline.when = When::kDelete;
  const EventRecord gone = Record(9, EventKind::kDelete);
  EXPECT_TRUE(
      MatchEvent(pipeline, gone.event, {.before = Record(5, EventKind::kCloseWrite)}).matches);
  EXPECT_FALSE(MatchEvent(pipeline, gone.event, {.before = gone}).matches);
  // Another version came and went in between.
  EXPECT_TRUE(MatchEvent(pipeline, gone.event, {.before = Record(5, EventKind::kDelete)}).matches);
}

TEST(PipelineTest, NamesAreTakenAsTheyComeAndGo) {
  Pipeline pipeline = CsvPipeline();
  pipeline.when = When::kNames;
  pipeline.on_create = pipeline.on_delete = true;
  const EventRecord made = Record(5, EventKind::kCreate);
  const EventRecord gone = Record(9, EventKind::kDelete);
  EXPECT_TRUE(MatchEvent(pipeline, made.event).matches);
  EXPECT_FALSE(
      MatchEvent(pipeline, Event(EventKind::kCloseWrite, Evidence::kClosed), {.before = made})
          .matches);
  EXPECT_TRUE(MatchEvent(pipeline, gone.event, {.before = made}).matches);
  EXPECT_TRUE(MatchEvent(pipeline, made.event, {.before = gone}).matches);
  EXPECT_FALSE(ReadsInput(pipeline));
  pipeline.on_create = false;
  EXPECT_FALSE(MatchEvent(pipeline, made.event).matches);
  EXPECT_TRUE(MatchEvent(pipeline, gone.event).matches);
  pipeline.on_create = true;
  pipeline.on_delete = false;
  EXPECT_FALSE(MatchEvent(pipeline, gone.event).matches);
}

Pipeline MarkerPipeline(MarkerName marker = {"", ".done"}) {
  Pipeline pipeline = CsvPipeline();
  pipeline.when = When::kMarker;
  pipeline.match = {*Glob::Parse("**")};
  pipeline.marker = std::move(marker);
  return pipeline;
}

TEST(PipelineTest, MarkersAndTheirFilesAreNamedAfterEachOther) {
  struct Row {
    MarkerName marker;
    std::string file;
    std::string path;
  };
  const Row rows[] = {
      {{"", ".done"}, "b.csv", "b.csv.done"},
      {{".", ".ok"}, "a/b.csv", "a/.b.csv.ok"},
      {{"READY-", ""}, "a/b/c", "a/b/READY-c"},
  };
  for (const Row& row : rows) {
    const Pipeline pipeline = MarkerPipeline(row.marker);
    EXPECT_EQ(MarkerOf(pipeline, row.file), row.path);
    EXPECT_EQ(MarkedBy(pipeline, row.path), row.file);
    EXPECT_EQ(MarkedBy(pipeline, row.file), std::nullopt);
    EXPECT_EQ(MatchPath(pipeline, "in", row.path).message, "it is the marker of " + row.file);
    EXPECT_TRUE(MatchPath(pipeline, "in", row.file).matches);
  }
  // Nothing is left of the file's name.
  EXPECT_EQ(MarkedBy(MarkerPipeline(), "a/.done"), std::nullopt);
  EXPECT_EQ(MarkedBy(MarkerPipeline({"x", "x"}), "x"), std::nullopt);
}

TEST(PipelineTest, MarkerStartsAFinishedFile) {
  const std::string kMarker = "a/b.csv.done";
  const std::string kOld =
      "marker a/b.csv.done is older than this version of the file: make it again, after it";
  struct Row {
    const char* what;
    FileHistory history;
    std::string message;
  };
  const auto marker = [&](int64_t id, EventKind kind = EventKind::kCloseWrite) {
    return Record(id, kind, kMarker);
  };
  const auto before = [](int64_t id, EventKind kind) { return Record(id, kind); };
  const std::string kThere = "** matches, and marker a/b.csv.done is there";
  const std::string kMissing = "marker a/b.csv.done is missing";
  const Row rows[] = {
      {"no marker", {}, kMissing},
      {"marker removed", {.marker = marker(5, EventKind::kDelete)}, kMissing},
      {"marker moved away", {.marker = marker(5, EventKind::kMovedFrom)}, kMissing},
      {"marker still written",
       {.marker = marker(5, EventKind::kCreate)},
       "marker a/b.csv.done is not finished"},
      {"first version, marker found first", {.marker = marker(5)}, kThere},
      {"marker touched later", {.marker = marker(5, EventKind::kAttrib)}, kThere},
      {"removed, then the marker, then the file",
       {.before = before(4, EventKind::kDelete), .marker = marker(5)},
       kThere},
      {"removed, but its marker stayed",
       {.before = before(5, EventKind::kDelete), .marker = marker(4)},
       kOld},
      {"rewritten with a stale marker",
       {.before = before(3, EventKind::kCloseWrite), .marker = marker(4), .used_event = 4},
       kOld},
      {"rewritten after its marker was used, at an older date",
       {.before = before(3, EventKind::kCloseWrite), .marker = marker(14), .used_event = 14},
       kOld},
      {"rewritten with its marker, told in the other order",
       {.before = before(3, EventKind::kCloseWrite), .marker = marker(14), .used_event = 4},
       kThere},
      {"rewritten, marker is from before",
       {.before = before(6, EventKind::kAttrib), .marker = marker(5)},
       kOld},
  };
  for (const Row& row : rows) {
    const FileEvent event = Record(9, EventKind::kCloseWrite).event;
    const Verdict verdict = MatchEvent(MarkerPipeline(), event, row.history);
    EXPECT_EQ(verdict.message, row.message) << row.what;
    EXPECT_EQ(verdict.matches, row.message == kThere) << row.what;
  }
}

}  // namespace
}  // namespace closewrite

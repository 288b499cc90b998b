#include "services/cli/top_screen.h"

#include "absl/strings/match.h"
#include "absl/strings/str_join.h"
#include "gtest/gtest.h"
#include "services/cli/table.h"
#include "services/cli/time_text.h"
#include "services/log/str_cat.h"

namespace closewrite::cli {
namespace {

constexpr int64_t kNow = 1795345200;

void AddCount(const std::string& pipeline, v1::JobState state, int64_t count,
              TopSnapshot* snapshot) {
  v1::JobCount* added = snapshot->overview.add_counts();
  added->set_pipeline(pipeline);
  added->set_state(state);
  added->set_count(count);
}

v1::Job MakeJob(int64_t id, v1::JobState state, const std::string& path) {
  v1::Job job;
  job.set_id(id);
  job.set_pipeline("enrich");
  job.set_state(state);
  job.set_host("vm-c");
  job.mutable_input()->set_volume("in");
  job.mutable_input()->set_path(path);
  return job;
}

TopSnapshot MakeSnapshot() {
  TopSnapshot snapshot;
  snapshot.coordinator = "vm-a:7400";
  snapshot.now = absl::FromUnixSeconds(kNow);
  snapshot.version.set_version("0.1.0");
  snapshot.version.mutable_started_at()->set_seconds(kNow - 7200);
  AddCount("enrich", v1::JOB_STATE_AVAILABLE, 12, &snapshot);
  AddCount("enrich", v1::JOB_STATE_RUNNING, 1, &snapshot);
  AddCount("clean", v1::JOB_STATE_FAILED, 3, &snapshot);
  AddCount("clean", v1::JOB_STATE_RETRYING, 2, &snapshot);
  v1::ExecutorStatus& executor = snapshot.executors.emplace_back();
  executor.set_name("vm-c-1");
  executor.set_host("vm-c");
  executor.set_connected(true);
  executor.set_slots(4);
  executor.set_leases(1);
  v1::Job running = MakeJob(41, v1::JOB_STATE_RUNNING, "漢字.csv");
  running.set_pid(4711);
  running.mutable_started_at()->set_seconds(kNow - 72);
  running.mutable_progress()->set_done(40);
  running.mutable_progress()->set_total(100);
  running.mutable_progress()->set_unit("rows");
  snapshot.running.push_back(running);
  v1::LockStatus* lock = snapshot.overview.add_locks();
  lock->set_name("picky-api");
  lock->set_job_id(41);
  lock->set_host("vm-c");
  lock->mutable_since()->set_seconds(kNow - 70);
  v1::Job failed = MakeJob(40, v1::JOB_STATE_FAILED, "a.csv");
  failed.mutable_finished_at()->set_seconds(kNow - 300);
  failed.set_message("exit 3");
  snapshot.failed.push_back(failed);
  return snapshot;
}

std::string At(absl::Time time) {
  return absl::FormatTime("%H:%M:%S", time, absl::LocalTimeZone());
}

TEST(TopScreenTest, ShowsWhatGoesOn) {
  const TopSnapshot snapshot = MakeSnapshot();
  EXPECT_EQ(absl::StrJoin(RenderTop(snapshot, {200, 0}, false), "\n"),
            StrCat("vm-a:7400  0.1.0  up 2h  ", At(snapshot.now),
                   "\n"
                   "jobs: 14 waiting, 1 running, 3 failed\n"
                   "\n"
                   "PIPELINE  SCHEDULED  AVAILABLE  RUNNING  PUBLISHING  RETRYING  FAILED\n"
                   "clean             0          0        0           0         2       3\n"
                   "enrich            0         12        1           0         0       0\n"
                   "\n"
                   "EXECUTOR  HOST  STATE      SLOTS\n"
                   "vm-c-1    vm-c  connected  [#######.....................] 1/4\n"
                   "\n"
                   "RUNNING  PIPELINE  HOST   PID    FOR  PROGRESS                            "
                   "INPUT\n"
                   "     41  enrich    vm-c  4711  1m12s  [########............] 40/100 rows  "
                   "in:漢字.csv\n"
                   "\n"
                   "LOCK       HELD BY  HOST  FOR\n"
                   "picky-api  job 41   vm-c  70s\n"
                   "\n"
                   "FAILED  PIPELINE  AGO  INPUT     WHY\n"
                   "    40  enrich     5m  in:a.csv  exit 3"));
}

TEST(TopScreenTest, FitsEveryTerminal) {
  TopSnapshot snapshot = MakeSnapshot();
  for (int i = 0; i < 30; ++i) {
    snapshot.running.push_back(MakeJob(100 + i, v1::JOB_STATE_RUNNING, "長い名前の/ファイル.csv"));
    AddCount(StrCat("pipeline-", i), v1::JOB_STATE_AVAILABLE, i, &snapshot);
  }
  for (const bool color : {false, true}) {
    for (int lines = 1; lines < 60; ++lines) {
      for (const int columns : {1, 20, 79, 80, 200}) {
        const auto picture = RenderTop(snapshot, {columns, lines}, color);
        EXPECT_LE(picture.size(), static_cast<size_t>(lines));
        for (const std::string& line : picture) {
          std::string bare;
          for (size_t i = 0; i < line.size(); ++i) {
            if (line[i] == '\x1b')
              i = line.find('m', i);
            else
              bare += line[i];
          }
          EXPECT_LE(TextWidth(bare), columns) << line;
        }
      }
    }
  }
}

TEST(TopScreenTest, CountsWhatHasNoRoom) {
  TopSnapshot snapshot = MakeSnapshot();
  for (int i = 0; i < 30; ++i) {
    snapshot.running.push_back(MakeJob(100 + i, v1::JOB_STATE_RUNNING, "b.csv"));
  }
  const auto lines = RenderTop(snapshot, {200, 24}, false);
  EXPECT_EQ(lines.size(), 24u);
  const std::string text = absl::StrJoin(lines, "\n");
  EXPECT_TRUE(absl::StrContains(text, "  25 more\n")) << text;
  EXPECT_TRUE(absl::StrContains(text, "exit 3")) << text;  // what is small has its place
}

TEST(TopScreenTest, SaysWhenTheCoordinatorIsLost) {
  TopSnapshot snapshot = MakeSnapshot();
  snapshot.lost_since = snapshot.now - absl::Seconds(5);
  const auto lines = RenderTop(snapshot, {200, 24}, false);
  EXPECT_EQ(lines[0], StrCat("vm-a:7400 can't be reached since ", At(*snapshot.lost_since),
                             "; this is what was then  ", At(snapshot.now)));
  EXPECT_TRUE(absl::StartsWith(RenderTop(snapshot, {200, 24}, true)[0], "\x1b[31m"));
}

TEST(TopScreenTest, Rates) {
  v1::GetOverviewResponse before;
  before.mutable_at()->set_seconds(100);
  before.mutable_totals()->set_made(1000);
  v1::GetOverviewResponse after = before;
  EXPECT_FALSE(RatesBetween(before, after).has_value());
  after.mutable_at()->set_seconds(102);
  after.mutable_totals()->set_made(1025);
  after.mutable_totals()->set_failed(1);
  const auto rates = RatesBetween(before, after);
  ASSERT_TRUE(rates.has_value());
  EXPECT_EQ(rates->made, 12.5);
  EXPECT_EQ(rates->succeeded, 0);
  EXPECT_EQ(rates->failed, 0.5);
  TopSnapshot snapshot = MakeSnapshot();
  snapshot.rates = rates;
  EXPECT_EQ(RenderTop(snapshot, {200, 24}, false)[1],
            "jobs: 14 waiting, 1 running, 3 failed   a second: 12.5 made, 0.0 succeeded, 0.5 "
            "failed");
  EXPECT_FALSE(RatesBetween(after, before).has_value());
  after.mutable_totals()->set_made(3);  // another life
  EXPECT_FALSE(RatesBetween(before, after).has_value());
  EXPECT_FALSE(RatesBetween(v1::GetOverviewResponse(), after).has_value());
}

TEST(TopScreenTest, LinesAreCutByColumns) {
  EXPECT_EQ(FitLine("abc", 3), "abc");
  EXPECT_EQ(FitLine("abcd", 3), "abc");
  EXPECT_EQ(FitLine("漢字", 3), "漢");
  EXPECT_EQ(FitLine("\x1b[31mabcd\x1b[0m", 3), "\x1b[31mabc\x1b[0m");
  EXPECT_EQ(FitLine("\x1b[31mabc\x1b[0m", 3), "\x1b[31mabc\x1b[0m");
  EXPECT_EQ(FitLine("\x1b[31", 3), "\x1b[31");
  EXPECT_EQ(FitLine("e\xcc\x81"
                    "f",
                    1),
            "e\xcc\x81");
  EXPECT_EQ(FitLine("a", 0), "");
}

}  // namespace
}  // namespace closewrite::cli

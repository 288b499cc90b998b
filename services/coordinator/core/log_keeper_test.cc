#include "services/coordinator/core/log_keeper.h"

#include <optional>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "services/coordinator/core/log_pieces.h"
#include "services/coordinator/store/fake_store.h"
#include "services/log/str_cat.h"

namespace closewrite {
namespace {

constexpr int64_t kMiB = 1 << 20;
constexpr int64_t kHeader = sizeof(LogRecordHeader);

class LogKeeperTest : public testing::Test {
 protected:
  // A job that runs, or is in another state.
  Lease NewJob(JobState state = JobState::kRunning) {
    Job job;
    job.pipeline = "p";
    job.key = StrCat("key ", ++jobs_);
    job.state = state;
    job.token = FencingToken{1};
    Write([&](StoreTransaction& tx) { job.id = tx.InsertJob(job); });
    return {job.id, job.token};
  }
  void SetState(const Lease& lease, JobState state, int64_t token = 1) {
    Write([&](StoreTransaction& tx) {
      Job job = *tx.GetJob(lease.job);
      job.state = state;
      job.token = FencingToken{token};
      tx.UpdateJob(job);
    });
  }
  void Print(const Lease& lease, std::string_view bytes) {
    std::string record;
    AppendLogRecord(1, LogStream::kStdout, bytes, &record);
    Write([&](StoreTransaction& tx) {
      const int64_t length = tx.LogLength(lease);
      EXPECT_EQ(keeper_->Append(tx, lease, length, record),
                length + static_cast<int64_t>(record.size()));
    });
  }
  void PrintMuch(const Lease& lease, int64_t bytes) {
    for (int64_t i = 0; i < bytes; i += 60'000) Print(lease, std::string(60'000, 'a' + i % 26));
  }
  // All that is due at this time; returns in how many steps.
  int Tend() {
    now_ += kTendLogsEvery;
    for (int steps = 1;; ++steps) {
      absl::Time next;
      Write([&](StoreTransaction& tx) { next = keeper_->Tick(tx, now_); });
      if (next >= now_ + kTendLogsEvery) return steps;
      now_ = next;
    }
  }
  std::vector<LogRow> Rows(const Lease& lease) {
    std::vector<LogRow> rows;
    Write([&](StoreTransaction& tx) { rows = tx.ReadLog(lease, 0, int64_t{1} << 40); });
    return rows;
  }
  std::string Text(const Lease& lease) {
    std::string text;
    for (const LogPart& part : UnpackLogRows(Rows(lease), 0).parts) text += part.bytes;
    return text;
  }
  LogTotals Totals() {
    LogTotals totals;
    Write([&](StoreTransaction& tx) { totals = tx.GetLogTotals(); });
    return totals;
  }
  static int64_t Stored(const std::vector<LogRow>& rows) {
    int64_t bytes = 0;
    for (const LogRow& row : rows) bytes += static_cast<int64_t>(row.data.size());
    return bytes;
  }
  void Write(absl::FunctionRef<void(StoreTransaction&)> fn) {
    const absl::Status status = store_.Write([&](StoreTransaction& tx) {
      fn(tx);
      return absl::OkStatus();
    });
    EXPECT_TRUE(status.ok()) << status;
  }
  void UseLimits(const LogLimits& limits) { keeper_.emplace(limits, false); }

  FakeStore store_;
  std::optional<LogKeeper> keeper_ = std::make_optional<LogKeeper>(LogLimits(), false);
  absl::Time now_ = absl::UnixEpoch();
  int jobs_ = 0;
};

TEST_F(LogKeeperTest, FullRowsOfARunningAttemptArePacked) {
  const Lease lease = NewJob();
  PrintMuch(lease, kMiB);
  const std::string text = Text(lease);
  const int64_t length = Rows(lease).back().end();
  Tend();
  const std::vector<LogRow> rows = Rows(lease);
  EXPECT_EQ(Text(lease), text);
  EXPECT_EQ(rows.back().end(), length);
  EXPECT_EQ(rows.front().format, LogFormat::kPacked);
  EXPECT_GT(rows.front().bytes, kLogRowBytesMax / 2);
  EXPECT_EQ(rows.back().format, LogFormat::kRecords);  // it may still grow
  EXPECT_LT(Stored(rows), length / 2);
  EXPECT_EQ(Totals(),
            (LogTotals{.rows = static_cast<int64_t>(rows.size()), .stored_bytes = Stored(rows)}));
}

TEST_F(LogKeeperTest, ManySmallRowsBecomeOne) {
  const Lease lease = NewJob();
  for (int i = 0; i < kOpenRowsMax + 5; ++i) Print(lease, StrCat("line ", i, "\n"));
  const std::string text = Text(lease);
  Tend();
  EXPECT_LE(Rows(lease).size(), 6u);
  EXPECT_EQ(Text(lease), text);
  // What came since stays open until it is worth it, too.
  Print(lease, "more\n");
  Tend();
  EXPECT_EQ(Text(lease), text + "more\n");
  SetState(lease, JobState::kSucceeded);
  for (int i = 0; i < kPackedRowsMin; ++i) Print(lease, "last\n");
  Tend();
  EXPECT_LE(Rows(lease).size(), 2u);
}

TEST_F(LogKeeperTest, ALittleLogIsClosedAsItIs) {
  const Lease lease = NewJob();
  Print(lease, "one\n");
  Print(lease, "two\n");
  Tend();
  EXPECT_EQ(Totals(), LogTotals());  // nobody has looked at it
  SetState(lease, JobState::kSucceeded);
  const std::vector<LogRow> rows = Rows(lease);
  Tend();
  EXPECT_EQ(Rows(lease), rows);
  EXPECT_EQ(Totals(), (LogTotals{.rows = 2, .stored_bytes = 2 * (kHeader + 4)}));
  Write([&](StoreTransaction& tx) {
    EXPECT_TRUE(tx.OpenLogs(Lease{}, 10).empty());
    EXPECT_EQ(tx.ClosedLogs(absl::InfiniteFuture(), 10).size(), 1u);
  });
}

TEST_F(LogKeeperTest, WhatComesLateIsPackedToo) {
  const Lease lease = NewJob(JobState::kFailed);
  PrintMuch(lease, kMiB);
  Tend();
  Write([&](StoreTransaction& tx) { tx.OpenLog(lease); });
  PrintMuch(lease, kMiB);
  const std::string text = Text(lease);
  Tend();
  EXPECT_EQ(Text(lease), text);
  for (const LogRow& row : Rows(lease)) EXPECT_EQ(row.format, LogFormat::kPacked);
  EXPECT_EQ(Totals().stored_bytes, Stored(Rows(lease)));
}

TEST_F(LogKeeperTest, AStepIsShort) {
  std::vector<Lease> leases;
  for (int i = 0; i < 5; ++i) {
    leases.push_back(NewJob(JobState::kSucceeded));
    PrintMuch(leases.back(), 3 * kMiB);
  }
  EXPECT_GE(Tend(), 15);
  for (const Lease& lease : leases) {
    for (const LogRow& row : Rows(lease)) EXPECT_EQ(row.format, LogFormat::kPacked);
  }
}

TEST_F(LogKeeperTest, OfALongLogTheMiddleIsLeftOut) {
  UseLimits({.attempt_bytes_max = kMiB});
  const Lease lease = NewJob();
  std::string text;
  for (int i = 0; i < 2000; ++i) {
    const std::string line = StrCat("line ", i, std::string(5000, '.'), "\n");
    text += line;
    Print(lease, line);
    if (i % 100 == 0) Tend();
    int64_t kept = 0;
    for (const LogRow& row : Rows(lease)) kept += row.bytes;
    ASSERT_LE(kept, kMiB + 3 * kLogRowBytesMax) << i;
  }
  SetState(lease, JobState::kSucceeded);
  Tend();
  const std::string now = Text(lease);
  const size_t note = now.find("\n[");
  ASSERT_NE(note, std::string::npos);
  EXPECT_EQ(now.substr(0, note + 1), text.substr(0, note + 1));
  EXPECT_GE(note, size_t{kMiB} / 8 - 30'000);
  const size_t tail = now.find("]\n", note) + 2;
  EXPECT_EQ(now.find("\n[", note + 1), std::string::npos);
  EXPECT_EQ(now.substr(tail), text.substr(text.size() - (now.size() - tail)));
  EXPECT_GE(now.size() - tail, size_t{kMiB} * 7 / 8 - 30'000);
  const std::vector<LogRow> rows = Rows(lease);
  const int64_t length = rows.back().end();
  int64_t kept = 0;
  for (const LogRow& row : rows) kept += row.bytes;
  EXPECT_EQ(Totals().left_out_bytes, length - kept);
  EXPECT_NE(now.find(StrCat("[", length - kept, " bytes left out]")), std::string::npos);
}

TEST_F(LogKeeperTest, TheFirstClosedLogsGoWhenAllAreTooLarge) {
  std::vector<Lease> leases;
  for (int i = 0; i < 4; ++i) {
    leases.push_back(NewJob(JobState::kSucceeded));
    for (int j = 0; j < 10; ++j) Print(leases.back(), "some words\n");
    Tend();
  }
  const int64_t of_one = Totals().stored_bytes / 4;
  UseLimits({.total_bytes_max = 2 * of_one});
  Tend();
  EXPECT_EQ(Text(leases[0]), "[270 bytes left out]\n");
  EXPECT_EQ(Text(leases[1]), "[270 bytes left out]\n");
  EXPECT_EQ(Text(leases[2]).size(), 110u);
  EXPECT_EQ(Text(leases[3]).size(), 110u);
  EXPECT_EQ(Totals().stored_bytes, 2 * of_one);
  EXPECT_EQ(Totals().left_out_bytes, 540);
  Tend();
  EXPECT_EQ(Text(leases[2]).size(), 110u);
}

TEST_F(LogKeeperTest, OldLogsGo) {
  UseLimits({.retention = absl::Hours(2)});
  const Lease first = NewJob(JobState::kSucceeded);
  Print(first, "old\n");
  Tend();
  now_ += absl::Hours(1);
  const Lease second = NewJob(JobState::kSucceeded);
  Print(second, "new\n");
  Tend();
  EXPECT_EQ(Text(first), "old\n");
  now_ += absl::Hours(1);
  Tend();
  EXPECT_EQ(Text(first), "[20 bytes left out]\n");
  EXPECT_EQ(Text(second), "new\n");
}

TEST_F(LogKeeperTest, TheNewestAttemptOfAnUnfinishedJobKeepsItsLog) {
  UseLimits({.total_bytes_max = 0, .retention = absl::Hours(2)});
  const Lease first = NewJob();
  Print(first, "broke\n");
  SetState(first, JobState::kRetrying);
  Tend();
  now_ += absl::Hours(3);
  Tend();
  EXPECT_EQ(Text(first), "broke\n");
  // A failed job that runs again: its log was closed meanwhile.
  const Lease other = NewJob(JobState::kFailed);
  Print(other, "failed\n");
  UseLimits({});
  Tend();
  SetState(other, JobState::kAvailable);
  UseLimits({.total_bytes_max = 0});
  Tend();
  EXPECT_EQ(Text(other), "failed\n");
  // The next attempt has the newest log.
  const Lease second{first.job, FencingToken{2}};
  SetState(first, JobState::kRunning, 2);
  Print(second, "again\n");
  Tend();
  EXPECT_EQ(Text(first), "[22 bytes left out]\n");
  EXPECT_EQ(Text(second), "again\n");
}

TEST_F(LogKeeperTest, ALongLogIsForgottenInSteps) {
  const Lease lease = NewJob(JobState::kSucceeded);
  // Rows that can't be packed together, as older versions wrote them.
  for (int i = 0; i < 3 * kForgottenRowsMax; ++i) {
    Write([&](StoreTransaction& tx) { tx.AppendLog(lease, i, "x"); });
  }
  Tend();
  UseLimits({.total_bytes_max = 0});
  EXPECT_GE(Tend(), 4);
  EXPECT_EQ(Text(lease), StrCat("[", 3 * kForgottenRowsMax, " bytes left out]\n"));
  EXPECT_EQ(Totals(), LogTotals{.left_out_bytes = 3 * kForgottenRowsMax});
}

TEST_F(LogKeeperTest, OneOfSeveralCoordinatorsDoesIt) {
  LogKeeper first(LogLimits(), true);
  LogKeeper second(LogLimits(), true);
  Write([&](StoreTransaction& tx) {
    EXPECT_EQ(first.Tick(tx, now_), now_ + kTendLogsEvery);
    // What it would do is left to the first.
    tx.AppendLog(Lease{JobId{1}, FencingToken{1}}, 0, "x");
    EXPECT_EQ(second.Tick(tx, now_), now_ + kTendLogsEvery);
    EXPECT_EQ(tx.OpenLogs(Lease{}, 10).size(), 1u);
    second.Tick(tx, now_ + kTendLogsEvery);
    EXPECT_TRUE(tx.OpenLogs(Lease{}, 10).empty());
  });
}

}  // namespace
}  // namespace closewrite

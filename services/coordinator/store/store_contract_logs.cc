// The part of the contract about logs.
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "services/coordinator/core/log_pieces.h"
#include "services/coordinator/store/store_contract.h"

namespace closewrite {
namespace {

constexpr Lease kLease{JobId{7}, FencingToken{3}};
constexpr int64_t kHeader = sizeof(LogRecordHeader);
constexpr int64_t kAll = std::numeric_limits<int64_t>::max();

std::string Record(std::string_view bytes, LogStream stream = LogStream::kStdout,
                   int64_t time_us = 5) {
  std::string record;
  AppendLogRecord(time_us, stream, bytes, &record);
  return record;
}

// Appends a record at the end; returns where it begins.
int64_t Append(StoreTransaction& t, const Lease& lease, std::string_view bytes) {
  const int64_t offset = t.LogLength(lease);
  const std::string record = Record(bytes);
  EXPECT_EQ(t.AppendLog(lease, offset, record), offset + static_cast<int64_t>(record.size()));
  return offset;
}

std::vector<int64_t> Offsets(const std::vector<LogRow>& rows) {
  std::vector<int64_t> offsets;
  for (const LogRow& row : rows) offsets.push_back(row.offset);
  return offsets;
}

OpenedLog OnlyOpen(StoreTransaction& t) {
  const std::vector<OpenedLog> logs = t.OpenLogs(Lease{}, 10);
  EXPECT_EQ(logs.size(), 1u);
  return logs.empty() ? OpenedLog() : logs.front();
}

TEST_P(StoreContract, LogTakesWhatFollowsAndSkipsWhatIsThere) {
  Write([&](StoreTransaction& t) {
    t.PutAttempt(FullAttempt(kLease.job, kLease.token.value));
    EXPECT_EQ(t.AppendLog(kLease, 0, ""), 0);
    EXPECT_EQ(t.AppendLog(kLease, 0, "abc"), 3);
    EXPECT_EQ(t.AppendLog(kLease, 0, "abc"), 3);       // repeated
    EXPECT_EQ(t.AppendLog(kLease, 1, "b"), 3);         // inside
    EXPECT_EQ(t.AppendLog(kLease, 4, "e"), 3);         // a gap
    EXPECT_EQ(t.AppendLog(kLease, 3, "de"), 5);        // right after
    EXPECT_EQ(t.AppendLog(kLease, 1, "bcdefg"), 7);    // overlaps
    EXPECT_EQ(t.AppendLog(kLease, 0, "XXXXXXXh"), 8);  // what is there stays
    EXPECT_EQ(t.AppendLog(kLease, -1, "negative"), 8);
    EXPECT_EQ(t.AppendLog(kLease, kAll, "far"), 8);
    EXPECT_EQ(LogText(t, kLease), "abcdefgh");
    EXPECT_EQ(t.GetAttempt(kLease)->log_bytes, 8);
  });
  Write([&](StoreTransaction& t) { EXPECT_EQ(t.AppendLog(kLease, 8, "i"), 9); });
  Read([&](StoreReader& r) { EXPECT_EQ(LogText(r, kLease), "abcdefghi"); });
}

TEST_P(StoreContract, LogKeepsStreamsAndTimes) {
  const std::string out = Record(std::string("a\0\xff\n", 4), LogStream::kStdout, 11);
  const std::string err = Record("b", LogStream::kStderr, 12);
  const auto end = static_cast<int64_t>(out.size() + err.size());
  Write([&](StoreTransaction& t) { EXPECT_EQ(t.AppendLog(kLease, 0, out + err), end); });
  // Sent again with more behind it.
  Write([&](StoreTransaction& t) {
    EXPECT_EQ(t.AppendLog(kLease, static_cast<int64_t>(out.size()), err + Record("c")),
              end + kHeader + 1);
  });
  Read([&](StoreReader& r) {
    const LogPiece piece = ReadLogPiece(r, kLease, 0, 1000);
    ASSERT_EQ(piece.parts.size(), 3u);
    EXPECT_EQ(piece.parts[0], (LogPart{0, 11, LogStream::kStdout, std::string("a\0\xff\n", 4)}));
    EXPECT_EQ(piece.parts[1],
              (LogPart{static_cast<int64_t>(out.size()), 12, LogStream::kStderr, "b"}));
    EXPECT_EQ(piece.parts[2], (LogPart{end, 5, LogStream::kStdout, "c"}));
    EXPECT_EQ(piece.end, r.LogLength(kLease));
  });
}

// An executor must not be held up by one bad chunk, and one of an older version sends no records.
TEST_P(StoreContract, WhatIsNoRecordIsKeptAsItIs) {
  const std::string data = Record("whole") + "not a record";
  Write([&](StoreTransaction& t) {
    EXPECT_EQ(t.AppendLog(kLease, 0, data), static_cast<int64_t>(data.size()));
    Append(t, kLease, "again");
  });
  Read([&](StoreReader& r) {
    const LogPiece piece = ReadLogPiece(r, kLease, 0, 1000);
    ASSERT_EQ(piece.parts.size(), 3u);
    EXPECT_EQ(piece.parts[1], (LogPart{kHeader + 5, 0, LogStream::kStdout, "not a record"}));
    EXPECT_EQ(LogText(r, kLease), "wholenot a recordagain");
  });
}

TEST_P(StoreContract, LogsOfAttemptsAreApart) {
  const Lease other_token{kLease.job, FencingToken{4}};
  const Lease other_job{JobId{8}, kLease.token};
  Write([&](StoreTransaction& t) {
    Append(t, kLease, "one");
    Append(t, other_token, "second");
    Append(t, other_job, "the third");
  });
  Read([&](StoreReader& r) {
    EXPECT_EQ(LogText(r, kLease), "one");
    EXPECT_EQ(LogText(r, other_token), "second");
    EXPECT_EQ(LogText(r, other_job), "the third");
  });
}

// The attempt is written when it ends; its log comes before.
TEST_P(StoreContract, LogNeedsNoAttempt) {
  Write([&](StoreTransaction& t) {
    EXPECT_EQ(t.LogLength(kLease), 0);
    EXPECT_EQ(t.AppendLog(kLease, 0, "abc"), 3);
    EXPECT_EQ(t.LogLength(kLease), 3);
    EXPECT_EQ(LogText(t, kLease), "abc");
    EXPECT_EQ(t.GetAttempt(kLease), std::nullopt);
    EXPECT_TRUE(t.ListAttempts(kLease.job).empty());
    t.PutAttempt(FullAttempt(kLease.job, kLease.token.value));
    EXPECT_EQ(t.GetAttempt(kLease)->log_bytes, 3);
    EXPECT_EQ(t.AppendLog(kLease, 3, "de"), 5);
  });
  Read([&](StoreReader& r) {
    EXPECT_EQ(r.LogLength(kLease), 5);
    EXPECT_EQ(r.GetAttempt(kLease)->log_bytes, 5);
    EXPECT_EQ(r.ListAttempts(kLease.job).front().log_bytes, 5);
    EXPECT_EQ(r.LogLength(Lease{kLease.job, FencingToken{4}}), 0);
  });
}

TEST_P(StoreContract, LongLogsAreReadInPieces) {
  std::string text;
  std::string log;
  for (int i = 0; log.size() < (3u << 20); ++i) {
    const std::string bytes = absl::StrCat(i, "\n", AllBytes());
    text += bytes;
    log += Record(bytes);
  }
  Write([&](StoreTransaction& t) {
    EXPECT_EQ(t.AppendLog(kLease, 0, log), static_cast<int64_t>(log.size()));
  });
  for (const int64_t piece : {int64_t{1}, int64_t{100003}, kAll}) {
    std::string read;
    int64_t offset = 0;
    Read([&](StoreReader& r) {
      for (;;) {
        const std::vector<LogRow> rows = r.ReadLog(kLease, offset, piece);
        if (rows.empty()) break;
        EXPECT_TRUE(rows.size() == 1 || rows.back().offset - offset < piece);
        for (const LogRow& row : rows) EXPECT_LE(row.bytes, kLogRowBytesMax);
        const LogPiece next = UnpackLogRows(rows, offset);
        for (const LogPart& part : next.parts) read += part.bytes;
        offset = next.end;
      }
    });
    EXPECT_TRUE(read == text) << "pieces of " << piece;
  }
}

// Ten rows of 20 bytes each.
void WriteTenRows(Store* store) {
  for (int i = 0; i < 10; ++i) {
    const absl::Status written = store->Write([&](StoreTransaction& t) {
      EXPECT_EQ(Append(t, kLease, absl::StrCat("row", i)), i * 20);
      return absl::OkStatus();
    });
    EXPECT_TRUE(written.ok()) << written;
  }
}

TEST_P(StoreContract, RowsOfALogAreReadForwardAndBackward) {
  using Numbers = std::vector<int64_t>;
  WriteTenRows(store());
  Write([&](StoreTransaction& t) {
    Append(t, Lease{kLease.job, FencingToken{4}}, "other");
    Append(t, Lease{JobId{6}, kLease.token}, "other");
    EXPECT_EQ(t.EraseLogRows(kLease, 60, 100, 10), 2);
  });
  Read([&](StoreReader& r) {
    EXPECT_EQ(Offsets(r.ReadLog(kLease, 0, 1)), Numbers{0});
    EXPECT_EQ(Offsets(r.ReadLog(kLease, 0, 20)), Numbers{0});
    EXPECT_EQ(Offsets(r.ReadLog(kLease, 0, 21)), (Numbers{0, 20}));
    EXPECT_EQ(Offsets(r.ReadLog(kLease, 19, 2)), (Numbers{0, 20}));
    EXPECT_EQ(Offsets(r.ReadLog(kLease, 20, 1)), Numbers{20});
    EXPECT_EQ(Offsets(r.ReadLog(kLease, 60, 1)), Numbers{100});  // over the gap
    EXPECT_EQ(Offsets(r.ReadLog(kLease, 30, 71)), (Numbers{20, 40, 100}));
    EXPECT_EQ(Offsets(r.ReadLog(kLease, 170, kAll)), (Numbers{160, 180}));
    EXPECT_EQ(Offsets(r.ReadLog(kLease, 200, kAll)), Numbers{});
    EXPECT_EQ(Offsets(r.ReadLog(kLease, kAll, kAll)), Numbers{});
    EXPECT_EQ(Offsets(r.ReadLog(kLease, -1, 10)), Numbers{});
    EXPECT_EQ(Offsets(r.ReadLog(kLease, 0, 0)), Numbers{});

    EXPECT_EQ(Offsets(r.ReadLogBefore(kLease, 200, 1)), Numbers{180});
    EXPECT_EQ(Offsets(r.ReadLogBefore(kLease, 200, 20)), Numbers{180});
    EXPECT_EQ(Offsets(r.ReadLogBefore(kLease, 200, 40)), (Numbers{160, 180}));
    EXPECT_EQ(Offsets(r.ReadLogBefore(kLease, 190, 40)), (Numbers{160, 180}));
    EXPECT_EQ(Offsets(r.ReadLogBefore(kLease, 180, 1)), Numbers{160});
    EXPECT_EQ(Offsets(r.ReadLogBefore(kLease, 100, 1)), Numbers{40});
    EXPECT_EQ(Offsets(r.ReadLogBefore(kLease, 20, kAll)), Numbers{0});
    EXPECT_EQ(Offsets(r.ReadLogBefore(kLease, 0, kAll)), Numbers{});
    EXPECT_EQ(Offsets(r.ReadLogBefore(kLease, 200, 0)), Numbers{});
    EXPECT_EQ(LogText(r, kLease), "row0row1row2[40 bytes left out]\nrow5row6row7row8row9");
  });
}

TEST_P(StoreContract, OnlyRowsThatLieWithinAreErased) {
  WriteTenRows(store());
  Write([&](StoreTransaction& t) {
    EXPECT_EQ(t.EraseLogRows(kLease, 30, 79, 10), 1);  // 40 to 60
    EXPECT_EQ(t.EraseLogRows(kLease, 30, 79, 10), 0);
    EXPECT_EQ(t.EraseLogRows(kLease, 60, 200, 2), 2);  // the first ones
    EXPECT_EQ(t.EraseLogRows(kLease, 0, 20, 0), 0);
    EXPECT_EQ(t.EraseLogRows(kLease, 20, 0, 10), 0);
    EXPECT_EQ(t.EraseLogRows(Lease{JobId{8}, kLease.token}, 0, 200, 10), 0);
    EXPECT_EQ(LogText(t, kLease), "row0row1[60 bytes left out]\nrow5row6row7row8row9");
    const KeptLog log = t.MeasureLog(kLease);
    EXPECT_EQ(log.rows, 7);
    EXPECT_EQ(log.stored_bytes, 140);
    EXPECT_EQ(log.left_out_bytes, 60);
    EXPECT_EQ(t.LogLength(kLease), 200);
  });
}

TEST_P(StoreContract, RowsAreReplacedByOneThatIsPacked) {
  WriteTenRows(store());
  std::string before;
  Write([&](StoreTransaction& t) {
    before = LogText(t, kLease);
    const LogRow packed = PackLogRows(t.ReadLog(kLease, 20, 160));
    EXPECT_EQ(packed.format, LogFormat::kPacked);
    t.ReplaceLogRows(kLease, packed);
    EXPECT_EQ(t.ReadLog(kLease, 20, 1), std::vector<LogRow>{packed});
    const KeptLog log = t.MeasureLog(kLease);
    EXPECT_EQ(log.rows, 3);
    EXPECT_EQ(log.stored_bytes, 40 + static_cast<int64_t>(packed.data.size()));
    EXPECT_EQ(log.left_out_bytes, 0);
  });
  Read([&](StoreReader& r) {
    EXPECT_EQ(LogText(r, kLease), before);
    EXPECT_EQ(r.LogLength(kLease), 200);
    // From within, too.
    for (int64_t offset = 0; offset < 200; offset += 20) {
      EXPECT_EQ(ReadLogPiece(r, kLease, offset, 1).parts.front().bytes,
                absl::StrCat("row", offset / 20));
    }
  });
  // Up to its end, which is then known of the last row alone.
  Write([&](StoreTransaction& t) {
    t.ReplaceLogRows(kLease, PackLogRows(t.ReadLog(kLease, 180, 1)));
    EXPECT_EQ(t.LogLength(kLease), 200);
    Append(t, kLease, "more");
    EXPECT_EQ(LogText(t, kLease), before + "more");
  });
}

TEST_P(StoreContract, ALogThatIsLeftOutKnowsItsLength) {
  WriteTenRows(store());
  Write([&](StoreTransaction& t) {
    t.ReplaceLogRows(kLease,
                     {.offset = 0, .bytes = 200, .format = LogFormat::kLeftOut, .data = ""});
  });
  Write([&](StoreTransaction& t) {
    EXPECT_EQ(t.LogLength(kLease), 200);
    EXPECT_EQ(LogText(t, kLease), "[200 bytes left out]\n");
    const KeptLog log = t.MeasureLog(kLease);
    EXPECT_EQ(log.rows, 1);
    EXPECT_EQ(log.stored_bytes, 0);
    EXPECT_EQ(log.left_out_bytes, 200);
    EXPECT_EQ(Append(t, kLease, "late"), 200);
    EXPECT_EQ(LogText(t, kLease), "[200 bytes left out]\nlate");
  });
}

TEST_P(StoreContract, LogsAreOpenFromTheirFirstByteOn) {
  Write([&](StoreTransaction& t) {
    Append(t, kLease, "a");
    Append(t, kLease, "b");
    Append(t, Lease{JobId{6}, FencingToken{9}}, "c");
    Append(t, Lease{JobId{7}, FencingToken{4}}, "d");
  });
  Write([&](StoreTransaction& t) {
    const std::vector<OpenedLog> logs = t.OpenLogs(Lease{}, 10);
    ASSERT_EQ(logs.size(), 3u);
    EXPECT_EQ(logs[0].log.lease, (Lease{JobId{6}, FencingToken{9}}));
    EXPECT_EQ(logs[1].log, KeptLog{.lease = kLease});
    EXPECT_EQ(logs[1].length, 2 * (kHeader + 1));
    EXPECT_GE(logs[1].open_rows, 1);
    EXPECT_LE(logs[1].open_rows, 2);
    EXPECT_TRUE(logs[1].over);  // there is no such job
    EXPECT_EQ(t.OpenLogs(Lease{}, 2).size(), 2u);
    EXPECT_EQ(t.OpenLogs(kLease, 10).size(), 1u);
    EXPECT_EQ(t.OpenLogs(logs[2].log.lease, 10).size(), 0u);
    EXPECT_TRUE(t.ClosedLogs(absl::InfiniteFuture(), 10).empty());
  });
}

TEST_P(StoreContract, ALogIsOverWithItsAttempt) {
  Job job = SmallJob("x", JobState::kRunning);
  job.token = FencingToken{3};
  job.id = Insert(job);
  const Lease lease{job.id, job.token};
  Write([&](StoreTransaction& t) { Append(t, lease, "a"); });
  const auto over = [&](JobState state, int64_t token) {
    bool is_over = false;
    job.state = state;
    job.token = FencingToken{token};
    Write([&](StoreTransaction& t) {
      t.UpdateJob(job);
      is_over = OnlyOpen(t).over;
    });
    return is_over;
  };
  EXPECT_FALSE(over(JobState::kRunning, 3));
  EXPECT_FALSE(over(JobState::kPublishing, 3));
  EXPECT_FALSE(over(JobState::kRetrying, 3));
  EXPECT_FALSE(over(JobState::kAvailable, 3));
  EXPECT_TRUE(over(JobState::kRunning, 4));
  EXPECT_FALSE(over(JobState::kRunning, 3));
  EXPECT_TRUE(over(JobState::kSucceeded, 3));
  EXPECT_TRUE(over(JobState::kFailed, 3));
  EXPECT_TRUE(over(JobState::kCancelled, 3));
}

TEST_P(StoreContract, LogsAreSavedClosedAndDropped) {
  const Lease other{JobId{8}, FencingToken{1}};
  Write([&](StoreTransaction& t) {
    Append(t, kLease, "a");
    Append(t, other, "b");
    EXPECT_EQ(t.GetLogTotals(), LogTotals());
  });
  const KeptLog first{.lease = kLease,
                      .closed_at = Second(20),
                      .sealed = 17,
                      .rows = 2,
                      .stored_bytes = 100,
                      .left_out_bytes = 7};
  const KeptLog second{.lease = other, .closed_at = Second(10), .rows = 1, .stored_bytes = 10};
  Write([&](StoreTransaction& t) {
    t.SaveLog(KeptLog{.lease = kLease}, first);
    t.SaveLog(KeptLog{.lease = other}, second);
    EXPECT_TRUE(t.OpenLogs(Lease{}, 10).empty());
    EXPECT_EQ(t.GetLogTotals(), (LogTotals{.rows = 3, .stored_bytes = 110, .left_out_bytes = 7}));
  });
  Write([&](StoreTransaction& t) {
    const std::vector<OpenedLog> logs = t.ClosedLogs(absl::InfiniteFuture(), 10);
    ASSERT_EQ(logs.size(), 2u);
    EXPECT_EQ(logs[0].log, second);
    EXPECT_EQ(logs[1].log, first);
    EXPECT_EQ(logs[1].length, kHeader + 1);
    EXPECT_EQ(logs[1].open_rows, 0);
    EXPECT_TRUE(t.ClosedLogs(Second(10), 10).empty());
    EXPECT_EQ(t.ClosedLogs(Second(11), 10).size(), 1u);
    EXPECT_EQ(t.ClosedLogs(Second(30), 1).size(), 1u);
    t.OpenLog(kLease);
    EXPECT_EQ(OnlyOpen(t).log.sealed, 17);
    t.DropLog(second);
    EXPECT_TRUE(t.ClosedLogs(absl::InfiniteFuture(), 10).empty());
    EXPECT_EQ(t.GetLogTotals(), (LogTotals{.rows = 2, .stored_bytes = 100, .left_out_bytes = 7}));
    EXPECT_EQ(LogText(t, other), "b");
  });
  Read([&](StoreReader& r) {
    EXPECT_EQ(r.GetLogTotals(), (LogTotals{.rows = 2, .stored_bytes = 100, .left_out_bytes = 7}));
  });
  // One that was dropped is opened again.
  Write([&](StoreTransaction& t) {
    t.OpenLog(other);
    EXPECT_EQ(t.OpenLogs(Lease{}, 10).size(), 2u);
  });
}

TEST_P(StoreContract, WhatIsSavedInOneTransactionAddsUp) {
  Write([&](StoreTransaction& t) {
    Append(t, kLease, "a");
    const KeptLog log{.lease = kLease, .rows = 5, .stored_bytes = 50, .left_out_bytes = 1};
    const KeptLog gone{.lease = kLease, .rows = 1, .stored_bytes = 0, .left_out_bytes = 9};
    t.SaveLog(KeptLog{.lease = kLease}, log);
    t.SaveLog(log, gone);
    t.DropLog(gone);
  });
  Write([&](StoreTransaction& t) {
    EXPECT_EQ(t.GetLogTotals(), LogTotals{.left_out_bytes = 9});
    EXPECT_TRUE(t.OpenLogs(Lease{}, 10).empty());
  });
}

TEST_P(StoreContract, NothingIsLeftOfAFailedTransactionThatChangedALog) {
  WriteTenRows(store());
  std::vector<LogRow> before;
  Read([&](StoreReader& r) { before = r.ReadLog(kLease, 0, kAll); });
  const absl::Status error = absl::AbortedError("changed my mind");
  EXPECT_EQ(store()->Write([&](StoreTransaction& t) {
    t.ReplaceLogRows(kLease, PackLogRows(before));
    t.EraseLogRows(kLease, 0, 200, 5);
    t.SaveLog(KeptLog{.lease = kLease},
              KeptLog{.lease = kLease, .closed_at = Second(1), .rows = 5, .stored_bytes = 5});
    return error;
  }),
            error);
  Write([&](StoreTransaction& t) {
    EXPECT_EQ(t.ReadLog(kLease, 0, kAll), before);
    EXPECT_EQ(OnlyOpen(t).log, KeptLog{.lease = kLease});
    EXPECT_EQ(t.GetLogTotals(), LogTotals());
  });
}

// A long log of one job does not make one long step, and in the end all is gone.
TEST_P(StoreContract, PruneOfALongLogEnds) {
  Job job = SmallJob("x", JobState::kSucceeded);
  job.finished_at = Second(1);
  const Lease lease{Insert(job), FencingToken{1}};
  constexpr int kRows = 25;
  for (int i = 0; i < kRows; ++i) {
    Write([&](StoreTransaction& t) { Append(t, lease, "0123456789"); });
  }
  Write([&](StoreTransaction& t) {
    t.SaveLog(KeptLog{.lease = lease},
              KeptLog{.lease = lease, .closed_at = Second(2), .rows = kRows, .stored_bytes = 650});
  });
  for (int steps = 0;; ++steps) {
    ASSERT_LE(steps, 3 * kRows);
    int64_t gone = 0;
    Write([&](StoreTransaction& t) { gone = t.Prune(Second(50), 10); });
    if (gone == 0) break;
  }
  EXPECT_FALSE(Get(lease.job).has_value());
  Write([&](StoreTransaction& t) {
    EXPECT_EQ(t.ReadLog(lease, 0, 1000), std::vector<LogRow>());
    EXPECT_TRUE(t.ClosedLogs(absl::InfiniteFuture(), 10).empty());
    EXPECT_EQ(t.GetLogTotals(), LogTotals());
  });
}

}  // namespace
}  // namespace closewrite

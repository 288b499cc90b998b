// The part of the contract about monitoring: points, increments, loads, executions.
#include <limits>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "services/coordinator/store/store_contract.h"

namespace closewrite {
namespace {

using Names = std::vector<std::string>;
using Ids = std::vector<int64_t>;

constexpr int64_t kLargest = std::numeric_limits<int64_t>::max();
constexpr int64_t kSmallest = std::numeric_limits<int64_t>::min();

Names LinesOf(const std::vector<PointBatch>& batches) {
  Names lines;
  for (const PointBatch& batch : batches) lines.push_back(batch.lines);
  return lines;
}

Ids IdsOf(const std::vector<PointBatch>& batches) {
  Ids ids;
  for (const PointBatch& batch : batches) ids.push_back(batch.id);
  return ids;
}

TEST_P(StoreContract, PointsAreReadInTheirOrder) {
  const Names lines = {"a", AllBytes(), "", std::string("\0b\0", 3), std::string(100000, 'c')};
  Write([&](StoreTransaction& t) {
    EXPECT_TRUE(t.ReadPoints(10).empty());
    EXPECT_EQ(t.GetPointRange(), PointRange());
    for (const std::string& line : lines) t.AppendPoints(1, line);
    EXPECT_EQ(LinesOf(t.ReadPoints(10)), lines);
  });
  Write([&](StoreTransaction& t) { t.AppendPoints(1, "last"); });
  Read([&](StoreReader& r) {
    const std::vector<PointBatch> batches = r.ReadPoints(10);
    ASSERT_EQ(batches.size(), 6u);
    EXPECT_EQ(batches.back().lines, "last");
    EXPECT_GT(batches.front().id, 0);
    for (size_t i = 1; i < batches.size(); ++i) EXPECT_GT(batches[i].id, batches[i - 1].id);
    EXPECT_EQ(LinesOf(r.ReadPoints(2)), Names(lines.begin(), lines.begin() + 2));
    EXPECT_TRUE(r.ReadPoints(0).empty());
    EXPECT_TRUE(r.ReadPoints(-1).empty());
    EXPECT_EQ(r.GetPointRange(), (PointRange{batches.front().id, batches.back().id}));
  });
}

TEST_P(StoreContract, PointsOfABatchAreCounted) {
  Write([&](StoreTransaction& t) {
    t.AppendPoints(3, "a\nb\nc");
    t.AppendPoints(1, "d");
    t.AppendPoints(500, "e");
  });
  Ids ids;
  Read([&](StoreReader& r) {
    EXPECT_EQ(r.GetPointRange().count(), 504);
    const std::vector<PointBatch> all = r.ReadPoints(5);
    ids = IdsOf(all);
    ASSERT_EQ(all.size(), 3u);
    EXPECT_EQ(all[0], (PointBatch{ids[0], 3, "a\nb\nc"}));
    EXPECT_EQ(all[1], (PointBatch{ids[0] + 1, 1, "d"}));
    EXPECT_EQ(all[2], (PointBatch{ids[0] + 501, 500, "e"}));
    // Until there are so many, and the last one whole.
    EXPECT_EQ(r.ReadPoints(1).size(), 1u);
    EXPECT_EQ(r.ReadPoints(3).size(), 1u);
    EXPECT_EQ(r.ReadPoints(4).size(), 2u);
  });
  ASSERT_EQ(ids.size(), 3u);
  Write([&](StoreTransaction& t) {
    EXPECT_EQ(t.ErasePoints({ids[0]}), 1);
    EXPECT_EQ(t.GetPointRange().count(), 501);
    EXPECT_EQ(t.ErasePoints({ids[1], ids[2]}), 2);
    EXPECT_EQ(t.GetPointRange().count(), 0);
    t.AppendPoints(2, "f\ng");
    EXPECT_EQ(t.GetPointRange(), (PointRange{ids[2] + 1, ids[2] + 2}));
  });
}

TEST_P(StoreContract, PointsAreErasedOneByOne) {
  Ids ids;
  Write([&](StoreTransaction& t) {
    for (const char* line : {"a", "b", "c", "d"}) t.AppendPoints(1, line);
    ids = IdsOf(t.ReadPoints(10));
    ASSERT_EQ(ids.size(), 4u);
    EXPECT_EQ(t.ErasePoints({}), 0);
    EXPECT_EQ(t.ErasePoints({ids[1]}), 1);
    EXPECT_EQ(LinesOf(t.ReadPoints(10)), (Names{"a", "c", "d"}));
  });
  Write([&](StoreTransaction& t) {
    EXPECT_EQ(t.ErasePoints({ids[0], ids[1], ids[2], ids[3] + 1}), 2);
    EXPECT_EQ(t.ErasePoints(ids), 1);
    EXPECT_EQ(t.ErasePoints(ids), 0);
  });
  Read([&](StoreReader& r) {
    EXPECT_TRUE(r.ReadPoints(10).empty());
    EXPECT_EQ(r.GetPointRange(), PointRange());
  });
}

TEST_P(StoreContract, IdOfAPointIsNeverUsedAgain) {
  int64_t last = 0;
  const auto append_and_erase = [&](StoreTransaction& t) {
    t.AppendPoints(2, "x\ny");
    const std::vector<PointBatch> batches = t.ReadPoints(10);
    ASSERT_EQ(batches.size(), 1u);
    EXPECT_GT(batches[0].id - batches[0].count, last - 1);
    last = batches[0].id;
    EXPECT_EQ(t.ErasePoints({last}), 1);
  };
  Write(append_and_erase);
  Write([&](StoreTransaction& t) {
    append_and_erase(t);
    append_and_erase(t);
  });
  if (!under_test()->durable()) return;
  under_test()->Reopen();
  Write(append_and_erase);
}

TEST_P(StoreContract, ThousandsOfPoints) {
  constexpr int kPoints = 10000;
  Write([&](StoreTransaction& t) {
    for (int i = 0; i < kPoints; ++i) t.AppendPoints(1, absl::StrCat("attempt,job=x n=", i, "i"));
  });
  Write([&](StoreTransaction& t) {
    const std::vector<PointBatch> batches = t.ReadPoints(kPoints);
    ASSERT_EQ(batches.size(), static_cast<size_t>(kPoints));
    EXPECT_EQ(batches.back().lines, absl::StrCat("attempt,job=x n=", kPoints - 1, "i"));
    EXPECT_EQ(t.ErasePoints(IdsOf(batches)), kPoints);
  });
  Read([&](StoreReader& r) { EXPECT_EQ(r.GetPointRange(), PointRange()); });
}

TEST_P(StoreContract, IncrementKeepsEveryField) {
  const Increment full{.job = AllBytes(),
                       .type = AllBytes(),
                       .datasource = AllBytes(),
                       .value = kSmallest,
                       .at = absl::FromUnixNanos(1700000000123456789)};
  const Increment plain{.job = "plain"};
  Write([&](StoreTransaction& t) {
    t.PutIncrement(full);
    t.PutIncrement(plain);
    EXPECT_EQ(t.FindIncrement(full.key()), full);
  });
  Read([&](StoreReader& r) {
    EXPECT_EQ(r.FindIncrement(full.key()), full);
    EXPECT_EQ(r.FindIncrement({.job = "plain"}), plain);
    EXPECT_EQ(r.FindIncrement({.job = "Plain"}), std::nullopt);
    EXPECT_EQ(r.FindIncrement({.job = "plain", .type = "plain"}), std::nullopt);
    EXPECT_EQ(r.ListIncrements("", {}, 10), (std::vector<Increment>{full, plain}));
  });
  Write([&](StoreTransaction& t) { EXPECT_EQ(t.FindIncrement(full.key()), full); });
}

TEST_P(StoreContract, IncrementIsReplacedByItsKey) {
  const Increment first{.job = "j", .type = "t", .datasource = "d", .value = 7, .at = Second(1)};
  Increment other = first;
  other.datasource = "e";
  Increment second = first;
  second.value = kLargest;
  second.at = Second(2);
  Write([&](StoreTransaction& t) {
    t.PutIncrement(first);
    t.PutIncrement(other);
  });
  Write([&](StoreTransaction& t) {
    EXPECT_EQ(t.FindIncrement(first.key()), first);
    t.PutIncrement(second);
    EXPECT_EQ(t.FindIncrement(first.key()), second);
    EXPECT_EQ(t.ListIncrements("j", {}, 10), (std::vector<Increment>{second, other}));
  });
  Read([&](StoreReader& r) {
    EXPECT_EQ(r.FindIncrement(first.key()), second);
    EXPECT_EQ(r.FindIncrement(other.key()), other);
  });
}

TEST_P(StoreContract, IncrementsAreListedInPagesOfAllOrOfOneJob) {
  std::vector<Increment> all;
  // Keys whose parts together look alike, and parts that are empty.
  for (const IncrementKey& key : std::vector<IncrementKey>{{"a", "", "b"},
                                                           {"a", "b", ""},
                                                           {"ab", "", ""},
                                                           {"ab", "", "c"},
                                                           {"ab", "d", "a"},
                                                           {"ab", "d\xff", ""},
                                                           {"ac", "", ""}}) {
    all.push_back({.job = key.job, .type = key.type, .datasource = key.datasource});
  }
  const std::vector<Increment> of_ab(all.begin() + 2, all.begin() + 6);
  Write([&](StoreTransaction& t) {
    for (size_t i = 0; i < all.size(); ++i) t.PutIncrement(all[(i * 3 + 2) % all.size()]);
  });
  const auto pages = [&](StoreReader& r, const std::string& job) {
    std::vector<Increment> list;
    for (std::vector<Increment> page = r.ListIncrements(job, {}, 1); !page.empty();
         page = r.ListIncrements(job, list.back().key(), 1)) {
      list.push_back(page.front());
    }
    return list;
  };
  Read([&](StoreReader& r) {
    EXPECT_EQ(r.ListIncrements("", {}, 100), all);
    EXPECT_EQ(r.ListIncrements("ab", {}, 100), of_ab);
    EXPECT_EQ(r.ListIncrements("ab", {}, 2), (std::vector<Increment>{all[2], all[3]}));
    EXPECT_EQ(pages(r, ""), all);
    EXPECT_EQ(pages(r, "ab"), of_ab);
    EXPECT_EQ(r.ListIncrements("ab", {.job = "aaz", .type = "z"}, 100), of_ab);
    EXPECT_TRUE(r.ListIncrements("ab", {.job = "abc"}, 100).empty());
    EXPECT_TRUE(r.ListIncrements("b", {}, 100).empty());
    EXPECT_TRUE(r.ListIncrements("", {}, 0).empty());
    EXPECT_TRUE(r.ListIncrements("ab", {}, -1).empty());
  });
}

// Loads by what their `records` say, the newest first.
Ids RecordsOf(const std::vector<Load>& loads) {
  Ids records;
  for (const Load& load : loads) records.push_back(load.records);
  return records;
}

TEST_P(StoreContract, LoadKeepsEveryField) {
  Load full{.id = 77,
            .execution = AllBytes(),
            .job = AllBytes(),
            .type = AllBytes(),
            .datasource = AllBytes(),
            .records = kLargest,
            .increment = kSmallest,
            .at = absl::FromUnixNanos(1700000000123456789)};
  Load plain;
  Write([&](StoreTransaction& t) {
    t.AppendLoad(full);
    t.AppendLoad(plain);
    EXPECT_EQ(t.ListLoads({}, {}, 10).size(), 2u);
  });
  Read([&](StoreReader& r) {
    const std::vector<Load> loads = r.ListLoads({}, {}, 10);
    ASSERT_EQ(loads.size(), 2u);
    full.id = loads[0].id;
    plain.id = loads[1].id;
    EXPECT_EQ(loads, (std::vector<Load>{full, plain}));
    EXPECT_GT(full.id, 0);
    EXPECT_GT(plain.id, full.id);
  });
}

// In another order than that of their times; two have the same time.
void AppendLoads(StoreTransaction& t) {
  const auto append = [&](const std::string& job, const std::string& datasource, int64_t seconds,
                          int64_t records) {
    t.AppendLoad({.job = job, .datasource = datasource, .records = records, .at = Second(seconds)});
  };
  append("a", "x", 10, 1);
  append("a", "y", 40, 5);
  append("b", "x", 20, 2);
  append("a", "x", 30, 3);
  append("b", "y", 30, 4);
}

TEST_P(StoreContract, LoadsAreListedNewestFirst) {
  Write(AppendLoads);
  Read([&](StoreReader& r) {
    const auto list = [&](const LoadFilter& filter) {
      return RecordsOf(r.ListLoads(filter, {}, 9));
    };
    EXPECT_EQ(list({}), (Ids{5, 4, 3, 2, 1}));
    EXPECT_EQ(list({.job = "a"}), (Ids{5, 3, 1}));
    EXPECT_EQ(list({.datasource = "x"}), (Ids{3, 2, 1}));
    EXPECT_EQ(list({.job = "a", .datasource = "x"}), (Ids{3, 1}));
    EXPECT_EQ(list({.job = "b", .datasource = "z"}), Ids{});
    EXPECT_EQ(list({.since = Second(30)}), (Ids{5, 4, 3}));
    EXPECT_EQ(list({.since = Second(30) + absl::Nanoseconds(1)}), Ids{5});
    EXPECT_EQ(list({.job = "b", .since = Second(21)}), Ids{4});
    EXPECT_EQ(list({.datasource = "x", .since = Second(20)}), (Ids{3, 2}));
    EXPECT_EQ(list({.job = "a", .datasource = "x", .since = Second(20)}), Ids{3});
  });
}

TEST_P(StoreContract, LoadsAreListedInPages) {
  Write(AppendLoads);
  const auto pages = [](StoreReader& r, const LoadFilter& filter, int64_t limit) {
    Ids list;
    LoadPlace before;
    for (;;) {
      const std::vector<Load> page = r.ListLoads(filter, before, limit);
      if (page.empty()) return list;
      EXPECT_LE(page.size(), static_cast<size_t>(limit));
      for (const Load& load : page) list.push_back(load.records);
      before = {page.back().at, page.back().id};
    }
  };
  Read([&](StoreReader& r) {
    for (const int64_t limit : {1, 2, 3}) {
      EXPECT_EQ(pages(r, {}, limit), (Ids{5, 4, 3, 2, 1}));
      EXPECT_EQ(pages(r, {.job = "a"}, limit), (Ids{5, 3, 1}));
      EXPECT_EQ(pages(r, {.datasource = "y"}, limit), (Ids{5, 4}));
      EXPECT_EQ(pages(r, {.job = "a", .datasource = "x"}, limit), (Ids{3, 1}));
    }
    EXPECT_TRUE(r.ListLoads({}, {}, 0).empty());
    EXPECT_TRUE(r.ListLoads({}, {}, -1).empty());
  });
}

TEST_P(StoreContract, OldLoadsArePruned) {
  Write(AppendLoads);
  Write([&](StoreTransaction& t) {
    EXPECT_EQ(t.PruneLoads(Second(10), 9), 0);
    EXPECT_EQ(t.PruneLoads(Second(40), 0), 0);
    EXPECT_EQ(t.PruneLoads(Second(40), -1), 0);
    EXPECT_EQ(t.PruneLoads(Second(40), 2), 2);
    EXPECT_EQ(RecordsOf(t.ListLoads({}, {}, 9)), (Ids{5, 4, 3}));
    t.AppendLoad({.records = 6, .at = Second(39)});
  });
  Write([&](StoreTransaction& t) {
    EXPECT_EQ(t.PruneLoads(Second(40), 9), 3);
    EXPECT_EQ(RecordsOf(t.ListLoads({}, {}, 9)), Ids{5});
  });
  Read([&](StoreReader& r) { EXPECT_EQ(RecordsOf(r.ListLoads({.job = "a"}, {}, 9)), Ids{5}); });
}

Names IdsOf(const std::vector<Execution>& executions) {
  Names ids;
  for (const Execution& execution : executions) ids.push_back(execution.id);
  return ids;
}

TEST_P(StoreContract, ExecutionKeepsEveryField) {
  const Execution full{.id = AllBytes(),
                       .job = AllBytes(),
                       .state = ExecutionState::kError,
                       .started_at = absl::FromUnixNanos(-1),
                       .ended_at = absl::FromUnixNanos(1700000000123456789)};
  const Execution plain{.id = "plain"};
  Write([&](StoreTransaction& t) {
    t.PutExecution(full);
    t.PutExecution(plain);
    EXPECT_EQ(t.FindExecution(full.id), full);
    EXPECT_EQ(t.FindExecution("Plain"), std::nullopt);
  });
  Read([&](StoreReader& r) {
    EXPECT_EQ(r.FindExecution(full.id), full);
    EXPECT_EQ(r.FindExecution("plain"), plain);
    EXPECT_EQ(r.FindExecution("Plain"), std::nullopt);
    EXPECT_EQ(r.ListExecutions({}, {}, 10), (std::vector<Execution>{plain, full}));
  });
  Write([&](StoreTransaction& t) { EXPECT_EQ(t.FindExecution(full.id), full); });
}

TEST_P(StoreContract, ExecutionIsReplacedById) {
  const Execution started{.id = "x", .job = "j", .started_at = Second(5)};
  Execution ended = started;
  ended.state = ExecutionState::kEnd;
  ended.ended_at = Second(7);
  Write([&](StoreTransaction& t) { t.PutExecution(started); });
  Write([&](StoreTransaction& t) {
    EXPECT_EQ(t.FindExecution("x"), started);
    t.PutExecution(ended);
    EXPECT_EQ(t.FindExecution("x"), ended);
    EXPECT_EQ(t.ListExecutions({}, {}, 10), std::vector<Execution>{ended});
  });
  Read([&](StoreReader& r) { EXPECT_EQ(r.FindExecution("x"), ended); });
}

TEST_P(StoreContract, ExecutionsAreListedNewestFirstInPages) {
  Write([&](StoreTransaction& t) {
    t.PutExecution({.id = "first", .job = "a", .started_at = Second(10)});
    t.PutExecution({.id = "1", .job = "b", .started_at = Second(20)});
    t.PutExecution({.id = "3", .job = "a", .started_at = Second(20)});
    t.PutExecution({.id = "2", .job = "a", .started_at = Second(20)});
    t.PutExecution({.id = "0", .job = "b", .started_at = Second(30)});
  });
  const auto pages = [](StoreReader& r, const ExecutionFilter& filter) {
    Names list;
    ExecutionPlace before;
    for (;;) {
      const std::vector<Execution> page = r.ListExecutions(filter, before, 1);
      if (page.empty()) return list;
      EXPECT_EQ(page.size(), 1u);
      list.push_back(page[0].id);
      before = {page[0].started_at, page[0].id};
    }
  };
  Read([&](StoreReader& r) {
    for (const auto& [filter, ids] : std::vector<std::pair<ExecutionFilter, Names>>{
             {{}, {"0", "3", "2", "1", "first"}},
             {{.job = "a"}, {"3", "2", "first"}},
             {{.job = "c"}, {}},
             {{.since = Second(20)}, {"0", "3", "2", "1"}},
             {{.job = "b", .since = Second(20) + absl::Nanoseconds(1)}, {"0"}}}) {
      EXPECT_EQ(IdsOf(r.ListExecutions(filter, {}, 10)), ids);
      EXPECT_EQ(pages(r, filter), ids);
    }
    EXPECT_TRUE(r.ListExecutions({}, {}, 0).empty());
    EXPECT_TRUE(r.ListExecutions({}, {}, -1).empty());
  });
}

// Those that have ended by their ends, then those that are open by their starts.
TEST_P(StoreContract, OldExecutionsArePruned) {
  const auto put = [](StoreTransaction& t, const std::string& id, int64_t started,
                      absl::Time ended_at) {
    t.PutExecution({.id = id, .started_at = Second(started), .ended_at = ended_at});
  };
  Write([&](StoreTransaction& t) {
    put(t, "long", 1, Second(40));
    put(t, "short", 2, Second(3));
    put(t, "shorter", 3, Second(3));
    put(t, "lost", 1, absl::InfiniteFuture());
    put(t, "open", 30, absl::InfiniteFuture());
  });
  Write([&](StoreTransaction& t) {
    EXPECT_EQ(t.PruneExecutions(Second(1), 9), 0);
    EXPECT_EQ(t.PruneExecutions(Second(30), 0), 0);
    EXPECT_EQ(t.PruneExecutions(Second(30), -1), 0);
    EXPECT_EQ(t.PruneExecutions(Second(30), 1), 1);
    EXPECT_EQ(IdsOf(t.ListExecutions({}, {}, 9)), (Names{"open", "shorter", "lost", "long"}));
    EXPECT_TRUE(t.FindExecution("shorter").has_value());
    EXPECT_EQ(t.PruneExecutions(Second(30), 9), 2);
    EXPECT_EQ(t.FindExecution("shorter"), std::nullopt);
    EXPECT_EQ(IdsOf(t.ListExecutions({}, {}, 9)), (Names{"open", "long"}));
    put(t, "lost", 1, Second(2));
    EXPECT_EQ(t.PruneExecutions(Second(3), 9), 1);
  });
  Write([&](StoreTransaction& t) {
    EXPECT_EQ(IdsOf(t.ListExecutions({}, {}, 9)), (Names{"open", "long"}));
    EXPECT_EQ(t.PruneExecutions(absl::InfiniteFuture(), 9), 2);
  });
  Read([&](StoreReader& r) { EXPECT_TRUE(r.ListExecutions({}, {}, 9).empty()); });
}

}  // namespace
}  // namespace closewrite

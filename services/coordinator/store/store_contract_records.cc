// The part of the contract about attempts, events, pipelines and requests.
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "services/coordinator/store/store_contract.h"

namespace closewrite {
namespace {

constexpr Lease kLease{JobId{7}, FencingToken{3}};

TEST_P(StoreContract, AttemptKeepsEveryField) {
  Write([&](StoreTransaction& t) {
    t.PutAttempt(FullAttempt(JobId{7}, 3));
    EXPECT_EQ(t.GetAttempt(kLease), FullAttempt(JobId{7}, 3));
  });
  Read([&](StoreReader& r) { EXPECT_EQ(r.GetAttempt(kLease), FullAttempt(JobId{7}, 3)); });
}

TEST_P(StoreContract, PutAttemptReplacesAllAndLeavesTheLog) {
  Attempt plain;
  plain.job = kLease.job;
  plain.token = kLease.token;
  plain.log_bytes = 999;  // not for the caller to say
  Write([&](StoreTransaction& t) {
    t.PutAttempt(plain);
    EXPECT_EQ(t.GetAttempt(kLease)->log_bytes, 0);
    EXPECT_EQ(t.AppendLog(kLease, 0, "12345"), 5);
  });
  Write([&](StoreTransaction& t) { t.PutAttempt(FullAttempt(kLease.job, kLease.token.value)); });
  Attempt expected = FullAttempt(kLease.job, kLease.token.value);
  expected.log_bytes = 5;
  Read([&](StoreReader& r) {
    EXPECT_EQ(r.GetAttempt(kLease), expected);
    EXPECT_EQ(LogText(r, kLease), "12345");
  });
}

TEST_P(StoreContract, AttemptsAreListedOldestFirst) {
  Write([&](StoreTransaction& t) {
    for (const int64_t token : {3, 1, 20, 2}) t.PutAttempt(FullAttempt(JobId{7}, token));
    t.PutAttempt(FullAttempt(JobId{6}, 1));
    t.PutAttempt(FullAttempt(JobId{8}, 1));
  });
  Read([&](StoreReader& r) {
    std::vector<int64_t> tokens;
    for (const Attempt& attempt : r.ListAttempts(JobId{7})) {
      EXPECT_EQ(attempt.job, JobId{7});
      tokens.push_back(attempt.token.value);
    }
    EXPECT_EQ(tokens, (std::vector<int64_t>{1, 2, 3, 20}));
    EXPECT_TRUE(r.ListAttempts(JobId{9}).empty());
  });
}

TEST_P(StoreContract, EventKeepsEveryField) {
  EventRecord record = FullEvent("ledger", int64_t{1} << 60);
  Write([&](StoreTransaction& t) {
    record.id = t.InsertEvent(record);
    EXPECT_GT(record.id, 0);
  });
  const FileVersion& file = record.event.file;
  Read([&](StoreReader& r) {
    EXPECT_EQ(r.LatestEvent(file.volume, file.path), record);
    EXPECT_EQ(r.ListEvents("", "", 0, 10), std::vector<EventRecord>{record});
    EXPECT_EQ(r.ListEvents(file.volume, file.path, 0, 10), std::vector<EventRecord>{record});
  });
}

TEST_P(StoreContract, EventThatIsThereIsNotInsertedAgain) {
  int64_t first = 0;
  Write([&](StoreTransaction& t) {
    first = t.InsertEvent(EventOfPath(1, "v", "f"));
    EXPECT_NE(first, 0);
    EXPECT_EQ(t.InsertEvent(EventOfPath(1, "v", "other")), 0);
  });
  Write([&](StoreTransaction& t) {
    EXPECT_EQ(t.InsertEvent(EventOfPath(1, "v", "f")), 0);
    // The failure of nothing: the transaction goes on.
    EventRecord other_ledger = EventOfPath(1, "v", "g");
    other_ledger.ledger_id = "other";
    EXPECT_GT(t.InsertEvent(other_ledger), first);
    EXPECT_GT(t.InsertEvent(EventOfPath(2, "v", "f")), first);
  });
  Read([&](StoreReader& r) {
    EXPECT_EQ(r.ListEvents("", "", 0, 10).size(), 3u);
    EXPECT_EQ(r.LatestEvent("v", "other"), std::nullopt);
  });
}

TEST_P(StoreContract, LatestEventIsTheOneInsertedLast) {
  Write([&](StoreTransaction& t) {
    t.InsertEvent(EventOfPath(9, "v", "f"));
    t.InsertEvent(EventOfPath(5, "v", "f"));  // the sequence does not matter
    t.InsertEvent(EventOfPath(10, "v", "f/g"));
    t.InsertEvent(EventOfPath(11, "w", "f"));
    EXPECT_EQ(t.LatestEvent("v", "f")->event.sequence, 5);
    EXPECT_EQ(t.LatestEvent("w", "f")->event.sequence, 11);
    EXPECT_EQ(t.LatestEvent("w", "f/g"), std::nullopt);
  });
}

TEST_P(StoreContract, ListsEventsNewestFirstInPages) {
  Write([&](StoreTransaction& t) {
    int64_t sequence = 0;
    for (const char* path : {"f", "g", "f", "g", "f"}) {
      t.InsertEvent(EventOfPath(++sequence, "v", path));
    }
    t.InsertEvent(EventOfPath(++sequence, "w", "f"));
  });
  const auto sequences = [](const std::vector<EventRecord>& events) {
    std::vector<int64_t> numbers;
    for (const EventRecord& event : events) numbers.push_back(event.event.sequence);
    return numbers;
  };
  using Numbers = std::vector<int64_t>;
  Read([&](StoreReader& r) {
    EXPECT_EQ(sequences(r.ListEvents("", "", 0, 100)), (Numbers{6, 5, 4, 3, 2, 1}));
    EXPECT_EQ(sequences(r.ListEvents("v", "", 0, 100)), (Numbers{5, 4, 3, 2, 1}));
    EXPECT_EQ(sequences(r.ListEvents("v", "f", 0, 100)), (Numbers{5, 3, 1}));
    EXPECT_EQ(sequences(r.ListEvents("w", "g", 0, 100)), Numbers{});
    EXPECT_EQ(sequences(r.ListEvents("", "f", 0, 100)), (Numbers{6, 5, 4, 3, 2, 1}));
    EXPECT_TRUE(r.ListEvents("", "", 0, 0).empty());
    EXPECT_TRUE(r.ListEvents("", "", 0, -1).empty());
    const std::vector<EventRecord> page = r.ListEvents("v", "f", 0, 2);
    EXPECT_EQ(sequences(page), (Numbers{5, 3}));
    EXPECT_EQ(sequences(r.ListEvents("v", "f", page.back().id, 2)), (Numbers{1}));
    EXPECT_EQ(sequences(r.ListEvents("v", "", page.back().id, 1)), (Numbers{2}));
    EXPECT_EQ(sequences(r.ListEvents("", "", page.back().id, 9)), (Numbers{2, 1}));
  });
}

TEST_P(StoreContract, PipelinesAreReplacedAndDeleted) {
  const StoredPipeline first{"b", 1, Second(5), std::string("\0definition\xff", 12)};
  const StoredPipeline second{"a", 2, absl::InfinitePast(), ""};
  Write([&](StoreTransaction& t) {
    t.PutPipeline(first);
    t.PutPipeline(second);
    EXPECT_EQ(t.ListPipelines(), (std::vector<StoredPipeline>{second, first}));
  });
  const StoredPipeline newer{"b", 2, Second(6), "other"};
  Write([&](StoreTransaction& t) {
    t.PutPipeline(newer);
    t.DeletePipeline("a");
    t.DeletePipeline("not there");
  });
  Read([&](StoreReader& r) { EXPECT_EQ(r.ListPipelines(), (std::vector<StoredPipeline>{newer})); });
}

TEST_P(StoreContract, PipelinesVersionRisesWithEveryChange) {
  int64_t version = 0;
  const auto rises = [&](StoreReader& reader) {
    const int64_t before = version;
    version = reader.PipelinesVersion();
    return version > before;
  };
  Write([&](StoreTransaction& t) {
    version = t.PipelinesVersion();
    t.PutPipeline({"a", 1, Second(5), "x"});
    EXPECT_TRUE(rises(t));
    t.PutPipeline({"a", 2, Second(5), "y"});
    EXPECT_TRUE(rises(t));
    t.InsertJob(SmallJob("x"));
    EXPECT_FALSE(rises(t));
  });
  Write([&](StoreTransaction& t) {
    EXPECT_FALSE(rises(t));
    t.DeletePipeline("a");
    EXPECT_TRUE(rises(t));
  });
  Read([&](StoreReader& r) { EXPECT_FALSE(rises(r)); });
}

TEST_P(StoreContract, RequestsAreRememberedUntilForgotten) {
  const std::string answer("\0answer\xff", 8);
  Write([&](StoreTransaction& t) {
    t.RecordRequest(AllBytes(), answer, Second(10));
    t.RecordRequest("empty", "", Second(20));
    EXPECT_EQ(t.FindRequest(AllBytes()), answer);
  });
  Write([&](StoreTransaction& t) {
    EXPECT_EQ(t.FindRequest("empty"), "");
    EXPECT_EQ(t.FindRequest("other"), std::nullopt);
    t.ForgetRequests(Second(10));
    EXPECT_EQ(t.FindRequest(AllBytes()), answer);
    t.ForgetRequests(Second(20));
    EXPECT_EQ(t.FindRequest(AllBytes()), std::nullopt);
    EXPECT_EQ(t.FindRequest("empty"), "");
    t.RecordRequest("empty", "newer", Second(30));
    t.ForgetRequests(Second(25));
    EXPECT_EQ(t.FindRequest("empty"), "newer");
  });
}

}  // namespace
}  // namespace closewrite

// The part of the contract about the audit: who changed what.
#include <string>
#include <vector>

#include "services/coordinator/store/store_contract.h"

namespace closewrite {
namespace {

using Names = std::vector<std::string>;

// Entries by what they are about.
Names SubjectsOf(const std::vector<AuditEntry>& entries) {
  Names subjects;
  for (const AuditEntry& entry : entries) subjects.push_back(entry.subject);
  return subjects;
}

TEST_P(StoreContract, AuditEntryKeepsEveryField) {
  AuditEntry full{.id = 77,
                  .at = absl::FromUnixNanos(1700000000123456789),
                  .role = "operator",
                  .name = AllBytes(),
                  .user = AllBytes(),
                  .peer = "[::1]:5555",
                  .service = "JobService",
                  .method = "CancelJobs",
                  .request_id = AllBytes(),
                  .subject = AllBytes()};
  AuditEntry plain;
  Write([&](StoreTransaction& t) {
    EXPECT_TRUE(t.ListAudit({}, {}, 10).empty());
    t.AppendAudit(full);
    t.AppendAudit(plain);
    EXPECT_EQ(t.ListAudit({}, {}, 10).size(), 2u);
  });
  if (under_test()->durable()) under_test()->Reopen();
  Read([&](StoreReader& r) {
    const std::vector<AuditEntry> entries = r.ListAudit({}, {}, 10);
    ASSERT_EQ(entries.size(), 2u);
    full.id = entries[0].id;
    plain.id = entries[1].id;
    EXPECT_EQ(entries, (std::vector<AuditEntry>{full, plain}));
    EXPECT_GT(full.id, 0);
    EXPECT_GT(plain.id, full.id);
  });
}

// An entry without its change, or a change without its entry, would be a lie.
TEST_P(StoreContract, AuditEntryComesAndGoesWithItsTransaction) {
  EXPECT_FALSE(store()
                   ->Write([](StoreTransaction& t) {
                     t.AppendAudit({.at = Second(1), .subject = "never"});
                     return absl::AbortedError("no");
                   })
                   .ok());
  Write([](StoreTransaction& t) { t.AppendAudit({.at = Second(1), .subject = "done"}); });
  Read([](StoreReader& r) { EXPECT_EQ(SubjectsOf(r.ListAudit({}, {}, 10)), Names{"done"}); });
}

// In another order than that of their times; two have the same time.
void AppendEntries(StoreTransaction& t) {
  const auto append = [&](int64_t seconds, const std::string& name, const std::string& user,
                          const std::string& method, const std::string& subject) {
    const std::string service = method == "SetLock" ? "LockService" : "JobService";
    t.AppendAudit({.at = Second(seconds),
                   .name = name,
                   .user = user,
                   .service = service,
                   .method = method,
                   .subject = subject});
  };
  append(10, "alice", "", "CancelJobs", "a");
  append(40, "portal", "bob", "CancelJobs", "e");
  append(20, "bob", "", "SetLock", "b");
  append(30, "alice", "", "SetLock", "c");
  append(30, "", "", "CancelJobs", "d");
}

TEST_P(StoreContract, AuditIsListedNewestFirst) {
  Write(AppendEntries);
  Read([&](StoreReader& r) {
    const auto list = [&](const AuditFilter& filter) {
      return SubjectsOf(r.ListAudit(filter, {}, 9));
    };
    EXPECT_EQ(list({}), (Names{"e", "d", "c", "b", "a"}));
    EXPECT_EQ(list({.who = "alice"}), (Names{"c", "a"}));
    EXPECT_EQ(list({.who = "bob"}), (Names{"e", "b"}));
    EXPECT_EQ(list({.who = "Bob"}), Names{});
    EXPECT_EQ(list({.method = "SetLock"}), (Names{"c", "b"}));
    EXPECT_EQ(list({.service = "JobService"}), (Names{"e", "d", "a"}));
    EXPECT_EQ(list({.service = "LockService", .method = "CancelJobs"}), Names{});
    EXPECT_EQ(list({.who = "alice", .service = "LockService", .method = "SetLock"}), Names{"c"});
    EXPECT_EQ(list({.since = Second(30)}), (Names{"e", "d", "c"}));
    EXPECT_EQ(list({.since = Second(30) + absl::Nanoseconds(1)}), Names{"e"});
    // Up to a time, which is not of it.
    EXPECT_EQ(SubjectsOf(r.ListAudit({}, {.at = Second(30)}, 9)), (Names{"b", "a"}));
    EXPECT_EQ(SubjectsOf(r.ListAudit({.who = "alice"}, {.at = Second(31)}, 9)), (Names{"c", "a"}));
  });
}

TEST_P(StoreContract, AuditIsListedInPages) {
  Write(AppendEntries);
  Read([&](StoreReader& r) {
    for (const int64_t limit : {1, 2, 3}) {
      Names list;
      AuditPlace before;
      for (;;) {
        const std::vector<AuditEntry> page = r.ListAudit({}, before, limit);
        if (page.empty()) break;
        EXPECT_LE(page.size(), static_cast<size_t>(limit));
        for (const AuditEntry& entry : page) list.push_back(entry.subject);
        before = {page.back().at, page.back().id};
      }
      EXPECT_EQ(list, (Names{"e", "d", "c", "b", "a"}));
    }
    EXPECT_TRUE(r.ListAudit({}, {}, 0).empty());
    EXPECT_TRUE(r.ListAudit({}, {}, -1).empty());
  });
}

TEST_P(StoreContract, OldAuditEntriesArePruned) {
  Write(AppendEntries);
  Write([&](StoreTransaction& t) {
    EXPECT_EQ(t.PruneAudit(Second(10), 9), 0);
    EXPECT_EQ(t.PruneAudit(Second(40), 0), 0);
    EXPECT_EQ(t.PruneAudit(Second(40), -1), 0);
    EXPECT_EQ(t.PruneAudit(Second(40), 2), 2);
    EXPECT_EQ(SubjectsOf(t.ListAudit({}, {}, 9)), (Names{"e", "d", "c"}));
    t.AppendAudit({.at = Second(39), .subject = "f"});
  });
  // Jobs, events and requests are forgotten without them.
  Write([&](StoreTransaction& t) {
    t.ForgetRequests(absl::InfiniteFuture());
    t.Prune(absl::InfiniteFuture(), 9);
    EXPECT_EQ(SubjectsOf(t.ListAudit({}, {}, 9)), (Names{"e", "f", "d", "c"}));
  });
  Write([&](StoreTransaction& t) { EXPECT_EQ(t.PruneAudit(Second(40), 9), 3); });
  Read([&](StoreReader& r) { EXPECT_EQ(SubjectsOf(r.ListAudit({}, {}, 9)), Names{"e"}); });
}

TEST_P(StoreContract, IdOfAnAuditEntryIsNeverUsedAgain) {
  int64_t last = 0;
  const auto append_and_prune = [&](StoreTransaction& t) {
    t.AppendAudit({.at = Second(1)});
    const std::vector<AuditEntry> entries = t.ListAudit({}, {}, 10);
    ASSERT_EQ(entries.size(), 1u);
    EXPECT_GT(entries[0].id, last);
    last = entries[0].id;
    EXPECT_EQ(t.PruneAudit(Second(2), 10), 1);
  };
  Write(append_and_prune);
  Write(append_and_prune);
  if (!under_test()->durable()) return;
  under_test()->Reopen();
  Write(append_and_prune);
}

}  // namespace
}  // namespace closewrite

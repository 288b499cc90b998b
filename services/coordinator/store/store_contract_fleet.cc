// The part of the contract about who is there: sessions, watchers, locks, turns, notices.
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "services/coordinator/store/store_contract.h"

namespace closewrite {
namespace {

using Names = std::vector<std::string>;

Names IdsOf(const std::vector<SessionRecord>& sessions) {
  Names ids;
  for (const SessionRecord& session : sessions) ids.push_back(session.id);
  return ids;
}

TEST_P(StoreContract, SessionKeepsEveryField) {
  Write([&](StoreTransaction& t) {
    t.PutSession(FullSession("full"));
    t.PutSession({.id = "plain"});
    EXPECT_EQ(t.FindSession("full"), FullSession("full"));
    EXPECT_EQ(t.FindSession("plain"), SessionRecord{.id = "plain"});
    EXPECT_EQ(t.FindSession("Full"), std::nullopt);
  });
  Read([&](StoreReader& r) {
    EXPECT_EQ(r.ListSessions(), (std::vector<SessionRecord>{FullSession("full"), {.id = "plain"}}));
  });
  Write([&](StoreTransaction& t) { EXPECT_EQ(t.FindSession("full"), FullSession("full")); });
}

TEST_P(StoreContract, SessionIsReplacedAndErased) {
  Write([&](StoreTransaction& t) {
    t.PutSession({.id = "x"});
    t.PutSession(FullSession("y"));
  });
  Write([&](StoreTransaction& t) {
    t.PutSession(FullSession("x"));
    t.PutSession({.id = "y"});
    EXPECT_EQ(t.FindSession("x"), FullSession("x"));
    EXPECT_EQ(t.FindSession("y"), SessionRecord{.id = "y"});
    t.EraseSession("x");
    t.EraseSession("not there");
    EXPECT_EQ(t.FindSession("x"), std::nullopt);
  });
  Read([&](StoreReader& r) { EXPECT_EQ(IdsOf(r.ListSessions()), Names{"y"}); });
}

TEST_P(StoreContract, ExpiredSessionsAreThoseWhoseTimeHasCome) {
  const auto put = [](StoreTransaction& t, const SessionId& id, absl::Time expires_at) {
    t.PutSession({.id = id, .expires_at = expires_at});
  };
  Write([&](StoreTransaction& t) {
    put(t, "d", Second(10));
    put(t, "a", Second(20));
    put(t, "c", absl::InfinitePast());
    put(t, "b", absl::InfiniteFuture());
    put(t, "e", Second(5));
  });
  Write([&](StoreTransaction& t) {
    EXPECT_EQ(IdsOf(t.ExpiredSessions(Second(10), 10)), (Names{"c", "d", "e"}));
    EXPECT_EQ(IdsOf(t.ExpiredSessions(Second(10) - absl::Nanoseconds(1), 10)), (Names{"c", "e"}));
    EXPECT_EQ(t.ExpiredSessions(Second(20), 2).size(), 2u);
    EXPECT_TRUE(t.ExpiredSessions(Second(20), 0).empty());
    EXPECT_TRUE(t.ExpiredSessions(Second(20), -1).empty());
    put(t, "d", Second(30));
    t.EraseSession("c");
    EXPECT_EQ(IdsOf(t.ExpiredSessions(Second(29), 10)), (Names{"a", "e"}));
  });
}

TEST_P(StoreContract, ThousandsOfSessions) {
  constexpr int kSessions = 2000;
  Write([&](StoreTransaction& t) {
    for (int i = 0; i < kSessions; ++i) {
      t.PutSession({.id = absl::StrCat("session ", 10000 + i), .expires_at = Second(i)});
    }
  });
  Write([&](StoreTransaction& t) {
    EXPECT_EQ(t.ListSessions().size(), static_cast<size_t>(kSessions));
    EXPECT_EQ(t.ExpiredSessions(Second(kSessions / 2 - 1), kSessions).size(),
              static_cast<size_t>(kSessions / 2));
  });
}

TEST_P(StoreContract, WatcherKeepsEveryField) {
  const std::string host = AllBytes();
  Write([&](StoreTransaction& t) {
    t.PutWatcher(FullWatcher(host));
    t.PutWatcher({.host = "plain"});
    EXPECT_EQ(t.FindWatcher(host), FullWatcher(host));
    EXPECT_EQ(t.FindWatcher("plain"), Watcher{.host = "plain"});
    EXPECT_EQ(t.FindWatcher("other"), std::nullopt);
  });
  Read([&](StoreReader& r) {
    EXPECT_EQ(r.ListWatchers(), (std::vector<Watcher>{FullWatcher(host), {.host = "plain"}}));
  });
}

TEST_P(StoreContract, WatcherIsReplaced) {
  Write([&](StoreTransaction& t) {
    t.PutWatcher(FullWatcher("b"));
    t.PutWatcher({.host = "a"});
  });
  Write([&](StoreTransaction& t) {
    t.PutWatcher({.host = "b"});
    t.PutWatcher(FullWatcher("a"));
    EXPECT_EQ(t.FindWatcher("a"), FullWatcher("a"));
  });
  Read([&](StoreReader& r) {
    EXPECT_EQ(r.ListWatchers(), (std::vector<Watcher>{FullWatcher("a"), {.host = "b"}}));
  });
}

TEST_P(StoreContract, ClaimsAreListedByLockAndHolder) {
  const LockClaim full{.lock = AllBytes(),
                       .holder = AllBytes(),
                       .job = JobId{7},
                       .host = AllBytes(),
                       .pid = std::numeric_limits<int64_t>::max(),
                       .program = AllBytes(),
                       .user = AllBytes(),
                       .priority = -1000,
                       .asked_at = absl::FromUnixNanos(1),
                       .held_since = absl::InfiniteFuture(),
                       .token = std::numeric_limits<int64_t>::max()};
  const LockClaim waits{.lock = "picky-api", .holder = "b"};
  const LockClaim second{.lock = "picky-api", .holder = "c", .held_since = Second(3), .token = 4};
  LockClaim held = waits;
  held.held_since = Second(5);
  held.token = 9;
  Write([&](StoreTransaction& t) {
    EXPECT_TRUE(t.MayGrantLocks());
    EXPECT_TRUE(t.MayGrantLocks());
    for (const LockClaim& claim : {second, full, waits}) t.PutClaim(claim);
    EXPECT_EQ(t.ListClaims(), (std::vector<LockClaim>{full, waits, second}));
  });
  Write([&](StoreTransaction& t) { t.PutClaim(held); });
  Read([&](StoreReader& r) {
    EXPECT_EQ(r.ListClaims(), (std::vector<LockClaim>{full, held, second}));
  });
}

TEST_P(StoreContract, ClaimsGoAloneOrTogether) {
  const auto claim = [](const char* lock, const char* holder) {
    return LockClaim{.lock = lock, .holder = holder};
  };
  Write([&](StoreTransaction& t) {
    for (const char* lock : {"a", "b", "c"}) t.PutClaim(claim(lock, "x"));
    t.PutClaim(claim("b", "y"));
    t.PutClaim(claim("c", "z"));
  });
  Write([&](StoreTransaction& t) {
    t.EraseClaimsOf("x");
    t.EraseClaimsOf("nobody");
    t.EraseClaim("b", "nobody");
    t.EraseClaim("c", "z");
    EXPECT_EQ(t.ListClaims(), (std::vector<LockClaim>{claim("b", "y")}));
    // Again in the same transaction.
    t.PutClaim(claim("a", "x"));
    t.EraseClaim("a", "x");
    t.PutClaim(claim("c", "z"));
  });
  Read([&](StoreReader& r) {
    EXPECT_EQ(r.ListClaims(), (std::vector<LockClaim>{claim("b", "y"), claim("c", "z")}));
  });
}

TEST_P(StoreContract, TurnIsTakenOnceInAWhile) {
  constexpr absl::Duration kEvery = absl::Seconds(10);
  const auto take = [&](const std::string& duty, absl::Time now) {
    bool taken = false;
    Write([&](StoreTransaction& t) { taken = t.TakeTurn(duty, now, kEvery); });
    return taken;
  };
  EXPECT_TRUE(take("prune", Second(1000)));
  EXPECT_FALSE(take("prune", Second(1000)));
  EXPECT_FALSE(take("prune", Second(1010) - absl::Nanoseconds(1)));
  EXPECT_TRUE(take("forget", Second(1005)));
  EXPECT_TRUE(take("prune", Second(1010)));
  EXPECT_FALSE(take("prune", Second(1012)));
  // Asking does not put it off.
  EXPECT_TRUE(take("prune", Second(1020)));
  // The time of one caller may be a little behind another's.
  EXPECT_FALSE(take("prune", Second(1019)));
  // A clock that was set back must not stop the duty for good.
  EXPECT_TRUE(take("prune", Second(500)));
  EXPECT_FALSE(take("prune", Second(505)));
  Write([&](StoreTransaction& t) {
    EXPECT_TRUE(t.TakeTurn("twice", Second(1), kEvery));
    EXPECT_FALSE(t.TakeTurn("twice", Second(1), kEvery));
  });
}

// To nobody, and of any length and bytes that are allowed.
TEST_P(StoreContract, NoticesHurtNobody) {
  store()->Notify("");
  store()->Notify(AllBytes());
  store()->Notify(std::string(kNoticeBytesMax, 'n'));
  Insert(SmallJob("x"));
}

}  // namespace
}  // namespace closewrite

// The part of the contract about notes, and about the lists of jobs that alarms and reports read.
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "services/coordinator/store/store_contract.h"

namespace closewrite {
namespace {

using Names = std::vector<std::string>;
using Notes = std::vector<Note>;

constexpr absl::Time kEver = absl::InfinitePast();

Names KeysOf(const Notes& notes) {
  Names keys;
  for (const Note& note : notes) keys.push_back(note.key);
  return keys;
}

TEST_P(StoreContract, NoteKeepsEveryByte) {
  const std::string zeros("\0 \0", 3);
  const Note bytes{AllBytes() + zeros, zeros + AllBytes()};
  const Note largest{std::string(kNoteKeyBytesMax, '\xff'), std::string(kNoteValueBytesMax, '\0')};
  const Note empty{zeros, ""};
  Write([&](StoreTransaction& t) {
    for (const Note& note : {bytes, largest, empty}) t.PutNote("kind", note);
    EXPECT_EQ(t.FindNote("kind", bytes.key), bytes.value);
  });
  Read([&](StoreReader& r) {
    for (const Note& note : {bytes, largest, empty}) {
      EXPECT_EQ(r.FindNote("kind", note.key), note.value);
    }
    EXPECT_EQ(r.ListNotes("kind", "", 10), (Notes{empty, bytes, largest}));
    EXPECT_EQ(r.FindNote("kind", ""), std::nullopt);
  });
  Write([&](StoreTransaction& t) { EXPECT_EQ(t.FindNote("kind", largest.key), largest.value); });
}

TEST_P(StoreContract, NotesOfAKindAreListedByTheBytesOfTheirKeys) {
  const Names keys = {std::string("\0", 1),
                      std::string("\0\0", 2),
                      std::string("\0\xff", 2),
                      "A",
                      "a",
                      std::string("a\0", 2),
                      std::string("a\0b", 3),
                      "ab",
                      "a\x7f",
                      "a\x80",
                      "b",
                      "\x80",
                      "\xff",
                      "\xff\xff"};
  Write([&](StoreTransaction& t) {
    for (size_t i = 0; i < keys.size(); ++i) {
      const std::string& key = keys[(i * 5 + 3) % keys.size()];
      t.PutNote("mail", {key, absl::StrCat("mail ", key)});
    }
    // Kinds that lie before and behind it, and one that begins alike.
    for (const char* kind : {"", "alarm", "mail2", "\xff"}) t.PutNote(kind, {"a", kind});
    EXPECT_EQ(KeysOf(t.ListNotes("mail", "", 100)), keys);
  });
  Read([&](StoreReader& r) {
    EXPECT_EQ(KeysOf(r.ListNotes("mail", "", 100)), keys);
    for (size_t i = 0; i < keys.size(); ++i) {
      EXPECT_EQ(KeysOf(r.ListNotes("mail", keys[i], 100)), Names(keys.begin() + i + 1, keys.end()));
    }
    EXPECT_EQ(KeysOf(r.ListNotes("mail", "", 2)), Names(keys.begin(), keys.begin() + 2));
    EXPECT_EQ(KeysOf(r.ListNotes("mail", "a!", 1)), Names{"ab"});
    EXPECT_EQ(r.ListNotes("mail", "", 1)[0].value, absl::StrCat("mail ", keys[0]));
    EXPECT_TRUE(r.ListNotes("mail", "", 0).empty());
    EXPECT_TRUE(r.ListNotes("mail", "", -1).empty());
    EXPECT_EQ(r.ListNotes("mail2", "", 100), (Notes{{"a", "mail2"}}));
    EXPECT_EQ(r.ListNotes("", "", 100), (Notes{{"a", ""}}));
    EXPECT_EQ(r.FindNote("alarm", "a"), "alarm");
    EXPECT_EQ(r.FindNote("alarm", "b"), std::nullopt);
    EXPECT_TRUE(r.ListNotes("other", "", 100).empty());
  });
}

TEST_P(StoreContract, NotesAreCountedUpToALimit) {
  Write([&](StoreTransaction& t) {
    for (int i = 0; i < 5; ++i) t.PutNote("mail", {absl::StrCat(i), ""});
    t.PutNote("mail", {"0", "again"});
    t.PutNote("alarm", {"x", ""});
    EXPECT_EQ(t.CountNotes("mail", 100), 5);
  });
  Read([&](StoreReader& r) {
    EXPECT_EQ(r.CountNotes("mail", 100), 5);
    EXPECT_EQ(r.CountNotes("mail", 5), 5);
    EXPECT_EQ(r.CountNotes("mail", 3), 3);
    EXPECT_EQ(r.CountNotes("mail", 0), 0);
    EXPECT_EQ(r.CountNotes("mail", -1), 0);
    EXPECT_EQ(r.CountNotes("alarm", 100), 1);
    EXPECT_EQ(r.CountNotes("other", 100), 0);
  });
}

TEST_P(StoreContract, NoteIsReplacedByKindAndKey) {
  Write([&](StoreTransaction& t) {
    t.PutNote("a", {"x", "first"});
    t.PutNote("b", {"x", "other"});
    t.PutNote("a", {"x", "second"});
    EXPECT_EQ(t.FindNote("a", "x"), "second");
  });
  Write([&](StoreTransaction& t) {
    EXPECT_EQ(t.FindNote("a", "x"), "second");
    t.PutNote("a", {"x", "third"});
    EXPECT_EQ(t.FindNote("a", "x"), "third");
    EXPECT_EQ(t.ListNotes("a", "", 10), (Notes{{"x", "third"}}));
    t.PutNote("a", {"x", "fourth"});
    EXPECT_EQ(t.ListNotes("a", "", 10), (Notes{{"x", "fourth"}}));
  });
  Read([&](StoreReader& r) {
    EXPECT_EQ(r.FindNote("a", "x"), "fourth");
    EXPECT_EQ(r.FindNote("b", "x"), "other");
  });
}

TEST_P(StoreContract, ErasedNoteIsGoneUntilItIsPutAgain) {
  Write([&](StoreTransaction& t) {
    for (const char* key : {"x", "y", "z"}) t.PutNote("a", {key, "1"});
    t.PutNote("b", {"x", "1"});
    t.EraseNote("a", "z");
    EXPECT_EQ(KeysOf(t.ListNotes("a", "", 10)), (Names{"x", "y"}));
  });
  Write([&](StoreTransaction& t) {
    t.EraseNote("a", "x");
    t.EraseNote("a", "none");
    t.EraseNote("c", "x");
    EXPECT_EQ(t.FindNote("a", "x"), std::nullopt);
    EXPECT_EQ(t.CountNotes("a", 10), 1);
    // Each way round, whether it was there or not.
    t.PutNote("a", {"x", "2"});
    t.EraseNote("a", "y");
    t.PutNote("a", {"y", "2"});
    t.PutNote("a", {"new", "2"});
    t.EraseNote("a", "new");
    EXPECT_EQ(t.ListNotes("a", "", 10), (Notes{{"x", "2"}, {"y", "2"}}));
    t.EraseNote("a", "x");
    EXPECT_EQ(t.ListNotes("a", "", 10), (Notes{{"y", "2"}}));
  });
  Read([&](StoreReader& r) {
    EXPECT_EQ(r.ListNotes("a", "", 10), (Notes{{"y", "2"}}));
    EXPECT_EQ(r.ListNotes("b", "", 10), (Notes{{"x", "1"}}));
  });
}

TEST_P(StoreContract, NotesOfARolledBackTransactionAreAsBefore) {
  Write([&](StoreTransaction& t) {
    for (const char* key : {"erased", "replaced"}) t.PutNote("a", {key, "1"});
  });
  const absl::Status error = absl::AbortedError("changed my mind");
  EXPECT_EQ(store()->Write([&](StoreTransaction& t) {
    t.EraseNote("a", "erased");
    t.PutNote("a", {"replaced", "2"});
    t.PutNote("a", {"new", "2"});
    EXPECT_EQ(t.ListNotes("a", "", 10), (Notes{{"new", "2"}, {"replaced", "2"}}));
    Read([&](StoreReader& r) {
      EXPECT_EQ(r.ListNotes("a", "", 10), (Notes{{"erased", "1"}, {"replaced", "1"}}));
    });
    return error;
  }),
            error);
  Write([&](StoreTransaction& t) {
    EXPECT_EQ(t.ListNotes("a", "", 10), (Notes{{"erased", "1"}, {"replaced", "1"}}));
    EXPECT_EQ(t.FindNote("a", "new"), std::nullopt);
  });
}

// More than a store buffers at once.
TEST_P(StoreContract, ManyLargeNotesInOneTransaction) {
  constexpr int kNotes = 200;
  const auto value = [](int i) {
    return std::string(kNoteValueBytesMax / 2, static_cast<char>('a' + i % 26));
  };
  Write([&](StoreTransaction& t) {
    for (int i = 0; i < kNotes; ++i) t.PutNote("mail", {absl::StrCat(1000 + i), value(i)});
    t.PutNote("mail", {"1000", "replaced"});
  });
  Write([&](StoreTransaction& t) {
    EXPECT_EQ(t.CountNotes("mail", kNotes + 1), kNotes);
    EXPECT_EQ(t.FindNote("mail", "1000"), "replaced");
    EXPECT_EQ(t.FindNote("mail", "1199"), value(199));
    for (int i = 0; i < kNotes; ++i) t.EraseNote("mail", absl::StrCat(1000 + i));
    EXPECT_EQ(t.CountNotes("mail", 1), 0);
  });
  Read([&](StoreReader& r) { EXPECT_EQ(r.CountNotes("mail", 1), 0); });
}

Names KeysOf(const std::vector<Job>& jobs) {
  Names keys;
  for (const Job& job : jobs) keys.push_back(job.key);
  return keys;
}

Job FinishedJob(const std::string& key, JobState state, int64_t seconds,
                const std::string& pipeline = "p") {
  Job job = SmallJob(key, state);
  job.pipeline = pipeline;
  job.finished_at = Second(seconds);
  return job;
}

// In another order than that of their ends; three have the same end. Those that are not finished
// have a time of an earlier end, as a job that was brought back may.
void InsertFinishedAndOthers(StoreTransaction& t) {
  t.InsertJob(FinishedJob("b", JobState::kSucceeded, 20));
  t.InsertJob(FinishedJob("available", JobState::kAvailable, 15));
  t.InsertJob(FinishedJob("d", JobState::kCancelled, 30, "q"));
  t.InsertJob(FinishedJob("retrying", JobState::kRetrying, 30));
  t.InsertJob(FinishedJob("e", JobState::kFailed, 30));
  t.InsertJob(FinishedJob("a", JobState::kFailed, 10));
  t.InsertJob(FinishedJob("f", JobState::kSucceeded, 30));
  t.InsertJob(FinishedJob("g", JobState::kFailed, 40, "q"));
  t.InsertJob(FinishedJob("running", JobState::kRunning, 35));
  t.InsertJob(FinishedJob("c", JobState::kFailed, 25));
}

TEST_P(StoreContract, FinishedJobsAreListedByTheirEnds) {
  const auto check = [](StoreReader& r) {
    EXPECT_EQ(KeysOf(r.ListFinished(kEver, {}, 100)), (Names{"g", "f", "e", "d", "c", "b", "a"}));
    EXPECT_EQ(KeysOf(r.ListFinished(Second(25), {}, 100)), (Names{"g", "f", "e", "d", "c"}));
    EXPECT_EQ(KeysOf(r.ListFinished(Second(25) + absl::Nanoseconds(1), {}, 100)),
              (Names{"g", "f", "e", "d"}));
    EXPECT_EQ(KeysOf(r.ListFinished(Second(25), {}, 2)), (Names{"g", "f"}));
    EXPECT_EQ(KeysOf(r.ListFinished(kEver, {.finished_at = Second(30)}, 100)),
              (Names{"c", "b", "a"}));
    EXPECT_TRUE(r.ListFinished(Second(41), {}, 100).empty());
    EXPECT_TRUE(r.ListFinished(kEver, {}, 0).empty());
    EXPECT_TRUE(r.ListFinished(kEver, {}, -1).empty());
  };
  Write([&](StoreTransaction& t) {
    EXPECT_TRUE(t.ListFinished(kEver, {}, 100).empty());
    InsertFinishedAndOthers(t);
    check(t);
  });
  Read(check);
  Write(check);
}

TEST_P(StoreContract, FinishedJobsAreListedInPages) {
  Write(InsertFinishedAndOthers);
  Read([&](StoreReader& r) {
    for (const int64_t limit : {1, 2, 3}) {
      Names list;
      FinishedPlace before;
      for (;;) {
        const std::vector<Job> page = r.ListFinished(Second(20), before, limit);
        if (page.empty()) break;
        EXPECT_LE(page.size(), static_cast<size_t>(limit));
        for (const Job& job : page) list.push_back(job.key);
        before = {page.back().finished_at, page.back().id};
      }
      EXPECT_EQ(list, (Names{"g", "f", "e", "d", "c", "b"})) << limit;
    }
  });
}

TEST_P(StoreContract, FinishedJobIsListedWithAllItsFields) {
  Job job = FullJob("full");
  job.id = Insert(job);
  job.state = JobState::kFailed;
  Write([&](StoreTransaction& t) { t.UpdateJob(job); });
  Read([&](StoreReader& r) {
    EXPECT_EQ(r.ListFinished(kEver, {}, 10), std::vector<Job>{job});
    EXPECT_EQ(r.ListFailed(job.pipeline, kEver, 10), std::vector<Job>{job});
  });
}

TEST_P(StoreContract, JobIsListedAsFinishedFromItsEndOn) {
  Job job = SmallJob("x", JobState::kRunning);
  job.id = Insert(job);
  Write([&](StoreTransaction& t) {
    EXPECT_TRUE(t.ListFinished(kEver, {}, 10).empty());
    job.state = JobState::kSucceeded;
    job.finished_at = Second(10);
    t.UpdateJob(job);
    EXPECT_EQ(t.ListFinished(Second(10), {}, 10), std::vector<Job>{job});
    EXPECT_TRUE(t.ListFailed("p", kEver, 10).empty());
    Read([&](StoreReader& r) { EXPECT_TRUE(r.ListFinished(kEver, {}, 10).empty()); });
  });
  Read([&](StoreReader& r) {
    EXPECT_EQ(r.ListFinished(Second(10), {}, 10), std::vector<Job>{job});
  });
}

TEST_P(StoreContract, FailedJobsOfAPipelineAreListedByTheirEnds) {
  const auto check = [](StoreReader& r) {
    EXPECT_EQ(KeysOf(r.ListFailed("p", kEver, 100)), (Names{"e", "c", "a"}));
    EXPECT_EQ(KeysOf(r.ListFailed("p", Second(25), 100)), (Names{"e", "c"}));
    EXPECT_EQ(KeysOf(r.ListFailed("p", Second(25) + absl::Nanoseconds(1), 100)), Names{"e"});
    EXPECT_EQ(KeysOf(r.ListFailed("p", kEver, 2)), (Names{"e", "c"}));
    EXPECT_EQ(KeysOf(r.ListFailed("q", kEver, 100)), Names{"g"});
    EXPECT_TRUE(r.ListFailed("", kEver, 100).empty());
    EXPECT_TRUE(r.ListFailed("p", kEver, 0).empty());
    EXPECT_TRUE(r.ListFailed("p", kEver, -1).empty());
  };
  Write([&](StoreTransaction& t) {
    InsertFinishedAndOthers(t);
    check(t);
  });
  Read(check);
}

TEST_P(StoreContract, RedrivenJobIsNoMoreListedAsFinished) {
  Job first = FinishedJob("first", JobState::kFailed, 10);
  Job second = FinishedJob("second", JobState::kFailed, 10);
  first.id = Insert(first);
  second.id = Insert(second);
  Write([&](StoreTransaction& t) {
    EXPECT_EQ(t.ListFailed("p", kEver, 10), (std::vector<Job>{second, first}));
    second.state = JobState::kAvailable;
    t.UpdateJob(second);
    EXPECT_EQ(t.ListFailed("p", kEver, 10), std::vector<Job>{first});
    EXPECT_EQ(t.ListFinished(kEver, {}, 10), std::vector<Job>{first});
  });
  Read([&](StoreReader& r) {
    EXPECT_EQ(r.ListFailed("p", kEver, 10), std::vector<Job>{first});
    EXPECT_EQ(r.ListFinished(kEver, {}, 10), std::vector<Job>{first});
  });
  // It fails again, later, and the other one is given up.
  Write([&](StoreTransaction& t) {
    second.state = JobState::kFailed;
    second.finished_at = Second(20);
    t.UpdateJob(second);
    first.state = JobState::kCancelled;
    t.UpdateJob(first);
  });
  Read([&](StoreReader& r) {
    EXPECT_EQ(r.ListFailed("p", kEver, 10), std::vector<Job>{second});
    EXPECT_EQ(r.ListFinished(kEver, {}, 10), (std::vector<Job>{second, first}));
  });
}

Job WaitingJob(const std::string& key, int priority, const std::string& pipeline = "p") {
  Job job = SmallJob(key);
  job.priority = priority;
  job.pipeline = pipeline;
  return job;
}

std::string OldestOf(StoreReader& reader, const std::string& pipeline) {
  const std::optional<Job> job = reader.OldestAvailable(pipeline);
  return job.has_value() ? job->key : "none";
}

TEST_P(StoreContract, OldestAvailableIsFoundAmongAllPriorities) {
  Write([&](StoreTransaction& t) {
    EXPECT_EQ(OldestOf(t, "p"), "none");
    t.InsertJob(WaitingJob("other", 0, "o"));
    t.InsertJob(SmallJob("running", JobState::kRunning));
    t.InsertJob(WaitingJob("oldest", -3));
    t.InsertJob(WaitingJob("next", 0));
    t.InsertJob(WaitingJob("urgent", 7));
    t.InsertJob(WaitingJob("later", -3));
    t.InsertJob(WaitingJob("later too", 7));
    EXPECT_EQ(OldestOf(t, "p"), "oldest");
  });
  Write([&](StoreTransaction& t) {
    const std::optional<Job> oldest = t.OldestAvailable("p");
    ASSERT_TRUE(oldest.has_value());
    EXPECT_EQ(*oldest, t.GetJob(oldest->id));
    EXPECT_EQ(OldestOf(t, "o"), "other");
    EXPECT_EQ(OldestOf(t, "q"), "none");
    EXPECT_EQ(OldestOf(t, ""), "none");
    Job taken = *oldest;
    taken.state = JobState::kRunning;
    taken.session = "s";
    t.UpdateJob(taken);
    EXPECT_EQ(OldestOf(t, "p"), "next");
  });
  Read([&](StoreReader& r) { EXPECT_EQ(OldestOf(r, "p"), "next"); });
}

TEST_P(StoreContract, OldestAvailableIsWhatAClaimLeaves) {
  Write([&](StoreTransaction& t) {
    for (const char* key : {"a", "b"}) t.InsertJob(WaitingJob(key, 0));
    t.InsertJob(WaitingJob("c", 5));
  });
  for (const char* left : {"a", "b", "none"}) {
    Write([&](StoreTransaction& t) {
      for (Job& job : t.Claim({{"p", 1}})) {
        job.state = JobState::kRunning;
        job.session = "s";
        t.UpdateJob(job);
      }
      EXPECT_EQ(OldestOf(t, "p"), left);
    });
    Read([&](StoreReader& r) { EXPECT_EQ(OldestOf(r, "p"), left); });
  }
}

TEST_P(StoreContract, OldestAvailableLooksAtTheLargestPriorities) {
  Write([&](StoreTransaction& t) {
    // The older, the smaller its priority.
    for (int i = 0; i <= kPrioritiesMax; ++i) t.InsertJob(WaitingJob(absl::StrCat(i), i));
    EXPECT_EQ(OldestOf(t, "p"), "1");
  });
  Read([&](StoreReader& r) { EXPECT_EQ(OldestOf(r, "p"), "1"); });
}

}  // namespace
}  // namespace closewrite

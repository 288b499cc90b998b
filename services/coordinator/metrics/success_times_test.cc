#include "services/coordinator/metrics/success_times.h"

#include <optional>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/coordinator/store/fake_store.h"

namespace closewrite {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::UnorderedElementsAre;

class SuccessTimesTest : public ::testing::Test {
 protected:
  void Read(SuccessTimes* times, const std::set<std::string>& pipelines = {"p", "q"}) {
    ASSERT_TRUE(store_
                    .Read([&](StoreReader& reader) {
                      times->Read(reader, pipelines, now_);
                      return absl::OkStatus();
                    })
                    .ok());
  }
  void Write(absl::FunctionRef<void(StoreTransaction&)> step) {
    ASSERT_TRUE(store_
                    .Write([&](StoreTransaction& tx) {
                      step(tx);
                      return absl::OkStatus();
                    })
                    .ok());
  }
  void Apply(const SuccessNotes& notes) {
    Write([&](StoreTransaction& tx) { notes.Apply(tx); });
  }
  void InsertFinished(const std::string& pipeline, JobState state, absl::Time at) {
    Write([&](StoreTransaction& tx) {
      Job job{.pipeline = pipeline,
              .key = std::to_string(++jobs_),
              .state = state,
              .created_at = at,
              .finished_at = at};
      tx.InsertJob(job);
    });
  }

  FakeStore store_;
  int jobs_ = 0;
  const absl::Time now_ = absl::FromUnixSeconds(1'800'000'000);
};

TEST_F(SuccessTimesTest, NotesOutliveARestart) {
  SuccessTimes first;
  Read(&first);
  first.Add({{"p", now_}, {"gone", now_}});
  const SuccessNotes notes = first.TakeNotes(now_);
  EXPECT_THAT(notes.put, ElementsAre(Pair("p", now_)));
  Apply(notes);
  SuccessTimes second;
  Read(&second);
  EXPECT_THAT(second.times(), ElementsAre(Pair("p", now_)));
  EXPECT_TRUE(second.TakeNotes(now_).empty()) << "they are written already";
}

TEST_F(SuccessTimesTest, WhatWasNotNotedIsFoundAmongTheJobs) {
  Apply({.put = {{"p", now_ - absl::Hours(5)}, {"q", now_ - absl::Hours(9)}}, .erase = {}});
  InsertFinished("q", JobState::kSucceeded, now_ - absl::Hours(6));
  InsertFinished("p", JobState::kSucceeded, now_ - absl::Hours(4));
  InsertFinished("p", JobState::kFailed, now_ - absl::Hours(3));
  SuccessTimes times;
  Read(&times);
  EXPECT_THAT(times.times(), ElementsAre(Pair("p", now_ - absl::Hours(4)),
                                         // Whoever noted 5 hours ago knew all before.
                                         Pair("q", now_ - absl::Hours(9))));
}

TEST_F(SuccessTimesTest, WithoutNotesAllFinishedJobsAreLookedAt) {
  InsertFinished("p", JobState::kSucceeded, now_ - absl::Hours(400));
  SuccessTimes times;
  Read(&times);
  EXPECT_THAT(times.times(), ElementsAre(Pair("p", now_ - absl::Hours(400))));
}

TEST_F(SuccessTimesTest, AnOlderNoteNeverReplacesANewerOne) {
  Apply({.put = {{"p", now_}}, .erase = {}});
  Apply({.put = {{"p", now_ - absl::Seconds(1)}}, .erase = {}});
  SuccessTimes times;
  Read(&times);
  EXPECT_THAT(times.times(), ElementsAre(Pair("p", now_)));
}

TEST_F(SuccessTimesTest, APipelineThatIsGoneIsForgotten) {
  SuccessTimes times;
  Apply({.put = {{"p", now_}, {"q", now_}}, .erase = {}});
  Read(&times);
  Read(&times, {"q"});
  EXPECT_THAT(times.times(), ElementsAre(Pair("q", now_)));
  const SuccessNotes notes = times.TakeNotes(now_);
  EXPECT_THAT(notes.erase, ElementsAre("p"));
  Apply(notes);
  Read(&times, {"p", "q"});
  EXPECT_THAT(times.times(), ElementsAre(Pair("q", now_))) << "it is another one now";
}

TEST_F(SuccessTimesTest, NotesAreWrittenNowAndThen) {
  SuccessTimes times;
  Read(&times);
  times.Add({{"p", now_}});
  EXPECT_FALSE(times.TakeNotes(now_).empty());
  times.Add({{"q", now_}});
  EXPECT_TRUE(times.TakeNotes(now_ + kSuccessNotesEvery - absl::Seconds(1)).empty());
  EXPECT_THAT(times.TakeNotes(now_ + kSuccessNotesEvery).put,
              UnorderedElementsAre(Pair("p", now_), Pair("q", now_)));
  EXPECT_THAT(times.TakeNotes(now_ + 3 * kSuccessNotesEvery).erase, IsEmpty());
}

}  // namespace
}  // namespace closewrite

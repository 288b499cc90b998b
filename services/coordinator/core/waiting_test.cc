#include "services/coordinator/core/waiting.h"

#include <memory>
#include <string>
#include <utility>

#include "gtest/gtest.h"
#include "services/coordinator/store/fake_store.h"

namespace closewrite {
namespace {

// A job of one pipeline, from `in` to `out`, and a fleet that is set up by hand.
class WaitingTest : public ::testing::Test {
 protected:
  WaitingTest() {
    fleet_.self = "a";
    auto pipeline = std::make_shared<Pipeline>();
    pipeline->name = job_.pipeline = "enrich";
    pipeline->volume = "in";
    pipeline->output_volume = job_.output_volume = "out";
    fleet_.pipelines["enrich"] = std::move(pipeline);
  }

  Session& Attend(const std::string& name, int slots, const CoordinatorId& coordinator = "a") {
    Session& session = fleet_.sessions["session of " + name];
    session.id = "session of " + name;
    session.coordinator = coordinator;
    session.executor = {.name = name,
                        .host = "vm-" + name,
                        .slots = slots,
                        .volume_roots = {{"in", "/mnt/in"}, {"out", "/mnt/out"}}};
    return session;
  }
  Waiting Why() {
    Waiting waiting;
    EXPECT_TRUE(store_
                    .Read([&](StoreReader& reader) {
                      waiting = WhyWaiting(job_, fleet_, reader, absl::UnixEpoch());
                      return absl::OkStatus();
                    })
                    .ok());
    return waiting;
  }

  FakeStore store_;
  Fleet fleet_;
  Job job_;
};

TEST_F(WaitingTest, AVolumeThatCantBeUsedIsNamedWithItsHostAndPath) {
  Attend("c", 1).findings.unusable_volumes = {{"out", "is it still mounted?"}, {"x", "gone"}};
  EXPECT_EQ(Why().reason, WaitingReason::kVolumeUnusable);
  EXPECT_EQ(Why().message, "volume out can't be used on vm-c at /mnt/out: is it still mounted?");
  Attend("d", 1).findings.unusable_volumes = {{"in", "gone"}};
  EXPECT_EQ(Why().message,
            "volume in can't be used on vm-d at /mnt/in: gone; "
            "volume out can't be used on vm-c at /mnt/out: is it still mounted?");
  // It waits for one that could run it.
  Attend("e", 0);
  EXPECT_EQ(Why().reason, WaitingReason::kNoSlot);
  EXPECT_EQ(Why().message, "no free slot on e, next in line");
}

// The answer of a retry said that there was no free slot, before anybody had looked for one.
TEST_F(WaitingTest, AFreeSlotIsNoReasonToWait) {
  Session& session = Attend("c", 1);
  EXPECT_EQ(Why().reason, WaitingReason::kNone);
  EXPECT_EQ(Why().message, "it is given a slot at once");
  session.leases[JobId{7}] = {};
  EXPECT_EQ(Why().reason, WaitingReason::kNoSlot);
  EXPECT_EQ(Why().message, "no free slot on c, next in line");
  session.leases.clear();
  session.draining = true;
  EXPECT_EQ(Why().message, "no free slot on c (draining), next in line");
}

TEST_F(WaitingTest, SlotsOfOtherCoordinatorsAreNotCounted) {
  Attend("c", 1, "b");
  EXPECT_EQ(Why().reason, WaitingReason::kNoSlot);
  EXPECT_EQ(Why().message, "it waits for a slot on c, next in line");
}

TEST_F(WaitingTest, ALockThatIsKeptForOthersIsNamed) {
  Attend("c", 1);
  auto pipeline = std::make_shared<Pipeline>(*fleet_.pipelines["enrich"]);
  pipeline->locks = {"x"};
  fleet_.pipelines["enrich"] = pipeline;
  EXPECT_EQ(Why().reason, WaitingReason::kNone);
  auto other = std::make_shared<Pipeline>(*pipeline);
  other->locks = {"x", "y"};
  fleet_.pipelines["other"] = other;
  fleet_.locks.Put({.lock = "y", .holder = "job/1", .held_since = absl::UnixEpoch()});
  EXPECT_EQ(Why().reason, WaitingReason::kNone);  // it has no job that waits
  fleet_.ready = {"other"};
  EXPECT_EQ(Why().reason, WaitingReason::kLock);
  EXPECT_EQ(Why().message, "lock x is kept for jobs of other, which wait for lock y as well");
}

TEST_F(WaitingTest, AVolumeThatIsLostOnItsHomeIsNamedToo) {
  job_.state = JobState::kPublishing;
  fleet_.watchers["vm-a"] = {
      .host = "vm-a", .coordinator = "a", .volumes = {{.volume = "out", .root = "/srv/out"}}};
  EXPECT_EQ(Why().reason, WaitingReason::kPublishing);
  fleet_.watchers["vm-a"].volumes[0].state = VolumeState::kLost;
  fleet_.watchers["vm-a"].volumes[0].message = "it was removed";
  EXPECT_EQ(Why().reason, WaitingReason::kVolumeUnusable);
  EXPECT_EQ(Why().message,
            "volume out can't be used on vm-a, its home, at /srv/out: it was removed");
}

}  // namespace
}  // namespace closewrite

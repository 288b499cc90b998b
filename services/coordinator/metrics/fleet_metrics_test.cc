#include "services/coordinator/metrics/fleet_metrics.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/coordinator/metrics/metric_values.h"

namespace closewrite {
namespace {

const absl::Time kNow = absl::FromUnixSeconds(1'800'000'000);

Session Attending(const std::string& name, const std::string& coordinator, int leases) {
  Session session;
  session.executor.name = name;
  session.executor.slots = 4;
  session.coordinator = coordinator;
  for (int i = 1; i <= leases; ++i) session.leases[JobId{i}] = {};
  return session;
}

std::map<std::string, double> Values(const Fleet& fleet, const std::vector<std::string>& lost) {
  MetricList list("");
  AppendFleet(fleet, lost, kNow, &list);
  return ValuesOf(list.Take());
}

TEST(FleetMetricsTest, Executors) {
  Fleet fleet{.self = "me", .shared = true};
  fleet.sessions["1"] = Attending("a", "me", 3);
  fleet.sessions["2"] = Attending("b", "me", 1);
  fleet.sessions["2"].draining = true;
  fleet.sessions["3"] = Attending("c", "", 2);
  fleet.sessions["4"] = Attending("d", "another", 0);
  std::map<std::string, double> values = Values(fleet, {"e"});
  EXPECT_EQ(values.at("executors state=connected"), 1);
  EXPECT_EQ(values.at("executors state=draining"), 1);
  EXPECT_EQ(values.at("executors state=disconnected"), 1);
  EXPECT_EQ(values.at("executors state=lost"), 1);
  EXPECT_EQ(values.at("executor_connected executor=a"), 1);
  EXPECT_EQ(values.at("executor_connected executor=c"), 0);
  EXPECT_EQ(values.at("executor_connected executor=e"), 0);
  EXPECT_FALSE(values.contains("executor_connected executor=d")) << "that one is another's";
  EXPECT_EQ(values.at("executor_slots executor=a"), 4);
  EXPECT_EQ(values.at("executor_slots_busy executor=a"), 3);
  EXPECT_FALSE(values.contains("executor_slots executor=c"));
  EXPECT_THAT(PresentExecutors(fleet), ::testing::UnorderedElementsAre("a", "b", "d"));
}

TEST(FleetMetricsTest, AnExecutorThatCameBackAsAnotherSessionIsConnected) {
  Fleet fleet{.self = "me"};
  fleet.sessions["1"] = Attending("a", "", 1);
  fleet.sessions["2"] = Attending("a", "me", 0);
  EXPECT_EQ(Values(fleet, {}).at("executor_connected executor=a"), 1);
}

TEST(FleetMetricsTest, WatchersAndTheirVolumes) {
  Fleet fleet{.self = "me"};
  Watcher& up = fleet.watchers["vm-a"];
  up.coordinator = "me";
  up.expires_at = kNow + absl::Seconds(1);
  up.volumes = {{.volume = "v", .state = VolumeState::kDegraded, .overflows = 2}};
  up.volumes[0].unacknowledged_events = 7;
  fleet.watchers["vm-b"] = {.host = "vm-b"};
  Watcher& silent = fleet.watchers["vm-c"];
  silent.coordinator = "me";
  silent.expires_at = kNow;
  std::map<std::string, double> values = Values(fleet, {});
  EXPECT_EQ(values.at("watcher_connected host=vm-a"), 1);
  EXPECT_EQ(values.at("watcher_connected host=vm-b"), 0);
  EXPECT_EQ(values.at("watcher_connected host=vm-c"), 0);
  EXPECT_EQ(values.at("volume_state volume=v state=DEGRADED"), 1);
  EXPECT_EQ(values.at("volume_state volume=v state=LIVE"), 0);
  EXPECT_EQ(values.at("volume_overflows_total volume=v"), 2);
  EXPECT_EQ(values.at("volume_unacknowledged_events volume=v"), 7);
}

}  // namespace
}  // namespace closewrite

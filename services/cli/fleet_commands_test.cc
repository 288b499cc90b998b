#include "nlohmann/json.hpp"
#include "services/cli/cli_fixture.h"

namespace closewrite::cli {
namespace {

using FleetCommandsTest = CliFixture;

TEST_F(FleetCommandsTest, ListsExecutors) {
  v1::ExecutorStatus executor;
  executor.set_name("vm-c-1");
  executor.set_host("vm-c");
  executor.set_connected(true);
  executor.set_slots(4);
  executor.set_leases(1);
  executor.add_labels("internet");
  executor.add_labels("r");
  (*executor.mutable_volume_roots())["unenriched"] = "/mnt/unenriched";
  (*executor.mutable_volume_roots())["enriched"] = "/mnt/enriched";
  executor.mutable_heartbeat_at()->set_seconds(1795345200);
  coordinator_.PutExecutor(executor);
  EXPECT_EQ(Run({"executors"}).out,
            "NAME    HOST  STATE      BUSY  LABELS      SEEN                      VOLUMES\n"
            "vm-c-1  vm-c  connected  1/4   internet,r  2026-11-22T11:00:00.000Z  "
            "enriched=/mnt/enriched unenriched=/mnt/unenriched\n");
  const auto json = nlohmann::json::parse(Run({"executors", "-o", "json"}).out);
  EXPECT_EQ(json["volume_roots"]["enriched"], "/mnt/enriched");
  EXPECT_EQ(json["labels"], nlohmann::json({"internet", "r"}));
}

TEST_F(FleetCommandsTest, DrainsAHostAndWaits) {
  for (const char* name : {"vm-c-1", "vm-d-1"}) {
    v1::ExecutorStatus executor;
    executor.set_name(name);
    executor.set_host(std::string(name, 4));
    executor.set_session_id(name);
    executor.set_leases(2);
    coordinator_.PutExecutor(executor);
  }
  EXPECT_EQ(Run({"drain", "vm-c", "--wait"}).out, "vm-c-1 draining, 2 running\n");
  EXPECT_EQ(Run({"drain", "vm-d", "-o", "json"}).out.find("{\"name\":\"vm-d-1\""), 0u);
}

TEST_F(FleetCommandsTest, ADrainThatTakesTooLongGoesOn) {
  v1::ExecutorStatus executor;
  executor.set_name("vm-c-1");
  executor.set_host("vm-c");
  executor.set_session_id("s");
  executor.set_leases(1);
  coordinator_.PutExecutor(executor);
  coordinator_.KeepDrained();
  const CliResult result = Run({"drain", "vm-c", "--wait", "--timeout", "300ms"});
  EXPECT_EQ(result.code, 124);
  EXPECT_EQ(result.err, "closewrite: 1 executor still has commands; draining goes on\n");
}

TEST_F(FleetCommandsTest, ListsWatchersByVolume) {
  v1::WatcherStatus watcher;
  watcher.set_host("vm-b");
  watcher.set_connected(true);
  watcher.mutable_heartbeat_at()->set_seconds(1795345200);
  v1::VolumeStatus* live = watcher.add_volumes();
  live->set_volume("unenriched");
  live->set_root("/srv/unenriched");
  live->set_state(v1::VOLUME_STATE_LIVE);
  live->set_watched_directories(12);
  live->set_unwatched_directories(3);
  live->set_backend(v1::WATCH_BACKEND_INOTIFY);
  live->set_file_system("ext4");
  live->set_pending_files(2);
  live->set_scans(4);
  live->mutable_scan_duration()->set_nanos(250'000'000);
  live->set_audit_found(5);
  live->mutable_canary_seen_at()->set_seconds(1795345199);
  live->set_canary_misses(1);
  v1::VolumeStatus* lost = watcher.add_volumes();
  lost->set_volume("old");
  lost->set_root("/srv/old");
  lost->set_state(v1::VOLUME_STATE_LOST);
  lost->set_message("the root is gone");
  coordinator_.PutWatcher(watcher);
  v1::WatcherStatus silent;
  silent.set_host("vm-d");
  coordinator_.PutWatcher(silent);
  EXPECT_EQ(
      Run({"watchers"}).out,
      "HOST  STATE      VOLUME      IS    BY             DIRS  WAITING  OVERFLOWS  SEEN           "
      "           ROOT             WHY\n"
      "vm-b  connected  unenriched  live  inotify  12 (3 not)        0          0  "
      "2026-11-22T11:00:00.000Z  /srv/unenriched\n"
      "vm-b  connected  old         lost                    0        0          0  "
      "2026-11-22T11:00:00.000Z  /srv/old         the root is gone\n"
      "vm-d  silent\n");
  const std::string wide = Run({"watchers", "-o", "wide"}).out;
  EXPECT_NE(wide.find("FS    PENDING  SCANS   TOOK  AUDIT FOUND  CANARY"), std::string::npos)
      << wide;
  EXPECT_NE(wide.find("ext4        2      4  250ms            5  2026-11-22T10:59:59.000Z "
                      "(1 missed)"),
            std::string::npos)
      << wide;
  const std::string json = Run({"watchers", "-o", "json"}).out;
  const auto volume = nlohmann::json::parse(json.substr(0, json.find('\n')))["volumes"][0];
  EXPECT_EQ(volume["backend"], "inotify");
  EXPECT_EQ(volume["canary_misses"], 1);
  EXPECT_EQ(volume["scan_duration"], 0.25);
}

TEST_F(FleetCommandsTest, TellsBothVersions) {
  EXPECT_EQ(Run({"version"}).out,
            "client       0.1.0\ncoordinator  9.8.7  at " + coordinator_.address() + ", memory\n");
  const auto json = nlohmann::json::parse(Run({"version", "-o", "json"}).out);
  EXPECT_EQ(json["coordinator"]["version"], "9.8.7");
}

}  // namespace
}  // namespace closewrite::cli

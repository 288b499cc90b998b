#include "services/watcher/watcher_metrics.h"

#include <fcntl.h>
#include <netdb.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <map>
#include <set>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/log/str_cat.h"
#include "services/metrics/metrics_server.h"
#include "services/watcher/scratch_volume.h"

namespace closewrite::watcher {
namespace {

using ::testing::HasSubstr;

const absl::Time kNow = absl::FromUnixSeconds(1'763'900'000);

std::vector<Metric> Example() {
  VolumeReport live;
  live.name = "v";
  live.state = EngineState::kLive;
  live.file_system = "ext4";
  live.overflows = 3;
  live.scans = 2;
  live.scan_duration = absl::Milliseconds(1500);
  live.canary_seen_at = kNow - absl::Seconds(2);
  VolumeReport lost;
  lost.name = "w";
  lost.state = EngineState::kLost;
  LedgerNumbers ledger;
  ledger.volumes["v"].pending = 5;
  ledger.volumes["v"].recorded[static_cast<size_t>(ChangeKind::kMovedTo)] = 4;
  ledger.volumes["v"].found = 2;
  ledger.volumes["v"].acknowledged = 11;
  ledger.volumes["not configured any more"].pending = 9;
  ledger.oldest_pending_unix_ns = absl::ToUnixNanos(kNow - absl::Seconds(7));
  live.free_bytes = 100;
  live.total_bytes = 1000;
  return WatcherMetrics({.volumes = {live, lost},
                         .ledger = ledger,
                         .published = {{"v", {.published = 8, .refused = 1, .postponed = 2}}},
                         .connected = true},
                        kNow);
}

std::map<std::string, double> ByName(const std::vector<Metric>& metrics) {
  std::map<std::string, double> values;
  for (const Metric& metric : metrics) {
    std::string name = metric.name;
    for (const auto& [label, value] : metric.labels) StrAppend(&name, " ", label, "=", value);
    EXPECT_TRUE(values.emplace(name, metric.value).second) << name << " is there twice";
  }
  return values;
}

TEST(WatcherMetricsTest, Values) {
  std::map<std::string, double> values = ByName(Example());
  EXPECT_EQ(values.at("closewrite_watcher_connected"), 1);
  EXPECT_EQ(values.at("closewrite_watcher_events_total volume=v kind=MOVED_TO"), 4);
  EXPECT_EQ(values.at("closewrite_watcher_events_total volume=w kind=DELETE"), 0);
  EXPECT_EQ(values.at("closewrite_watcher_unacknowledged_events volume=v"), 5);
  EXPECT_EQ(values.at("closewrite_watcher_oldest_unacknowledged_age_seconds"), 7);
  EXPECT_EQ(values.at("closewrite_watcher_events_found_total volume=v"), 2);
  EXPECT_EQ(values.at("closewrite_watcher_events_acknowledged_total volume=v"), 11);
  EXPECT_EQ(values.at("closewrite_watcher_volume_free_bytes volume=v"), 100);
  EXPECT_EQ(values.at("closewrite_watcher_volume_size_bytes volume=v"), 1000);
  EXPECT_EQ(values.at("closewrite_watcher_publish_orders_total volume=v outcome=PUBLISHED"), 8);
  EXPECT_EQ(values.at("closewrite_watcher_publish_orders_total volume=v outcome=REFUSED"), 1);
  EXPECT_EQ(values.at("closewrite_watcher_publish_orders_total volume=v outcome=POSTPONED"), 2);
  EXPECT_EQ(values.at("closewrite_watcher_publish_orders_total volume=w outcome=PUBLISHED"), 0);
  EXPECT_EQ(values.at("closewrite_watcher_volume_state volume=w state=LOST"), 1);
  EXPECT_EQ(values.at("closewrite_watcher_volume_state volume=w state=LIVE"), 0);
  EXPECT_EQ(values.at("closewrite_watcher_overflows_total volume=v"), 3);
  EXPECT_EQ(values.at("closewrite_watcher_last_scan_duration_seconds volume=v"), 1.5);
  EXPECT_EQ(values.at("closewrite_watcher_canary_age_seconds volume=v"), 2);
  EXPECT_FALSE(
      values.contains("closewrite_watcher_unacknowledged_events volume=not configured any more"));
  EXPECT_FALSE(values.contains("closewrite_watcher_canary_age_seconds volume=w")) << "never seen";
}

std::string Scrape(int port) {
  addrinfo hints = {};
  hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (getaddrinfo("127.0.0.1", StrCat(port).c_str(), &hints, &found) != 0) return "";
  const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> owned(found, freeaddrinfo);
  const Fd fd(socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (connect(fd.get(), found->ai_addr, found->ai_addrlen) != 0) return "";
  const std::string_view request = "GET /metrics HTTP/1.0\r\nConnection: close\r\n\r\n";
  if (write(fd.get(), request.data(), request.size()) < 0) return "";
  std::string answer;
  char buffer[4096];
  for (ssize_t got = 0; (got = read(fd.get(), buffer, sizeof(buffer))) > 0;) {
    answer.append(buffer, static_cast<size_t>(got));
  }
  const size_t body = answer.find("\r\n\r\n");
  return body == std::string::npos ? "" : answer.substr(body + 4);
}

// Prometheus' own tool has nothing to say against names, types and help.
TEST(WatcherMetricsTest, PromtoolIsContent) {
  const auto server = MetricsServer::Start("127.0.0.1:0", "watcher", Example);
  ASSERT_TRUE(server.ok()) << server.status();
  // Those of the HTTP server itself are the library's affair.
  std::string ours;
  const std::string text = Scrape((*server)->port());
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = text.find('\n', begin);
    ASSERT_NE(end, std::string::npos);
    const std::string line = text.substr(begin, end + 1 - begin);
    if (line.find("closewrite_") != std::string::npos) ours += line;
    begin = end + 1;
  }
  EXPECT_THAT(ours, HasSubstr("# TYPE closewrite_watcher_events_total counter"));
  const ScratchVolume folder;
  folder.Write("metrics", ours);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 0, folder.Absolute("metrics").c_str(), O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&actions, 1, folder.Absolute("said").c_str(), O_WRONLY | O_CREAT,
                                   0600);
  posix_spawn_file_actions_adddup2(&actions, 1, 2);
  const char* arguments[] = {"promtool", "check", "metrics", nullptr};
  pid_t child = 0;
  const int error = posix_spawn(&child, "/usr/bin/promtool", &actions, nullptr,
                                const_cast<char**>(arguments), environ);
  posix_spawn_file_actions_destroy(&actions);
  if (error != 0) GTEST_SKIP() << "no promtool here (package prometheus)";
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0) << folder.Read("said");
  EXPECT_EQ(folder.Read("said"), "");
}

}  // namespace
}  // namespace closewrite::watcher

#include "services/coordinator/api/alert_codec.h"

#include <string>

#include "gtest/gtest.h"
#include "services/config/config.h"
#include "services/coordinator/api/pipeline_codec.h"
#include "services/coordinator/api/task_codec.h"

namespace closewrite {
namespace {

// A pipeline with this among its keys.
absl::StatusOr<Pipeline> Decode(const std::string& keys) {
  v1::Pipeline pipeline;
  const absl::Status parsed = ParseYaml(
      "test.yaml", "{name: p, on: {volume: in, match: ['*']}, run: {command: [x]}, " + keys + "}",
      &pipeline);
  EXPECT_TRUE(parsed.ok()) << parsed;
  return DecodePipeline(pipeline);
}

std::string Error(const std::string& keys) { return std::string(Decode(keys).status().message()); }

TEST(AlertCodecTest, AllAlerts) {
  const auto pipeline = Decode(
      "alerts: {no_success_within: 24h, failed: 3 in 1h, running_longer_than: 2h, "
      "waiting_longer_than: 10m, executor_lost: true, watcher_lost: true, overflow: true, "
      "email: [a@b.org, c@d.org], webhook: 'http://h/x', remind_every: 4h}");
  ASSERT_TRUE(pipeline.ok()) << pipeline.status();
  const AlertPolicy& alerts = pipeline->alerts;
  EXPECT_EQ(alerts.no_success_within, absl::Hours(24));
  EXPECT_EQ(alerts.failed.count, 3);
  EXPECT_EQ(alerts.failed.within, absl::Hours(1));
  EXPECT_EQ(alerts.running_longer_than, absl::Hours(2));
  EXPECT_EQ(alerts.waiting_longer_than, absl::Minutes(10));
  EXPECT_TRUE(alerts.executor_lost && alerts.watcher_lost && alerts.overflow);
  EXPECT_EQ(alerts.to.emails, (std::vector<std::string>{"a@b.org", "c@d.org"}));
  EXPECT_EQ(alerts.to.webhook, "http://h/x");
  EXPECT_EQ(alerts.remind_every, absl::Hours(4));
  // They survive being stored.
  const auto again = DecodeStoredPipeline(pipeline->definition);
  ASSERT_TRUE(again.ok());
  EXPECT_EQ(again->alerts.failed.count, 3);
}

TEST(AlertCodecTest, TasksHaveThemToo) {
  v1::TaskFile file;
  ASSERT_TRUE(ParseYaml("test.yaml",
                        "tasks: [{name: load, period: day, run: {command: [x]}, "
                        "alerts: {no_success_within: 25h}, notify: {email: [a@b.org], "
                        "on: [failure]}}]",
                        &file)
                  .ok());
  const auto tasks = DecodeTasks(file.tasks());
  ASSERT_TRUE(tasks.ok()) << tasks.status();
  EXPECT_EQ(tasks->front().run.alerts.no_success_within, absl::Hours(25));
  EXPECT_TRUE(tasks->front().run.notify.failure);
  EXPECT_FALSE(tasks->front().run.notify.success);
  const auto again = DecodeStoredTask(tasks->front().run.definition);
  ASSERT_TRUE(again.ok());
  EXPECT_EQ(again->run.alerts.no_success_within, absl::Hours(25));
}

TEST(AlertCodecTest, NotificationsByDefaultTellOfAllEnds) {
  const auto pipeline = Decode("notify: {webhook: 'https://h/x'}");
  ASSERT_TRUE(pipeline.ok()) << pipeline.status();
  EXPECT_TRUE(pipeline->notify.success && pipeline->notify.failure);
  EXPECT_EQ(pipeline->notify.log_lines, kNotifyLogLinesDefault);
  EXPECT_EQ(Decode("notify: {webhook: 'https://h/x', log_lines: -1}")->notify.log_lines, 0);
  EXPECT_EQ(Decode("notify: {email: [a@b.org], attach_max: 1MiB}")->notify.attach_bytes_max,
            1 << 20);
}

TEST(AlertCodecTest, WrongOnesSayWhatWouldBeRight) {
  EXPECT_EQ(Error("alerts: {failed: often}"),
            "alerts.failed: is \"often\"; say how many within what time, such as \"3 in 1h\"");
  EXPECT_EQ(Error("alerts: {failed: 101 in 1h}"),
            "alerts.failed: is \"101 in 1h\"; give 1 to 100 failures in 1s to 30d");
  EXPECT_EQ(Error("alerts: {failed: 3 in 31d}"),
            "alerts.failed: is \"3 in 31d\"; give 1 to 100 failures in 1s to 30d");
  EXPECT_EQ(Error("alerts: {no_success_within: 1ms}"),
            "alerts.no_success_within: is 1ms; give 1s to 9600h");
  EXPECT_EQ(Error("alerts: {email: ['Ops <ops@example.org>']}"),
            "alerts.email[0]: is \"Ops <ops@example.org>\"; give an address such as "
            "ops@example.org");
  EXPECT_EQ(Error("notify: {on: [failure]}"),
            "notify: tells nobody; say `email: [ops@example.org]`, or `webhook:`");
  EXPECT_EQ(Error("notify: {email: [a@b.org], attach_max: 11MiB}"),
            "notify.attach_max: is 11MiB; give at most 10MiB");
  EXPECT_EQ(Error("notify: {webhook: 'https://h/x', attach_max: 1MiB}"),
            "notify.attach_max: is for mail, and no `email` is there; leave it out");
  EXPECT_EQ(Error("notify: {email: [a@b.org], log_lines: 201}"),
            "notify.log_lines: is 201; give 1 to 200 lines, or -1 for none");
}

TEST(AlertTroubleTest, WhoWouldBeTold) {
  const AlertRoutes nothing;
  const AlertRoutes mail = {.mail = true, .to = {}};
  const AlertRoutes all = {.mail = true, .to = {.emails = {"ops@b.org"}, .webhook = ""}};
  const Pipeline silent = *Decode("alerts: {overflow: true}");
  EXPECT_NE(AlertTrouble(silent, mail).find("nobody would be told"), std::string::npos);
  EXPECT_EQ(AlertTrouble(silent, all), "");
  const Pipeline mailed = *Decode("alerts: {overflow: true, email: [a@b.org]}");
  EXPECT_NE(AlertTrouble(mailed, nothing).find("nobody can be mailed"), std::string::npos);
  EXPECT_EQ(AlertTrouble(mailed, mail), "");
  const Pipeline notified = *Decode("notify: {email: [a@b.org]}");
  EXPECT_NE(AlertTrouble(notified, nothing).find("nobody can be mailed"), std::string::npos);
  EXPECT_EQ(AlertTrouble(*Decode("priority: 1"), nothing), "");
}

}  // namespace
}  // namespace closewrite

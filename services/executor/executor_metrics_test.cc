#include "services/executor/executor_metrics.h"

#include <map>
#include <string>

#include "gtest/gtest.h"
#include "services/config/duration.h"
#include "services/log/str_cat.h"

namespace closewrite::executor {
namespace {

const absl::Time kNow = absl::FromUnixSeconds(1'763'900'000);
constexpr absl::Duration kSinceBoot = absl::Seconds(1000);

// By name and labels, without the prefix; of a histogram the count.
std::map<std::string, double> Values(const ExecutorNumbers& numbers,
                                     const AttemptMeters& attempts) {
  std::map<std::string, double> values;
  for (const Metric& metric : ExecutorMetrics(numbers, attempts, kSinceBoot, kNow)) {
    std::string name = metric.name.substr(std::string("closewrite_executor_").size());
    for (const auto& [label, value] : metric.labels) StrAppend(&name, " ", label, "=", value);
    const double value =
        metric.histogram == nullptr ? metric.value : static_cast<double>(metric.histogram->count());
    EXPECT_TRUE(values.emplace(name, value).second) << name << " is there twice";
  }
  return values;
}

v1::VolumeHealth Health(const std::string& volume, absl::Duration ago, const std::string& problem) {
  v1::VolumeHealth health;
  health.set_volume(volume);
  *health.mutable_checked_at() = ToProto(kNow - ago);
  health.set_problem(problem);
  return health;
}

TEST(ExecutorMetricsTest, LinkAndTable) {
  ExecutorNumbers numbers{
      .slots = 4,
      .link = {.connected = true,
               .answered_at = kSinceBoot - absl::Seconds(3),
               .lease_deadline = kSinceBoot + absl::Seconds(5),
               .renewals = 7,
               .leases_lost = 1,
               .sessions = 2,
               .streams = 9},
      .table = {.running = 3, .unsettled = 1, .log_bytes_sent = 100, .log_bytes_waiting = 50}};
  std::map<std::string, double> values = Values(numbers, AttemptMeters());
  EXPECT_EQ(values.at("connected"), 1);
  EXPECT_EQ(values.at("draining"), 0);
  EXPECT_EQ(values.at("last_answer_age_seconds"), 3);
  EXPECT_EQ(values.at("lease_left_seconds"), 5);
  EXPECT_EQ(values.at("lease_renewals_total"), 7);
  EXPECT_EQ(values.at("leases_lost_total"), 1);
  EXPECT_EQ(values.at("sessions_total"), 2);
  EXPECT_EQ(values.at("streams_total"), 9);
  EXPECT_EQ(values.at("slots"), 4);
  EXPECT_EQ(values.at("slots_busy"), 3);
  EXPECT_EQ(values.at("results_waiting"), 1);
  EXPECT_EQ(values.at("log_sent_bytes_total"), 100);
  EXPECT_EQ(values.at("log_waiting_bytes"), 50);
  numbers.link.lease_deadline = kSinceBoot - absl::Seconds(5);
  EXPECT_EQ(Values(numbers, AttemptMeters()).at("lease_left_seconds"), 0);
}

TEST(ExecutorMetricsTest, AMountThatDoesNotAnswerIsNotUsable) {
  ExecutorNumbers numbers;
  numbers.volumes = {Health("good", absl::Seconds(10), ""), Health("silent", absl::Minutes(2), ""),
                     Health("broken", absl::Seconds(1), "Read-only file system")};
  numbers.volumes.emplace_back().set_volume("unchecked");
  std::map<std::string, double> values = Values(numbers, AttemptMeters());
  EXPECT_EQ(values.at("volume_usable volume=good"), 1);
  EXPECT_EQ(values.at("volume_usable volume=silent"), 0);
  EXPECT_EQ(values.at("volume_usable volume=broken"), 0);
  EXPECT_EQ(values.at("volume_usable volume=unchecked"), 0);
}

TEST(ExecutorMetricsTest, Attempts) {
  AttemptMeters attempts;
  v1::AttemptResult success;
  success.set_outcome(v1::ATTEMPT_OUTCOME_SUCCEEDED);
  *success.mutable_cpu() = ToProto(absl::Milliseconds(1500));
  success.add_files()->set_size(10);
  success.add_files()->set_size(20);
  attempts.Take("p", success, absl::Seconds(2));
  v1::AttemptResult handed_back;
  handed_back.set_outcome(v1::ATTEMPT_OUTCOME_HANDED_BACK);
  attempts.Take("p", handed_back, std::nullopt);
  attempts.Take("q", handed_back, std::nullopt);
  attempts.TakeResumed();
  std::map<std::string, double> values = Values({}, attempts);
  EXPECT_EQ(values.at("attempts_total pipeline=p outcome=SUCCEEDED"), 1);
  EXPECT_EQ(values.at("attempts_total pipeline=p outcome=HANDED_BACK"), 1);
  EXPECT_EQ(values.at("attempts_total pipeline=q outcome=SUCCEEDED"), 0);
  EXPECT_FALSE(values.contains("attempts_total pipeline=p outcome=PUBLISH_FAILED"));
  EXPECT_EQ(values.at("command_duration_seconds pipeline=p"), 1);
  EXPECT_FALSE(values.contains("command_duration_seconds pipeline=q"));
  EXPECT_EQ(values.at("command_cpu_seconds_total pipeline=p"), 1.5);
  EXPECT_EQ(values.at("commands_resumed_total"), 1);
  EXPECT_EQ(values.at("staged_files_total"), 2);
  EXPECT_EQ(values.at("staged_bytes_total"), 30);
}

}  // namespace
}  // namespace closewrite::executor

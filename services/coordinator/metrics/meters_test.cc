#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "services/clock/clock.h"
#include "services/coordinator/change_feed.h"
#include "services/coordinator/metrics/commit_meters.h"
#include "services/coordinator/metrics/effect_meters.h"
#include "services/coordinator/metrics/metric_values.h"

namespace closewrite {
namespace {

const absl::Time kNow = absl::FromUnixSeconds(1'800'000'000);

std::map<std::string, double> Values(const EffectMeters& meters) {
  MetricList list("");
  meters.Append(&list);
  return ValuesOf(list.Take());
}

JobMeasure Success(const std::string& pipeline) {
  return {.pipeline = pipeline,
          .at = kNow,
          .end = JobState::kSucceeded,
          .outcome = Outcome::kSucceeded,
          .attempt = absl::Milliseconds(30),
          .cpu = absl::Milliseconds(1500),
          .to_result = absl::Seconds(2)};
}

TEST(CommitMetersTest, WhatCarriesNoCommandIsNoBatch) {
  CommitMeters meters;
  meters.Take({.commands = 10, .took = absl::Milliseconds(3), .ok = true});
  meters.Take({.commands = 0, .took = absl::Milliseconds(1), .ok = true});
  meters.Take({.commands = 2, .took = absl::Seconds(7), .ok = false});
  meters.Take({.commands = 0, .took = absl::Milliseconds(1), .ok = false});
  MetricList list("");
  meters.Append(4, &list);
  const std::vector<Metric> metrics = list.Take();
  std::map<std::string, double> values = ValuesOf(metrics);
  EXPECT_EQ(values.at("commands_waiting"), 4);
  EXPECT_EQ(values.at("commit_duration_seconds"), 2);
  EXPECT_EQ(values.at("commit_batch_commands"), 2);
  EXPECT_EQ(values.at("commit_failures_total"), 2);
  for (const Metric& metric : metrics) {
    if (metric.histogram == nullptr) continue;
    const bool duration = metric.name == "commit_duration_seconds";
    EXPECT_EQ(metric.histogram->counts().back(), duration ? 1 : 0);
    EXPECT_EQ(metric.histogram->sum(), duration ? 7.003 : 12);
  }
}

TEST(EffectMetersTest, CountsJobsByPipeline) {
  ChangeFeed feed;
  EffectMeters meters(&feed);
  feed.Tell({.measures = {{.pipeline = "p", .made = true},
                          {.pipeline = "p", .leased = true},
                          {.pipeline = "p", .to_start = absl::Seconds(1)},
                          Success("p"),
                          {.pipeline = "q", .outcome = Outcome::kRefused},
                          {.pipeline = "q", .outcome = Outcome::kLost}}});
  std::map<std::string, double> values = Values(meters);
  EXPECT_EQ(values.at("jobs_made_total pipeline=p"), 1);
  EXPECT_EQ(values.at("leases_total pipeline=p"), 1);
  EXPECT_EQ(values.at("jobs_finished_total pipeline=p outcome=SUCCEEDED"), 1);
  EXPECT_EQ(values.at("jobs_finished_total pipeline=p outcome=FAILED"), 0);
  EXPECT_EQ(values.at("attempts_total pipeline=p outcome=SUCCEEDED"), 1);
  EXPECT_EQ(values.at("attempts_total pipeline=q outcome=LOST"), 1);
  EXPECT_EQ(values.at("attempts_total pipeline=q outcome=REFUSED"), 1);
  EXPECT_EQ(values.at("attempts_total pipeline=q outcome=TEMPORARY_FAILURE"), 0);
  EXPECT_EQ(values.at("attempt_cpu_seconds_total pipeline=p"), 1.5);
  EXPECT_EQ(values.at("attempt_duration_seconds pipeline=p"), 1);
  EXPECT_EQ(values.at("close_to_start_seconds pipeline=p"), 1);
  EXPECT_EQ(values.at("close_to_result_seconds pipeline=p"), 1);
  EXPECT_FALSE(values.contains("close_to_result_seconds pipeline=q"));
  EXPECT_EQ(meters.Successes(), (std::map<std::string, absl::Time>{{"p", kNow}}));
}

TEST(EffectMetersTest, APipelineThatIsKnownHasZeroes) {
  ChangeFeed feed;
  EffectMeters meters(&feed);
  EXPECT_EQ(meters.LabelsOf({"p"}), std::vector<std::string>{"p"});
  EXPECT_EQ(Values(meters).at("jobs_finished_total pipeline=p outcome=FAILED"), 0);
}

TEST(EffectMetersTest, CountsEventsByVolume) {
  ChangeFeed feed;
  EffectMeters meters(&feed);
  const auto event = [](EventKind kind, EventSource source) {
    EventRecord record;
    record.event.kind = kind;
    record.event.source = source;
    record.event.file.volume = "v";
    return record;
  };
  feed.Tell({.events = {event(EventKind::kCloseWrite, EventSource::kInotify),
                        event(EventKind::kCloseWrite, EventSource::kRescan),
                        event(EventKind::kAttrib, EventSource::kAudit),
                        event(EventKind::kDelete, EventSource::kPoll)}});
  std::map<std::string, double> values = Values(meters);
  EXPECT_EQ(values.at("events_total volume=v kind=CLOSE_WRITE"), 2);
  EXPECT_EQ(values.at("events_total volume=v kind=ATTRIB"), 1);
  EXPECT_EQ(values.at("events_total volume=v kind=MOVED_TO"), 0);
  EXPECT_EQ(values.at("events_found_total volume=v"), 2);
}

TEST(EffectMetersTest, AnExecutorIsLostUntilItIsBack) {
  ChangeFeed feed;
  EffectMeters meters(&feed);
  feed.Tell({.lost = {{.name = "a", .died = false, .leases = 3},
                      {.name = "b", .died = true, .leases = 2}},
             .refused_results = 4,
             .log_bytes = 100});
  std::map<std::string, double> values = Values(meters);
  EXPECT_EQ(values.at("executors_lost_total cause=EXPIRED"), 1);
  EXPECT_EQ(values.at("executors_lost_total cause=DIED"), 1);
  EXPECT_EQ(values.at("lease_expiries_total"), 3);
  EXPECT_EQ(values.at("fenced_off_reports_total"), 4);
  EXPECT_EQ(values.at("log_received_bytes_total"), 100);
  EXPECT_EQ(meters.Lost({"c"}, SinceBoot()), (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(meters.Lost({"a"}, SinceBoot()), std::vector<std::string>{"b"});
  EXPECT_EQ(meters.Lost({}, SinceBoot()), std::vector<std::string>{"b"});
  EXPECT_TRUE(meters.Lost({}, SinceBoot() + kLostShown).empty());
}

}  // namespace
}  // namespace closewrite

#include "services/coordinator/core/schedule.h"

#include <set>
#include <string>
#include <utility>

#include "absl/random/random.h"
#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

namespace closewrite {
namespace {

absl::TimeZone Zone(const std::string& name) {
  absl::TimeZone zone;
  EXPECT_TRUE(absl::LoadTimeZone(name, &zone)) << name;
  return zone;
}

// RFC 3339, in the zone that it names.
absl::Time At(const std::string& text) {
  absl::Time time;
  std::string error;
  EXPECT_TRUE(absl::ParseTime(absl::RFC3339_full, text, &time, &error)) << text << ": " << error;
  return time;
}

std::string Show(absl::Time time, absl::TimeZone zone) {
  return absl::FormatTime("%Y-%m-%dT%H:%M:%S%Ez", time, zone);
}

Schedule Of(const std::string& zone, const std::string& start,
            const std::variant<Period, Cron>& rule) {
  return {rule, Zone(zone), ParseStart(start).value()};
}
Schedule Every(const std::string& zone, const std::string& start, const std::string& period) {
  return Of(zone, start, ParsePeriod(period).value());
}
Schedule ByCron(const std::string& zone, const std::string& cron) {
  return Of(zone, "2000-01-01", Cron::Parse(cron).value());
}

// The next few times after `after`, as the zone's clocks show them.
std::vector<std::string> Next(const Schedule& schedule, const std::string& after, int count) {
  std::vector<std::string> shown;
  absl::Time time = At(after);
  for (int i = 0; i < count; ++i) {
    const std::optional<absl::Time> due = NextDue(schedule, time);
    if (!due.has_value()) break;
    time = *due;
    shown.push_back(Show(time, schedule.zone));
  }
  return shown;
}

using Times = std::vector<std::string>;

TEST(ScheduleTest, PeriodsCountFromTheStart) {
  EXPECT_EQ(Next(Every("UTC", "2027-02-27 12:50", "2 min"), "2027-02-27T12:49:59Z", 3),
            (Times{"2027-02-27T12:50:00+00:00", "2027-02-27T12:52:00+00:00",
                   "2027-02-27T12:54:00+00:00"}));
  EXPECT_EQ(Next(Every("UTC", "2027-02-27 12:50", "2 min"), "2027-03-01T00:00:00Z", 1),
            (Times{"2027-03-01T00:02:00+00:00"}));
  // A time that is due is not due again.
  EXPECT_EQ(Next(Every("UTC", "2027-02-27 12:50", "week"), "2027-02-27T12:50:00Z", 1),
            (Times{"2027-03-06T12:50:00+00:00"}));
  EXPECT_EQ(Next(Every("UTC", "2027-01-31 09:00", "month"), "2027-01-31T08:00:00Z", 4),
            (Times{"2027-01-31T09:00:00+00:00", "2027-02-28T09:00:00+00:00",
                   "2027-03-31T09:00:00+00:00", "2027-04-30T09:00:00+00:00"}));
}

TEST(ScheduleTest, DaysAreThoseOfTheZone) {
  // 12:50 stays 12:50 when New York changes its clocks, on 2027-03-14 and 2027-11-07.
  const Schedule daily = Every("America/New_York", "2027-02-27 12:50", "day");
  EXPECT_EQ(Next(daily, "2027-03-13T00:00:00Z", 2),
            (Times{"2027-03-13T12:50:00-05:00", "2027-03-14T12:50:00-04:00"}));
  EXPECT_EQ(Next(daily, "2027-11-06T00:00:00Z", 2),
            (Times{"2027-11-06T12:50:00-04:00", "2027-11-07T12:50:00-05:00"}));
}

TEST(ScheduleTest, ClocksThatAreSetForward) {
  // From 02:00 to 03:00: what is due in between is due at once when the clock goes on, once.
  const Times once = {"2027-03-13T02:30:00-05:00", "2027-03-14T03:00:00-04:00",
                      "2027-03-15T02:30:00-04:00"};
  EXPECT_EQ(Next(Every("America/New_York", "2027-01-01 02:30", "day"), "2027-03-13T00:00:00Z", 3),
            once);
  EXPECT_EQ(Next(ByCron("America/New_York", "30 2 * * *"), "2027-03-13T00:00:00Z", 3), once);
  EXPECT_EQ(Next(ByCron("America/New_York", "0,30 2 * * *"), "2027-03-14T00:00:00-05:00", 2),
            (Times{"2027-03-14T03:00:00-04:00", "2027-03-15T02:00:00-04:00"}));
  EXPECT_EQ(Next(ByCron("America/New_York", "30 * * * *"), "2027-03-14T01:00:00-05:00", 2),
            (Times{"2027-03-14T01:30:00-05:00", "2027-03-14T03:30:00-04:00"}));
  EXPECT_EQ(
      Next(Every("America/New_York", "2027-03-14 00:30", "1 hour"), "2027-03-14T01:00:00-05:00", 2),
      (Times{"2027-03-14T01:30:00-05:00", "2027-03-14T03:30:00-04:00"}));
}

TEST(ScheduleTest, ClocksThatAreSetBack) {
  // From 02:00 to 01:00: daily means once, hourly means each real hour.
  const Times once = {"2027-11-06T01:30:00-04:00", "2027-11-07T01:30:00-04:00",
                      "2027-11-08T01:30:00-05:00"};
  EXPECT_EQ(Next(Every("America/New_York", "2027-01-01 01:30", "day"), "2027-11-06T00:00:00Z", 3),
            once);
  EXPECT_EQ(Next(ByCron("America/New_York", "30 1 * * *"), "2027-11-06T00:00:00Z", 3), once);
  EXPECT_EQ(Next(ByCron("America/New_York", "30 * * * *"), "2027-11-07T01:00:00-04:00", 3),
            (Times{"2027-11-07T01:30:00-04:00", "2027-11-07T01:30:00-05:00",
                   "2027-11-07T02:30:00-05:00"}));
}

TEST(ScheduleTest, NothingIsDueBeforeTheStart) {
  EXPECT_EQ(Next(Of("UTC", "2027-02-27 12:50", Cron::Parse("0 * * * *").value()),
                 "2026-01-01T00:00:00Z", 1),
            (Times{"2027-02-27T13:00:00+00:00"}));
  EXPECT_EQ(Next(Of("UTC", "2027-02-27 13:00", Cron::Parse("0 * * * *").value()),
                 "2026-01-01T00:00:00Z", 1),
            (Times{"2027-02-27T13:00:00+00:00"}));
}

// A daily line is due when the clock first shows its time or a later one; a line of each hour is
// due whenever the clock shows its minute. Looked up minute by minute, as a person would.
std::set<absl::Time> ByHand(const Cron& cron, absl::TimeZone zone, absl::Time after,
                            absl::Time until) {
  std::set<absl::Time> due;
  const auto matches = [&cron](absl::CivilMinute civil) { return cron.FirstFrom(civil) == civil; };
  absl::CivilMinute latest(zone.At(after).cs);
  for (absl::Time time = after + absl::Minutes(1); time <= until; time += absl::Minutes(1)) {
    const absl::CivilMinute civil(zone.At(time).cs);
    if (cron.every_hour()) {
      if (matches(civil)) due.insert(time);
      continue;
    }
    while (latest < civil) {
      if (matches(++latest)) due.insert(time);
    }
  }
  return due;
}

TEST(ScheduleTest, CronIsWhatTheClocksShow) {
  // Whole hours, half ones, at midnight, a day that never was, none at all.
  const std::pair<const char*, const char*> kChanges[] = {
      {"America/New_York", "2027-03-13T00:00:00Z"},
      {"America/New_York", "2027-11-06T00:00:00Z"},
      {"Australia/Lord_Howe", "2027-04-03T00:00:00Z"},
      {"Australia/Lord_Howe", "2027-10-02T00:00:00Z"},
      {"America/Sao_Paulo", "2018-11-03T00:00:00Z"},
      {"America/Sao_Paulo", "2018-02-17T00:00:00Z"},
      {"Pacific/Apia", "2011-12-29T00:00:00Z"},
      {"Asia/Kolkata", "2027-03-13T00:00:00Z"},
  };
  for (const auto& [name, from] : kChanges) {
    const absl::TimeZone zone = Zone(name);
    const absl::Time begin = At(from);
    const absl::Time end = begin + absl::Hours(72);
    for (const char* const line :
         {"*/20 * * * *", "59 * * * *", "*/20 0-23/2 * * *", "15,45 1-3 * * *", "30 0 * * *",
          "0 0 * * *", "5 2 * * 0", "0 23 * * *"}) {
      const Cron cron = Cron::Parse(line).value();
      std::set<absl::Time> found;
      std::optional<absl::Time> due = NextDue(ByCron(name, line), begin);
      for (; due.has_value() && *due <= end; due = NextDue(ByCron(name, line), *due)) {
        EXPECT_TRUE(found.insert(*due).second);
      }
      EXPECT_EQ(found, ByHand(cron, zone, begin, end)) << line << " in " << name;
    }
  }
}

TEST(ScheduleTest, WhereverOneLooksFromTheNextIsTheNext) {
  absl::BitGen random;
  const absl::Time begin = At("2027-01-01T00:00:00Z");
  for (const char* const text : {"7 s", "25 min", "5 hours", "day", "3 days", "2 weeks", "month"}) {
    const Schedule schedule = Every("Europe/Berlin", "2027-01-31 02:30", text);
    for (int i = 0; i < 200; ++i) {
      const absl::Time after = begin + absl::Minutes(absl::Uniform(random, 0, 60 * 24 * 800));
      const absl::Time due = NextDue(schedule, after).value();
      ASSERT_GT(due, after) << text;
      EXPECT_EQ(NextDue(schedule, after + (due - after) / 2), due)
          << text << Show(after, schedule.zone);
      EXPECT_EQ(NextDue(schedule, due - absl::Nanoseconds(1)), due) << text;
    }
  }
}

TEST(ScheduleTest, WhatWasMissedIsCaughtUpAsAsked) {
  const Schedule hourly = Every("UTC", "2027-01-01", "hour");
  const absl::Time seen = At("2027-01-10T00:00:00Z");
  const absl::Time now = At("2027-01-10T05:00:01Z");
  const auto due = [&](CatchUp catch_up, size_t all_max) {
    Times times;
    for (const absl::Time time : DueNow(hourly, seen, now, catch_up, absl::Seconds(10), all_max)) {
      times.push_back(absl::FormatTime("%H", time, absl::UTCTimeZone()));
    }
    return times;
  };
  EXPECT_EQ(due(CatchUp::kNone, 9), (Times{"05"}));
  EXPECT_EQ(due(CatchUp::kLatest, 9), (Times{"05"}));
  EXPECT_EQ(due(CatchUp::kAll, 9), (Times{"01", "02", "03", "04", "05"}));
  EXPECT_EQ(due(CatchUp::kAll, 2), (Times{"04", "05"}));
  EXPECT_TRUE(DueNow(hourly, now, now, CatchUp::kAll, absl::Seconds(10), 9).empty());
  // Late, but not missed.
  EXPECT_EQ(DueNow(hourly, seen, seen + absl::Hours(1), CatchUp::kNone, absl::Seconds(10), 9),
            std::vector<absl::Time>{seen + absl::Hours(1)});
}

TEST(ScheduleTest, TheLatestOfMillionsAreFoundAtOnce) {
  const Schedule schedule = Every("UTC", "2000-01-01", "s");
  const absl::Time until = At("2027-01-01T00:00:00.5Z");
  EXPECT_EQ(LatestDue(schedule, At("2000-01-01T00:00:00Z"), until, 3),
            (std::vector<absl::Time>{At("2026-12-31T23:59:58Z"), At("2026-12-31T23:59:59Z"),
                                     At("2027-01-01T00:00:00Z")}));
  EXPECT_EQ(LatestDue(schedule, until - absl::Seconds(2), until, 9).size(), 2u);
  EXPECT_TRUE(LatestDue(schedule, until, until, 9).empty());
}

TEST(ScheduleTest, JitterIsTheSameAgainAndSpreads) {
  const absl::Duration longest = absl::Seconds(100);
  absl::Duration sum;
  std::set<absl::Duration> seen;
  for (int i = 0; i < 1000; ++i) {
    const std::string task = absl::StrCat("task-", i);
    const absl::Duration jitter = Jitter(task, longest);
    EXPECT_EQ(Jitter(task, longest), jitter);
    EXPECT_GE(jitter, absl::ZeroDuration());
    EXPECT_LT(jitter, longest);
    sum += jitter;
    seen.insert(jitter);
  }
  EXPECT_GT(seen.size(), 990u);
  EXPECT_GT(sum, absl::Seconds(45'000));
  EXPECT_LT(sum, absl::Seconds(55'000));
  EXPECT_EQ(Jitter("t", absl::ZeroDuration()), absl::ZeroDuration());
}

TEST(ScheduleTest, WhatIsNoPeriodOrStart) {
  for (const char* const text : {"", "0 min", "-2 min", "2 fortnights", "min 2", "1.5 h", "2 2 min",
                                 "100001 s", "99999999999999999999 s"}) {
    EXPECT_EQ(ParsePeriod(text).status().code(), absl::StatusCode::kInvalidArgument) << text;
  }
  EXPECT_NE(ParsePeriod("2 fortnights").status().message().find("2 min"), std::string::npos);
  for (const char* const text : {"day", " Day ", "1d", "1 days"}) {
    ASSERT_TRUE(ParsePeriod(text).ok()) << text;
    EXPECT_EQ(ParsePeriod(text)->unit, Period::Unit::kDay) << text;
    EXPECT_EQ(ParsePeriod(text)->count, 1) << text;
  }
  for (const char* const text :
       {"", "tomorrow", "12:50", "2027-13-01", "2027-02-30", "2027-02-27 25:00"}) {
    EXPECT_FALSE(ParseStart(text).ok()) << text;
  }
  for (const char* text :
       {"1969-12-31", "10000-01-01", "-2027-02-27", "5020374440374443-07-27 12:50"}) {
    EXPECT_FALSE(ParseStart(text).ok()) << text;
  }
  EXPECT_EQ(ParseStart("2027-02-27T12:50").value(), absl::CivilSecond(2027, 2, 27, 12, 50, 0));
}

}  // namespace
}  // namespace closewrite

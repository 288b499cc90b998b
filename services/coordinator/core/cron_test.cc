#include "services/coordinator/core/cron.h"

#include <string>
#include <string_view>

#include "gtest/gtest.h"

namespace closewrite {
namespace {

constexpr absl::CivilMinute kFrom(2027, 2, 26, 12, 50);  // a Friday

std::string First(std::string_view text, absl::CivilMinute from = kFrom) {
  const absl::StatusOr<Cron> cron = Cron::Parse(text);
  EXPECT_TRUE(cron.ok()) << text << ": " << cron.status();
  if (!cron.ok()) return "";
  const std::optional<absl::CivilMinute> first = cron->FirstFrom(from);
  return first.has_value() ? absl::FormatCivilTime(*first) : "never";
}

TEST(CronTest, FirstMinute) {
  EXPECT_EQ(First("* * * * *"), "2027-02-26T12:50");
  EXPECT_EQ(First("50 12 * * 1-5"), "2027-02-26T12:50");
  EXPECT_EQ(First("49 12 * * 1-5"), "2027-03-01T12:49");
  EXPECT_EQ(First("49 12 * * *"), "2027-02-27T12:49");
  EXPECT_EQ(First("*/15 * * * *"), "2027-02-26T13:00");
  EXPECT_EQ(First("10-30/5 * * * *"), "2027-02-26T13:10");
  EXPECT_EQ(First("5,55 12,14 * * *"), "2027-02-26T12:55");
  EXPECT_EQ(First("5 12,14 * * *"), "2027-02-26T14:05");
  EXPECT_EQ(First("0 0 1 JAN *"), "2028-01-01T00:00");
  EXPECT_EQ(First("0 0 29 2 *"), "2028-02-29T00:00");
  EXPECT_EQ(First("0 0 29 2 *", absl::CivilMinute(2096, 3, 1)), "2104-02-29T00:00");
  EXPECT_EQ(First("0 0 * * sun"), "2027-02-28T00:00");
  EXPECT_EQ(First("0 0 * * 7"), "2027-02-28T00:00");
  EXPECT_EQ(First("0 0 * * 5-7"), "2027-02-27T00:00");
  EXPECT_EQ(First("0 0 * * Mon-Wed"), "2027-03-01T00:00");
  EXPECT_EQ(First("@daily"), "2027-02-27T00:00");
  EXPECT_EQ(First(" @Hourly "), "2027-02-26T13:00");
  EXPECT_EQ(First("0\t0  1 * *"), "2027-03-01T00:00");
}

TEST(CronTest, EitherDayFieldWillDoUnlessOneIsAny) {
  // The 13th, and Fridays.
  EXPECT_EQ(First("0 0 13 * 5"), "2027-03-05T00:00");
  EXPECT_EQ(First("0 0 13 * 5", absl::CivilMinute(2027, 3, 12, 0, 1)), "2027-03-13T00:00");
  // A step begins with `*`: days of both.
  EXPECT_EQ(First("0 0 */2 * 5", absl::CivilMinute(2027, 2, 27)), "2027-03-05T00:00");
  EXPECT_EQ(First("0 0 */2 * 6", absl::CivilMinute(2027, 2, 28)), "2027-03-13T00:00");
}

TEST(CronTest, WhatIsWrongIsNamed) {
  const struct {
    const char* text;
    const char* told;
  } kWrong[] = {
      {"", "has 0 fields"},
      {"* * * *", "has 4 fields"},
      {"* * * * * *", "has 6 fields"},
      {"61 * * * *", "minute \"61\" is out of range; say 0 to 59"},
      {"* 24 * * *", "hour \"24\""},
      {"* * 0 * *", "day of the month \"0\""},
      {"* * * 13 *", "month \"13\" is out of range; say 1 to 12 or jan to dec"},
      {"* * * * 8", "day of the week \"8\""},
      {"* * * * fry", "day of the week \"fry\""},
      {"30-10 * * * *", "runs backwards"},
      {"5/10 * * * *", "is a step without a range"},
      {"*/0 * * * *", "has a step that is none"},
      {"*/x * * * *", "has a step that is none"},
      {"1,,2 * * * *", "minute \"\""},
      {"-1 * * * *", "minute \"-1\""},
      {"+1 * * * *", "minute \"+1\""},
      {"1- * * * *", "minute \"1-\""},
      {"0 0 30 2 *", "never comes"},
      {"0 0 31 4,6,9,11 *", "never comes"},
      {"@reboot", "has 1 fields"},
  };
  for (const auto& [text, told] : kWrong) {
    const absl::Status status = Cron::Parse(text).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << text;
    EXPECT_NE(status.message().find(told), std::string::npos) << text << ": " << status;
  }
  EXPECT_FALSE(Cron::Parse(std::string(2000, '1')).ok());
}

TEST(CronTest, EveryHourIsOnlyWhatHasThemAll) {
  EXPECT_TRUE(Cron::Parse("0 * * * *")->every_hour());
  EXPECT_TRUE(Cron::Parse("0 0-23 * * *")->every_hour());
  EXPECT_FALSE(Cron::Parse("0 */2 * * *")->every_hour());
}

}  // namespace
}  // namespace closewrite

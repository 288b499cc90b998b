#include "services/coordinator/log_limits.h"

#include <string>

#include "gtest/gtest.h"
#include "services/config/duration.h"

namespace closewrite {
namespace {

TEST(LogLimitsTest, WhatIsNotGivenIsSensible) {
  const absl::StatusOr<LogLimits> limits = LogLimitsFrom({});
  ASSERT_TRUE(limits.ok());
  EXPECT_EQ(limits->attempt_bytes_max, int64_t{64} << 20);
  EXPECT_EQ(limits->total_bytes_max, int64_t{10} << 30);
  EXPECT_EQ(limits->retention, absl::InfiniteDuration());
}

TEST(LogLimitsTest, WhatIsGivenIsTaken) {
  v1::LogsConfig config;
  config.set_attempt_max("1MiB");
  config.set_total_max("2TB");
  *config.mutable_retention() = ToProto(absl::Hours(24));
  const absl::StatusOr<LogLimits> limits = LogLimitsFrom(config);
  ASSERT_TRUE(limits.ok()) << limits.status();
  EXPECT_EQ(limits->attempt_bytes_max, int64_t{1} << 20);
  EXPECT_EQ(limits->total_bytes_max, 2'000'000'000'000);
  EXPECT_EQ(limits->retention, absl::Hours(24));
}

TEST(LogLimitsTest, WhatIsWrongIsNamed) {
  const auto error = [](const std::string& attempt_max, const std::string& total_max) {
    v1::LogsConfig config;
    config.set_attempt_max(attempt_max);
    config.set_total_max(total_max);
    return std::string(LogLimitsFrom(config).status().message());
  };
  EXPECT_EQ(error("1023KiB", ""), "logs.attempt_max: must be 1MiB to 16GiB");
  EXPECT_EQ(error("17GiB", ""), "logs.attempt_max: must be 1MiB to 16GiB");
  EXPECT_EQ(error("", "63MiB"), "logs.total_max: must be 64MiB or more");
  EXPECT_EQ(error("", "much"),
            "logs.total_max: \"much\" is not a size; write a number and a unit, such as 64MiB, "
            "10GiB, 1TB");
  v1::LogsConfig config;
  *config.mutable_retention() = ToProto(absl::Minutes(59));
  EXPECT_EQ(LogLimitsFrom(config).status().message(), "logs.retention: must be 1h or more");
}

}  // namespace
}  // namespace closewrite

#include "services/coordinator/core/job.h"

#include <optional>
#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace closewrite {
namespace {

const FileVersion kFile = {"in", "a/b \xff.csv", 18446744073709551615u, -5, 1700000000123456789};

std::string WithNuls(const std::vector<std::string>& parts) {
  std::string key = parts[0];
  for (size_t i = 1; i < parts.size(); ++i) key += std::string(1, '\0') + parts[i];
  return key;
}

TEST(JobKeyTest, PartsAreFoundAgain) {
  const std::optional<JobKeyParts> parts = ParseJobKey(JobKey("p", kFile));
  ASSERT_TRUE(parts.has_value());
  EXPECT_EQ(parts->pipeline, "p");
  EXPECT_EQ(parts->input, kFile);
  EXPECT_EQ(parts->event_id, 0);
  const std::optional<JobKeyParts> of_event = ParseJobKey(EventJobKey("p", kFile, 42));
  ASSERT_TRUE(of_event.has_value());
  EXPECT_EQ(of_event->input, kFile);
  EXPECT_EQ(of_event->event_id, 42);
  EXPECT_EQ(ParseJobKey(JobKey("", FileVersion{}))->input, FileVersion{});
}

TEST(JobKeyTest, OtherKeysHaveNoParts) {
  const std::vector<std::string> good = {"p", "in", "f", "1", "2", "3"};
  ASSERT_TRUE(ParseJobKey(WithNuls(good)).has_value());
  EXPECT_FALSE(ParseJobKey("").has_value());
  EXPECT_FALSE(ParseJobKey("by hand").has_value());
  EXPECT_FALSE(ParseJobKey(WithNuls({"p", "in", "f", "1", "2"})).has_value());
  EXPECT_FALSE(ParseJobKey(WithNuls({"p", "in", "f", "1", "2", "3", "0"})).has_value());
  EXPECT_FALSE(ParseJobKey(WithNuls({"p", "in", "f", "1", "2", "3", "4", "5"})).has_value());
  // Only what JobKey itself would write: two texts are never one key.
  for (const char* number : {"", "x", "+1", " 1", "1 ", "01", "-0", "1.0", "0x1", "1e3",
                             "18446744073709551616", "-9223372036854775809"}) {
    for (size_t part = 3; part < good.size(); ++part) {
      std::vector<std::string> bad = good;
      bad[part] = number;
      EXPECT_FALSE(ParseJobKey(WithNuls(bad)).has_value()) << part << ": " << number;
    }
  }
  EXPECT_FALSE(ParseJobKey(WithNuls({"p", "in", "f", "-1", "2", "3"})).has_value());
}

}  // namespace
}  // namespace closewrite

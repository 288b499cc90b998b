#include "services/config/size.h"

#include <string>

#include "gtest/gtest.h"

namespace closewrite {
namespace {

TEST(SizeTest, ReadsNumbersWithUnits) {
  EXPECT_EQ(*ParseSize("0B"), 0);
  EXPECT_EQ(*ParseSize("4096B"), 4096);
  EXPECT_EQ(*ParseSize("1KiB"), 1024);
  EXPECT_EQ(*ParseSize("1kB"), 1000);
  EXPECT_EQ(*ParseSize("64MiB"), int64_t{64} << 20);
  EXPECT_EQ(*ParseSize("1.5GiB"), int64_t{3} << 29);
  EXPECT_EQ(*ParseSize("10GB"), 10'000'000'000);
  EXPECT_EQ(*ParseSize("2TiB"), int64_t{2} << 40);
  EXPECT_EQ(*ParseSize("4TB"), 4'000'000'000'000);
}

TEST(SizeTest, SaysWhatIsAccepted) {
  for (const char* text : {"", "64", "MiB", "64 MiB", "-1MiB", "64mib", "1.2.3MiB", "1e3MiB", "64M",
                           "99999999999TiB", ".MiB", "nanMiB"}) {
    const absl::StatusOr<int64_t> size = ParseSize(text);
    ASSERT_FALSE(size.ok()) << text;
    EXPECT_EQ(size.status().code(), absl::StatusCode::kInvalidArgument);
    EXPECT_NE(size.status().message().find("such as 64MiB"), absl::string_view::npos);
  }
}

}  // namespace
}  // namespace closewrite

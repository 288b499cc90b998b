#include "services/cli/in_parts.h"

#include <set>

#include "gtest/gtest.h"

namespace closewrite::cli {
namespace {

std::vector<int> Numbers(int count) {
  std::vector<int> numbers;
  for (int i = 0; i < count; ++i) numbers.push_back(i);
  return numbers;
}

TEST(InPartsTest, TakesPartsInOrder) {
  std::vector<size_t> sizes;
  std::vector<int> taken;
  const std::vector<int> numbers = Numbers(2500);
  const auto call = [&](absl::Span<const int> part) {
    sizes.push_back(part.size());
    taken.insert(taken.end(), part.begin(), part.end());
    return absl::OkStatus();
  };
  EXPECT_TRUE(CallInParts<int>(numbers, call).ok());
  EXPECT_EQ(sizes, (std::vector<size_t>{1000, 1000, 500}));
  EXPECT_EQ(taken, numbers);
  EXPECT_TRUE(CallInParts<int>({}, call).ok());
  EXPECT_EQ(sizes.size(), 3u);
}

TEST(InPartsTest, FindsThoseThatAreRefused) {
  const std::vector<int> numbers = Numbers(2100);
  const std::set<int> bad = {0, 7, 1999, 2099};
  std::vector<int> taken;
  std::vector<int> refused;
  int calls = 0;
  const absl::Status status = CallInParts<int>(
      numbers,
      [&](absl::Span<const int> part) {
        ++calls;
        for (const int number : part) {
          if (bad.count(number) > 0) return absl::NotFoundError("gone");
        }
        taken.insert(taken.end(), part.begin(), part.end());
        return absl::OkStatus();
      },
      [&](int number, const absl::Status& why) {
        EXPECT_TRUE(absl::IsNotFound(why));
        refused.push_back(number);
      });
  EXPECT_TRUE(status.ok()) << status;
  EXPECT_EQ(refused, std::vector<int>(bad.begin(), bad.end()));
  EXPECT_EQ(taken.size(), numbers.size() - bad.size());
  EXPECT_TRUE(std::is_sorted(taken.begin(), taken.end()));
  EXPECT_LT(calls, 100);
}

TEST(InPartsTest, OtherErrorsEndIt) {
  const std::vector<int> numbers = Numbers(2100);
  int calls = 0;
  const auto fail = [&](absl::Span<const int> /*part*/) {
    return ++calls == 2 ? absl::UnavailableError("away") : absl::OkStatus();
  };
  EXPECT_TRUE(absl::IsUnavailable(CallInParts<int>(numbers, fail)));
  EXPECT_EQ(calls, 2);
  calls = 0;
  EXPECT_TRUE(absl::IsUnavailable(
      CallInParts<int>(numbers, fail, [](int, const absl::Status&) { FAIL(); })));
  EXPECT_EQ(calls, 2);
}

}  // namespace
}  // namespace closewrite::cli

#include "services/log/str_cat.h"

#include <string>
#include <string_view>

#include "gtest/gtest.h"

namespace closewrite {
namespace {

TEST(StrCatTest, TakesAllKindsOfText) {
  const std::string_view view = std::string_view("viewer").substr(0, 4);
  const absl::string_view absl_view = "absl";
  const std::string text = "text";
  EXPECT_EQ(StrCat(), "");
  EXPECT_EQ(StrCat(view), "view");
  EXPECT_EQ(StrCat("a", view, text, absl_view, 1, absl::Hex(255), 'b' - 'a', 0.5),
            "aviewtextabsl1ff10.5");
  std::string out = "x";
  StrAppend(&out, view, 2, "", text);
  EXPECT_EQ(out, "xview2text");
}

TEST(StrCatTest, ViewsConvertBothWays) {
  const std::string bytes("a\0b", 3);
  EXPECT_EQ(ToStd(ToAbsl(bytes)), bytes);
  EXPECT_TRUE(ToStd(ToAbsl(std::string_view())).empty());
}

}  // namespace
}  // namespace closewrite

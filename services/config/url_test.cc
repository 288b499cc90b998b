#include "services/config/url.h"

#include <string>
#include <utility>

#include "gtest/gtest.h"

namespace closewrite {
namespace {

TEST(WithoutPassword, LeavesTheRest) {
  const std::pair<const char*, const char*> cases[] = {
      {"postgresql://u:s3cret@h:5432/d", "postgresql://u@h:5432/d"},
      {"postgresql://u@h:5432/d?password=s3cret&a=b", "postgresql://u@h:5432/d?a=b"},
      {"postgresql://u:s3cret@h/d?password=s3cret", "postgresql://u@h/d?"},
      {"http://h:8086/write?db=d", "http://h:8086/write?db=d"},
      {"sqlite:/var/lib/closewrite/c.db", "sqlite:/var/lib/closewrite/c.db"},
      {"", ""}};
  for (const auto& [url, without] : cases) EXPECT_EQ(WithoutPassword(url), without) << url;
}

// A password that was not escaped and held `password=` showed in part.
TEST(WithoutPassword, ShowsNothingOfOneThatWasNotEscaped) {
  for (const char* url :
       {"postgresql://u:s3cretpassword=x@s3cret@h/d", "postgresql://u:s3cret?password=s3cret@h",
        "postgresql://u@h:5432/d?password=s3cret@s3cret&a=b",
        "postgresql://u@h/d?password=s3cret:s3cret@s3cret",
        "postgresql://u:s3cret&password=s3cret@h?password=s3cret"}) {
    EXPECT_EQ(WithoutPassword(url).find("s3cret"), std::string::npos) << WithoutPassword(url);
  }
}

}  // namespace
}  // namespace closewrite

#include "services/coordinator/core/news.h"

#include "gtest/gtest.h"

namespace closewrite {
namespace {

TEST(News, ComesBackFromText) {
  for (const News& news : {News{.work = true}, News{.publish = true, .jobs = true},
                           News{.revoked = {"a", "b"}}, News::Anything()}) {
    EXPECT_EQ(DecodeNews(EncodeNews(news, 1000)), news) << EncodeNews(news, 1000);
  }
}

TEST(News, SessionsThatHaveNoRoomAreLeftOut) {
  const News news{.jobs = true, .revoked = {"aaaaaaaaaa", "bbbbbbbbbb", "c"}};
  const std::string text = EncodeNews(news, 20);
  EXPECT_LE(text.size(), 20u);
  EXPECT_EQ(DecodeNews(text), (News{.jobs = true, .revoked = {"aaaaaaaaaa", "c"}}));
}

TEST(News, UnknownTextMeansAnything) {
  EXPECT_EQ(DecodeNews(""), News::Anything());
  EXPECT_EQ(DecodeNews("jobs hello"), News::Anything());
}

TEST(News, AddsUp) {
  News news{.work = true, .revoked = {"a"}};
  news.Add({.jobs = true, .revoked = {"b"}});
  EXPECT_EQ(news, (News{.work = true, .jobs = true, .revoked = {"a", "b"}}));
}

}  // namespace
}  // namespace closewrite

#include "services/coordinator/api/page_token.h"

#include <string>

#include "closewrite/v1/job.pb.h"
#include "gtest/gtest.h"

namespace closewrite {
namespace {

TEST(PageTokenTest, SizesHaveADefaultAndALimit) {
  EXPECT_EQ(OpenPage("s", 0, "")->rows, 100);
  EXPECT_EQ(OpenPage("s", 7, "")->rows, 7);
  EXPECT_EQ(OpenPage("s", 1'000'000, "")->rows, 1000);
  EXPECT_EQ(OpenPage("s", -1, "").status().code(), absl::StatusCode::kInvalidArgument);
}

TEST(PageTokenTest, ATokenComesBackAsItsCursor) {
  const std::string cursor("a\0b", 3);
  EXPECT_EQ(OpenPage("s", 0, NextPageToken("s", cursor))->cursor, cursor);
  EXPECT_EQ(OpenPage("s", 0, "")->cursor, "");
  EXPECT_EQ(*IdCursor(*OpenPage("s", 0, NextPageToken("s", "41"))), 41);
  EXPECT_EQ(*IdCursor(*OpenPage("s", 0, "")), 0);
}

TEST(PageTokenTest, ATokenOfAnotherListIsRefused) {
  v1::JobFilter failed;
  failed.add_states(v1::JOB_STATE_FAILED);
  const std::string token = NextPageToken(PageScope("ListJobs", failed), "41");
  EXPECT_TRUE(OpenPage(PageScope("ListJobs", failed), 0, token).ok());
  for (const std::string& scope :
       {PageScope("ListJobs", v1::JobFilter()), PageScope("ListEvents", failed)}) {
    EXPECT_EQ(OpenPage(scope, 0, token).status().code(), absl::StatusCode::kInvalidArgument);
  }
}

TEST(PageTokenTest, GarbageIsRefused) {
  for (const std::string& token :
       {std::string("x"), std::string("!!!"), std::string(100'000, 'A'), NextPageToken("s", "")}) {
    EXPECT_EQ(OpenPage("s", 0, token).status().code(), absl::StatusCode::kInvalidArgument);
  }
  for (const char* cursor : {"x", "-1", "0", "99999999999999999999"}) {
    EXPECT_EQ(IdCursor(*OpenPage("s", 0, NextPageToken("s", cursor))).status().code(),
              absl::StatusCode::kInvalidArgument);
  }
}

TEST(PageTokenTest, ATimeAndAnIdLeadToTheNextPage) {
  const TimeCursor first = *ReadTimeCursor(*OpenPage("s", 0, ""));
  EXPECT_EQ(first.at, absl::InfiniteFuture());
  for (const absl::Time at : {absl::FromUnixNanos(1700000000123456789), absl::FromUnixNanos(-1)}) {
    const std::string token = NextPageToken("s", WriteTimeCursor({.at = at, .id = 41}));
    const TimeCursor next = *ReadTimeCursor(*OpenPage("s", 0, token));
    EXPECT_EQ(next.at, at);
    EXPECT_EQ(next.id, 41);
  }
  for (const char* cursor : {"x", "1", "1/", "/1", "1/0", "1/-1", "1/2/3"}) {
    EXPECT_EQ(ReadTimeCursor(*OpenPage("s", 0, NextPageToken("s", cursor))).status().code(),
              absl::StatusCode::kInvalidArgument)
        << cursor;
  }
}

TEST(PageTokenTest, APageIsCutByRowsAndByBytesButHoldsOneRow) {
  PageFill rows({.rows = 2});
  v1::Job job;
  EXPECT_FALSE(rows.full());
  rows.Add(job);
  EXPECT_FALSE(rows.full());
  rows.Add(job);
  EXPECT_TRUE(rows.full());

  PageFill bytes({.rows = 1000});
  job.set_message(std::string(kPageBytesMax, 'x'));
  EXPECT_FALSE(bytes.full());
  bytes.Add(job);
  EXPECT_TRUE(bytes.full());
}

}  // namespace
}  // namespace closewrite

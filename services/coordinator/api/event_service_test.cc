#include "services/coordinator/api/event_service.h"

#include <string>

#include "gtest/gtest.h"
#include "services/coordinator/api/api_fixture.h"
#include "services/coordinator/api/event_watch.h"
#include "services/log/str_cat.h"

namespace closewrite {
namespace {

using Code = grpc::StatusCode;

class EventServiceTest : public ApiFixture {
 protected:
  EventServiceTest() {
    ConnectWatcher();
    Apply(TestPipeline("enrich"));
  }
  grpc::Status List(const v1::ListEventsRequest& request) {
    grpc::ClientContext context;
    listed_.Clear();
    return events_->ListEvents(&context, request, &listed_);
  }
  v1::ListEventsResponse listed_;
};

TEST_F(EventServiceTest, ListsInPagesNewestFirstWithJobs) {
  for (const char* path : {"a.csv", "b.txt", "c.csv"}) Announce(path);
  v1::ListEventsRequest request;
  request.set_page_size(2);
  ASSERT_TRUE(List(request).ok());
  ASSERT_EQ(listed_.events_size(), 2);
  EXPECT_EQ(listed_.events(0).event().file().path(), "c.csv");
  EXPECT_EQ(listed_.events(0).host(), "vm-b");
  ASSERT_EQ(listed_.events(0).job_ids_size(), 1);
  EXPECT_EQ(listed_.events(0).job_ids(0), 2);
  EXPECT_EQ(listed_.events(1).job_ids_size(), 0);
  request.set_page_token(listed_.next_page_token());
  ASSERT_TRUE(List(request).ok());
  ASSERT_EQ(listed_.events_size(), 1);
  EXPECT_EQ(listed_.events(0).event().file().path(), "a.csv");
  EXPECT_EQ(listed_.next_page_token(), "");

  // The token was made for another list.
  request.set_volume("unenriched");
  EXPECT_EQ(List(request).error_code(), Code::INVALID_ARGUMENT);
  request.clear_page_token();
  request.set_path("b.txt");
  ASSERT_TRUE(List(request).ok());
  EXPECT_EQ(listed_.events_size(), 1);
}

TEST_F(EventServiceTest, ListRefusesWrongFiltersAndTokens) {
  v1::ListEventsRequest request;
  request.set_path("a.csv");
  EXPECT_EQ(List(request).error_code(), Code::INVALID_ARGUMENT);
  request.set_volume("unenriched");
  request.set_path("../a.csv");
  EXPECT_EQ(List(request).error_code(), Code::INVALID_ARGUMENT);
  request.Clear();
  request.set_page_token("nonsense");
  EXPECT_EQ(List(request).error_code(), Code::INVALID_ARGUMENT);
}

TEST_F(EventServiceTest, WatchBringsEventsFromTheCallOn) {
  Announce("before.csv");
  grpc::ClientContext context;
  v1::WatchEventsRequest request;
  request.set_volume("unenriched");
  auto reader = events_->WatchEvents(&context, request);
  reader->WaitForInitialMetadata();  // from here on nothing is missed
  for (int i = 0; i < 600; ++i) Announce(StrCat(i, ".csv"));
  v1::WatchEventsResponse response;
  for (int i = 0; i < 600; ++i) {
    ASSERT_TRUE(reader->Read(&response));
    EXPECT_EQ(response.event().event().file().path(), StrCat(i, ".csv"));
    ASSERT_EQ(response.event().job_ids_size(), 1);
  }
  event_service_.Shutdown();
  EXPECT_FALSE(reader->Read(&response));
  EXPECT_EQ(reader->Finish().error_code(), Code::UNAVAILABLE);
}

TEST_F(EventServiceTest, WatchRefusesAWrongVolume) {
  grpc::ClientContext context;
  v1::WatchEventsRequest request;
  request.set_volume("a/b");
  auto reader = events_->WatchEvents(&context, request);
  v1::WatchEventsResponse response;
  EXPECT_FALSE(reader->Read(&response));
  EXPECT_EQ(reader->Finish().error_code(), Code::INVALID_ARGUMENT);
}

TEST_F(EventServiceTest, AReaderThatIsTooSlowIsTold) {
  EventWatch watch(&store_, "v");
  Effects effects;
  effects.events.resize(kWatchedEventsMax + 1);
  EXPECT_FALSE(watch.OnChange(effects));  // of another volume
  for (EventRecord& record : effects.events) record.event.file.volume = "v";
  EXPECT_TRUE(watch.OnChange(effects));
  EXPECT_EQ(watch.Next().status().code(), absl::StatusCode::kResourceExhausted);
}

}  // namespace
}  // namespace closewrite

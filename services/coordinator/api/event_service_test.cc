#include "services/coordinator/api/event_service.h"

#include <chrono>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "services/coordinator/api/api_fixture.h"
#include "services/coordinator/api/event_watch.h"
#include "services/log/str_cat.h"
#include "services/transport/errors.h"

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

class FlushTest : public EventServiceTest {
 protected:
  void ConnectStream() {
    board_.SetStream(this, {{.volume = "unenriched"}}, [this](int64_t id, const WatcherQuestion&) {
      WatcherBoard::Answered answer = v1::FileLook();
      if (!error_.empty()) answer = absl::FailedPreconditionError(error_);
      if (answers_) board_.Answer(this, id, answer);
    });
  }
  grpc::Status Flush(const std::string& volume, absl::Duration timeout = absl::ZeroDuration()) {
    grpc::ClientContext context;
    v1::FlushEventsRequest request;
    request.set_volume(volume);
    if (timeout != absl::ZeroDuration()) {
      request.mutable_timeout()->set_seconds(absl::ToInt64Seconds(timeout));
      request.mutable_timeout()->set_nanos(
          static_cast<int32_t>(absl::ToInt64Nanoseconds(timeout % absl::Seconds(1))));
    }
    v1::FlushEventsResponse response;
    return events_->FlushEvents(&context, request, &response);
  }
  bool answers_ = true;
  std::string error_;
};

TEST_F(FlushTest, ReturnsWhatTheWatcherAnswers) {
  ConnectStream();
  EXPECT_TRUE(Flush("unenriched").ok());
  error_ = "volume unenriched is LOST: the root is gone";
  const grpc::Status lost = Flush("unenriched");
  EXPECT_EQ(lost.error_code(), Code::FAILED_PRECONDITION);
  EXPECT_EQ(lost.error_message(), error_);
}

TEST_F(FlushTest, TellsAWatcherThatIsAwayFromAVolumeThatIsNot) {
  const grpc::Status away = Flush("unenriched");
  EXPECT_EQ(away.error_code(), Code::UNAVAILABLE);
  EXPECT_EQ(away.error_message(), "the watcher of volume unenriched is not connected");
  EXPECT_EQ(Reason(FromGrpc(away)), kWatcherAway);
  // Just after the start of the coordinator it may still come.
  EXPECT_EQ(Flush("unenrichd").error_code(), Code::UNAVAILABLE);
  clock_.Advance(absl::Seconds(11));
  const grpc::Status unknown = Flush("unenrichd");
  EXPECT_EQ(unknown.error_code(), Code::NOT_FOUND);
  EXPECT_EQ(unknown.error_message(),
            "no watcher has announced a volume unenrichd: did you mean \"unenriched\"?");
}

TEST_F(FlushTest, EndsWithItsTimeoutAndTakesNoPlaceThen) {
  ConnectStream();
  answers_ = false;
  EXPECT_EQ(Flush("unenriched", absl::Milliseconds(20)).error_code(), Code::DEADLINE_EXCEEDED);
  for (size_t i = 0; i < kQuestionsWaitingMax; ++i) {
    ASSERT_TRUE(board_.Ask({.volume = "unenriched"}, [](const WatcherBoard::Answered&) {}).ok());
  }
  EXPECT_EQ(Flush("unenriched").error_code(), Code::RESOURCE_EXHAUSTED);
  board_.Shutdown();
  EXPECT_EQ(Flush("unenriched").error_code(), Code::UNAVAILABLE);
}

TEST_F(FlushTest, ACallerThatGoesAwayTakesItsPlaceAlong) {
  ConnectStream();
  answers_ = false;
  v1::FlushEventsRequest request;
  request.set_volume("unenriched");
  v1::FlushEventsResponse response;
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::milliseconds(20));
  EXPECT_EQ(events_->FlushEvents(&context, request, &response).error_code(),
            Code::DEADLINE_EXCEEDED);
  // The server hears of it a moment later.
  const absl::Time end = absl::Now() + absl::Seconds(30);
  std::vector<int64_t> asked;
  while (asked.size() < kQuestionsWaitingMax && absl::Now() < end) {
    const absl::StatusOr<int64_t> id =
        board_.Ask({.volume = "unenriched"}, [](const WatcherBoard::Answered&) {});
    if (id.ok()) asked.push_back(*id);
  }
  EXPECT_EQ(asked.size(), kQuestionsWaitingMax);
}

TEST_F(FlushTest, RefusesWrongRequests) {
  EXPECT_EQ(Flush("").error_code(), Code::INVALID_ARGUMENT);
  EXPECT_EQ(Flush("a/b").error_code(), Code::INVALID_ARGUMENT);
  EXPECT_EQ(Flush("unenriched", absl::Seconds(-1)).error_code(), Code::INVALID_ARGUMENT);
  EXPECT_EQ(Flush("unenriched", absl::Minutes(11)).error_code(), Code::INVALID_ARGUMENT);
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

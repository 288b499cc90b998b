#include "services/coordinator/api/alert_service.h"

#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "services/coordinator/api/api_fixture.h"
#include "services/coordinator/core/alert_notes.h"
#include "services/coordinator/core/outbox.h"
#include "services/log/str_cat.h"

namespace closewrite {
namespace {

class AlertServiceTest : public ApiFixture {
 protected:
  // An incident of each owner, a minute after the one before.
  void PutIncidents(const std::vector<std::string>& owners, bool over) {
    ASSERT_TRUE(Run([&](Engine&, StoreTransaction& tx, absl::Time now) {
                  for (size_t i = 0; i < owners.size(); ++i) {
                    Incident incident{.key = {owners[i], AlertRule::kFailed, ""},
                                      .message = "m",
                                      .to = {.emails = {"a@b.org"}, .webhook = ""},
                                      .remind_every = absl::Hours(1),
                                      .opened_at = now + absl::Minutes(i),
                                      .told_at = now};
                    EXPECT_TRUE(PutIncident(tx, {IncidentStep::kOpened, incident}, {}));
                    if (!over) continue;
                    const Incident open = incident;
                    incident.cleared_at = now + absl::Hours(1);
                    EXPECT_TRUE(PutIncident(tx, {IncidentStep::kCleared, incident}, open));
                  }
                }).ok());
  }

  // The owners of all pages.
  std::vector<std::string> List(bool all, int page_size) {
    std::vector<std::string> owners;
    v1::ListIncidentsRequest request;
    request.set_all(all);
    request.set_page_size(page_size);
    for (int page = 0; page < 20; ++page) {
      grpc::ClientContext context;
      v1::ListIncidentsResponse response;
      const grpc::Status status = alerts_->ListIncidents(&context, request, &response);
      EXPECT_TRUE(status.ok()) << status.error_message();
      EXPECT_LE(response.incidents_size(), page_size);
      for (const v1::Incident& each : response.incidents()) {
        owners.push_back(each.task().empty() ? each.pipeline() : StrCat("T:", each.task()));
      }
      if (response.next_page_token().empty()) return owners;
      request.set_page_token(response.next_page_token());
    }
    ADD_FAILURE() << "pages do not end";
    return owners;
  }

  grpc::Status Test(v1::TestAlertRequest request, v1::TestAlertResponse* response) {
    request.set_request_id(StrCat("test-", ++requests_));
    grpc::ClientContext context;
    return alerts_->TestAlert(&context, request, response);
  }

  std::vector<v1::Message> Messages(const v1::ListMessagesRequest& request) {
    grpc::ClientContext context;
    v1::ListMessagesResponse response;
    const grpc::Status status = alerts_->ListMessages(&context, request, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return {response.messages().begin(), response.messages().end()};
  }

  int requests_ = 0;
};

TEST_F(AlertServiceTest, IncidentsComeInPagesTheNewestFirst) {
  PutIncidents({"p1", "p2", "p3"}, /*over=*/true);
  PutIncidents({"a", "task/b", "c"}, /*over=*/false);
  const std::vector<std::string> open = {"c", "T:b", "a"};
  std::vector<std::string> all = open;
  all.insert(all.end(), {"p3", "p2", "p1"});
  for (const int page_size : {1, 2, 3, 4, 100}) {
    EXPECT_EQ(List(false, page_size), open) << page_size;
    EXPECT_EQ(List(true, page_size), all) << page_size;
  }
}

TEST_F(AlertServiceTest, ATestGoesWhereAnAlarmWouldGo) {
  v1::Pipeline pipeline = TestPipeline("p");
  pipeline.mutable_alerts()->add_email("own@example.org");
  pipeline.mutable_alerts()->set_webhook("http://h/x");
  Apply(pipeline);
  v1::TestAlertRequest request;
  request.set_pipeline("p");
  v1::TestAlertResponse response;
  ASSERT_TRUE(Test(request, &response).ok());
  ASSERT_EQ(response.message_ids_size(), 2);
  v1::ListMessagesRequest ids;
  *ids.mutable_ids() = response.message_ids();
  const std::vector<v1::Message> messages = Messages(ids);
  ASSERT_EQ(messages.size(), 2u);
  EXPECT_EQ(messages[0].email(0), "own@example.org");
  EXPECT_EQ(messages[0].state(), v1::MESSAGE_STATE_WAITING);
  EXPECT_EQ(messages[1].webhook(), "http://h/x");
  // Whom the configuration names.
  response.Clear();
  ASSERT_TRUE(Test({}, &response).ok());
  *ids.mutable_ids() = response.message_ids();
  ASSERT_EQ(Messages(ids).size(), 1u);
  EXPECT_EQ(Messages(ids)[0].email(0), "ops@example.org");
}

TEST_F(AlertServiceTest, WrongTestsSayWhatWouldBeRight) {
  v1::TestAlertResponse response;
  v1::TestAlertRequest request;
  request.set_task("nothing");
  EXPECT_EQ(Test(request, &response).error_code(), grpc::StatusCode::NOT_FOUND);
  request.Clear();
  request.set_pipeline("nothing");
  EXPECT_EQ(Test(request, &response).error_code(), grpc::StatusCode::NOT_FOUND);
  request.Clear();
  request.add_email("nobody");
  EXPECT_EQ(Test(request, &response).error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  request.Clear();
  request.set_webhook("gopher://x");
  EXPECT_EQ(Test(request, &response).error_code(), grpc::StatusCode::INVALID_ARGUMENT);
}

TEST_F(AlertServiceTest, MessagesThatWereSentAreKept) {
  v1::TestAlertResponse response;
  ASSERT_TRUE(Test({}, &response).ok());
  ASSERT_TRUE(Run([](Engine&, StoreTransaction& tx, absl::Time now) {
                OutboxMessage message = WaitingMessages(tx, 1).at(0);
                OutboxMessage done = message;
                done.due_at = now;
                EndMessage(tx, message, done);
              }).ok());
  v1::ListMessagesRequest request;
  EXPECT_TRUE(Messages(request).empty());
  request.set_done(true);
  ASSERT_EQ(Messages(request).size(), 1u);
  EXPECT_EQ(Messages(request)[0].state(), v1::MESSAGE_STATE_SENT);
}

}  // namespace
}  // namespace closewrite

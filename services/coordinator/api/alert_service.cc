#include "services/coordinator/api/alert_service.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/strip.h"
#include "services/coordinator/api/answer_once.h"
#include "services/coordinator/api/job_view.h"
#include "services/coordinator/api/page_token.h"
#include "services/coordinator/api/violations.h"
#include "services/coordinator/convert.h"
#include "services/coordinator/core/alert_notes.h"
#include "services/coordinator/core/incident.h"
#include "services/coordinator/core/outbox.h"
#include "services/coordinator/core/task.h"
#include "services/log/str_cat.h"

namespace closewrite {
namespace {

// What a page's cursor begins with: how many of those that are open were shown, or behind which of
// those that are over it goes on.
constexpr char kOpenCursor[] = "open:";
constexpr char kPastCursor[] = "past:";

v1::Incident ToProto(const Incident& incident) {
  v1::Incident shown;
  shown.set_rule(static_cast<v1::AlertRule>(incident.key.rule));
  const std::optional<std::string_view> task = TaskOfRuns(incident.key.owner);
  if (task.has_value()) {
    shown.set_task(std::string(*task));
  } else {
    shown.set_pipeline(incident.key.owner);
  }
  shown.set_subject(incident.key.subject);
  shown.set_message(incident.message);
  SetTime(incident.opened_at, shown.mutable_opened_at());
  if (IsKnown(incident.cleared_at)) SetTime(incident.cleared_at, shown.mutable_cleared_at());
  shown.set_reminders(incident.reminders);
  for (const std::string& email : incident.to.emails) shown.add_email(email);
  shown.set_webhook(incident.to.webhook);
  return shown;
}

v1::Message ToProto(const OutboxMessage& message, v1::MessageState state) {
  v1::Message shown;
  shown.set_id(message.id);
  for (const std::string& email : message.to.emails) shown.add_email(email);
  shown.set_webhook(message.to.webhook);
  shown.set_subject(message.kind == kJobMessage ? StrCat("job ", message.job.value, " has ended")
                                                : message.subject);
  shown.set_state(state);
  SetTime(message.created_at, shown.mutable_created_at());
  SetTime(message.due_at, shown.mutable_at());
  shown.set_tries(message.tries);
  shown.set_trouble(message.trouble);
  return shown;
}

v1::Message DoneToProto(const OutboxMessage& message) {
  return ToProto(message, message.given_up ? v1::MESSAGE_STATE_GIVEN_UP : v1::MESSAGE_STATE_SENT);
}

// Those that are open, the newest first.
std::vector<Incident> OpenNewestFirst(StoreReader& reader) {
  std::vector<Incident> open = OpenIncidents(reader);
  std::stable_sort(open.begin(), open.end(),
                   [](const Incident& a, const Incident& b) { return a.opened_at > b.opened_at; });
  return open;
}

}  // namespace

grpc::ServerUnaryReactor* AlertService::ListIncidents(grpc::CallbackServerContext* context,
                                                      const v1::ListIncidentsRequest* request,
                                                      v1::ListIncidentsResponse* response) {
  return Answer(context, FindIncidents(*request, response));
}

absl::Status AlertService::FindIncidents(const v1::ListIncidentsRequest& request,
                                         v1::ListIncidentsResponse* response) {
  v1::ListIncidentsRequest filter = request;
  filter.clear_page_size();
  filter.clear_page_token();
  const std::string scope = PageScope("ListIncidents", filter);
  const auto page = OpenPage(scope, request.page_size(), request.page_token());
  if (!page.ok()) return page.status();
  absl::string_view cursor = page->cursor;
  int64_t shown = 0;
  const bool past = absl::ConsumePrefix(&cursor, kPastCursor);
  if (absl::ConsumePrefix(&cursor, kOpenCursor) && !absl::SimpleAtoi(cursor, &shown)) {
    return WrongField("page_token", "did not come from this call");
  }
  return loop_.store().Read([&](StoreReader& reader) {
    PageFill fill(*page);
    const auto add = [&](const Incident& incident) {
      *response->add_incidents() = ToProto(incident);
      fill.Add(response->incidents(response->incidents_size() - 1));
    };
    const std::vector<Incident> open = past ? std::vector<Incident>() : OpenNewestFirst(reader);
    for (auto i = static_cast<size_t>(shown); i < open.size(); ++i) {
      if (fill.full()) {
        response->set_next_page_token(NextPageToken(scope, StrCat(kOpenCursor, i)));
        return absl::OkStatus();
      }
      add(open[i]);
    }
    if (!request.all()) return absl::OkStatus();
    std::string place = past ? std::string(cursor) : "";
    for (const PastIncident& each : PastIncidents(reader, place, page->rows + 1)) {
      if (fill.full()) {
        response->set_next_page_token(NextPageToken(scope, StrCat(kPastCursor, place)));
        return absl::OkStatus();
      }
      add(each.incident);
      place = each.place;
    }
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* AlertService::ListMessages(grpc::CallbackServerContext* context,
                                                     const v1::ListMessagesRequest* request,
                                                     v1::ListMessagesResponse* response) {
  return Answer(context, FindMessages(*request, response));
}

absl::Status AlertService::FindMessages(const v1::ListMessagesRequest& request,
                                        v1::ListMessagesResponse* response) {
  if (request.limit() < 0 || request.limit() > kMessagesMax) {
    return WrongField("limit", StrCat("is ", request.limit(), "; give 1 to ", kMessagesMax));
  }
  if (request.ids_size() > kMessageIdsMax) {
    return WrongField("ids", StrCat("has ", request.ids_size(), "; give at most ", kMessageIdsMax));
  }
  const bool by_id = !request.ids().empty();
  const int64_t limit = by_id                  ? kMessagesMax
                        : request.limit() == 0 ? kMessagesDefault
                                               : request.limit();
  const auto wanted = [&](const OutboxMessage& message) {
    // One that was split has a part of its own for each address.
    return !by_id ||
           std::any_of(request.ids().begin(), request.ids().end(), [&](const std::string& id) {
             return message.id == id || absl::StartsWith(message.id, StrCat(id, "."));
           });
  };
  return loop_.store().Read([&](StoreReader& reader) {
    if (by_id || !request.done()) {
      for (const OutboxMessage& message : WaitingMessages(reader, limit)) {
        if (!wanted(message)) continue;
        *response->add_messages() = ToProto(message, v1::MESSAGE_STATE_WAITING);
      }
    }
    if (by_id || request.done()) {
      for (const OutboxMessage& message : DoneMessages(reader, limit)) {
        if (wanted(message)) *response->add_messages() = DoneToProto(message);
      }
    }
    return absl::OkStatus();
  });
}

absl::StatusOr<Recipients> AlertService::RecipientsOf(const v1::TestAlertRequest& request,
                                                      Engine& engine, StoreReader& reader) const {
  const std::string owner = request.task().empty() ? request.pipeline() : RunsOf(request.task());
  if (owner.empty()) return routes_.to;
  const auto pipeline = engine.fleet().FindPipeline(reader, owner);
  if (pipeline == nullptr && !request.task().empty()) {
    return absl::NotFoundError(StrCat("there is no task ", request.task(),
                                      "; `closewrite task list` lists those there are"));
  }
  if (pipeline == nullptr) return NoSuchPipeline(owner, engine.fleet());
  return pipeline->alerts.to.empty() ? routes_.to : pipeline->alerts.to;
}

grpc::ServerUnaryReactor* AlertService::TestAlert(grpc::CallbackServerContext* context,
                                                  const v1::TestAlertRequest* request,
                                                  v1::TestAlertResponse* response) {
  Violations wrong;
  for (int i = 0; i < request->email_size(); ++i) {
    wrong.AddUnlessOk(StrCat("email[", i, "]"), CheckMailAddress(request->email(i)));
  }
  if (request->email_size() > kRecipientsMax) {
    wrong.Add("email", StrCat("has ", request->email_size(), "; give at most ", kRecipientsMax));
  }
  if (!request->webhook().empty()) {
    wrong.AddUnlessOk("webhook", CheckWebhook(request->webhook()));
  }
  if (!request->pipeline().empty() && !request->task().empty()) {
    wrong.Add("task", "stands beside a pipeline; name one of them");
  }
  if (!wrong.empty()) return Answer(context, wrong.ToStatus());
  return AnswerOnce<v1::TestAlertResponse>(
      api_, context, "TestAlert", *request, response,
      [this, request = *request, id = StrCat("test-", new_id_())](
          Engine& engine, StoreTransaction& tx, absl::Time now, v1::TestAlertResponse* answer) {
        absl::StatusOr<Recipients> to = RecipientsOf(request, engine, tx);
        if (!to.ok()) return to.status();
        const bool given = !request.email().empty() || !request.webhook().empty();
        if (given) {
          *to = {.emails = {request.email().begin(), request.email().end()},
                 .webhook = request.webhook()};
        }
        const std::string trouble = RouteTrouble(*to, routes_);
        if (!trouble.empty()) return absl::FailedPreconditionError(trouble);
        const OutboxMessage message{
            .id = id,
            .kind = kTestMessage,
            .subject = "[closewrite] a test of alerts",
            .text =
                "Somebody has asked for this message, to see whether alarms arrive. Nothing is "
                "wrong.\n",
            .created_at = now};
        for (std::string& each : PutMessages(tx, *to, message)) {
          answer->add_message_ids(std::move(each));
        }
        return absl::OkStatus();
      });
}

}  // namespace closewrite

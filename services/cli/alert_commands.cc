#include "services/cli/alert_commands.h"

#include <algorithm>
#include <memory>
#include <string>
#include <utility>

#include "services/cli/job_filter.h"
#include "services/cli/records.h"
#include "services/log/str_cat.h"

namespace closewrite::cli {
namespace {

constexpr absl::Duration kMessagePoll = absl::Milliseconds(200);
// A mail server may take its time, but then somebody should know.
constexpr absl::Duration kMessageWaitMax = absl::Seconds(60);

// Who is told, for a cell.
template <class Message>
std::string To(const Message& message) {
  std::string to = message.webhook();
  for (const std::string& email : message.email()) {
    StrAppend(&to, to.empty() ? "" : ", ", email);
  }
  return to;
}

absl::StatusOr<int> ListIncidents(Invocation& invocation, bool all) {
  v1::ListIncidentsRequest request;
  request.set_all(all);
  Records records(invocation, {"SINCE", "UNTIL", "OF", "RULE", "TOLD", "MESSAGE"});
  Client& client = invocation.client();
  PageLoop pages;
  int64_t listed = 0;
  const absl::Status status = pages.Run<v1::ListIncidentsRequest, v1::ListIncidentsResponse>(
      client, request,
      [&](auto* context, const auto& page, auto* response) {
        return client.alerts().ListIncidents(context, page, response);
      },
      [&](const v1::ListIncidentsResponse& response) {
        for (const v1::Incident& each : response.incidents()) {
          const std::string of = each.task().empty() ? StrCat("pipeline ", each.pipeline())
                                                     : StrCat("task ", each.task());
          records.Add(
              each, {records.When(each.has_opened_at(), each.opened_at()),
                     records.When(each.has_cleared_at(), each.cleared_at()), of,
                     EnumName(*v1::AlertRule_descriptor(), each.rule()), To(each), each.message()});
        }
        listed += response.incidents_size();
        return response.incidents_size();
      });
  if (!status.ok()) return status;
  records.Print();
  if (listed == 0) invocation.Note(all ? "no incidents" : "nothing is wrong");
  return kExitOk;
}

absl::StatusOr<int> ListMessages(Invocation& invocation, const v1::ListMessagesRequest& request) {
  v1::ListMessagesResponse response;
  Client& client = invocation.client();
  const absl::Status status = client.Call([&](grpc::ClientContext* context) {
    return client.alerts().ListMessages(context, request, &response);
  });
  if (!status.ok()) return status;
  Records records(invocation, {"MADE", "STATE", "AT", "TO", "SUBJECT", "TRIES", "TROUBLE"});
  for (const v1::Message& each : response.messages()) {
    records.Add(each, {records.When(each.has_created_at(), each.created_at()),
                       EnumName(*v1::MessageState_descriptor(), each.state()),
                       records.When(each.has_at(), each.at()), To(each), each.subject(),
                       StrCat(each.tries()), each.trouble()});
  }
  records.Print();
  if (response.messages().empty()) {
    invocation.Note(request.done() ? "no messages were sent" : "no messages wait");
  }
  return kExitOk;
}

// What became of a message: false as long as nobody knows.
absl::StatusOr<bool> IsSent(const v1::Message& message) {
  if (message.state() == v1::MESSAGE_STATE_SENT) return true;
  if (message.tries() == 0) return false;
  const bool over = message.state() == v1::MESSAGE_STATE_GIVEN_UP;
  return absl::UnavailableError(StrCat("the message to ", To(message),
                                       " was not taken: ", message.trouble(),
                                       over ? ""
                                            : "; it is tried again, see `closewrite alert "
                                              "messages`"));
}

absl::StatusOr<int> AwaitMessages(Invocation& invocation, const v1::TestAlertResponse& test) {
  v1::ListMessagesRequest request;
  *request.mutable_ids() = test.message_ids();
  const absl::Time end = std::min(invocation.deadline(), invocation.now() + kMessageWaitMax);
  Client& client = invocation.client();
  for (;;) {
    v1::ListMessagesResponse response;
    const absl::Status status = client.Call([&](grpc::ClientContext* context) {
      return client.alerts().ListMessages(context, request, &response);
    });
    if (!status.ok()) return status;
    int sent = 0;
    for (const v1::Message& message : response.messages()) {
      const absl::StatusOr<bool> is_sent = IsSent(message);
      if (!is_sent.ok()) return is_sent.status();
      sent += *is_sent;
    }
    // One that was split is several.
    if (sent >= test.message_ids_size() && sent == response.messages_size()) {
      for (const v1::Message& message : response.messages()) {
        invocation.out() << "sent to " << Printable(To(message)) << "\n";
      }
      return kExitOk;
    }
    if (invocation.now() >= end) {
      invocation.Note("the message waits still; see `closewrite alert messages`");
      return kExitTimedOut;
    }
    if (invocation.console().interrupts->Wait(kMessagePoll)) {
      return absl::CancelledError("interrupted");
    }
  }
}

absl::StatusOr<int> TestAlert(Invocation& invocation, const v1::TestAlertRequest& options) {
  v1::TestAlertRequest request = options;
  request.set_request_id(NewRequestId());
  v1::TestAlertResponse response;
  Client& client = invocation.client();
  const absl::Status status = client.Call([&](grpc::ClientContext* context) {
    return client.alerts().TestAlert(context, request, &response);
  });
  if (!status.ok()) return status;
  return AwaitMessages(invocation, response);
}

Command ListCommand() {
  Command command{"alert list", "[--all]",
                  "List what is wrong by the rules under `alerts:`, and who was told."};
  command.csv = true;
  command.examples = "closewrite alert list --all -o csv\n";
  command.declare = [](CLI::App& app) -> Action {
    auto all = std::make_shared<bool>(false);
    app.add_flag("--all", *all, "Also what is over, as long as it is kept");
    return [all](Invocation& invocation) { return ListIncidents(invocation, *all); };
  };
  return command;
}

Command MessagesCommand() {
  Command command{"alert messages", "[--done] [--limit N]",
                  "List mails and calls of webhooks that wait to be sent, and why."};
  command.csv = true;
  command.declare = [](CLI::App& app) -> Action {
    auto request = std::make_shared<v1::ListMessagesRequest>();
    auto numbers = std::make_shared<std::pair<bool, int32_t>>(false, 100);
    app.add_flag("--done", numbers->first,
                 "Those that were sent or given up in place of those that wait");
    app.add_option("-n,--limit", numbers->second, "At most this many, 1000 at most")
        ->capture_default_str();
    return [request, numbers](Invocation& invocation) {
      request->set_done(numbers->first);
      request->set_limit(numbers->second);
      return ListMessages(invocation, *request);
    };
  };
  return command;
}

Command TestCommand() {
  Command command{"alert test", "[--pipeline P | --task T] [--email A]... [--webhook URL]",
                  "Send a test message the way that an alarm goes, and wait until it was taken. "
                  "Without options those are told whom the coordinator's configuration names."};
  command.examples =
      "closewrite alert test --pipeline enrich\n"
      "closewrite alert test --email ops@example.org\n";
  command.declare = [](CLI::App& app) -> Action {
    auto request = std::make_shared<v1::TestAlertRequest>();
    auto emails = std::make_shared<std::vector<std::string>>();
    app.add_option("-p,--pipeline", *request->mutable_pipeline(),
                   "Whom the alerts of this pipeline are told to");
    app.add_option("--task", *request->mutable_task(), "Whom the alerts of this task are told to");
    app.add_option("--email", *emails, "This address; may be repeated")->allow_extra_args(false);
    app.add_option("--webhook", *request->mutable_webhook(), "This address");
    return [request, emails](Invocation& invocation) {
      *request->mutable_email() = {emails->begin(), emails->end()};
      return TestAlert(invocation, *request);
    };
  };
  return command;
}

}  // namespace

std::vector<Command> AlertCommands() { return {ListCommand(), MessagesCommand(), TestCommand()}; }

}  // namespace closewrite::cli

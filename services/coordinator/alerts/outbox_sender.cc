#include "services/coordinator/alerts/outbox_sender.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>
#include <vector>

#include "services/coordinator/alerts/job_message.h"
#include "services/coordinator/alerts/result_fetch.h"
#include "services/log/log.h"
#include "services/log/str_cat.h"

namespace closewrite {
namespace {

// What Slack and its like show is `text`; the rest is for programs.
std::string WebhookBody(const OutboxMessage& message) {
  nlohmann::json body = {{"text", StrCat(message.subject, "\n", message.text)},
                         {"id", message.id},
                         {"kind", message.kind}};
  for (const auto& [name, value] : message.details) body[name] = value;
  return body.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

// Nobody will take it as it is.
bool IsRefused(const absl::Status& sent) {
  return absl::IsFailedPrecondition(sent) || absl::IsInvalidArgument(sent);
}

absl::Duration PauseAfter(int tries) {
  absl::Duration pause = kSendPauseMin;
  for (int i = 1; i < tries && pause < kSendPauseMax; ++i) pause *= 2;
  return std::min(pause, kSendPauseMax);
}

}  // namespace

OutboxSender::OutboxSender(AlertOptions options, StoreLoop* loop, WatcherBoard* watchers)
    : options_(std::move(options)), loop_(*loop), watchers_(*watchers) {}

void OutboxSender::Start() {
  thread_ = std::thread([this] { Run(); });
}

void OutboxSender::Shutdown() {
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
  }
  if (thread_.joinable()) thread_.join();
}

OutboxSender::Numbers OutboxSender::numbers() const {
  absl::MutexLock lock(&mutex_);
  return numbers_;
}

bool OutboxSender::Stopping() const {
  absl::MutexLock lock(&mutex_);
  return stopping_;
}

void OutboxSender::Run() {
  for (;;) {
    {
      absl::MutexLock lock(&mutex_);
      mutex_.AwaitWithTimeout(absl::Condition(&stopping_), kSendInterval);
      if (stopping_) return;
    }
    SendSome();
  }
}

void OutboxSender::SendSome() {
  std::string place;
  int64_t excess = 0;
  for (;;) {
    std::vector<OutboxMessage> messages;
    const absl::Status read = loop_.store().Read([&](StoreReader& reader) {
      const absl::Time local = loop_.clock().Now();
      ahead_ = reader.Now(local) - local;
      messages = WaitingMessages(reader, kMessagesPerRead, place);
      if (place.empty()) {
        excess = CountWaitingMessages(reader, 2 * kMessagesWaitingMax) - kMessagesWaitingMax;
      }
      return absl::OkStatus();
    });
    if (!read.ok() || messages.empty()) break;
    for (const OutboxMessage& message : messages) {
      if (!SendOne(message, &excess)) return;
    }
    place = WaitingPlace(messages.back());
  }
  std::erase_if(pauses_, [now = Now()](const auto& entry) {
    return entry.second.until + kSendPauseMax < now;
  });
}

bool OutboxSender::SendOne(const OutboxMessage& message, int64_t* excess) {
  const absl::Time now = Now();
  if (Stopping() || message.due_at > now) return false;
  Pause& pause = pauses_[message.to.webhook];
  if (pause.until > now) {
    const bool too_many = (*excess)-- > 0;
    if (!too_many && now - message.created_at < kMessageKept) return true;
    return Record(message,
                  absl::ResourceExhaustedError(too_many ? "too many messages wait for its server"
                                                        : "its server has failed for too long"))
        .ok();
  }
  const absl::StatusOr<std::optional<OutboxMessage>> claimed = Claim(message);
  if (!claimed.ok() || !claimed->has_value()) return claimed.ok();
  const absl::Status sent = Send(**claimed);
  if (absl::IsCancelled(sent)) return false;
  pause.length = sent.ok() || IsRefused(sent)
                     ? absl::ZeroDuration()
                     : std::clamp(2 * pause.length, kSendPauseMin, kSendPauseMax);
  pause.until = Now() + pause.length;
  return Record(**claimed, sent).ok();
}

absl::StatusOr<std::optional<OutboxMessage>> OutboxSender::Claim(const OutboxMessage& message) {
  if (!loop_.store().shared()) return message;
  std::optional<OutboxMessage> claimed;
  const absl::Status status = loop_.Do([&](Engine&, StoreTransaction& tx, absl::Time now) {
    claimed.reset();
    if (!StillWaits(tx, message)) return absl::OkStatus();
    claimed = message;
    claimed->due_at = now + kSendClaim;
    PostponeMessage(tx, message, *claimed);
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  return claimed;
}

absl::Status OutboxSender::Send(const OutboxMessage& message) {
  if (message.kind == kJobMessage) return SendJobMessage(message);
  return message.to.webhook.empty() ? SendMail(message, {}) : SendWebhook(message);
}

absl::Status OutboxSender::SendJobMessage(const OutboxMessage& message) {
  OutboxMessage whole;
  std::optional<Job> job;
  const absl::Status read = loop_.store().Read([&](StoreReader& reader) {
    job = reader.GetJob(message.job);
    whole = WithJobText(message, job, options_.job_url, reader);
    return absl::OkStatus();
  });
  if (!read.ok()) return read;
  if (!whole.to.webhook.empty()) return SendWebhook(whole);
  FetchedResults results;
  if (message.attach_bytes_max > 0 && job.has_value() && job->state == JobState::kSucceeded) {
    results =
        FetchResults(*job, message.attach_bytes_max, watchers_, [this] { return Stopping(); });
  }
  if (!results.missing.empty()) StrAppend(&whole.text, "\nNot attached:\n");
  for (const std::string& line : results.missing) StrAppend(&whole.text, "  ", line, "\n");
  return SendMail(whole, std::move(results.attachments));
}

absl::Status OutboxSender::SendMail(const OutboxMessage& message,
                                    std::vector<Attachment> attachments) {
  if (!options_.mail.has_value()) {
    return absl::UnavailableError(
        "the coordinator's configuration has no `mail:`, so nothing can be mailed");
  }
  const std::string domain = options_.from.substr(options_.from.rfind('@') + 1);
  const Mail mail{.from = options_.from,
                  .to = message.to.emails,
                  .subject = message.subject,
                  .text = message.text,
                  .attachments = std::move(attachments),
                  .message_id = StrCat(message.id, "@", domain),
                  .date = message.created_at,
                  .headers = {}};
  return mail_.Send(*options_.mail, mail, [this] { return Stopping(); });
}

absl::Status OutboxSender::SendWebhook(const OutboxMessage& message) {
  HttpRequest request{.url = message.to.webhook,
                      .body = WebhookBody(message),
                      .headers = {"Content-Type: application/json"}};
  request.timeout = kWebhookTimeout;
  const absl::StatusOr<HttpAnswer> answer = http_.Send(request, [this] { return Stopping(); });
  if (!answer.ok()) return answer.status();
  if (answer->ok()) return absl::OkStatus();
  const bool refused = answer->code >= 400 && answer->code < 500 && answer->code != 408 &&
                       answer->code != 425 && answer->code != 429;
  return refused ? absl::FailedPreconditionError(answer->Shown())
                 : absl::UnavailableError(answer->Shown());
}

absl::Status OutboxSender::Record(const OutboxMessage& message, const absl::Status& sent) {
  const absl::Time now = Now();
  OutboxMessage after = message;
  after.due_at = now;
  const bool split = IsRefused(sent) && message.to.emails.size() > 1;
  if (!sent.ok()) {
    ++after.tries;
    after.trouble = std::string(sent.message());
    after.given_up = absl::IsResourceExhausted(sent) ||
                     (IsRefused(sent) ? after.tries >= kRefusedTriesMax
                                      : now - message.created_at >= kMessageKept);
    if (!after.given_up) after.due_at = now + PauseAfter(after.tries);
    LogWarn(after.given_up ? "a message is given up" : "a message could not be sent, and waits",
            {{"message", message.id}, {"tries", after.tries}, {"why", after.trouble}});
  }
  {
    absl::MutexLock lock(&mutex_);
    numbers_.sent += sent.ok();
    numbers_.given_up += after.given_up && !split;
    numbers_.failures += !sent.ok() && (split || !after.given_up);
  }
  const bool ends = sent.ok() || after.given_up;
  return loop_.Do([&](Engine&, StoreTransaction& tx, absl::Time store_now) {
    if (!StillWaits(tx, message)) return absl::OkStatus();
    if (split) {
      SplitMessage(tx, message, store_now);
    } else if (ends) {
      EndMessage(tx, message, after);
    } else {
      PostponeMessage(tx, message, after);
    }
    return absl::OkStatus();
  });
}

}  // namespace closewrite

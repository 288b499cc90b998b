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

constexpr char kTurn[] = "outbox";
// Of an answer that is shown.
constexpr size_t kShownBytesMax = 300;

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
    : options_(std::move(options)),
      loop_(*loop),
      watchers_(*watchers),
      turn_(kTurn, kSendTurn, loop) {}

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
  absl::Time now;
  std::vector<OutboxMessage> messages;
  const absl::Status read = loop_.store().Read([&](StoreReader& reader) {
    now = reader.Now(loop_.clock().Now());
    messages = WaitingMessages(reader, kMessagesPerRound);
    return absl::OkStatus();
  });
  if (!read.ok() || messages.empty() || messages.front().due_at > now || !turn_.Mine()) return;
  for (const OutboxMessage& message : messages) {
    if (Stopping() || message.due_at > now) return;
    Pause& pause = pauses_[message.to.webhook];
    if (pause.until > now) continue;
    const absl::Status sent = Send(message);
    if (absl::IsCancelled(sent)) return;
    pause.length = sent.ok() || IsRefused(sent)
                       ? absl::ZeroDuration()
                       : std::clamp(2 * pause.length, kSendPauseMin, kSendPauseMax);
    pause.until = now + pause.length;
    if (!Record(message, sent, now).ok()) return;
  }
  std::erase_if(pauses_, [&](const auto& entry) { return entry.second.until <= now; });
}

absl::Status OutboxSender::Send(const OutboxMessage& message) {
  if (message.kind == kJobMessage) return SendJobMessage(message);
  return message.to.webhook.empty() ? SendMail(message, {}) : SendWebhook(message);
}

absl::Status OutboxSender::SendJobMessage(const OutboxMessage& message) {
  OutboxMessage whole;
  std::optional<Job> job;
  const absl::Status read = loop_.store().Read([&](StoreReader& reader) {
    whole = WithJobText(message, options_.job_url, reader);
    job = reader.GetJob(message.job);
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
  if (answer->code >= 200 && answer->code < 300) return absl::OkStatus();
  const std::string why =
      StrCat("HTTP ", answer->code, " ", answer->body.substr(0, kShownBytesMax));
  const bool refused = answer->code >= 400 && answer->code < 500 && answer->code != 408 &&
                       answer->code != 425 && answer->code != 429;
  return refused ? absl::FailedPreconditionError(why) : absl::UnavailableError(why);
}

absl::Status OutboxSender::Record(const OutboxMessage& message, const absl::Status& sent,
                                  absl::Time now) {
  OutboxMessage after = message;
  after.due_at = now;
  if (!sent.ok()) {
    ++after.tries;
    after.trouble = std::string(sent.message());
    after.given_up = IsRefused(sent) ? after.tries >= kRefusedTriesMax
                                     : now - message.created_at >= kMessageKept;
    if (!after.given_up) after.due_at = now + PauseAfter(after.tries);
    LogWarn(after.given_up ? "a message is given up" : "a message could not be sent, and waits",
            {{"message", message.id}, {"tries", after.tries}, {"why", after.trouble}});
  }
  {
    absl::MutexLock lock(&mutex_);
    numbers_.sent += sent.ok();
    numbers_.given_up += after.given_up;
    numbers_.failures += !sent.ok() && !after.given_up;
  }
  const bool ends = sent.ok() || after.given_up;
  return loop_.Do([&](Engine&, StoreTransaction& tx, absl::Time) {
    if (!StillWaits(tx, message)) return absl::OkStatus();
    ends ? EndMessage(tx, message, after) : PostponeMessage(tx, message, after);
    return absl::OkStatus();
  });
}

}  // namespace closewrite

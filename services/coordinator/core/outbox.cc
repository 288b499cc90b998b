#include "services/coordinator/core/outbox.h"

#include <algorithm>

#include "services/coordinator/core/note_json.h"
#include "services/log/str_cat.h"

namespace closewrite {
namespace {

constexpr char kWaiting[] = "outbox";
constexpr char kDone[] = "sent";

std::string Encode(const OutboxMessage& message) {
  nlohmann::json details = nlohmann::json::object();
  for (const auto& [name, value] : message.details) details[name] = value;
  return DumpNote({{"id", message.id},
                   {"kind", message.kind},
                   {"emails", message.to.emails},
                   {"webhook", message.to.webhook},
                   {"subject", message.subject},
                   {"text", message.text},
                   {"details", details},
                   {"job", message.job.value},
                   {"log_lines", message.log_lines},
                   {"attach_bytes_max", message.attach_bytes_max},
                   {"link", message.link},
                   {"created_at", NoteTime(message.created_at)},
                   {"due_at", NoteTime(message.due_at)},
                   {"tries", message.tries},
                   {"trouble", message.trouble},
                   {"given_up", message.given_up}});
}

std::optional<OutboxMessage> Decode(const std::string& value) {
  const std::optional<nlohmann::json> json = ParseNote(value);
  if (!json.has_value()) return std::nullopt;
  OutboxMessage message;
  TakeField(*json, "id", &message.id);
  TakeField(*json, "kind", &message.kind);
  TakeField(*json, "emails", &message.to.emails);
  TakeField(*json, "webhook", &message.to.webhook);
  TakeField(*json, "subject", &message.subject);
  TakeField(*json, "text", &message.text);
  TakeField(*json, "job", &message.job.value);
  TakeField(*json, "log_lines", &message.log_lines);
  TakeField(*json, "attach_bytes_max", &message.attach_bytes_max);
  TakeField(*json, "link", &message.link);
  TakeField(*json, "created_at", &message.created_at);
  TakeField(*json, "due_at", &message.due_at);
  TakeField(*json, "tries", &message.tries);
  TakeField(*json, "trouble", &message.trouble);
  TakeField(*json, "given_up", &message.given_up);
  if (const auto details = json->find("details"); details != json->end()) {
    for (const auto& [name, text] : details->items()) {
      if (text.is_string()) message.details.emplace_back(name, text.get<std::string>());
    }
  }
  return message;
}

std::vector<OutboxMessage> Messages(StoreReader& reader, const char* kind, int64_t limit,
                                    const std::string& after = "") {
  std::vector<OutboxMessage> messages;
  for (const Note& note : reader.ListNotes(kind, after, limit)) {
    std::optional<OutboxMessage> message = Decode(note.value);
    if (message.has_value()) messages.push_back(*std::move(message));
  }
  return messages;
}

void Put(StoreTransaction& tx, const OutboxMessage& message) {
  tx.PutNote(kWaiting, {WaitingPlace(message), Encode(message)});
}

}  // namespace

std::vector<std::string> PutMessages(StoreTransaction& tx, const Recipients& to,
                                     OutboxMessage message) {
  std::vector<std::string> ids;
  const std::string id = message.id;
  message.due_at = message.created_at;
  const auto put = [&](std::string_view by, Recipients recipients) {
    message.id = StrCat(id, ".", by);
    message.to = std::move(recipients);
    Put(tx, message);
    ids.push_back(message.id);
  };
  if (!to.emails.empty()) put("mail", {.emails = to.emails, .webhook = ""});
  if (!to.webhook.empty()) put("webhook", {.emails = {}, .webhook = to.webhook});
  return ids;
}

void PutJobMessages(StoreTransaction& tx, const NotifyPolicy& policy, const Job& job,
                    absl::Time now) {
  const bool wanted = (job.state == JobState::kSucceeded && policy.success) ||
                      (job.state == JobState::kFailed && policy.failure);
  if (!wanted || policy.to.empty()) return;
  // A job that is retried by hand may end again.
  (void)PutMessages(
      tx, policy.to,
      {.id = StrCat("job-", job.id.value, "-", job.token.value, "-", absl::ToUnixMicros(now)),
       .kind = kJobMessage,
       .job = job.id,
       .log_lines = policy.log_lines,
       .attach_bytes_max = policy.attach_bytes_max,
       .created_at = now});
}

std::vector<OutboxMessage> WaitingMessages(StoreReader& reader, int64_t limit,
                                           const std::string& after) {
  return Messages(reader, kWaiting, limit, after);
}

std::string WaitingPlace(const OutboxMessage& message) {
  return StrCat(TimeKey(message.due_at), "/", message.id);
}

int64_t CountWaitingMessages(StoreReader& reader, int64_t limit) {
  return reader.CountNotes(kWaiting, limit);
}

std::vector<OutboxMessage> DoneMessages(StoreReader& reader, int64_t limit) {
  return Messages(reader, kDone, limit);
}

bool StillWaits(StoreReader& reader, const OutboxMessage& message) {
  return reader.FindNote(kWaiting, WaitingPlace(message)).has_value();
}

void PostponeMessage(StoreTransaction& tx, const OutboxMessage& message,
                     const OutboxMessage& later) {
  tx.EraseNote(kWaiting, WaitingPlace(message));
  Put(tx, later);
}

void SplitMessage(StoreTransaction& tx, const OutboxMessage& message, absl::Time now) {
  tx.EraseNote(kWaiting, WaitingPlace(message));
  for (size_t i = 0; i < message.to.emails.size(); ++i) {
    OutboxMessage one = message;
    one.id = StrCat(message.id, ".", i + 1);
    one.to.emails = {message.to.emails[i]};
    one.due_at = now;
    Put(tx, one);
  }
}

void EndMessage(StoreTransaction& tx, const OutboxMessage& message, const OutboxMessage& done) {
  tx.EraseNote(kWaiting, WaitingPlace(message));
  if (done.kind == kJobMessage && !done.given_up) return;
  tx.PutNote(kDone, {StrCat(NewestFirstKey(done.due_at), "/", done.id), Encode(done)});
}

bool ForgetMessages(StoreTransaction& tx, absl::Time before, int64_t limit) {
  const std::vector<Note> old = tx.ListNotes(kDone, NewestFirstKey(before), limit);
  for (const Note& note : old) tx.EraseNote(kDone, note.key);
  return static_cast<int64_t>(old.size()) >= limit;
}

}  // namespace closewrite

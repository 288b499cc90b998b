// Sends the messages that wait in the store, by mail and by webhook.
#ifndef SERVICES_COORDINATOR_ALERTS_OUTBOX_SENDER_H_
#define SERVICES_COORDINATOR_ALERTS_OUTBOX_SENDER_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "services/coordinator/alerts/alert_options.h"
#include "services/coordinator/core/outbox.h"
#include "services/coordinator/store_loop.h"
#include "services/coordinator/watcher_board.h"
#include "services/http/http_client.h"
#include "services/mail/mail_client.h"

namespace closewrite {

// How often it is looked for messages, and how many are looked at in one piece.
inline constexpr absl::Duration kSendInterval = absl::Seconds(1);
inline constexpr int64_t kMessagesPerRead = 1000;
// Messages that wait for a server that fails; past it the first ones are given up.
inline constexpr int64_t kMessagesWaitingMax = 10'000;
// Of several coordinators one has a message for so long, which is more than sending it may take.
inline constexpr absl::Duration kSendClaim = absl::Minutes(8);
// Pauses after failures, which double, of a message and of a server.
inline constexpr absl::Duration kSendPauseMin = absl::Seconds(1);
inline constexpr absl::Duration kSendPauseMax = absl::Minutes(5);
// A message that is refused is tried so often; one that nobody takes, for so long.
inline constexpr int kRefusedTriesMax = 5;
inline constexpr absl::Duration kMessageKept = absl::Hours(24 * 3);
// For an answer to one request.
inline constexpr absl::Duration kWebhookTimeout = absl::Seconds(10);

// A message is erased once it was taken. A coordinator that is killed in between sends it again,
// with the same Message-ID. A server that fails is spared for a while, and so does not hold up what
// goes to others. Thread-safe.
class OutboxSender {
 public:
  struct Numbers {
    int64_t sent = 0;
    int64_t failures = 0;  // that are tried again
    int64_t given_up = 0;
  };

  // Neither is owned. `watchers` is asked for results that are attached.
  OutboxSender(AlertOptions options, StoreLoop* loop, WatcherBoard* watchers);
  ~OutboxSender() { Shutdown(); }

  void Start();
  // Breaks off what is under way. May be called any number of times.
  void Shutdown();

  Numbers numbers() const;

 private:
  struct Pause {
    absl::Time until = absl::InfinitePast();
    absl::Duration length;
  };

  void Run();
  void SendSome();
  // False when there is no time for more, or no store.
  bool SendOne(const OutboxMessage& message, int64_t* excess);
  // The message as it is to be sent now; nullopt when another coordinator has it.
  absl::StatusOr<std::optional<OutboxMessage>> Claim(const OutboxMessage& message);
  absl::Status Send(const OutboxMessage& message);
  absl::Status SendJobMessage(const OutboxMessage& message);
  absl::Status SendMail(const OutboxMessage& message, std::vector<Attachment> attachments);
  absl::Status SendWebhook(const OutboxMessage& message);
  // What became of one that was tried.
  absl::Status Record(const OutboxMessage& message, const absl::Status& sent);
  bool Stopping() const;
  // By the store's clock.
  absl::Time Now() const { return loop_.clock().Now() + ahead_; }

  const AlertOptions options_;
  StoreLoop& loop_;
  WatcherBoard& watchers_;
  // Of the thread.
  absl::Duration ahead_;  // of the store's clock
  HttpClient http_;
  MailClient mail_;
  std::map<std::string, Pause> pauses_;  // of servers that fail; "" is the mail server

  mutable absl::Mutex mutex_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  Numbers numbers_ ABSL_GUARDED_BY(mutex_);
  std::thread thread_;
};

}  // namespace closewrite

#endif  // SERVICES_COORDINATOR_ALERTS_OUTBOX_SENDER_H_

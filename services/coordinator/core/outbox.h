// Messages that wait to be sent: they lie in the store from the commit that makes them until a mail
// server or a webhook has taken them.
#ifndef SERVICES_COORDINATOR_CORE_OUTBOX_H_
#define SERVICES_COORDINATOR_CORE_OUTBOX_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "services/coordinator/core/alert_policy.h"
#include "services/coordinator/core/ids.h"
#include "services/coordinator/core/job.h"
#include "services/coordinator/core/store.h"

namespace closewrite {

struct OutboxMessage {
  std::string id;    // unique, for ever; letters, digits, '-' and '.'
  std::string kind;  // one of the words below
  Recipients to;     // by mail, or by webhook, not both
  std::string subject;
  std::string text;
  std::vector<std::pair<std::string, std::string>> details;  // for programs; names and values
  // Of a message about the end of a job, whose subject and text are made when it is sent.
  JobId job;
  int log_lines = 0;
  int64_t attach_bytes_max = 0;
  std::string link;  // to a page about it; "": the one that all jobs have
  absl::Time created_at;
  absl::Time due_at;    // when it is tried next; once it is done, when that was
  int tries = 0;        // that failed
  std::string trouble;  // why the last one did
  bool given_up = false;
  bool operator==(const OutboxMessage&) const = default;
};

// Kinds of messages.
inline constexpr char kAlarmMessage[] = "alarm";
inline constexpr char kReminderMessage[] = "reminder";
inline constexpr char kAllClearMessage[] = "all_clear";
inline constexpr char kJobMessage[] = "job";
inline constexpr char kTestMessage[] = "test";

// One for the mail and one for the webhook, as `to` says; both are like `message`, and their ids
// begin with its id. Returns their ids.
std::vector<std::string> PutMessages(StoreTransaction& tx, const Recipients& to,
                                     OutboxMessage message);
// The message of a job that has come to its end, if somebody wants to know.
void PutJobMessages(StoreTransaction& tx, const NotifyPolicy& policy, const Job& job,
                    absl::Time now);

// Those that wait, the first due first; behind a place ("": from the first).
std::vector<OutboxMessage> WaitingMessages(StoreReader& reader, int64_t limit,
                                           const std::string& after = "");
// Where it stands among those that wait.
std::string WaitingPlace(const OutboxMessage& message);
// Counts no further than `limit`.
int64_t CountWaitingMessages(StoreReader& reader, int64_t limit);
// Those that were sent or given up, the newest first.
std::vector<OutboxMessage> DoneMessages(StoreReader& reader, int64_t limit);

// False when it waits no longer, or not as it was: another coordinator has it, or has sent it.
bool StillWaits(StoreReader& reader, const OutboxMessage& message);
// It is to be tried again as `later` says.
void PostponeMessage(StoreTransaction& tx, const OutboxMessage& message,
                     const OutboxMessage& later);
// It becomes one for each of its addresses, for one of them makes a mail server refuse it.
void SplitMessage(StoreTransaction& tx, const OutboxMessage& message, absl::Time now);
// It waits no longer. Those about jobs that were sent are forgotten.
void EndMessage(StoreTransaction& tx, const OutboxMessage& message, const OutboxMessage& done);
// Forgets what was done before `before`, at most `limit`; true when there may be more.
bool ForgetMessages(StoreTransaction& tx, absl::Time before, int64_t limit);

}  // namespace closewrite

#endif  // SERVICES_COORDINATOR_CORE_OUTBOX_H_

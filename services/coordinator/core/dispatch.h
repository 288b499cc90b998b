// Sessions, leases, and what executors report.
#ifndef SERVICES_COORDINATOR_CORE_DISPATCH_H_
#define SERVICES_COORDINATOR_CORE_DISPATCH_H_

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "services/coordinator/core/attend_report.h"
#include "services/coordinator/core/fleet.h"
#include "services/coordinator/core/job_book.h"
#include "services/coordinator/core/lock_book.h"
#include "services/coordinator/core/log_keeper.h"
#include "services/coordinator/core/store.h"

namespace closewrite {

// Due jobs made available in one commit.
inline constexpr int64_t kPromoteBatchMax = 1000;
// Expired sessions ended in one commit.
inline constexpr int64_t kExpireBatchMax = 100;
// Of a shared store: what is thought to be expired is looked at again at most this often.
inline constexpr absl::Duration kExpiryPoll = absl::Milliseconds(50);

// What it hears, once the report is committed.
struct AttendReply {
  std::vector<Lease> settled;
  std::vector<std::pair<Lease, int64_t>> log_lengths;
  std::vector<Grant> resend;  // leases that were lost on the way
};

// Executors with sessions, of one coordinator or of several that share a store.
inline constexpr size_t kSessionsMax = 10'000;

class Dispatch {
 public:
  // `new_session_id` gives ids that never repeat.
  Dispatch(Fleet* fleet, JobBook* book, LogKeeper* logs, LockBook* locks,
           std::function<SessionId()> new_session_id)
      : fleet_(*fleet),
        book_(*book),
        logs_(*logs),
        locks_(*locks),
        new_session_id_(std::move(new_session_id)) {}

  // Opens a session, or resumes one, from whichever coordinator has it. ALREADY_EXISTS, NOT_FOUND:
  // as AttendService says.
  absl::StatusOr<SessionId> Open(StoreTransaction& tx, const ExecutorHello& hello, absl::Time now);
  // The stream broke. The session lives on until it expires, unless it drains and holds nothing.
  void Disconnect(StoreTransaction& tx, const SessionId& session);
  // Its host says that all its processes are dead: its leases are free at once. Does nothing for
  // sessions that are no more.
  void Bury(StoreTransaction& tx, const SessionId& session, absl::Time now);
  // PERMISSION_DENIED when the session is another executor's. OK when there is none.
  absl::Status CheckOwner(StoreTransaction& tx, const SessionId& session,
                          const std::string& executor) const;

  // Tells executors of these names, and all on hosts of these names, to take nothing more and to
  // end when their commands have. NOT_FOUND, and nobody is told, when one stands for nobody.
  absl::StatusOr<std::vector<SessionRecord>> Drain(StoreTransaction& tx,
                                                   const std::vector<std::string>& names);

  // Takes a session's record and its leases into memory.
  Session& Remember(StoreTransaction& tx, const SessionRecord& record);

  // NOT_FOUND: the session has expired. ABORTED: it attends another coordinator by now.
  absl::StatusOr<AttendReply> Report(StoreTransaction& tx, const AttendReport& report,
                                     absl::Time now);

  // Notes that a report was not heard, since its session is over.
  void Refuse(const AttendReport& report);

  // Makes due jobs available and ends expired sessions, those of programs too. Returns when it must
  // be called next, at the latest.
  absl::Time Tick(StoreTransaction& tx, absl::Time now);

 private:
  absl::Status CheckNewName(const ExecutorHello& hello, absl::Time now) const;
  std::string OwnerOf(StoreTransaction& tx, const SessionId& id) const;
  static bool Had(StoreTransaction& tx, const ExecutorHello& executor, const Lease& lease);
  static bool Learn(Session& session, const AttendReport& report, absl::Time now);
  absl::Status Renew(StoreTransaction& tx, Session& session, const AttendReport& report,
                     absl::Time now);
  void RecordLogs(StoreTransaction& tx, const Session& session, const AttendReport& report,
                  AttendReply& reply);
  void RecordResult(StoreTransaction& tx, const Session& session,
                    const AttendReport::Result& result, absl::Time now);
  void RecordInputChanged(StoreTransaction& tx, const Job& job, Finished end, absl::Time now);
  bool Adopts(StoreTransaction& tx, const Job& job, const EventRecord& latest);
  void RecordRunning(StoreTransaction& tx, Session& session,
                     const std::vector<AttendReport::Running>& running, absl::Time now);
  void Resend(StoreTransaction& tx, const Session& session, const AttendReport& report,
              AttendReply& reply);
  std::vector<SessionRecord> Expired(StoreTransaction& tx, absl::Time now) const;
  // `died`: its host says so; false: it was not heard of for too long.
  void End(StoreTransaction& tx, const SessionRecord& session, bool died, absl::Time now);

  Fleet& fleet_;
  JobBook& book_;
  LogKeeper& logs_;
  LockBook& locks_;
  std::function<SessionId()> new_session_id_;
};

}  // namespace closewrite

#endif  // SERVICES_COORDINATOR_CORE_DISPATCH_H_

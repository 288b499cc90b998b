// All attempts that an executor holds, and what of them the coordinator still has to hear.
#ifndef SERVICES_EXECUTOR_ATTEMPT_TABLE_H_
#define SERVICES_EXECUTOR_ATTEMPT_TABLE_H_

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "closewrite/v1/attend.pb.h"
#include "closewrite/v1/execute.pb.h"
#include "services/executor/attempt.h"

namespace closewrite::executor {

// Limits of one message, well below kMessageBytesMax.
inline constexpr size_t kChunkBytesMax = 256 << 10;
inline constexpr size_t kMessageLogBytesMax = 4 << 20;
inline constexpr size_t kMessageResultBytesMax = 8 << 20;
// Log bytes that are sent and not acknowledged: of one attempt, and of all.
inline constexpr int64_t kAttemptWindowBytes = 4 << 20;
inline constexpr int64_t kWindowBytes = 16 << 20;
// Settled leases that are remembered, so that a repeated assignment is not run again.
inline constexpr size_t kSettledLeasesMax = 4096;

// An entry lives from its assignment until its result is settled:
//
//     assigned -> attempt runs -> ended: result unsettled -> settled: forgotten
//
// Thread-safe. Calls do not block, but for starting threads and processes.
class AttemptTable {
 public:
  struct Options {
    int slots = 1;
    AttemptContext context;      // on_change and on_output are set by the table
    std::function<void()> wake;  // there is something to be sent; must not block
  };

  explicit AttemptTable(Options options);
  // Kills what runs and waits for it.
  ~AttemptTable();

  // Makes entries of what an earlier process has left: the results that it had recorded, LOST for
  // commands that never began or were begun before the machine was, and attempts that adopt all
  // others.
  void TakeUp(std::vector<JournalEntry> left);
  // The same of what is dead altogether, for one that can't conclude what has succeeded: such a
  // command is LOST as well.
  void TakeUpDead(std::vector<JournalEntry> left);

  // Runs it, unless it is known already. Handed back when it is cancelled, all slots are taken or
  // the executor drains. Ignored when the session's leases are over at `now`: it comes again.
  void Accept(const v1::Assignment& assignment, absl::Duration lease_deadline, absl::Duration now);
  // Moves the lease's end of all that runs.
  void Renew(absl::Duration lease_deadline);
  // Kills what is not in `held`: it was given to somebody else. What is in `cancelled` is told to
  // end.
  void KeepOnly(const google::protobuf::RepeatedPtrField<v1::LeaseRef>& held,
                const google::protobuf::RepeatedPtrField<v1::LeaseRef>& cancelled);
  // Forgets them.
  void Settle(const google::protobuf::RepeatedPtrField<v1::LeaseRef>& leases);
  void AcknowledgeLogs(const google::protobuf::RepeatedPtrField<v1::LogAck>& acks);
  // The session is gone: kills what runs, and reports nothing of it but its logs.
  void ForgetAll();

  void KillAll(std::string_view why);
  void TerminateAll(std::string_view why);
  // From now on assignments are handed back, as is what has not started yet.
  void Drain();

  // Nothing has been sent yet on the stream that follows.
  void StartStream();
  // Adds to `request` what has changed since the last call; with `heartbeat` all that runs and all
  // unsettled results. The bytes of a log come before its result. True when there is more than
  // fits.
  bool Fill(bool heartbeat, v1::AttendRequest* request);

  // Takes the note that something was started or has ended, or that a log has grown.
  bool TakeChange() { return changed_.exchange(false); }
  bool TakeOutput() { return grown_.exchange(false); }

  // Attempts whose threads still run, forgotten ones too; results that are not settled.
  int running() const;
  int unsettled() const;
  struct Numbers {
    int running = 0;
    int unsettled = 0;
    int64_t log_bytes_sent = 0;     // repeated ones too
    int64_t log_bytes_waiting = 0;  // on disk, of logs that are not recorded wholly
  };
  Numbers numbers() const;
  // Drops forgotten attempts that have ended and whose logs are recorded. True when all have ended.
  bool Reap();

  std::vector<v1::LocalAttempt> Describe() const;

 private:
  using Key = std::pair<int64_t, int64_t>;  // job, token

  struct Entry {
    std::unique_ptr<Attempt> attempt;  // absent for what never ran here
    v1::AttemptResult result;          // when there is no attempt
    std::string pipeline;
    std::shared_ptr<AttemptLog> log;  // may be absent
    bool log_broken = false;          // what is left of it can't be read
    int64_t log_sent = 0;
    int64_t log_acknowledged = 0;
    bool start_sent = false;
    bool result_sent = false;
    int64_t progress_sent = 0;
    bool unheld = false;     // the coordinator does not wait for its log any more
    bool forgotten = false;  // its result counts no more; it goes when its log is recorded
  };
  using Entries = std::map<Key, Entry>;
  struct Filling;

  static Key KeyOf(const v1::LeaseRef& lease) { return {lease.job_id(), lease.token()}; }
  static bool Ended(const Entry& entry);
  static bool HasLog(const Entry& entry);
  static bool LogIsRecorded(const Entry& entry);
  void Add(const v1::LeaseRef& lease, Entry entry) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void AddHandedBack(const v1::Assignment& assignment, const char* why)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  int UnsettledLocked() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  int RunningLocked() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Of what never ran here.
  void CountEnd(const Entry& entry) const;
  void FillEntry(const Key& key, Entry* entry, Filling* filling)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void FillLog(const Key& key, Entry* entry, Filling* filling)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Forget(Entries::iterator entry, std::string_view why, std::vector<Entries::node_type>* gone)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Takes an entry out; it is destroyed by the caller outside of the lock.
  Entries::node_type Extract(Entries::iterator entry) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void NoteChange();

  const Options options_;
  AttemptContext context_;
  std::atomic<bool> changed_ = false;
  std::atomic<bool> grown_ = false;
  mutable absl::Mutex mutex_;
  Entries entries_ ABSL_GUARDED_BY(mutex_);
  bool draining_ ABSL_GUARDED_BY(mutex_) = false;
  int64_t log_bytes_sent_ ABSL_GUARDED_BY(mutex_) = 0;
  std::set<Key> settled_ ABSL_GUARDED_BY(mutex_);
  std::deque<Key> settled_order_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace closewrite::executor

#endif  // SERVICES_EXECUTOR_ATTEMPT_TABLE_H_

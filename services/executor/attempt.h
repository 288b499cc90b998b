// One attempt of a job on this host, from its assignment to its result.
#ifndef SERVICES_EXECUTOR_ATTEMPT_H_
#define SERVICES_EXECUTOR_ATTEMPT_H_

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "closewrite/v1/attend.pb.h"
#include "services/executor/attempt_log.h"
#include "services/executor/attempt_meters.h"
#include "services/executor/attempt_result.h"
#include "services/executor/bell.h"
#include "services/executor/command.h"
#include "services/executor/confinement.h"
#include "services/executor/input_check.h"
#include "services/executor/journal.h"
#include "services/executor/local_volumes.h"
#include "services/executor/placeholders.h"
#include "services/executor/progress.h"
#include "services/executor/staging.h"

namespace closewrite::executor {

// How long the input is looked at again after the command has ended.
inline constexpr absl::Duration kRecheckMax = absl::Seconds(2);
// How long a lease is kept at the least that is handed back because of a volume, lest it come again
// and again where nobody heeds the reason.
inline constexpr absl::Duration kTroublePause = absl::Seconds(1);

// What all attempts of an executor share. Outlives them.
struct AttemptContext {
  LocalVolumes volumes;
  const Journal* journal = nullptr;
  int supervisor_image = -1;
  ControlGroups groups;
  bool commands_outlive = true;                    // an executor that dies
  Account account = OwnAccount();                  // of commands that run as nobody else
  std::string coordinator;                         // CLOSEWRITE_COORDINATOR of commands
  std::map<std::string, std::string> environment;  // of all commands of this host
  std::string host;                                // name of this one
  Confinement confinement;                         // what commands may do
  // Looks at a volume: why it can't be used, in a sentence; "" when it can. May hang as its mount
  // does. None: all can.
  std::function<std::string(const std::string& volume)> look;
  // Called from the attempts' threads; must not block, nor call the attempt.
  std::function<void()> on_change;  // a command was started, or an attempt has ended
  std::function<void()> on_output;  // the log has grown
  AttemptMeters* meters = nullptr;  // not owned; may be absent
};

// Checks the input, runs the command, checks the input again, and syncs and hashes what was staged,
// in a thread of its own:
//
//     checking -> running -> ended          the result is final once it has ended
//         \__________________/
//
// One whose command an earlier process has started is adopted: it begins with the command as it
// runs, or has ended.
//
// What this executor does not run ends as REFUSED, before anything is staged.
//
// An attempt that loses its lease or is told to end is killed and ends as HANDED_BACK when its
// command was not started, else as KILLED; never as SUCCEEDED, however far it had come. So does one
// that fails because a volume is gone, before its command has been started or after it has
// succeeded. Staged files are removed unless it has succeeded. Thread-safe.
class Attempt {
 public:
  Attempt(const AttemptContext* context, v1::Assignment assignment, absl::Duration lease_deadline);
  // Adopts what `state` tells of; see Journal::Left.
  Attempt(const AttemptContext* context, v1::Assignment assignment, const SupervisorState& state);
  // Waits for its thread.
  ~Attempt();

  void Start();

  // The lease is good until then, on the clock of SinceBoot().
  void Renew(absl::Duration lease_deadline);
  // Ends it when its command was not started yet.
  void HandBack();
  // SIGTERM, SIGKILL after the assignment's kill_after. `why` is for people.
  void Terminate(std::string_view why);
  // SIGKILL.
  void Kill(std::string_view why);

  struct View {
    bool ended = false;
    int32_t pid = 0;
    v1::Progress progress;
  };
  View view() const;

  // Once it has ended.
  v1::AttemptResult result() const;

  // Looks for progress in what was read of the log from `offset`.
  void ReadProgress(int64_t offset, std::string_view records);

  const v1::Assignment& assignment() const { return assignment_; }
  const std::shared_ptr<AttemptLog>& log() const { return log_; }

 private:
  enum class Stop { kNo, kHandBack, kTerminate, kKill };

  void Run();
  v1::AttemptResult Execute();
  absl::Status Locate();
  std::optional<v1::AttemptResult> CheckItsInput();
  absl::StatusOr<CommandOptions> Prepare();
  absl::Status Stage(const std::optional<Account>& run_as);
  v1::AttemptResult HandBackFor(const std::string& trouble);
  // A sentence about a volume that can't be used now; nothing when it can.
  std::optional<std::string> Trouble(const std::string& volume) const;
  // That the executor does not run this, whatever the coordinator says.
  absl::Status Refuse(std::string_view why);
  absl::StatusOr<std::optional<Account>> User();
  absl::StatusOr<std::vector<std::string>> Environment(const Account& account);
  absl::Status CheckVariables(const std::map<std::string, std::string>& variables);
  absl::Status FindAllowedProgram(CommandOptions* options);
  void Confine(CommandOptions* options) const;
  absl::StatusOr<std::string> WorkingDirectory(const std::optional<Account>& run_as);
  absl::Status CheckOpenFiles() const;
  std::optional<v1::AttemptResult> StartCommand(const CommandOptions& prepared);
  void AdoptCommand();
  v1::AttemptResult AwaitCommand();
  void NoteDuration(const CommandEnd& end);
  void Conclude(v1::AttemptResult* result);
  void StopWith(Stop stop, std::string_view why);
  // Set when the attempt must not go on.
  std::optional<std::string> StopReason() const;
  InputCheckOptions CheckOptions(absl::Duration visible_within);

  const AttemptContext* const context_;
  const v1::Assignment assignment_;
  const bool adopted_;
  const std::shared_ptr<AttemptLog> log_;

  // Of its thread alone.
  absl::Duration command_began_ = absl::ZeroDuration();  // by SinceBoot(); zero: not known
  std::optional<absl::Duration> ran_;                    // the command, once it has ended
  AttemptFacts facts_;
  std::optional<AnnouncedInput> input_;
  std::optional<Staging> staging_;
  std::optional<std::string> trouble_;  // why it can't be staged here
  bool refused_ = false;                // see Refuse
  EndedCommand ended_command_;
  bool keep_staged_ = false;  // its success may have been reported before

  Bell bell_;  // rung to end a pause
  mutable absl::Mutex mutex_;
  absl::Duration lease_deadline_ ABSL_GUARDED_BY(mutex_);
  Stop stop_ ABSL_GUARDED_BY(mutex_) = Stop::kNo;
  std::string stop_reason_ ABSL_GUARDED_BY(mutex_);
  std::unique_ptr<Command> command_ ABSL_GUARDED_BY(mutex_);  // set while it runs
  bool started_ ABSL_GUARDED_BY(mutex_) = false;
  int32_t pid_ ABSL_GUARDED_BY(mutex_) = 0;
  v1::Progress progress_ ABSL_GUARDED_BY(mutex_);
  ProgressReader progress_readers_[2] ABSL_GUARDED_BY(mutex_);  // of stdout, stderr
  int64_t progress_read_ ABSL_GUARDED_BY(mutex_) = 0;           // offset
  bool ended_ ABSL_GUARDED_BY(mutex_) = false;
  v1::AttemptResult result_ ABSL_GUARDED_BY(mutex_);

  std::thread thread_;
};

}  // namespace closewrite::executor

#endif  // SERVICES_EXECUTOR_ATTEMPT_H_

// The guardian: a process beside an executor that knows when all of it is dead, and says so.
#ifndef SERVICES_EXECUTOR_GUARDIAN_H_
#define SERVICES_EXECUTOR_GUARDIAN_H_

#include <sys/types.h>

#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "closewrite/v1/config.pb.h"
#include "services/executor/journal.h"
#include "services/transport/channel.h"
#include "services/volume/file_system.h"

namespace closewrite::executor {

// How long a coordinator is looked for; by then a session of the default time to live has expired.
inline constexpr absl::Duration kSpeakMax = absl::Seconds(10);
// The lock of the dead is free a moment after their lifeline ends. Who holds it for longer is a new
// executor.
inline constexpr absl::Duration kReleaseMax = absl::Milliseconds(200);

//     executor -------- lifeline --+              +--> last words (Attend): results, output
//     supervisors -- their locks --+--> guardian -+--> EndSession: the leases are free
//
// While a supervisor lives, its command may live, and nothing is said; nor while a command that has
// succeeded has a lease, and can still be concluded by the next executor. Before anything is said,
// the lock of the state directory is taken: an executor that was started anew holds it, and speaks
// for itself; and as long as the guardian speaks, none starts. Between two looks, and when the
// coordinator can't be reached between two tries, the lock is given back. Should the guardian die,
// the session expires. Not thread-safe.
class Guardian {
 public:
  struct Options {
    int lifeline = -1;                      // see supervisor_protocol.h; not owned
    v1::ExecutorConfig config;              // of the executor; complete
    CoordinatorChannel* channel = nullptr;  // not owned
  };

  enum class End {
    kDismissed,   // the executor ended in good order
    kNoSession,   // it had none
    kTakenOver,   // a new executor runs
    kEnded,       // the session is no more
    kStillAlive,  // a process group can't be killed: its lease must expire
    kNotHeard,    // no coordinator was to be found
  };

  explicit Guardian(Options options) : options_(std::move(options)) {}

  // Returns when there is nothing left to guard.
  End Run();

 private:
  // False when the executor has ended in good order.
  bool AwaitDeath();
  // Looks, and speaks when it is time to; nothing when it is to be tried again.
  std::optional<End> Try();
  std::optional<End> Speak(const Journal& journal);
  // Whether to look again later; a supervisor that lives is in `awaited_`.
  bool MustWait(const std::vector<JournalEntry>& left, const Journal& journal);

  const Options options_;
  pid_t awaited_ = 0;
  // Names and states of those whose supervisor is dead.
  std::vector<std::pair<std::string, SupervisorState>> to_be_killed_;
  std::set<pid_t> killed_;                                // groups
  absl::Duration give_up_at_ = absl::InfiniteDuration();  // since it began to speak
};

// The name that the program is started by to be a guardian, as its only argument. It then finds
// these open, beside 2 (the log).
inline constexpr char kGuardianName[] = "closewrite-guardian";
inline constexpr int kGuardianLifelineFd = 3;
inline constexpr int kGuardianConfigFd = 4;  // an ExecutorConfig, serialized

// The guardian's main. Returns the exit code.
int RunGuardian();

}  // namespace closewrite::executor

#endif  // SERVICES_EXECUTOR_GUARDIAN_H_

// Ctrl-C as a value: counted, waited for, and able to break off a blocking call.
#ifndef SERVICES_CLI_INTERRUPTS_H_
#define SERVICES_CLI_INTERRUPTS_H_

#include <csignal>
#include <deque>
#include <functional>
#include <vector>

#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"

namespace closewrite::cli {

// Interrupts that the user gave and the program has not acted upon yet. Thread-safe.
class Interrupts {
 public:
  // While it lives, an interrupt calls `hook`, at once if one is pending already. After its
  // destructor returns, `hook` runs no more. Scopes may be nested; `hook` must not block.
  class Scope {
   public:
    Scope(Interrupts* interrupts, std::function<void()> hook);
    ~Scope();
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;

   private:
    friend class Interrupts;
    Interrupts* const interrupts_;
    const std::function<void()> hook_;
  };

  // While it lives, the signals that otherwise end the program at once are interrupts as well, and
  // any number of them is.
  class OfAllKinds {
   public:
    explicit OfAllKinds(Interrupts* interrupts);
    ~OfAllKinds();
    OfAllKinds(const OfAllKinds&) = delete;
    OfAllKinds& operator=(const OfAllKinds&) = delete;

   private:
    Interrupts* const interrupts_;
  };

  // The user pressed Ctrl-C, or sent another signal. Called from a thread, never from a signal
  // handler.
  void Notify(int signal = SIGINT);
  bool Pending() const;
  // The program has acted upon one interrupt: its signal, 0 when none was pending.
  int Acknowledge();
  // Waits for an interrupt, at most `timeout`. True when one is pending.
  bool Wait(absl::Duration timeout);
  // There is an OfAllKinds.
  bool of_all_kinds() const;

 private:
  mutable absl::Mutex mutex_;
  std::deque<int> pending_ ABSL_GUARDED_BY(mutex_);  // the oldest first
  int of_all_kinds_ ABSL_GUARDED_BY(mutex_) = 0;
  std::vector<const Scope*> scopes_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace closewrite::cli

#endif  // SERVICES_CLI_INTERRUPTS_H_

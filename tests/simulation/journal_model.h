// What an executor remembers beyond its own death, as services/executor/journal.h has it.
#ifndef TESTS_SIMULATION_JOURNAL_MODEL_H_
#define TESTS_SIMULATION_JOURNAL_MODEL_H_

#include <deque>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include "services/coordinator/core/effects.h"
#include "services/coordinator/core/ids.h"
#include "services/coordinator/core/job_rules.h"
#include "tests/simulation/random.h"

namespace closewrite::simulation {

// Files are written whole but not synced: a killed process loses nothing, a power cut may. Not
// thread-safe.
class JournalModel {
 public:
  struct Entry {
    Grant grant;
    std::optional<Finished> result;
    std::string log;
  };

  SessionId session;

  const std::map<Lease, Entry>& entries() const { return entries_; }
  void RecordStart(const Lease& lease, const Grant& grant) { entries_[lease] = {grant, {}, ""}; }
  void RecordLog(const Lease& lease, const std::string& log) { entries_[lease].log = log; }
  void RecordResult(const Lease& lease, const Finished& result) { entries_[lease].result = result; }
  void Forget(const Lease& lease);

  void CutPower(Random& random);

 private:
  std::map<Lease, Entry> entries_;
  std::deque<std::pair<Lease, Entry>> forgotten_;  // lately
};

}  // namespace closewrite::simulation

#endif  // TESTS_SIMULATION_JOURNAL_MODEL_H_

// What the fake store keeps of monitoring, and of the audit.
#ifndef SERVICES_COORDINATOR_STORE_FAKE_MONITORING_H_
#define SERVICES_COORDINATOR_STORE_FAKE_MONITORING_H_

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "services/coordinator/core/audit.h"
#include "services/coordinator/core/monitoring.h"

namespace closewrite {

// Not thread-safe. See store.h for what each method does.
class FakeMonitoring {
 public:
  using NoteName = std::pair<std::string, std::string>;  // kind, key

  // The names of the rows that a transaction touched.
  struct Touched {
    std::set<int64_t> points;
    std::set<IncrementKey> increments;
    std::set<int64_t> loads;
    std::set<std::string> executions;
    std::set<NoteName> notes;
    std::set<int64_t> audit;
    bool empty() const {
      return points.empty() && increments.empty() && loads.empty() && executions.empty() &&
             notes.empty() && audit.empty();
    }
  };
  // Makes the touched rows what they are in `from`, whether there or not.
  void CopyRows(const FakeMonitoring& from, const Touched& touched);

  std::vector<PointBatch> ReadPoints(int64_t limit) const;
  PointRange GetPointRange() const;
  // Null when there is none.
  const Increment* FindIncrement(const IncrementKey& key) const;
  std::vector<Increment> ListIncrements(const std::string& job, const IncrementKey& after,
                                        int64_t limit) const;
  std::vector<Load> ListLoads(const LoadFilter& filter, const LoadPlace& before,
                              int64_t limit) const;
  const Execution* FindExecution(const std::string& id) const;
  std::vector<Execution> ListExecutions(const ExecutionFilter& filter, const ExecutionPlace& before,
                                        int64_t limit) const;
  std::vector<Note> ListNotes(const std::string& kind, const std::string& after,
                              int64_t limit) const;
  const std::string* FindNote(const std::string& kind, const std::string& key) const;
  int64_t CountNotes(const std::string& kind, int64_t limit) const;
  std::vector<AuditEntry> ListAudit(const AuditFilter& filter, const AuditPlace& before,
                                    int64_t limit) const;

  void AppendPoints(int64_t count, std::string_view lines, Touched* touched);
  int64_t ErasePoints(const std::vector<int64_t>& ids, Touched* touched);
  void PutIncrement(const Increment& increment, Touched* touched);
  void AppendLoad(const Load& load, Touched* touched);
  int64_t PruneLoads(absl::Time before, int64_t limit, Touched* touched);
  void PutExecution(const Execution& execution, Touched* touched);
  int64_t PruneExecutions(absl::Time before, int64_t limit, Touched* touched);
  void PutNote(const std::string& kind, const Note& note, Touched* touched);
  void EraseNote(const std::string& kind, const std::string& key, Touched* touched);
  void AppendAudit(const AuditEntry& entry, Touched* touched);
  int64_t PruneAudit(absl::Time before, int64_t limit, Touched* touched);

 private:
  std::map<int64_t, PointBatch> points_;  // by id
  std::map<IncrementKey, Increment> increments_;
  std::map<int64_t, Load> loads_;
  std::map<std::string, Execution> executions_;
  std::map<NoteName, std::string> notes_;
  std::map<int64_t, AuditEntry> audit_;
  int64_t last_point_id_ = 0;
  int64_t last_load_id_ = 0;
  int64_t last_audit_id_ = 0;
};

}  // namespace closewrite

#endif  // SERVICES_COORDINATOR_STORE_FAKE_MONITORING_H_

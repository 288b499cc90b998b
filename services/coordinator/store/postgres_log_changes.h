// What a transaction is to change of the logs beside their rows.
#ifndef SERVICES_COORDINATOR_STORE_POSTGRES_LOG_CHANGES_H_
#define SERVICES_COORDINATOR_STORE_POSTGRES_LOG_CHANGES_H_

#include <map>
#include <set>
#include <vector>

#include "services/coordinator/core/ids.h"
#include "services/coordinator/core/kept_log.h"
#include "services/coordinator/store/postgres_connection.h"

namespace closewrite {

// Not thread-safe.
class PostgresLogChanges {
 public:
  // It is open, unless something is known of it already.
  void Begin(const Lease& lease) { begun_.insert(lease); }
  void Open(const Lease& lease) { opened_.insert(lease); }
  void Save(const KeptLog& log, const KeptLog& as);
  void Drop(const KeptLog& log);

  bool empty() const {
    return begun_.empty() && opened_.empty() && saved_.empty() && dropped_.empty() &&
           change_ == LogTotals();
  }
  // Appends what brings the database up to date, which counts as done.
  void AddWrites(std::vector<PostgresQuery>* batch);

 private:
  std::set<Lease> begun_;
  std::set<Lease> opened_;
  std::map<Lease, KeptLog> saved_;
  std::set<Lease> dropped_;
  LogTotals change_;
};

}  // namespace closewrite

#endif  // SERVICES_COORDINATOR_STORE_POSTGRES_LOG_CHANGES_H_

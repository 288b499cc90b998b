// The logs that the fake store keeps.
#ifndef SERVICES_COORDINATOR_STORE_FAKE_LOGS_H_
#define SERVICES_COORDINATOR_STORE_FAKE_LOGS_H_

#include <cstdint>
#include <map>
#include <string_view>
#include <vector>

#include "absl/time/time.h"
#include "services/coordinator/core/ids.h"
#include "services/coordinator/core/kept_log.h"
#include "services/coordinator/core/log_row.h"

namespace closewrite {

// As StoreReader and StoreTransaction say. Not thread-safe.
class FakeLogs {
 public:
  int64_t Length(const Lease& lease) const;
  std::vector<LogRow> Read(const Lease& lease, int64_t offset, int64_t bytes_max) const;
  std::vector<LogRow> ReadBefore(const Lease& lease, int64_t offset, int64_t bytes_max) const;
  KeptLog Measure(const Lease& lease) const;
  // All that are open or closed; `over` is not said.
  std::vector<OpenedLog> Kept() const;
  const LogTotals& totals() const { return totals_; }

  // Returns whether something came.
  bool Append(const Lease& lease, int64_t offset, std::string_view data);
  int64_t Erase(const Lease& lease, int64_t from, int64_t to, int64_t rows_max);
  void Replace(const Lease& lease, const LogRow& row);
  void Open(const Lease& lease);
  void Save(const KeptLog& log, const KeptLog& as);
  void Drop(const KeptLog& log);
  // Of one attempt. Returns how many rows went.
  int64_t Forget(const Lease& lease);
  // The leases of a job that have something here.
  std::vector<Lease> LeasesOf(JobId job) const;

  // Makes this log, and the totals, what they are in `from`.
  void Copy(const FakeLogs& from, const Lease& lease);

 private:
  using Rows = std::map<int64_t, LogRow>;  // by offset

  const Rows& RowsOf(const Lease& lease) const;

  std::map<Lease, Rows> rows_;
  std::map<Lease, KeptLog> kept_;
  LogTotals totals_;
};

}  // namespace closewrite

#endif  // SERVICES_COORDINATOR_STORE_FAKE_LOGS_H_

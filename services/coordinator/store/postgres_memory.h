// What a store remembers from one transaction to the next to spare round trips.
#ifndef SERVICES_COORDINATOR_STORE_POSTGRES_MEMORY_H_
#define SERVICES_COORDINATOR_STORE_POSTGRES_MEMORY_H_

#include <cstdint>
#include <deque>
#include <map>
#include <string>

#include "absl/time/time.h"
#include "services/coordinator/store/postgres_prune.h"

namespace closewrite {

// Numbers drawn from a sequence in advance, rising. Those that are left over are dropped after
// kKeptMax, so that what is numbered late by one coordinator does not come before what others have
// numbered long ago. Gaps are fine. Not thread-safe.
class PostgresIds {
 public:
  static constexpr absl::Duration kKeptMax = absl::Seconds(1);

  // Whether there is one above `floor`; those up to it are dropped, they would go back in time.
  bool HasAbove(int64_t floor) {
    while (!ids_.empty() && ids_.front() <= floor) ids_.pop_front();
    return !ids_.empty();
  }
  int64_t Take() {
    const int64_t id = ids_.front();
    ids_.pop_front();
    return id;
  }
  void Add(int64_t id, absl::Time now) {
    ids_.push_back(id);
    drawn_at_ = now;
  }
  void DropOld(absl::Time now) {
    if (now - drawn_at_ > kKeptMax) ids_.clear();
  }
  int64_t size() const { return static_cast<int64_t>(ids_.size()); }

 private:
  std::deque<int64_t> ids_;
  absl::Time drawn_at_ = absl::InfinitePast();
};

struct PostgresMemory {
  PostgresIds job_ids;
  PostgresIds event_ids;
  // By duty: when somebody has taken a turn.
  std::map<std::string, absl::Time> turns;
  PostgresPruneCursor prune_cursor;
};

}  // namespace closewrite

#endif  // SERVICES_COORDINATOR_STORE_POSTGRES_MEMORY_H_

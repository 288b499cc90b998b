// The ids that were seen last.
#ifndef SERVICES_COORDINATOR_API_RECENT_IDS_H_
#define SERVICES_COORDINATOR_API_RECENT_IDS_H_

#include <cstdint>
#include <deque>

#include "absl/container/flat_hash_set.h"

namespace closewrite {

// Remembers at most `ids_max` ids and forgets the oldest. Not thread-safe.
class RecentIds {
 public:
  explicit RecentIds(size_t ids_max) : ids_max_(ids_max) {}

  // True when it is new.
  bool Add(int64_t id) {
    if (!ids_.insert(id).second) return false;
    order_.push_back(id);
    if (order_.size() > ids_max_) {
      ids_.erase(order_.front());
      order_.pop_front();
    }
    return true;
  }

 private:
  const size_t ids_max_;
  absl::flat_hash_set<int64_t> ids_;
  std::deque<int64_t> order_;
};

}  // namespace closewrite

#endif  // SERVICES_COORDINATOR_API_RECENT_IDS_H_

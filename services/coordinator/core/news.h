// What one coordinator tells the others after a commit, so that they need not wait until they look
// by themselves.
#ifndef SERVICES_COORDINATOR_CORE_NEWS_H_
#define SERVICES_COORDINATOR_CORE_NEWS_H_

#include <set>
#include <string>
#include <string_view>

#include "services/coordinator/core/ids.h"

namespace closewrite {

struct News {
  bool work = false;     // jobs wait that others may have slots for, or a lock is free, or pipelines
                         // were changed
  bool publish = false;  // results wait for their watcher
  bool jobs = false;     // jobs, events or logs changed: for those who follow them
  std::set<SessionId> revoked;  // sessions that lost a lease

  bool empty() const { return !work && !publish && !jobs && revoked.empty(); }
  void Add(const News& other);
  bool operator==(const News&) const = default;

  // When nothing is known of what happened.
  static News Anything() { return {.work = true, .publish = true, .jobs = true}; }
};

// As text, at most `bytes_max`: sessions that have no room are left out, and hear of it with their
// next heartbeat.
std::string EncodeNews(const News& news, size_t bytes_max);
// Text that is not ours means Anything().
News DecodeNews(std::string_view text);

}  // namespace closewrite

#endif  // SERVICES_COORDINATOR_CORE_NEWS_H_

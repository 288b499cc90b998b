// When a job of each pipeline succeeded last, over restarts too.
#ifndef SERVICES_COORDINATOR_METRICS_SUCCESS_TIMES_H_
#define SERVICES_COORDINATOR_METRICS_SUCCESS_TIMES_H_

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "services/coordinator/core/store.h"

namespace closewrite {

// Notes of this kind: by pipeline, nanoseconds since 1970 in decimal digits.
inline constexpr char kSuccessNotes[] = "last-success";
// They are written this often at most.
inline constexpr absl::Duration kSuccessNotesEvery = absl::Minutes(1);
// At the start finished jobs are looked through for so long back, or back to the newest note if
// that is further, but no more of them than so many.
inline constexpr absl::Duration kSuccessLookBack = absl::Hours(1);
inline constexpr int64_t kSuccessLookBackMax = 50'000;

// What has changed in the notes; to be applied in a transaction of its own.
struct SuccessNotes {
  std::map<std::string, absl::Time> put;
  std::set<std::string> erase;

  bool empty() const { return put.empty() && erase.empty(); }
  // Those that another coordinator has put meanwhile stay when they are newer.
  void Apply(StoreTransaction& tx) const;
};

// Only pipelines that there are have a time. The hot way of jobs knows nothing of this: memory says
// what has happened since the start, notes what happened before, and finished jobs what was not
// noted yet when the coordinator was killed. Not thread-safe.
class SuccessTimes {
 public:
  // `pipelines`: those that there are, runs of tasks too.
  void Read(StoreReader& reader, const std::set<std::string>& pipelines, absl::Time now);
  // What is known since the start.
  void Add(const std::map<std::string, absl::Time>& successes);
  // Nothing when that was asked for less than kSuccessNotesEvery before `now`.
  SuccessNotes TakeNotes(absl::Time now);

  const std::map<std::string, absl::Time>& times() const { return times_; }

 private:
  void Add(const std::string& pipeline, absl::Time time);
  void LookBack(StoreReader& reader, absl::Time now);

  std::set<std::string> pipelines_;
  std::map<std::string, absl::Time> times_;
  std::map<std::string, absl::Time> noted_;
  bool looked_back_ = false;
  absl::Time taken_at_ = absl::InfinitePast();
};

}  // namespace closewrite

#endif  // SERVICES_COORDINATOR_METRICS_SUCCESS_TIMES_H_

// Locks: who has them, and who waits for them. Plain values, and the table of them in memory.
#ifndef SERVICES_COORDINATOR_CORE_LOCK_H_
#define SERVICES_COORDINATOR_CORE_LOCK_H_

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "services/coordinator/core/ids.h"

namespace closewrite {

inline constexpr int kLockCapacityMax = 1000;
// Claims of programs in all: a coordinator keeps them in memory, and looks through those of a lock.
inline constexpr size_t kLockClaimsMax = 10'000;

// A place in a lock's line, or a hold on it. Of jobs there are holds alone: they wait as jobs.
struct LockClaim {
  std::string lock;
  std::string holder;  // unique with `lock`: a program's session, or what HolderOf(job) says
  JobId job;           // 0: a program's
  // Of the program, as it says; of a job its host alone.
  std::string host;
  int64_t pid = 0;
  std::string program;
  std::string user;
  int priority = 0;
  absl::Time asked_at = absl::InfinitePast();
  absl::Time held_since = absl::InfinitePast();  // that: it waits
  int64_t token = 0;  // of all grants that there were the newest is largest

  bool held() const { return held_since != absl::InfinitePast(); }
  bool operator==(const LockClaim&) const = default;
};

// No session has such an id: it has no '/'.
std::string HolderOf(JobId job);

// What a claim is for people: `job 41 on vm-b`, `Rscript api.R (pid 4711) on vm-b`.
std::string Shown(const LockClaim& claim);

class LockTable;
// Of a lock that is not free: `lock picky-api held by job 41 on vm-b since 12:01:03 UTC`.
std::string WhoHolds(const std::string& lock, const LockTable& locks);

// A place in line for locks, of a program or of a job that waits. Those who are first are smaller.
struct LockPlace {
  int priority = 0;  // of the program, or of the job's pipeline
  int within = 0;    // of the job in its pipeline
  absl::Time since = absl::InfinitePast();
  int64_t job = 0;     // of jobs that were made at once
  std::string holder;  // of programs that asked at once

  bool operator<(const LockPlace& other) const;
};
LockPlace PlaceOf(const LockClaim& claim);

// One lock.
struct LockLine {
  int capacity = 1;
  std::map<std::string, LockClaim> claims;  // by holder

  int64_t held() const;
  bool free() const { return held() < capacity; }
  // Longest first.
  std::vector<LockClaim> Holders() const;
  // In their order.
  std::vector<LockClaim> Waiters() const;
};

// All locks that somebody has, waits for, or has given a capacity. Not thread-safe.
class LockTable {
 public:
  void Clear() { lines_.clear(), programs_ = 0; }
  // 1: as if it had never been said.
  void SetCapacity(const std::string& lock, int capacity);
  void Put(const LockClaim& claim);
  void Erase(const std::string& lock, const std::string& holder);
  // True when it held one.
  bool EraseOf(const std::string& holder);

  // nullptr: nobody has it or waits for it, and its capacity is 1.
  const LockLine* Find(const std::string& lock) const;
  const LockClaim* FindClaim(const std::string& lock, const std::string& holder) const;
  std::vector<LockClaim> ClaimsOf(const std::string& holder) const;
  bool Free(const std::string& lock) const;
  // How many more may have it.
  int64_t Left(const std::string& lock) const;
  // The claim that has it longest; nullptr while it is free.
  const LockClaim* InTheWay(const std::string& lock) const;
  const std::map<std::string, LockLine>& lines() const { return lines_; }
  // Of programs, in all.
  size_t programs() const { return programs_; }
  // Programs that wait, over all locks, in no order.
  std::vector<const LockClaim*> Waiting() const;

 private:
  void ForgetIfUnused(const std::string& lock);

  std::map<std::string, LockLine> lines_;
  size_t programs_ = 0;
};

}  // namespace closewrite

#endif  // SERVICES_COORDINATOR_CORE_LOCK_H_

#include "services/coordinator/core/lock.h"

#include <algorithm>
#include <tuple>

#include "absl/strings/str_cat.h"

namespace closewrite {

std::string HolderOf(JobId job) { return absl::StrCat("job/", job.value); }

std::string Shown(const LockClaim& claim) {
  const std::string where = claim.host.empty() ? "" : absl::StrCat(" on ", claim.host);
  if (claim.job.value != 0) return absl::StrCat("job ", claim.job.value, where);
  return absl::StrCat(claim.program.empty() ? "a program" : claim.program,
                      claim.pid == 0 ? "" : absl::StrCat(" (pid ", claim.pid, ")"), where);
}

std::string WhoHolds(const std::string& lock, const LockTable& locks) {
  const LockClaim* const claim = locks.InTheWay(lock);
  if (claim == nullptr) return absl::StrCat("lock ", lock, " is free");
  const int64_t others = locks.Find(lock)->held() - 1;
  return absl::StrCat(
      "lock ", lock, " held by ", Shown(*claim), " since ",
      absl::FormatTime("%H:%M:%S UTC", claim->held_since, absl::UTCTimeZone()),
      others == 0 ? "" : absl::StrCat(" and by ", others, others == 1 ? " other" : " others"));
}

bool LockPlace::operator<(const LockPlace& other) const {
  return std::tie(other.priority, other.within, since, job, holder) <
         std::tie(priority, within, other.since, other.job, other.holder);
}

LockPlace PlaceOf(const LockClaim& claim) {
  return {.priority = claim.priority, .since = claim.asked_at, .holder = claim.holder};
}

int64_t LockLine::held() const {
  return std::count_if(claims.begin(), claims.end(),
                       [](const auto& entry) { return entry.second.held(); });
}

std::vector<LockClaim> LockLine::Holders() const {
  std::vector<LockClaim> holders;
  for (const auto& [holder, claim] : claims) {
    if (claim.held()) holders.push_back(claim);
  }
  std::sort(holders.begin(), holders.end(), [](const LockClaim& a, const LockClaim& b) {
    return std::tie(a.held_since, a.token) < std::tie(b.held_since, b.token);
  });
  return holders;
}

std::vector<LockClaim> LockLine::Waiters() const {
  std::vector<LockClaim> waiters;
  for (const auto& [holder, claim] : claims) {
    if (!claim.held()) waiters.push_back(claim);
  }
  std::sort(waiters.begin(), waiters.end(),
            [](const LockClaim& a, const LockClaim& b) { return PlaceOf(a) < PlaceOf(b); });
  return waiters;
}

void LockTable::SetCapacity(const std::string& lock, int capacity) {
  lines_[lock].capacity = capacity;
  ForgetIfUnused(lock);
}

void LockTable::Put(const LockClaim& claim) {
  const auto [entry, fresh] = lines_[claim.lock].claims.insert_or_assign(claim.holder, claim);
  programs_ += fresh && claim.job.value == 0;
}

void LockTable::Erase(const std::string& lock, const std::string& holder) {
  const auto line = lines_.find(lock);
  if (line == lines_.end()) return;
  const auto claim = line->second.claims.find(holder);
  if (claim == line->second.claims.end()) return;
  programs_ -= claim->second.job.value == 0;
  line->second.claims.erase(claim);
  ForgetIfUnused(lock);
}

bool LockTable::EraseOf(const std::string& holder) {
  bool held = false;
  for (const LockClaim& claim : ClaimsOf(holder)) {
    held |= claim.held();
    Erase(claim.lock, holder);
  }
  return held;
}

void LockTable::ForgetIfUnused(const std::string& lock) {
  const auto line = lines_.find(lock);
  if (line->second.capacity == 1 && line->second.claims.empty()) lines_.erase(line);
}

const LockLine* LockTable::Find(const std::string& lock) const {
  const auto line = lines_.find(lock);
  return line == lines_.end() ? nullptr : &line->second;
}

const LockClaim* LockTable::FindClaim(const std::string& lock, const std::string& holder) const {
  const LockLine* const line = Find(lock);
  if (line == nullptr) return nullptr;
  const auto claim = line->claims.find(holder);
  return claim == line->claims.end() ? nullptr : &claim->second;
}

std::vector<LockClaim> LockTable::ClaimsOf(const std::string& holder) const {
  std::vector<LockClaim> claims;
  for (const auto& [lock, line] : lines_) {
    const auto claim = line.claims.find(holder);
    if (claim != line.claims.end()) claims.push_back(claim->second);
  }
  return claims;
}

bool LockTable::Free(const std::string& lock) const { return Left(lock) > 0; }

int64_t LockTable::Left(const std::string& lock) const {
  const LockLine* const line = Find(lock);
  return line == nullptr ? 1 : line->capacity - line->held();
}

const LockClaim* LockTable::InTheWay(const std::string& lock) const {
  const LockLine* const line = Find(lock);
  if (line == nullptr || line->free()) return nullptr;
  const LockClaim* longest = nullptr;
  for (const auto& [holder, claim] : line->claims) {
    if (!claim.held()) continue;
    if (longest == nullptr || claim.held_since < longest->held_since) longest = &claim;
  }
  return longest;
}

std::vector<const LockClaim*> LockTable::Waiting() const {
  std::vector<const LockClaim*> waiting;
  if (programs_ == 0) return waiting;
  for (const auto& [lock, line] : lines_) {
    for (const auto& [holder, claim] : line.claims) {
      if (!claim.held()) waiting.push_back(&claim);
    }
  }
  return waiting;
}

}  // namespace closewrite

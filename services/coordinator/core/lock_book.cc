#include "services/coordinator/core/lock_book.h"

#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "services/coordinator/core/lock_grant.h"
#include "services/coordinator/core/rate_book.h"

namespace closewrite {

absl::Status LockBook::CheckCapacity(StoreTransaction& tx, const LockRequest& request) {
  if (request.capacity == 0) return absl::OkStatus();
  const std::string& lock = request.claim.lock;
  const LockLine* const line = fleet_.locks.Find(lock);
  const int capacity = line == nullptr ? 1 : line->capacity;
  if (capacity == request.capacity) return absl::OkStatus();
  // What was never said is 1, and may be said by the first who comes.
  const bool said = tx.FindNote(kLockCapacities, lock).has_value();
  if (!said && (line == nullptr || line->claims.empty())) {
    return SetCapacity(tx, lock, request.capacity);
  }
  return absl::FailedPreconditionError(absl::StrCat(
      "lock ", lock, " has capacity ", capacity, ", not ", request.capacity,
      ": `closewrite lock set ", lock, " --capacity ", request.capacity, "` changes it for all"));
}

absl::Status LockBook::SetCapacity(StoreTransaction& tx, const std::string& lock, int capacity) {
  if (!tx.FindNote(kLockCapacities, lock).has_value() &&
      tx.CountNotes(kLockCapacities, kLockCapacitiesMax) >= kLockCapacitiesMax) {
    return absl::ResourceExhaustedError(
        absl::StrCat("the capacities of ", kLockCapacitiesMax,
                     " locks are kept already: set those that are not needed to 1"));
  }
  if (capacity == 1) {
    tx.EraseNote(kLockCapacities, lock);
  } else {
    tx.PutNote(kLockCapacities, {lock, absl::StrCat(capacity)});
  }
  fleet_.locks.SetCapacity(lock, capacity);
  book_.effects().locks = true;
  return absl::OkStatus();
}

void LockBook::Open(StoreTransaction& tx, const LockClaim& claim, absl::Time now) {
  SessionRecord session{.id = claim.holder, .coordinator = fleet_.self, .heartbeat_at = now};
  session.executor.session = claim.holder;
  session.executor.host = claim.host;
  session.executor.slots = 0;
  session.expires_at = now + fleet_.session_ttl;
  tx.PutSession(session);
  fleet_.programs[session.id] = std::move(session);
}

absl::Status LockBook::Ask(StoreTransaction& tx, const LockRequest& request, absl::Time now) {
  LockClaim claim = request.claim;
  const bool is_new = !Renew(tx, claim.holder, now).ok();
  // With the session locked nobody else gives it anything.
  if (fleet_.shared) LoadLocks(tx, &fleet_);
  if (fleet_.locks.FindClaim(claim.lock, claim.holder) != nullptr) return absl::OkStatus();
  if (fleet_.locks.programs() >= kLockClaimsMax) {
    return absl::ResourceExhaustedError(
        absl::StrCat(kLockClaimsMax, " programs hold locks or wait for them already"));
  }
  if (is_new && fleet_.sessions.contains(claim.holder)) {
    return absl::InvalidArgumentError("session_id is that of an executor: make one of your own");
  }
  if (absl::Status s = CheckCapacity(tx, request); !s.ok()) return s;
  if (is_new) Open(tx, claim, now);
  claim.asked_at = now;
  tx.PutClaim(claim);
  fleet_.locks.Put(claim);
  book_.effects().locks = true;
  return absl::OkStatus();
}

absl::Status LockBook::Renew(StoreTransaction& tx, const SessionId& id, absl::Time now) {
  auto known = fleet_.programs.find(id);
  if (fleet_.shared) {
    // Locked until the commit: nobody ends it, and gives its locks away, meanwhile.
    std::optional<SessionRecord> record = tx.FindSession(id);
    if (!record.has_value() && known != fleet_.programs.end()) fleet_.programs.erase(known);
    known = fleet_.programs.end();
    if (record.has_value() && record->is_program()) {
      known = fleet_.programs.insert_or_assign(id, *std::move(record)).first;
    }
  }
  if (known == fleet_.programs.end()) {
    return absl::NotFoundError(absl::StrCat("session ", id, " has ended: its locks are free"));
  }
  SessionRecord& session = known->second;
  session.coordinator = fleet_.self;
  session.heartbeat_at = now;
  session.expires_at = now + fleet_.session_ttl;
  if (fleet_.shared) tx.PutSession(session);
  return absl::OkStatus();
}

bool LockBook::Hold(StoreTransaction& tx, const SessionId& session) {
  if (!fleet_.shared) return fleet_.programs.contains(session);
  if (!tx.FindSession(session).has_value()) return false;
  LoadLocks(tx, &fleet_);
  return true;
}

void LockBook::Release(StoreTransaction& tx, const std::string& lock, const SessionId& session) {
  if (!Hold(tx, session)) return;
  tx.EraseClaim(lock, session);
  fleet_.locks.Erase(lock, session);
  book_.effects().locks = true;
  if (fleet_.locks.ClaimsOf(session).empty()) End(tx, session);
}

void LockBook::TakeBack(StoreTransaction& tx, const std::string& lock, const SessionId& session) {
  if (!Hold(tx, session)) return;
  const LockClaim* const claim = fleet_.locks.FindClaim(lock, session);
  if (claim != nullptr && !claim->held()) Release(tx, lock, session);
}

std::vector<LockClaim> LockBook::ClaimsOf(StoreReader& reader, const SessionId& session) {
  if (fleet_.shared) LoadLocks(reader, &fleet_);
  return fleet_.locks.ClaimsOf(session);
}

absl::Status LockBook::SetRate(StoreTransaction& tx, const std::string& name, const Rate& rate,
                               absl::Time now) {
  fleet_.rate_until.erase(name);
  return DefineRate(tx, name, rate, now);
}

absl::StatusOr<std::vector<LockClaim>> LockBook::Break(StoreTransaction& tx,
                                                       const std::string& lock,
                                                       const SessionId& session) {
  if (fleet_.shared) LoadLocks(tx, &fleet_);
  std::vector<LockClaim> claims;
  if (const LockLine* const line = fleet_.locks.Find(lock); line != nullptr) {
    for (const auto& [holder, claim] : line->claims) {
      if (session.empty() ? claim.held() : holder == session) claims.push_back(claim);
    }
  }
  if (claims.empty()) {
    return absl::NotFoundError(session.empty()
                                   ? absl::StrCat("nobody holds lock ", lock)
                                   : absl::StrCat("no session ", session, " asks for lock ", lock));
  }
  for (const LockClaim& claim : claims) {
    if (claim.job.value == 0) continue;
    return absl::FailedPreconditionError(
        absl::StrCat(Shown(claim), " holds lock ", lock, ": `closewrite cancel ", claim.job.value,
                     "` ends it, and frees the lock when its command is dead"));
  }
  for (const LockClaim& claim : claims) Release(tx, lock, claim.holder);
  return claims;
}

void LockBook::End(StoreTransaction& tx, const SessionId& session) {
  tx.EraseClaimsOf(session);
  tx.EraseSession(session);
  fleet_.locks.EraseOf(session);
  fleet_.programs.erase(session);
  book_.effects().locks = true;
}

}  // namespace closewrite

#include "services/coordinator/core/lock_grant.h"

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace closewrite {
namespace {

// The newest token is one for all locks, so that a lock which nobody uses any more leaves nothing
// behind.
constexpr char kTokens[] = "lock-token";

int64_t NextToken(StoreTransaction& tx) {
  int64_t token = 0;
  if (const auto newest = tx.FindNote(kTokens, ""); newest.has_value()) {
    (void)absl::SimpleAtoi(*newest, &token);
  }
  ++token;
  tx.PutNote(kTokens, {"", absl::StrCat(token)});
  return token;
}

}  // namespace

void GrantLock(StoreTransaction& tx, Fleet* fleet, LockClaim claim, absl::Time now) {
  claim.held_since = now;
  claim.token = NextToken(tx);
  tx.PutClaim(claim);
  fleet->locks.Put(claim);
}

void LoadLocks(StoreReader& reader, Fleet* fleet) {
  fleet->locks.Clear();
  for (const Note& note : reader.ListNotes(kLockCapacities, "", kLockCapacitiesMax)) {
    int capacity = 1;
    if (absl::SimpleAtoi(note.value, &capacity)) fleet->locks.SetCapacity(note.key, capacity);
  }
  for (const LockClaim& claim : reader.ListClaims()) fleet->locks.Put(claim);
}

}  // namespace closewrite

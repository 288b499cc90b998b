#include "services/coordinator/api/lock_streams.h"

#include <algorithm>
#include <optional>
#include <vector>

#include "services/config/duration.h"
#include "services/coordinator/api/lock_view.h"
#include "services/coordinator/convert.h"
#include "services/log/str_cat.h"

namespace closewrite {
namespace {

// Which says the same as `said` is left out.
template <class Message>
std::vector<Message> UnlessSaid(Message message, std::string* said) {
  std::string bytes = message.SerializeAsString();
  if (bytes == *said) return {};
  *said = std::move(bytes);
  return {std::move(message)};
}

}  // namespace

bool ChangesLocks(const Effects& effects) { return effects.locks || effects.elsewhere.work; }

absl::Status LockAcquisition::Ask() {
  return loop_.Do([this](Engine& engine, StoreTransaction& tx, absl::Time now) {
    return engine.locks().Ask(tx, request_, now);
  });
}

absl::Status LockAcquisition::TakeBack() {
  const LockClaim& claim = request_.claim;
  return loop_.Do([&](Engine& engine, StoreTransaction& tx, absl::Time) {
    engine.locks().TakeBack(tx, claim.lock, claim.holder);
    return absl::OkStatus();
  });
}

absl::Status LockAcquisition::Describe(const LockClaim& claim, v1::AcquireLockResponse* response) {
  *response->mutable_claim() = ShowClaim(claim);
  LockSnapshot snapshot;
  std::string who;
  loop_.Inspect([&](const Engine& engine) {
    snapshot = SnapshotOf(engine, claim.lock);
    who = WhoHolds(claim.lock, engine.fleet().locks);
    *response->mutable_session_ttl() = ToProto(engine.fleet().session_ttl);
  });
  if (claim.held()) return absl::OkStatus();
  return loop_.store().Read([&](StoreReader& reader) {
    const std::vector<v1::LockClaim> waiters = WaitersOf(reader, snapshot);
    const auto own = std::find_if(waiters.begin(), waiters.end(), [&](const v1::LockClaim& each) {
      return each.session_id() == claim.holder;
    });
    response->set_place(static_cast<int32_t>(own - waiters.begin()));
    response->set_message(StrCat(who, ", ", PlaceWords(own - waiters.begin())));
    return absl::OkStatus();
  });
}

absl::StatusOr<LockAcquisition::Batch> LockAcquisition::Next() {
  if (!asked_) {
    if (absl::Status s = Ask(); !s.ok()) return s;
    asked_ = true;
  }
  std::optional<LockClaim> claim;
  const auto look = [&] {
    loop_.Inspect([&](const Engine& engine) {
      const LockClaim* const found =
          engine.fleet().locks.FindClaim(request_.claim.lock, request_.claim.holder);
      claim = found == nullptr ? std::nullopt : std::make_optional(*found);
    });
  };
  look();
  if (!claim.has_value()) {
    return absl::AbortedError(StrCat("the claim on lock ", request_.claim.lock,
                                     " was taken away: it was released by force, or its session "
                                     "ended because it was not renewed"));
  }
  v1::AcquireLockResponse response;
  if (absl::Status s = Describe(*claim, &response); !s.ok()) return s;
  if (no_wait_ && !claim->held()) {
    if (absl::Status s = TakeBack(); !s.ok()) return s;
    look();
    if (claim.has_value()) return Batch{.more = true};  // it has been granted meanwhile
    return Batch{.messages = {std::move(response)}, .last = true};
  }
  return Batch{.messages = UnlessSaid(std::move(response), &said_), .last = claim->held()};
}

absl::StatusOr<LockWatch::Batch> LockWatch::Next() {
  LockSnapshot snapshot;
  loop_.Inspect([&](const Engine& engine) { snapshot = SnapshotOf(engine, lock_); });
  v1::WatchLockResponse response;
  const absl::Status read = loop_.store().Read([&](StoreReader& reader) {
    *response.mutable_lock() = ShowLock(reader, snapshot);
    return absl::OkStatus();
  });
  if (!read.ok()) return read;
  return Batch{.messages = UnlessSaid(std::move(response), &said_)};
}

}  // namespace closewrite

#include "services/coordinator/fleet_turn.h"

#include <memory>

namespace closewrite {

bool FleetTurn::Mine() {
  if (!loop_.store().shared()) return true;
  const absl::Time now = loop_.clock().Now();
  if (now < until_) return true;
  auto mine = std::make_shared<bool>(false);
  const absl::Status asked =
      loop_.Do([mine, this](Engine&, StoreTransaction& tx, absl::Time store_now) {
        *mine = tx.TakeTurn(duty_, store_now, every_);
        return absl::OkStatus();
      });
  if (!asked.ok() || !*mine) return false;
  until_ = now + every_;
  return true;
}

}  // namespace closewrite

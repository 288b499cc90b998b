// Duties that one of several coordinators does at a time.
#ifndef SERVICES_COORDINATOR_FLEET_TURN_H_
#define SERVICES_COORDINATOR_FLEET_TURN_H_

#include <string>
#include <utility>

#include "absl/time/time.h"
#include "services/coordinator/store_loop.h"

namespace closewrite {

// Whose turn it is. Where a coordinator is alone it always is its own. A turn ends by the clock
// alone, so what is done in it must be harmless when another coordinator does it as well.
// Not thread-safe.
class FleetTurn {
 public:
  // `duty` is one of a few constants; `loop` is not owned.
  FleetTurn(std::string duty, absl::Duration every, StoreLoop* loop)
      : duty_(std::move(duty)), every_(every), loop_(*loop) {}

  // True as long as the turn lasts, which is `every`. Blocks for a commit when it is to be taken.
  bool Mine();

 private:
  const std::string duty_;
  const absl::Duration every_;
  StoreLoop& loop_;
  absl::Time until_ = absl::InfinitePast();
};

}  // namespace closewrite

#endif  // SERVICES_COORDINATOR_FLEET_TURN_H_

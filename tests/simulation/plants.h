// Bugs that are planted on purpose, to see that the checks find them.
#ifndef TESTS_SIMULATION_PLANTS_H_
#define TESTS_SIMULATION_PLANTS_H_

#include <optional>
#include <string_view>
#include <vector>

namespace closewrite::simulation {

// No production code changes: each is a lie of an adapter, of a model, or of a wrapper of the
// store.
enum class Plant {
  kNone,
  kSkipTokenCheck,      // a late result is given the newest token before it is reported
  kAnswerBeforeCommit,  // callers are answered before their commit, which may fail
  kPublishTwice,        // an order is carried out again each time it is heard
  kForgetQueue,         // the available jobs of a pipeline are never found again
  kIgnoreLock,          // leases are given though the lock is held
  kNeverExpire,         // sessions whose executor is silent are renewed
  kDropEvent,           // what was sent before a reconnect counts as acknowledged
  kOutliveLease,        // an executor does not kill when it can't renew
  kForgetLog,           // log bytes are acknowledged and thrown away
  kForgetRestart,       // a for-ever task whose run has ended is not made due again
  kFireTwice,           // that a task was fired is not kept, so that it is fired again
  kForgetDue,           // a periodic task is not looked at for a while
  kIgnoreStop,          // a task that is stopped stays started
  kOutliveLock,         // a program uses its lock on when it can't renew
};

struct PlantName {
  Plant plant;
  std::string_view name;
};

// All but kNone, by name.
const std::vector<PlantName>& Plants();
std::optional<Plant> FindPlant(std::string_view name);

}  // namespace closewrite::simulation

#endif  // TESTS_SIMULATION_PLANTS_H_

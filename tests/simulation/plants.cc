#include "tests/simulation/plants.h"

namespace closewrite::simulation {

const std::vector<PlantName>& Plants() {
  static const auto* const kPlants = new std::vector<PlantName>{
      {Plant::kSkipTokenCheck, "skip_token_check"},
      {Plant::kAnswerBeforeCommit, "answer_before_commit"},
      {Plant::kPublishTwice, "publish_twice"},
      {Plant::kForgetQueue, "forget_queue"},
      {Plant::kIgnoreLock, "ignore_lock"},
      {Plant::kNeverExpire, "never_expire"},
      {Plant::kDropEvent, "drop_event"},
      {Plant::kOutliveLease, "outlive_lease"},
      {Plant::kForgetLog, "forget_log"},
      {Plant::kForgetRestart, "forget_restart"},
      {Plant::kFireTwice, "fire_twice"},
      {Plant::kForgetDue, "forget_due"},
      {Plant::kIgnoreStop, "ignore_stop"},
      {Plant::kOutliveLock, "outlive_lock"},
  };
  return *kPlants;
}

std::optional<Plant> FindPlant(std::string_view name) {
  for (const PlantName& each : Plants()) {
    if (each.name == name) return each.plant;
  }
  return std::nullopt;
}

}  // namespace closewrite::simulation

// The whole: what is right passes, what is planted is found.
#include "tests/simulation/simulation.h"

#include <cstdint>
#include <optional>
#include <string>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "tests/simulation/plants.h"

namespace closewrite::simulation {
namespace {

// The seeds of all tests here; `simulate --seconds` finds others.
constexpr uint64_t kFirstSeed = 1;
constexpr uint64_t kSeeds = 40;
// Some plants are rarely found; all of these are two minutes of an optimised build at most.
constexpr uint64_t kPlantSeedsMax = 3000;

std::string Show(uint64_t seed, const RunResult& result) {
  if (!result.failure.has_value()) return absl::StrCat("seed ", seed, " passes");
  return absl::StrCat("seed ", seed, " fails: ", result.failure->check, ": ",
                      result.failure->message);
}

TEST(SimulationTest, NothingIsBrokenUnderAHandfulOfSeeds) {
  int64_t jobs = 0;
  int64_t runs = 0;
  for (uint64_t seed = kFirstSeed; seed < kFirstSeed + kSeeds; ++seed) {
    const RunResult result = Simulate(seed, Plant::kNone, false);
    EXPECT_FALSE(result.failure.has_value()) << Show(seed, result);
    jobs += result.jobs;
    runs += result.runs;
  }
  // Else nothing was looked at.
  EXPECT_GT(jobs, static_cast<int64_t>(10 * kSeeds));
  EXPECT_GT(runs, static_cast<int64_t>(10 * kSeeds));
}

TEST(SimulationTest, TheSameSeedDoesTheSameTwice) {
  for (uint64_t seed = kFirstSeed; seed < kFirstSeed + 5; ++seed) {
    const RunResult once = Simulate(seed, Plant::kNone, false);
    const RunResult again = Simulate(seed, Plant::kNone, true);
    EXPECT_EQ(once.trace_hash, again.trace_hash) << "seed " << seed;
    EXPECT_EQ(once.steps, again.steps) << "seed " << seed;
    EXPECT_FALSE(again.trace.empty());
  }
}

TEST(SimulationTest, AnotherSeedDoesSomethingElse) {
  EXPECT_NE(Simulate(kFirstSeed, Plant::kNone, false).trace_hash,
            Simulate(kFirstSeed + 1, Plant::kNone, false).trace_hash);
}

// Where plants that are rarely found were found last: a few seconds in place of minutes. Whoever
// changes the rules or the models moves them; the property `found` of the test says where to.
std::optional<uint64_t> FoundAt(Plant plant) {
  switch (plant) {
    case Plant::kOutliveLock:
      return 1179;
    case Plant::kSkipTokenCheck:
      return 140;
    case Plant::kNeverExpire:
      return 102;
    case Plant::kOutliveLease:
      return 66;
    default:
      return std::nullopt;
  }
}

class PlantTest : public testing::TestWithParam<PlantName> {
 protected:
  bool IsFoundAt(uint64_t seed) {
    const RunResult result = Simulate(seed, GetParam().plant, false);
    if (!result.failure.has_value()) return false;
    RecordProperty("found", Show(seed, result));
    // It is the plant that fails there, and nothing else.
    EXPECT_FALSE(Simulate(seed, Plant::kNone, false).failure.has_value());
    return true;
  }
};

TEST_P(PlantTest, IsFound) {
  const std::optional<uint64_t> at = FoundAt(GetParam().plant);
  if (at.has_value() && IsFoundAt(*at)) return;
  for (uint64_t seed = kFirstSeed; seed < kFirstSeed + kPlantSeedsMax; ++seed) {
    if (IsFoundAt(seed)) return;
  }
  FAIL() << "no seed finds it";
}

INSTANTIATE_TEST_SUITE_P(All, PlantTest, testing::ValuesIn(Plants()),
                         [](const testing::TestParamInfo<PlantName>& plant) {
                           return std::string(plant.param.name);
                         });

}  // namespace
}  // namespace closewrite::simulation

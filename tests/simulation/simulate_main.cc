// Runs simulations from the command line; see README.md.
#include <cinttypes>
#include <cstdio>
#include <cstring>
#include <optional>
#include <random>
#include <string>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "services/clock/clock.h"
#include "tests/simulation/plants.h"
#include "tests/simulation/simulation.h"

namespace closewrite::simulation {
namespace {

constexpr int kUsageError = 2;

struct Arguments {
  std::optional<uint64_t> seed;
  uint64_t seeds = 1;
  std::optional<int64_t> seconds;
  Plant plant = Plant::kNone;
  std::string plant_name;
  size_t lines = 200;
  bool keep_going = false;
};

int Usage() {
  std::fputs(
      "simulate --seed N [--seeds COUNT]   the run of a seed, and of those that follow\n"
      "simulate --seconds S                runs of fresh seeds for so long\n"
      "  --plant NAME      with a bug that the checks must find; one of:\n",
      stderr);
  for (const PlantName& each : Plants()) {
    std::fprintf(stderr, "                      %.*s\n", static_cast<int>(each.name.size()),
                 each.name.data());
  }
  std::fputs(
      "  --lines N         lines of the trace that a failure shows; 200\n"
      "  --keep-going      goes on after a failure, and shows no traces\n",
      stderr);
  return kUsageError;
}

bool ParseOne(const std::string& name, const std::string& value, Arguments& arguments) {
  if (name == "--seed") {
    arguments.seed.emplace();
    return absl::SimpleAtoi(value, &*arguments.seed);
  }
  if (name == "--seeds") return absl::SimpleAtoi(value, &arguments.seeds);
  if (name == "--lines") return absl::SimpleAtoi(value, &arguments.lines);
  if (name == "--seconds") {
    arguments.seconds.emplace();
    return absl::SimpleAtoi(value, &*arguments.seconds);
  }
  if (name != "--plant") return false;
  const std::optional<Plant> plant = FindPlant(value);
  arguments.plant = plant.value_or(Plant::kNone);
  arguments.plant_name = value;
  return plant.has_value();
}

std::optional<Arguments> Parse(int argc, char** argv) {
  Arguments arguments;
  for (int i = 1; i < argc; ++i) {
    if (std::strcmp(argv[i], "--keep-going") == 0) {
      arguments.keep_going = true;
      continue;
    }
    if (i + 1 >= argc || !ParseOne(argv[i], argv[i + 1], arguments)) return std::nullopt;
    ++i;
  }
  if (arguments.seed.has_value() == arguments.seconds.has_value()) return std::nullopt;
  return arguments;
}

void ShowFailure(const Arguments& arguments, uint64_t seed, const Failure& failure) {
  if (!arguments.keep_going) {
    const RunResult again = Simulate(seed, arguments.plant, true);
    size_t skipped = again.trace.size();
    for (const std::string& line : again.trace) {
      if (skipped-- <= arguments.lines) std::printf("%s\n", line.c_str());
    }
  }
  const std::string plant =
      arguments.plant_name.empty() ? "" : absl::StrCat(" --plant ", arguments.plant_name);
  std::printf("FAILED at %s: %s: %s\n  repeat it: simulate --seed %" PRIu64 "%s\n",
              absl::FormatDuration(failure.at).c_str(), failure.check.c_str(),
              failure.message.c_str(), seed, plant.c_str());
}

int Main(int argc, char** argv) {
  const std::optional<Arguments> arguments = Parse(argc, argv);
  if (!arguments.has_value()) return Usage();
  uint64_t seed = arguments->seed.value_or(0);
  if (!arguments->seed.has_value()) {
    std::random_device device;
    // Short ones are easier to pass on.
    seed = device() % 1'000'000 * 1000;
    std::printf("seeds from %" PRIu64 "\n", seed);
  }
  const absl::Duration start = SinceBoot();
  uint64_t runs = 0;
  uint64_t failed = 0;
  RunResult total;
  const auto more = [&] {
    if (failed > 0 && !arguments->keep_going) return false;
    if (!arguments->seconds.has_value()) return runs < arguments->seeds;
    return SinceBoot() - start < absl::Seconds(*arguments->seconds);
  };
  for (; more(); ++runs, ++seed) {
    const RunResult result = Simulate(seed, arguments->plant, false);
    total.steps += result.steps;
    total.jobs += result.jobs;
    total.runs += result.runs;
    total.simulated += result.simulated;
    if (!result.failure.has_value()) continue;
    ++failed;
    ShowFailure(*arguments, seed, *result.failure);
  }
  const double took = absl::ToDoubleSeconds(SinceBoot() - start);
  std::printf("%.1f s: %" PRId64 " events, %.0f a millisecond; %" PRId64 " jobs, %" PRId64
              " of them of tasks; %s simulated\n",
              took, total.steps, static_cast<double>(total.steps) / took / 1000, total.jobs,
              total.runs,
              absl::FormatDuration(absl::Trunc(total.simulated, absl::Seconds(1))).c_str());
  std::printf("%" PRIu64 " seeds, %" PRIu64 " failed\n", runs, failed);
  return failed == 0 ? 0 : 1;
}

}  // namespace
}  // namespace closewrite::simulation

int main(int argc, char** argv) {
  // One thread, and the stores of all runs lie at one address: what was locked in which order by
  // one of them says nothing about the next.
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  return closewrite::simulation::Main(argc, argv);
}

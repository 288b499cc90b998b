#include "tests/simulation/command_script.h"

#include "absl/strings/str_cat.h"
#include "tests/simulation/random.h"

namespace closewrite::simulation {
namespace {

constexpr int kTemporaryFailure = 75;  // EX_TEMPFAIL
constexpr int kLettersInAlphabet = 26;

uint64_t HashOf(uint64_t seed, const Job& job) {
  uint64_t hash = seed;
  for (const char c : job.pipeline + job.input.path) {
    hash = Random::Mix(hash + static_cast<uint8_t>(c));
  }
  // What tells the runs of a task apart, and the versions of a file.
  const int64_t version = job.input.volume.empty() ? job.id.value : job.input.mtime_ns;
  return Random::Mix(hash + static_cast<uint64_t>(version));
}

}  // namespace

CommandScript ScriptFor(const Scenario& scenario, const Pipeline& pipeline, const Job& job,
                        bool calm) {
  Random of_file(HashOf(scenario.seed, job));
  const bool poisoned = of_file.Chance(scenario.poison);
  CommandScript script;
  if (!pipeline.output_volume.empty()) {
    for (uint64_t i = of_file.Below(4); i > 0; --i) {
      script.outputs.push_back(absl::StrCat(pipeline.name, "/", job.input.path, ".", i));
    }
  }
  Random of_attempt(HashOf(scenario.seed, job) + static_cast<uint64_t>(job.token.value));
  script.log_records = of_attempt.Between(0, 40);
  if (calm) {
    script.runs = of_attempt.Between(absl::Milliseconds(10), absl::Milliseconds(200));
    return script;
  }
  script.runs = of_attempt.Between(absl::Milliseconds(5), scenario.run_max);
  if (of_attempt.Chance(scenario.long_runs)) script.runs = scenario.session_ttl * 2;
  if (poisoned || of_attempt.Chance(scenario.failing)) {
    const bool passes = !poisoned && of_attempt.Chance(0.3);
    script.outcome = passes ? Outcome::kTemporaryFailure : Outcome::kFailed;
    script.exit_code = passes ? kTemporaryFailure : 1;
  }
  return script;
}

std::string LogRecordOf(const Lease& lease, int64_t number) {
  const uint64_t hash =
      Random::Mix(static_cast<uint64_t>(lease.job.value) * 1000003 +
                  static_cast<uint64_t>(lease.token.value) * 1009 + static_cast<uint64_t>(number));
  constexpr size_t kBytes = static_cast<size_t>(kLogRecordSize) - sizeof(LogRecordHeader);
  const std::string bytes(kBytes, static_cast<char>('a' + hash % kLettersInAlphabet));
  std::string record;
  AppendLogRecord(number + 1, hash % 2 == 0 ? LogStream::kStdout : LogStream::kStderr, bytes,
                  &record);
  return record;
}

}  // namespace closewrite::simulation

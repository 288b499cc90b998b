#include "services/cli/progress_commands.h"

#include <algorithm>
#include <memory>
#include <string>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "services/log/str_cat.h"

namespace closewrite::cli {
namespace {

// What executors take.
constexpr size_t kUnitBytesMax = 32;

struct ProgressOptions {
  std::string amount;
  std::string unit;
};

// The executor reads this line from the output of the command that it runs.
absl::StatusOr<int> Progress(Invocation& invocation, const ProgressOptions& options) {
  const std::pair<std::string, std::string> parts =
      absl::StrSplit(options.amount, absl::MaxSplits('/', 1));
  int64_t done = 0;
  int64_t total = 0;
  const bool has_total = options.amount.find('/') != std::string::npos;
  if (!absl::SimpleAtoi(parts.first, &done) || done < 0 ||
      (has_total && (!absl::SimpleAtoi(parts.second, &total) || total < 0))) {
    return UsageError(StrCat("progress ", options.amount, ": use DONE/TOTAL, such as 40/100"));
  }
  const bool word = std::all_of(options.unit.begin(), options.unit.end(), absl::ascii_isgraph);
  if (!word || options.unit.size() > kUnitBytesMax) {
    return UsageError("the unit is one word of at most 32 ASCII characters, such as rows");
  }
  invocation.out() << "::closewrite progress " << done << " " << total
                   << (options.unit.empty() ? "" : " ") << options.unit << std::endl;
  return kExitOk;
}

}  // namespace

std::vector<Command> ProgressCommands() {
  Command command{
      "progress", "DONE/TOTAL [UNIT]",
      "Inside a command: report how far it is (prints a line that the executor reads)."};
  command.examples = "closewrite progress 40/100 rows\n";
  command.local = true;
  command.declare = [](CLI::App& app) -> Action {
    auto options = std::make_shared<ProgressOptions>();
    app.add_option("DONE/TOTAL", options->amount,
                   "Such as 40/100; 40 alone when the total is unknown")
        ->required();
    app.add_option("UNIT", options->unit, "What is counted, such as rows");
    return [options](Invocation& invocation) { return Progress(invocation, *options); };
  };
  return {command};
}

}  // namespace closewrite::cli

#include "services/cli/confirm.h"

#include <string>

#include "absl/strings/ascii.h"
#include "services/log/str_cat.h"

namespace closewrite::cli {
namespace {

// How often one looks whether the user has pressed Ctrl-C instead of answering.
constexpr absl::Duration kInterruptPoll = absl::Milliseconds(100);

}  // namespace

absl::StatusOr<bool> Confirm(Invocation& invocation, std::string_view question) {
  Console& console = invocation.console();
  if (!console.in_terminal || !console.err_terminal) {
    return UsageError(
        StrCat("there is nobody to ask whether to ", question, ": --yes does it without asking"));
  }
  invocation.err() << "closewrite: " << question << "? [y/N] " << std::flush;
  while (!console.await_input(kInterruptPoll)) {
    if (!console.interrupts->Pending()) continue;
    invocation.err() << std::endl;
    return absl::CancelledError("interrupted");
  }
  std::string answer;
  std::getline(*console.in, answer);
  absl::AsciiStrToLower(&answer);
  const absl::string_view word = absl::StripAsciiWhitespace(answer);
  return word == "y" || word == "yes";
}

}  // namespace closewrite::cli

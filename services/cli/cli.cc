#include "services/cli/cli.h"

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_join.h"
#include "services/cli/all_commands.h"
#include "services/cli/command_parser.h"
#include "services/cli/completion.h"
#include "services/cli/error_text.h"
#include "services/cli/help.h"
#include "services/cli/man_page.h"
#include "services/cli/table.h"
#include "services/config/nearest.h"
#include "services/log/str_cat.h"
#include "services/version/version.h"

namespace closewrite::cli {
namespace {

// One run: finds the command, parses its options, runs it.
class Run {
 public:
  Run(std::vector<std::string> arguments, Console& console)
      : arguments_(std::move(arguments)), console_(console), commands_(AllCommands()) {
    // Such a terminal can't draw a bar over itself.
    if (console_.environment("TERM") == "dumb") console_.err_terminal = false;
  }

  int Go() {
    const absl::StatusOr<int> code = Dispatch();
    if (!code.ok()) {
      *console_.err << ErrorText(code.status()) << std::flush;
      return ExitCode(code.status());
    }
    if (console_.out->flush()) return *code;
    *console_.err << "closewrite: stdout can't be written: is the disk full?" << std::endl;
    return kExitOurs;
  }

 private:
  absl::StatusOr<int> Dispatch() {
    if (!arguments_.empty() && arguments_.front() == kCompleteVerb) {
      *console_.out << CompletionText(commands_, arguments_, console_);
      return kExitOk;
    }
    if (!arguments_.empty() && arguments_.front() == kManVerb) {
      *console_.out << ManPage(commands_);
      return kExitOk;
    }
    const auto verb = TakeGlobals();
    if (!verb.ok()) return verb.status();
    if (help_ || *verb == "help") return Help();
    if (version_) {
      *console_.out << "closewrite " << kVersion;
      if (!console_.commit.empty()) *console_.out << " (commit " << console_.commit << ")";
      *console_.out << "\n";
      return kExitOk;
    }
    if (verb->empty()) {
      *console_.err << OverviewText(commands_);
      return kExitUsage;
    }
    if (arguments_.size() == 1 && IsHelp(arguments_.front()) && PrintGroup(*verb)) return kExitOk;
    const auto command = Find(*verb);
    if (!command.ok()) return command.status();
    return RunCommand(**command);
  }

  static bool IsHelp(const std::string& argument) {
    return argument == "--help" || argument == "-h";
  }

  // The commands that begin with a word; false when there are none.
  bool PrintGroup(const std::string& verb) const {
    const std::string text = GroupText(commands_, verb);
    *console_.out << text;
    return !text.empty();
  }

  // Takes the options before the command; returns the first word of the command and leaves the
  // rest.
  absl::StatusOr<std::string> TakeGlobals() {
    CLI::App app;
    app.set_help_flag();
    app.add_flag("-h,--help", help_);
    app.add_flag("--version", version_);
    DeclareGlobals(app, &globals_);
    const absl::Status status = ParseSome(app, arguments_);
    if (!status.ok()) return status;
    arguments_ = Remaining(app);
    if (arguments_.empty()) return "";
    std::string verb = arguments_.front();
    if (absl::StartsWith(verb, "-")) return UnknownOption(app, verb);
    arguments_.erase(arguments_.begin());
    return verb;
  }

  absl::StatusOr<const Command*> Find(const std::string& verb) {
    std::vector<std::string> names;
    for (const Command& command : commands_) {
      const std::string_view name = command.name;
      const std::string_view first = name.substr(0, name.find(' '));
      names.emplace_back(first);
      if (name == verb) return &command;
      if (first != verb || arguments_.empty()) continue;
      if (name.substr(first.size() + 1) != arguments_.front()) continue;
      arguments_.erase(arguments_.begin());
      return &command;
    }
    return Unknown(verb, names);
  }

  absl::Status Unknown(const std::string& verb, const std::vector<std::string>& names) const {
    if (std::find(names.begin(), names.end(), verb) == names.end()) {
      const std::string nearest = Nearest(verb, names);
      return UsageError(StrCat(
          "unknown command ", Printable(verb), ": ",
          nearest.empty() ? "`closewrite help` lists all" : StrCat("did you mean ", nearest, "?")));
    }
    std::vector<std::string> seconds;
    for (const Command& command : commands_) {
      if (absl::StartsWith(command.name, verb + " ")) {
        seconds.push_back(command.name.substr(verb.size() + 1));
      }
    }
    std::string text = StrCat(verb, " needs one of: ", absl::StrJoin(seconds, ", "));
    if (arguments_.empty()) return UsageError(text);
    const std::string nearest = Nearest(arguments_.front(), seconds);
    return UsageError(StrCat(verb, " ", Printable(arguments_.front()), ": ",
                             nearest.empty() ? "" : StrCat("did you mean ", nearest, "? "), text));
  }

  absl::StatusOr<int> RunCommand(const Command& command) {
    CLI::App app;
    const Action action = Declare(command, &globals_, app);
    const bool asks = std::any_of(arguments_.begin(), arguments_.end(), IsHelp);
    // Help is given even where required arguments are missing.
    if (asks && std::find(arguments_.begin(), arguments_.end(), "--") == arguments_.end()) {
      *console_.out << HelpText(app);
      return kExitOk;
    }
    const absl::Status status = ParseAll(app, arguments_);
    if (!status.ok()) {
      return UsageError(
          StrCat(command.name, ": ", status.message(), "; usage: ", UsageText(command)));
    }
    if (globals_.connect_timeout.empty()) globals_.connect_timeout = command.connect_timeout;
    const auto invocation = Invocation::Make(&console_, globals_, command.local);
    if (!invocation.ok()) return invocation.status();
    if ((*invocation)->format() == Format::kName && !command.names) {
      return UsageError(StrCat("-o name is for commands that list jobs, not for ", command.name));
    }
    if ((*invocation)->format() == Format::kCsv && !command.csv) {
      return UsageError(StrCat("-o csv is for lists of executions, increments and alerts, not for ",
                               command.name));
    }
    if ((*invocation)->format() == Format::kHtml && !command.html) {
      return UsageError(StrCat("-o html is for reports, not for ", command.name));
    }
    return action(**invocation);
  }

  absl::StatusOr<int> Help() {
    const std::string topic = absl::StrJoin(arguments_, " ");
    if (topic.empty()) {
      *console_.out << OverviewText(commands_);
      return kExitOk;
    }
    const std::string text = TopicText(topic);
    if (!text.empty()) {
      *console_.out << text;
      return kExitOk;
    }
    const std::string verb = arguments_.front();
    arguments_.erase(arguments_.begin());
    if (arguments_.empty() && PrintGroup(verb)) return kExitOk;
    const auto command = Find(verb);
    if (!command.ok()) return NoHelp(verb, command.status());
    arguments_ = {"--help"};
    return RunCommand(**command);
  }

  // There is no such command; a topic may have been meant.
  absl::Status NoHelp(const std::string& word, const absl::Status& no_command) const {
    std::vector<std::string> words = Topics();
    for (const Command& command : commands_) {
      words.push_back(command.name.substr(0, command.name.find(' ')));
    }
    if (std::find(words.begin(), words.end(), word) != words.end()) return no_command;
    const std::string nearest = Nearest(word, words);
    return UsageError(StrCat("help ", Printable(word), ": no such command or topic; ",
                             nearest.empty() ? "" : StrCat("did you mean ", nearest, "? "),
                             "Topics are ", absl::StrJoin(Topics(), ", ")));
  }

  std::vector<std::string> arguments_;
  Console& console_;
  const std::vector<Command> commands_;
  GlobalOptions globals_;
  bool help_ = false;
  bool version_ = false;
};

}  // namespace

int RunCli(int argc, const char* const* argv, Console& console) {
  return Run(std::vector<std::string>(argv + 1, argv + argc), console).Go();
}

}  // namespace closewrite::cli
